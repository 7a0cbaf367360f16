/// How a queue asks its controller about flows that no rule takes, and what becomes of frames without an answer.
public struct UpcallPolicy: Equatable, Sendable {
  /// New flows that the controller is told in a second.
  public var perSecond: UInt32 = 1000
  /// New flows that it is told at once.
  public var burst: UInt32 = 100
  /// Flows that wait at most, 1…``mostFlows``.
  public var flows = 256
  /// Nanoseconds in which an answer counts.
  public var deadline: UInt64 = 1_000_000_000
  /// Frames without an answer, or that nobody was asked about, go to the host; else they are dropped under a name.
  public var goesToHost = false
  /// Flows that can wait.
  public static let mostFlows = 256
  /// Frames of one flow that wait at most.
  public static let mostFrames = 4

  /// The defaults.
  public init() {}
}

/// What a controller is told about the first frame of a flow.
public struct Upcall: Equatable, Sendable {
  /// The number by which it is answered; not used twice by a queue.
  public var id: UInt64
  /// The port that the frame came in through.
  public var port: UInt16
  /// Bytes of the frame as it is now.
  public var length: Int
  /// The first of them, ``mostBytes`` at most.
  public var bytes: [UInt8]
  /// Resume point: the group whose rules did not match.
  public var group: UInt16
  /// Resume point: the rule that matched last; 0 for none.
  public var lastRule: UInt32
  /// Resume point: the frame begins with IP, its Ethernet header was taken off.
  public var startsAtIP: Bool
  /// The key of the tunnel that it is in, or that was taken off; 0 for none.
  public var tunnelKey: UInt32
  /// Hash of its flow, the inner one in a tunnel.
  public var flowHash: UInt32
  /// Nanoseconds of ``Ports/MonotonicClock``: an answer counts until then.
  public var deadline: UInt64
  /// Bytes that are told.
  public static let mostBytes = 256
}

/// What an answer does to the frames of a flow that waits.
public enum UpcallAnswer: String, Sendable, CaseIterable {
  /// They go on with the rules that there are now.
  case again
  /// They are dropped.
  case drop
  /// They go to the host.
  case host
}
