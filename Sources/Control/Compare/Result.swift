public import Device

/// How far a device came with a frame.
public enum Handover: Equatable, Sendable {
  /// Nothing was done: there is no device, or the frame came up as it came.
  case untouched
  /// It came up with this rule, the last one found, of which this many actions were done.
  case begun(rule: UInt32, actionsDone: Int)
  /// It did not come up.
  case finished
}

/// What came of one frame: one entry for each frame that left, and one for a drop.
public struct Result: Equatable, Sendable {
  /// Where it went.
  public enum Fate: Equatable, Hashable, Sendable {
    /// Out of a port.
    case forwarded(port: UInt16)
    /// To a receive queue, with a mark (0 for none).
    case delivered(queue: UInt8, mark: UInt32)
    /// Dropped.
    case dropped(DropReason)
  }

  /// Where it went.
  public var fate: Fate
  /// The rule that was matched last; 0 for none.
  public var rule: UInt32
  /// The bytes as they left; empty for a drop.
  public var bytes: [UInt8]
  /// The key of the tunnel that was taken off (D2); 0 for none.
  public var tunnelKey: UInt32 = 0
  /// What is still owed: of frames that go to a queue.
  public var owed: Owed = []
  /// What is known about the checksums of ``bytes``.
  public var checksums = ChecksumKnowledge()
  /// What the device did of it; empty when software did everything.
  public var stepsInHardware: Steps
  /// The device did all of it; the frame never came up.
  public var isWholeInHardware = false
  /// A copy that a `sample` action made.
  public var isCopy = false

  /// It went out of a port.
  var isForwarded: Bool { if case .forwarded = fate { true } else { false } }

  /// A result.
  public init(fate: Fate, rule: UInt32, bytes: [UInt8], stepsInHardware: Steps = []) {
    self.fate = fate
    self.rule = rule
    self.bytes = bytes
    self.stepsInHardware = stepsInHardware
  }
}
