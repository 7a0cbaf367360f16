/// SplitMix64: the same numbers from the same seed on every machine.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Begins at `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// 0…`count`−1; `count` must be positive.
  public mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

  /// True once in `n` times on average.
  public mutating func oneIn(_ n: Int) -> Bool { below(n) == 0 }

  /// One of the elements; `list` must not be empty.
  public mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }

  /// A random value of an integer type.
  public mutating func value<T: FixedWidthInteger>(_: T.Type = T.self) -> T {
    T(truncatingIfNeeded: next()) ^ (T.bitWidth > 64 ? T(truncatingIfNeeded: next()) << 64 : 0)
  }

  /// Random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(count)
    var word: UInt64 = 0
    for index in 0..<count {
      if index % 8 == 0 { word = next() }
      out.append(UInt8(truncatingIfNeeded: word))
      word >>= 8
    }
    return out
  }
}
