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

  mutating func add(_ losses: Reassembler.Losses) {
    add(.fragmentOverlap, losses.overlap)
    add(.fragmentTimeout, losses.timeout)
    add(.fragmentMemory, losses.memory)
    add(.fragmentMalformed, losses.malformed)
    add(.ecnNotCapable, losses.ecn)
    add(.noBuffer, losses.buffer)
  }

  private mutating func add(_ reason: DropReason, _ count: Int) {
    counts[Int(reason.rawValue)] &+= UInt64(truncatingIfNeeded: count)
  }

  @inline(__always)
  mutating func count(_ reason: DropReason) { counts[Int(reason.rawValue)] &+= 1 }
}
