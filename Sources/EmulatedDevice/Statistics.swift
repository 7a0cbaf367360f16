import Device
import Memory

/// The device's counters of itself, for `dpuctl device show`. They survive a reset.
public struct DeviceStatistics: Equatable, Sendable {
  /// A number with its name on every interface.
  public struct Line: Equatable, Sendable {
    /// The name, in snake case.
    public var name: String
    /// How many.
    public var count: UInt64
  }

  /// Frames and bytes that came in from outside.
  public var framesIn: UInt64 = 0
  /// Bytes of those.
  public var bytesIn: UInt64 = 0
  /// Left through another port without software.
  public var bypassed: UInt64 = 0
  /// Went to a receive queue, done.
  public var delivered: UInt64 = 0
  /// Dropped by a rule.
  public var dropped: UInt64 = 0
  /// Copies made by `sample`.
  public var copied: UInt64 = 0
  /// Went up to software, by cause.
  public var passedUp: UInt64 = 0
  /// Frames that software sent.
  public var framesSent: UInt64 = 0
  /// Segments made of them.
  public var segments: UInt64 = 0
  /// Frames whose debts were refused.
  public var refusedDebts: UInt64 = 0
  /// Frames that went in and never came out, exactly.
  public var lostInDevice: UInt64 = 0
  /// Rules taken, and given back.
  public var inserted: UInt64 = 0
  /// Rules given back.
  public var removed: UInt64 = 0
  /// Resets.
  public var resets: UInt64 = 0
  /// Frames that did not fit in their owner's buffer and came out in the device's.
  public var ownBuffers: UInt64 = 0
  /// Why frames went up; only causes that happened. Names of drops are what software will call it.
  public var causes: [Line] = []
  /// Why rules were refused; only reasons that happened.
  public var refusals: [Line] = []

  /// Zeroes.
  public init() {}
}

extension EmulatedDevice {
  /// The counters now.
  public var statistics: DeviceStatistics { DeviceStatistics(model.tally) }

  /// The same as the words that a driver is told.
  var tallyWords: [UInt64] { (0..<Tally.bytes / 8).map { model.tally.memory.load($0 * 8) } }
}

extension DeviceStatistics {
  /// The counters of the words that a device told its driver; nil when there are too few of them or too many.
  public init?(words: [UInt64]) {
    guard words.count == Tally.bytes / 8, let memory = try? Region(bytes: Tally.bytes) else { return nil }
    for (index, word) in words.enumerated() { memory.bytes.store(word, at: index * 8) }
    self.init(Tally(memory: memory.bytes))
  }

  init(_ tally: Tally) {
    var now = DeviceStatistics()
    now.framesIn = tally[.framesIn]
    now.bytesIn = tally[.bytesIn]
    now.bypassed = tally[.bypassed]
    now.delivered = tally[.delivered]
    now.dropped = tally[.dropped]
    now.copied = tally[.copied]
    now.passedUp = tally[.passedUp]
    now.framesSent = tally[.framesSent]
    now.segments = tally[.segments]
    now.refusedDebts = tally[.refusedDebts]
    now.lostInDevice = tally[.lost]
    now.inserted = tally[.inserted]
    now.removed = tally[.removed]
    now.resets = tally[.resets]
    now.ownBuffers = tally[.ownBuffers]
    let own = Self.causeNames.map { DeviceStatistics.Line(name: $0.name, count: tally[$0.cause]) }
    let drops = DropReason.allCases.map { DeviceStatistics.Line(name: $0.name, count: tally[UpCause.drop($0)]) }
    now.causes = (own + drops).filter { $0.count > 0 }
    now.refusals = RefusalReason.allCases.map { .init(name: $0.name, count: tally[$0]) }.filter { $0.count > 0 }
    self = now
  }

  private static let causeNames: [(cause: UpCause, name: String)] = [
    (.miss, "miss"), (.missAfterJump, "miss_after_jump"), (.noResumePoint, "no_resume_point"), (.guarded, "guard"),
    (.wideGuard, "wide_guard"), (.partial, "half_done"), (.debts, "debts"), (.notFresh, "not_fresh"),
    (.ability, "ability"), (.copies, "copies"), (.underlayError, "underlay_error"),
  ]
}
