/// What a queue did. Its owner's thread writes it; others read copies.
@frozen
public struct QueueCounters: Equatable, Sendable, BitwiseCopyable {
  /// Frames (or chains) that went through.
  public var frames: UInt64 = 0
  /// Their bytes, without virtio-net headers.
  public var bytes: UInt64 = 0
  /// Frames that no buffer holds, or that the other side's buffers cannot hold: dropped.
  public var tooLong: UInt64 = 0
  /// Frames of no bytes: dropped.
  public var empty: UInt64 = 0
  /// Times a frame stayed in the ring because no buffer was free for it.
  public var noBuffer: UInt64 = 0

  /// Nothing yet.
  @inlinable public init() {}
}
