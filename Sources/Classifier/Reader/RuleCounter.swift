/// A rule's counter and timer of one queue: 32 bytes that the queue alone writes.
@usableFromInline
enum RuleCounter {
  @usableFromInline static let size = 32
  @usableFromInline static let frames = 0
  @usableFromInline static let bytes = 8
  @usableFromInline static let lastHit = 16
}

/// What was counted at a rule, all queues together.
@frozen
public struct RuleCount: Equatable, Sendable, BitwiseCopyable {
  /// Frames.
  public var frames: UInt64
  /// Bytes of L2 frames without FCS.
  public var bytes: UInt64
  /// When the rule was last touched, in the caller's nanoseconds; 0 when it never was.
  public var lastHit: UInt64

  /// A count.
  @inlinable
  public init(frames: UInt64 = 0, bytes: UInt64 = 0, lastHit: UInt64 = 0) {
    self.frames = frames
    self.bytes = bytes
    self.lastHit = lastHit
  }
}

/// The rule that a frame hit.
@frozen
public struct RuleHit: Equatable, Sendable, BitwiseCopyable {
  /// The rule's dense index, below the classifier's limit: where its counters are. Stable as long as the rule's id
  /// exists, also when the rule is replaced. ``none`` has `UInt32.max`.
  public let index: UInt32
  /// What was given with the rule when it was added or replaced, such as the number of its compiled actions.
  public let payload: UInt32
  /// The rule's priority.
  public let priority: UInt32

  @inlinable @inline(__always)
  init(index: UInt32, payload: UInt32, priority: UInt32) {
    self.index = index
    self.payload = payload
    self.priority = priority
  }

  /// No rule matched.
  @inlinable public static var none: RuleHit {
    @inline(__always) get { RuleHit(index: .max, payload: 0, priority: .max) }
  }

  /// Whether a rule matched.
  @inlinable public var isHit: Bool { @inline(__always) get { index != .max } }
}
