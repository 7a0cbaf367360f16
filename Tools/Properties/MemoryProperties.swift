import Memory

let memoryProperties = [
  Property(
    name: "bytes", promise: "Any sequence of writes through Bytes leaves what the same writes leave in an array.",
    cases: 200_000
  ) { seed, cases in
    var random = SplitMix(seed: seed)
    var arena = try FrameArena(capacity: 2, bufferSize: 512, headroom: 64)
    guard let index = arena.take() else { throw Counterexample("a fresh arena of two is empty") }
    let bytes = arena.buffer(index).from(64)
    bytes.fill(0, at: 0, count: bytes.count)
    var model = [UInt8](repeating: 0, count: bytes.count)
    for step in 0..<cases {
      let length = random.below(64)
      let at = random.below(bytes.count - length)
      switch random.below(5) {
      case 0:
        let data = random.bytes(length)
        bytes.copy(data, at: at)
        model.replaceSubrange(at..<at + length, with: data)
      case 1:
        let from = random.below(bytes.count - length)
        bytes.copy(bytes.slice(from, count: length), at: at)
        model.replaceSubrange(at..<at + length, with: Array(model[from..<from + length]))
      case 2:
        let byte = UInt8(truncatingIfNeeded: random.next())
        bytes.fill(byte, at: at, count: length)
        model.replaceSubrange(at..<at + length, with: repeatElement(byte, count: length))
      case 3 where length >= 8:
        let value = random.next()
        bytes.store(value, at: at)
        for i in 0..<8 { model[at + i] = UInt8(truncatingIfNeeded: value >> (56 - 8 * i)) }
      default:
        let byte = UInt8(truncatingIfNeeded: random.next())
        bytes[at] = byte
        model[at] = byte
      }
      if step % 16 == 0, bytes.array() != model { throw Counterexample("step \(step): \(bytes.array()) \(model)") }
    }
  }
]
