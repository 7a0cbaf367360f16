public import VhostUser

/// Who is at the other end of a port's rings, and what became of those who were there before.
public struct RingPeer: Sendable, Equatable {
  /// Where the places of packed rings are kept, so that a front end that does not know them goes on after this process
  /// was killed.
  public enum Keeping: Sendable, Equatable {
    /// In this file.
    case file(String)
    /// Nowhere, and why: such rings begin anew.
    case nowhere(String)
    /// The other side's task: this one is the driver's.
    case byOther
  }

  /// Whether somebody is there.
  public private(set) var isConnected = false
  /// Sessions that began.
  public private(set) var sessions: UInt64 = 0
  /// Sessions that ended, by the reason's name (``VhostUser/SessionFault/name``).
  public private(set) var ends: [String: UInt64] = [:]
  /// Sessions that this side ended, because the other broke the rules.
  public private(set) var cutOff: UInt64 = 0
  /// Sessions that the other side ended.
  public private(set) var left: UInt64 = 0
  /// Why the last session ended; nil before one did.
  public private(set) var lastEnd: SessionFault?
  /// Why the last peer that was cut off was; one that lies comes back, and leaves, and this stays.
  public private(set) var lastCut: SessionFault?
  /// Where places of rings are kept.
  public let keeping: Keeping

  /// Nobody yet.
  public init(_ keeping: Keeping) { self.keeping = keeping }

  /// Something happened to the session.
  public mutating func note(_ event: SessionEvent) {
    switch event {
    case .connected:
      isConnected = true
      sessions += 1
    case .ended(let fault):
      isConnected = false
      lastEnd = fault
      ends[fault.name, default: 0] += 1
      if fault.isCutOff {
        cutOff += 1
        lastCut = fault
      } else {
        left += 1
      }
    }
  }
}
