/// What one queue did beside forwarding.
@frozen
public struct DatapathStatistics: Equatable, Sendable, BitwiseCopyable {
  /// Frames copied because an outer header had no room in front.
  public var headroomCopies: UInt64 = 0
  /// Copies made by `sample`.
  public var samples: UInt64 = 0
  /// Samples that could not be made because no buffer was free.
  public var samplesLost: UInt64 = 0
  /// Answers about packets that were too big.
  public var answers: UInt64 = 0
  /// Answers that the tenant's rate forbade.
  public var answersSuppressed: UInt64 = 0
  /// ICMP errors from the underlay to our endpoints.
  public var underlayErrors: UInt64 = 0
  /// Those that do not quote a packet of ours, or are wrong: nothing was believed.
  public var foreignQuotes: UInt64 = 0
  /// Packets cut because they were too big after encapsulation.
  public var fragmented: UInt64 = 0
  /// Frames that owed segmentation and were cut here.
  public var segmented: UInt64 = 0
  /// Frames that were appended to another on their way to a port that wants it, and frames made so.
  public var coalesced: UInt64 = 0
  /// See ``coalesced``.
  public var merged: UInt64 = 0
  /// Frames of several segments that were made one.
  public var linearised: UInt64 = 0
  /// Frames that went on where a device had stopped.
  public var resumed: UInt64 = 0
  /// Frames whose flow the cache knew.
  public var recognised: UInt64 = 0
  /// Flows that the cache took in.
  public var learned: UInt64 = 0

  /// Zeroes.
  public init() {}
}
