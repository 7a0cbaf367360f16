import Classifier

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Keys to look up, as the peers want them: 48 bytes each, five words and one of zero.
struct LookupKeys {
  let words: [UInt64]
  let count: Int

  init(_ numbers: [Int], salt: UInt64) {
    var words: [UInt64] = []
    words.reserveCapacity(numbers.count * 6)
    for number in numbers { words += ClassifierSubject.words(number, salt: salt) + [0] }
    self.words = words
    count = numbers.count
  }
}

/// Looks all keys up in bursts of 32, as often as makes `operations`; the sum of the indices found.
func classify(_ reader: inout Reader, _ keys: LookupKeys, operations: Int, counting: Bool = false) -> UInt64 {
  var sum: UInt64 = 0
  let span = keys.words.span
  for _ in 0..<max(1, operations / keys.count) {
    var first = 0
    while first < keys.count {
      reader.enter(now: 1)
      for slot in 0..<32 {
        let at = (first &+ slot) &* 6
        reader.set(slot, word: 0, span[at])
        reader.set(slot, word: 7, span[at &+ 1])
        reader.set(slot, word: 12, span[at &+ 2])
        reader.set(slot, word: 20, span[at &+ 3])
        reader.set(slot, word: 21, span[at &+ 4])
      }
      reader.lookup(count: 32, group: 0)
      for slot in 0..<32 {
        let hit = reader.hit(slot)
        sum &+= hit.isHit ? UInt64(hit.index) &+ 1 : 0
        if counting { reader.count(hit, bytes: 64) }
      }
      reader.leave()
      first &+= 32
    }
  }
  return sum
}

/// Looks the same keys up as they are, without a frame's key to be masked first: exact match alone, what rte_hash does.
func find(_ reader: inout Reader, _ template: RuleTemplate, _ keys: LookupKeys, operations: Int) -> UInt64 {
  var sum: UInt64 = 0
  for _ in 0..<max(1, operations / keys.count) {
    var first = 0
    while first < keys.count {
      reader.enter(now: 1)
      reader.find(template, keys.words.span.extracting((first &* 6)..<((first &+ 32) &* 6)), stride: 6, count: 32)
      for slot in 0..<32 {
        let hit = reader.hit(slot)
        sum &+= hit.isHit ? UInt64(hit.index) &+ 1 : 0
      }
      reader.leave()
      first &+= 32
    }
  }
  return sum
}

/// rte_hash, from `Tools/Benchmarks/Peers/rte_hash_peer.c`.
@safe struct HashPeer {
  private typealias Lookup = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, UInt32) -> UInt64
  private let lookup: Lookup
  private let destroy: @convention(c) (UnsafeMutableRawPointer) -> Void
  private let hash: UnsafeMutableRawPointer

  /// A hash for `entries` keys that holds `keys`; nil when DPDK or the peers are not there.
  init?(entries: Int, _ keys: LookupKeys) {
    typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> UnsafeMutableRawPointer?
    typealias Add = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, UInt32) -> UInt32
    guard let peers = Peers(), let start = peers.function("dpu_peer_hash_start", as: (@convention(c) () -> Int32).self),
      let create = unsafe peers.function("dpu_peer_hash_create", as: Create.self),
      let add = unsafe peers.function("dpu_peer_hash_add", as: Add.self),
      let lookup = unsafe peers.function("dpu_peer_hash_lookup", as: Lookup.self),
      let destroy = unsafe peers.function(
        "dpu_peer_hash_free", as: (@convention(c) (UnsafeMutableRawPointer) -> Void).self),
      start() == 0, let hash = unsafe create("classifier", UInt32(entries))
    else { return nil }
    unsafe self.lookup = lookup
    unsafe self.destroy = destroy
    unsafe self.hash = hash
    let added = unsafe keys.words.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 as UInt32 }
      return unsafe add(hash, base, UInt32(keys.count))
    }
    print("  rte_hash: \(added) of \(keys.count) keys in a table for \(entries)")
  }

  func run(_ keys: LookupKeys, operations: Int) -> UInt64 {
    unsafe keys.words.withUnsafeBytes { bytes in
      var sum: UInt64 = 0
      guard let base = bytes.baseAddress else { return 0 }
      for _ in 0..<max(1, operations / keys.count) { sum &+= unsafe lookup(hash, base, UInt32(keys.count)) }
      return sum
    }
  }

  func free() { unsafe destroy(hash) }
}

/// Uniform lookups alone and while another thread changes 100,000 rules a second (50 new and 50 old ones a millisecond).
private func besideAWriter(
  _ box: SubjectBox, _ reader: inout Reader, _ keys: LookupKeys, _ options: BenchOptions
) {
  var rounds: [[Double]] = [[], []]
  for round in -1..<options.rounds {
    let alone = cyclesOf { _ = classify(&reader, keys, operations: keys.count) }
    let beside = Beside()
    beside.start {
      box.change(count: 55)
      usleep(1000)
    }
    let both = cyclesOf { _ = classify(&reader, keys, operations: keys.count) }
    beside.stop()
    if round >= 0 {
      rounds[0].append(alone / Double(keys.count))
      rounds[1].append(both / Double(keys.count))
    }
  }
  report("uniform", [Variant(name: "Classifier alone") {}, Variant(name: "beside a writer, 100 k/s") {}], rounds)
}

let classifierLookup = Bench(
  name: "classifier-lookup", what: "exact match among a million rules against rte_hash (48-byte keys, lock-free, bulk)"
) { options in
  let operations = options.quick ? 1 << 16 : 1 << 20
  var generator = KeyGenerator(seed: options.seed)
  for (slots, rules) in [(1 << 21, 1 << 20), (1 << 20, 891_289)] {
    print("\(rules) rules, load 0.\(rules * 100 / slots)")
    let box = SubjectBox(try ClassifierSubject(limit: 1 << 21))
    try box.subject.add(first: 0, count: rules, salt: options.seed)
    var reader = try box.subject.classifier.makeReader()
    let peer = HashPeer(entries: slots, LookupKeys(Array(0..<rules), salt: options.seed))
    let hotNumbers = (0..<1000).map { _ in generator.below(rules) }
    let patterns: [(String, LookupKeys)] = [
      ("uniform", LookupKeys((0..<operations).map { _ in generator.below(rules) }, salt: options.seed)),
      ("hot (1000 keys)", LookupKeys((0..<4096).map { _ in hotNumbers[generator.below(1000)] }, salt: options.seed)),
      ("misses", LookupKeys((0..<operations).map { _ in rules + generator.below(rules) }, salt: options.seed)),
    ]
    for (name, keys) in patterns {
      var found: UInt64 = 0
      var rounds: [[Double]] = [[], [], []]
      for round in -1..<options.rounds {
        let all = [
          cyclesOf { if let peer { found &+= peer.run(keys, operations: operations) } },
          cyclesOf { found &+= find(&reader, box.subject.template, keys, operations: operations) },
          cyclesOf { found &+= classify(&reader, keys, operations: operations) },
        ]
        if round >= 0 { for index in 0..<3 { rounds[index].append(all[index] / Double(operations)) } }
      }
      report(
        name,
        [
          Variant(name: "rte_hash_lookup_bulk") {}, Variant(name: "exact match of packed keys") {},
          Variant(name: "the whole search from a frame's key") {},
        ], rounds)
      if found == 0, name != "misses" { print("  nothing was found") }
    }
    peer?.free()
    besideAWriter(box, &reader, patterns[0].1, options)
  }
}
