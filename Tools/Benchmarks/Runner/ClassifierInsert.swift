import CShim
import Classifier
import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread beside the measured one, until it is told to stop.
final class Beside: @unchecked Sendable {
  // `@unchecked`: the two sides share the flag, an atomic, and the semaphore.
  private let isStopped = Atomic(false)
  private let ended = DispatchSemaphore(value: 0)

  /// Runs `body` again and again on another thread.
  func start(_ body: @escaping () -> Void) {
    let thread = DispatchQueue(label: "beside")
    nonisolated(unsafe) let body = body
    thread.async {
      while !self.isStopped.load(ordering: .relaxed) { unsafe body() }
      self.ended.signal()
    }
  }

  func stop() {
    isStopped.store(true, ordering: .relaxed)
    ended.wait()
  }
}

/// A reader that a closure can hold.
final class ReaderBox {
  var reader: Reader
  init(_ reader: consuming Reader) { self.reader = reader }
}

let classifierInsert = Bench(
  name: "classifier-insert", what: "a million rules with random keys through the public call while a reader runs"
) { options in
  let rules = options.quick ? 1 << 16 : 1 << 20
  var rates: [Double] = []
  var growing: [Double] = []
  for round in 0..<max(1, options.rounds / 3) {
    // One transaction of all rules; then in transactions of 1000, the tables growing as they come.
    for step in [rules, 1000] {
      var subject = try ClassifierSubject(limit: rules)
      let box = ReaderBox(try subject.classifier.makeReader())
      let keys = LookupKeys(Array(0..<4096), salt: UInt64(round))
      let beside = Beside()
      beside.start { _ = classify(&box.reader, keys, operations: 4096) }
      var failure: (any Error)?
      let cycles = cyclesOf {
        do {
          var first = 0
          while first < rules {
            try subject.add(first: first, count: min(step, rules - first), salt: UInt64(round))
            first += step
          }
        } catch { failure = error }
      }
      beside.stop()
      if let failure { throw failure }
      let rate = Double(rules) / (cycles / ticksPerNanosecond) * 1000
      if step == rules { rates.append(rate) } else { growing.append(rate) }
    }
  }
  print("\(rules) rules of 5-tuple, VNI and option, random, one reader running (processor time of the writer)")
  print("  one transaction                    \(decimals(median(rates))) M rules/s")
  print("  transactions of 1000               \(decimals(median(growing))) M rules/s")
}

let classifierMemory = Bench(
  name: "classifier-memory", what: "bytes of the tables and of the process for each of a million rules"
) { _ in
  let rules = 1 << 20
  let before = residentBytes()
  var subject = try ClassifierSubject(limit: 1 << 21)
  var reader = try subject.classifier.makeReader()
  try subject.add(first: 0, count: rules, salt: 1)
  let idle = residentBytes()
  // Every counter is touched, as after long traffic.
  for first in stride(from: 0, to: rules, by: 4096) {
    _ = classify(&reader, LookupKeys(Array(first..<first + 4096), salt: 1), operations: 4096, counting: true)
  }
  let after = residentBytes()
  print("\(rules) rules of 5-tuple, VNI and option, one queue; bytes a rule")
  print(
    "  tables that readers look at        \(decimals(Double(subject.classifier.statistics.tableBytes) / Double(rules)))"
  )
  print("  process, rules loaded              \(decimals(Double(idle - before) / Double(rules)))")
  print("  process, every counter touched     \(decimals(Double(after - before) / Double(rules)))")
}

/// Bytes of this process that are in memory.
func residentBytes() -> Int {
  guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
  defer { unsafe _ = fclose(file) }
  var line = [CChar](repeating: 0, count: 128)
  guard unsafe fgets(&line, 128, file) != nil else { return 0 }
  let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let fields = text.split(separator: " ")
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
