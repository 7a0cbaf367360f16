/// How long frames took, in classes that double: class N holds 2^N…2^(N+1)−1 nanoseconds, class 0 also less.
@frozen
public struct LatencyHistogram: Sendable, BitwiseCopyable {
  /// Classes: the last one holds everything from some 9 minutes on.
  public static let classes = 40
  private var counts = InlineArray<40, UInt64>(repeating: 0)

  /// Nothing was measured.
  public init() {}

  /// Adds `frames` that each took `nanoseconds`.
  @inline(__always)
  public mutating func add(_ nanoseconds: UInt64, frames: Int) {
    let place = min(63 &- (nanoseconds | 1).leadingZeroBitCount, Self.classes &- 1)
    counts[place] &+= UInt64(truncatingIfNeeded: frames)
  }

  /// Frames in a class.
  public subscript(place: Int) -> UInt64 { counts[place] }

  /// Frames in all classes.
  public var total: UInt64 { (0..<Self.classes).reduce(0) { $0 + counts[$1] } }

  /// The end of the class in which the frame of this share (0…1) of all lies, nanoseconds: no frame of the share took longer.
  /// 0 when there are none.
  public func quantile(_ share: Double) -> UInt64 {
    let all = total
    guard all > 0 else { return 0 }
    let wanted = max(1, UInt64((Double(all) * min(max(share, 0), 1)).rounded(.up)))
    var seen: UInt64 = 0
    for place in 0..<Self.classes {
      seen += counts[place]
      if seen >= wanted { return UInt64(2) << UInt64(place) - 1 }
    }
    return .max
  }
}
