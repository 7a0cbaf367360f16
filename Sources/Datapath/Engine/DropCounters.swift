public import Device
import Memory

/// Dropped frames by reason, of one queue.
public struct DropCounters: ~Copyable {
  private var counts = FlatTable<UInt64>(repeating: 0, count: 256)

  init() {}

  /// Frames dropped for `reason`.
  public subscript(_ reason: DropReason) -> UInt64 { counts[Int(reason.rawValue)] }

  /// Frames dropped for any reason.
  public var total: UInt64 {
    var sum: UInt64 = 0
    for reason in DropReason.allCases { sum &+= self[reason] }
    return sum
  }

  @inline(__always)
  mutating func count(_ reason: DropReason) { counts[Int(reason.rawValue)] &+= 1 }
}
