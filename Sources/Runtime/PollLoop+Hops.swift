public import HostInventory

/// A tunnel end as a poll loop's underlay sees it.
public struct TunnelHop: Equatable, Sendable {
  /// The encapsulation's index.
  public var encapsulation: UInt16
  /// The uplink's number.
  public var uplink: UInt16
  /// The neighbour that it goes by; nil without a route.
  public var neighbour: IPAddress?
  /// What is known of the neighbour: `reachable`, `incomplete`, `probing`, `failed`, `permanent`; nil when nothing is.
  public var state: String?
}

extension PollLoop {
  /// How every encapsulation that is resolved here is reached.
  public var tunnelHops: [TunnelHop] {
    underlays.flatMap { port, underlay in
      underlay.hopList.map { index, neighbour in
        TunnelHop(
          encapsulation: index, uplink: ports.id(port), neighbour: neighbour,
          state: neighbour.flatMap { underlay.neighbours.state(of: $0) }.map(Self.name))
      }
    }
  }

  private static func name(_ state: NeighbourTable.State) -> String {
    switch state {
    case .incomplete: "incomplete"
    case .reachable: "reachable"
    case .probing: "probing"
    case .failed: "failed"
    case .permanent: "permanent"
    }
  }
}
