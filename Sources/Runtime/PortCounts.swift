public import Device

/// What passed a port: a copy of its counters that can be handed on.
public struct PortCounts: Equatable, Sendable {
  /// Frames that came in.
  public var framesReceived: UInt64
  /// Their bytes.
  public var bytesReceived: UInt64
  /// Frames that went out.
  public var framesSent: UInt64
  /// Their bytes.
  public var bytesSent: UInt64
  /// Frames that what stands behind the port had to drop.
  public var missed: UInt64
  /// Times that nothing was fetched because no buffer was free.
  public var starved: UInt64
  /// Frames dropped at the port, by reason; those that there were.
  public var drops: [DropReason: UInt64]

  /// A copy.
  public init(_ counters: borrowing PortCounters) {
    framesReceived = counters.framesReceived
    bytesReceived = counters.bytesReceived
    framesSent = counters.framesSent
    bytesSent = counters.bytesSent
    missed = counters.missed
    starved = counters.starved
    drops = [:]
    for reason in DropReason.allCases where counters.drops[reason] > 0 { drops[reason] = counters.drops[reason] }
  }
}
