import Wire

/// SplitMix64: seeded, so that a failing case can be run again.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

/// Bytes from hex digits, blanks ignored.
func hex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension [UInt8] {
  /// The kernel's sum over the bytes from `from` on, `count` of them or all.
  func sum(from: Int = 0, count: Int? = nil) -> UInt16 {
    InternetChecksum.sum(span.octets.extracting(from..<from + (count ?? self.count - from)))
  }
  /// The checksum over all bytes.
  var checksum: UInt16 { InternetChecksum.checksum(span.octets) }
}
