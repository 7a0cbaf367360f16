import CBench
import CShim
import Memory
import Wire

/// HeaderStack against the same parser in C.
let wireParseBench = Bench(
  name: "wire-parse", what: "HeaderStack against the same in C, by clang and by gcc (-O3 -march=native)"
) { options in
  for kind in WireFrames.Kind.allCases { parse(kind, options) }
}

private typealias ParseBatch =
  @convention(c) (
    UnsafePointer<UnsafePointer<UInt8>?>, UnsafePointer<UInt32>, UInt32, UnsafePointer<wire_options>,
    UnsafeMutablePointer<wire_stack>
  ) -> UInt32

/// Frames in memory, and the room for what is found in a batch. Lives as long as the process: a benchmark's end.
@safe private struct ParseField {
  static let batch = 32
  static let batches = 32
  let frames = UnsafeMutablePointer<UnsafePointer<UInt8>?>.allocate(capacity: batch * batches)
  let lengths = UnsafeMutablePointer<UInt32>.allocate(capacity: batch * batches)
  let stacks = UnsafeMutablePointer<HeaderStack>.allocate(capacity: batch)
  let records = UnsafeMutablePointer<wire_stack>.allocate(capacity: batch)
  let optionsOfC = UnsafeMutablePointer<wire_options>.allocate(capacity: 1)
  var options = ParseOptions()

  init(_ kind: WireFrames.Kind, seed: UInt64) {
    var random = WireFrames.Random(seed: seed)
    // A slot of 256 bytes for each frame: all 1,024 stay in the second-level cache.
    let count = Self.batch * Self.batches
    let slots = UnsafeMutableRawPointer.allocate(byteCount: count * 256, alignment: 64)
    for index in 0..<count {
      let frame = WireFrames.frame(kind, &random)
      unsafe Bytes(base: slots + index * 256, count: frame.count).copy(frame, at: 0)
      unsafe frames[index] = UnsafePointer((slots + index * 256).assumingMemoryBound(to: UInt8.self))
      unsafe lengths[index] = UInt32(frame.count)
    }
    _ = options.addCriticalOption(0x0102_80)
    var forC = wire_options()
    forC.look_into_tunnels = true
    forC.geneve_port = 6081
    forC.vxlan_port = 4789
    forC.critical_count = 1
    forC.critical.0 = 0x0102_80
    unsafe optionsOfC.initialize(to: forC)
  }

  func swift() {
    let options = self.options
    for start in 0..<Self.batches {
      for index in 0..<Self.batch {
        let at = start * Self.batch + index
        guard let frame = unsafe frames[at] else { return }
        let bytes = unsafe RawSpan(_unsafeStart: frame, byteCount: Int(lengths[at]))
        _ = unsafe stacks[index].reparse(bytes, options: options)
      }
    }
  }

  func c(_ parse: ParseBatch) {
    for start in 0..<Self.batches {
      let at = start * Self.batch
      _ = unsafe parse(frames + at, lengths + at, UInt32(Self.batch), optionsOfC, records)
    }
  }
}

private func parse(_ kind: WireFrames.Kind, _ options: BenchOptions) {
  let field = ParseField(kind, seed: options.seed)
  let repeats = options.quick ? 1 : 40
  var variants = [Variant(name: "Swift, HeaderStack") { for _ in 0..<repeats { field.swift() } }]
  for (name, library) in [("C by clang", "libpeers-clang.so"), ("C by gcc", "libpeers.so")] {
    guard let function = unsafe Peers(library)?.function("wire_c_parse_batch", as: ParseBatch.self) else {
      print("(\(name) is not measured: no \(library))")
      continue
    }
    variants.append(Variant(name: name) { for _ in 0..<repeats { unsafe field.c(function) } })
  }
  let cycles = interleave(
    variants, operations: ParseField.batch * ParseField.batches * repeats, rounds: options.rounds)
  report(kind.rawValue, variants, cycles)
}
