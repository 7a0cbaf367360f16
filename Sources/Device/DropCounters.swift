import Memory

/// Dropped frames by reason, of one queue or port.
public struct DropCounters: ~Copyable {
  private var counts = FlatTable<UInt64>(repeating: 0, count: 256)

  /// Nothing dropped.
  public init() {}

  /// Frames dropped for `reason`.
  public subscript(_ reason: DropReason) -> UInt64 { counts[Int(reason.rawValue)] }

  /// Frames dropped for any reason.
  public var total: UInt64 {
    var sum: UInt64 = 0
    for reason in DropReason.allCases { sum &+= self[reason] }
    return sum
  }

  /// Counts one frame more.
  @inline(__always)
  public mutating func count(_ reason: DropReason) { counts[Int(reason.rawValue)] &+= 1 }

  /// Counts `frames` frames more; fewer than none are none.
  public mutating func add(_ reason: DropReason, _ frames: Int) {
    counts[Int(reason.rawValue)] &+= UInt64(max(0, frames))
  }
}
