public import Rules

/// A rule as a device is asked to take it.
public struct DeviceRule: Equatable, Sendable {
  /// The rule's id, never 0, unique among the device's rules; frames that hit it and come up carry it.
  public var id: UInt32
  /// Match and attributes. `actions` is the user's whole list.
  public var rule: Rule
  /// How many of the actions the device does. When that is all of them, a hit is done; else the frame comes up with
  /// its resume point: ``Frame/rule``, ``Frame/steps`` and what the actions left known. 0 is a *guard*: the frame
  /// comes up matched and untouched, so that no later rule takes it.
  public var actionsOnDevice: Int
  /// A guard whose match is wider than the rule: the frame comes up as a plain miss (no rule, no steps), uncounted.
  public var isWideGuard: Bool

  /// A rule for a device.
  public init(id: UInt32, rule: Rule, actionsOnDevice: Int, isWideGuard: Bool = false) {
    self.id = id
    self.rule = rule
    self.actionsOnDevice = actionsOnDevice
    self.isWideGuard = isWideGuard
  }
}

/// A counter as read from a device.
@frozen
public struct CounterReading: Equatable, Sendable, BitwiseCopyable {
  /// Frames, modulo 2^``Abilities/counterBits``.
  public var frames: UInt64
  /// Bytes of L2 frames without FCS, as matched; same modulus.
  public var bytes: UInt64
  /// When the device took the reading, nanoseconds of the caller's clock.
  public var takenAt: UInt64

  /// A reading.
  public init(frames: UInt64 = 0, bytes: UInt64 = 0, takenAt: UInt64 = 0) {
    self.frames = frames
    self.bytes = bytes
    self.takenAt = takenAt
  }
}

/// One frame that comes out of a device, and where.
@frozen
public struct Emission: Sendable, BitwiseCopyable {
  /// The frame. ``Frame/outcome`` is ``Outcome/forward`` (left through ``port``), ``Outcome/up`` (to software),
  /// ``Outcome/deliver`` (to a receive queue, ``Frame/queue``) or a drop.
  public var frame: Frame
  /// The port it left through; for ``Outcome/up`` the port it came in through.
  public var port: UInt16
  /// The `mark` of a frame that goes to a queue; 0 when no rule set one.
  public var mark: UInt32

  /// A frame at a port.
  @inlinable
  public init(frame: Frame, port: UInt16, mark: UInt32 = 0) {
    self.frame = frame
    self.port = port
    self.mark = mark
  }
}

/// A NIC or DPU function that takes work: the real one, the emulated one, and middleware around either.
///
/// Time is a parameter everywhere (nanoseconds); a device reads no clock. None of the calls traps on what a frame
/// holds. A device belongs to one thread; a device that is driven over queues hides its threads behind this.
public protocol OffloadDevice: ~Copyable {
  /// What it allows.
  var abilities: Abilities { get }

  /// Takes a rule, or says why not. A device may take it later (``Abilities/insertionLatency``); until then it misses.
  mutating func insert(_ rule: DeviceRule, now: UInt64) throws(Refusal)

  /// Whether a rule that ``insert(_:now:)`` did not take is there in part nevertheless, or was and counted, so that
  /// ``remove(_:now:)`` has something to give. Only a device that makes several rules of one says so.
  func hasBegun(_ id: UInt32) -> Bool

  /// Forgets a rule. The last reading of its counter is given.
  mutating func remove(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading

  /// Reads a rule's counter.
  mutating func query(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading

  /// The rules with an `age` action that were idle for their timeout, each told once an idle time.
  mutating func aged(now: UInt64) -> [UInt32]

  /// A frame arrives from outside at `port`; what comes of it is given to `emit`, in order. Copies (sample) come in
  /// buffers of the device's own and are valid during the call.
  mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void)

  /// Software sends a frame out of `port`; debts within the device's abilities are paid, others are refused by a drop
  /// with ``DropReason/malformedDebt``. Segments come in buffers of the device's own and are valid during the call.
  mutating func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void)

  /// Whether the device answers. After a reset it does not until ``recover(now:)``; its rules are gone.
  var isAlive: Bool { get }

  /// Acknowledges a reset: the device is empty and works again.
  mutating func recover(now: UInt64)
}

extension OffloadDevice where Self: ~Copyable {
  /// A rule is there or it is not.
  public func hasBegun(_ id: UInt32) -> Bool { false }
}
