/// What this host is to the underlay: its interfaces, addresses, routes and neighbours. Filled from netlink, from a
/// configuration, or both.
public struct HostView: Equatable, Sendable {
  /// Where a packet goes.
  public enum NextHop: Equatable, Sendable {
    /// To this neighbour on this interface.
    case neighbour(IPAddress, link: Int32)
    /// To this host itself.
    case local
    /// Nowhere.
    case none
  }

  /// A neighbour's place.
  public struct Place: Hashable, Sendable {
    /// The interface's number.
    public var link: Int32
    /// Who.
    public var address: IPAddress
    /// A place.
    public init(link: Int32, address: IPAddress) {
      self.link = link
      self.address = address
    }
  }

  /// By number.
  public private(set) var links: [Int32: HostLink] = [:]
  /// All of this host's own addresses.
  public private(set) var addresses: Set<HostAddress> = []
  /// All routes, of all tables.
  public private(set) var routes: Set<HostRoute> = []
  /// Neighbours that have an address.
  public private(set) var neighbours: [Place: HostNeighbour] = [:]

  /// Nothing.
  public init() {}

  /// Takes in what the kernel tells. Entries that are kept are bounded by what the kernel has.
  public mutating func apply(_ change: HostChange) {
    switch change {
    case .link(let link): links[link.index] = link
    case .linkGone(let index):
      links[index] = nil
      addresses = addresses.filter { $0.link != index }
      routes = routes.filter { $0.link != index }
      neighbours = neighbours.filter { $0.key.link != index }
    case .address(let address): addresses.insert(address)
    case .addressGone(let address): addresses.remove(address)
    case .route(let route, let replaces):
      if replaces {
        routes = routes.filter {
          $0.destination != route.destination || $0.metric != route.metric || $0.table != route.table
        }
      }
      routes.insert(route)
    case .routeGone(let route): routes.remove(route)
    case .neighbour(let neighbour):
      let place = Place(link: neighbour.link, address: neighbour.address)
      neighbours[place] = neighbour.state == .unknown ? nil : neighbour
    case .neighbourGone(let link, let address): neighbours[Place(link: link, address: address)] = nil
    case .done, .refused, .overrun: break
    }
  }

  /// The interface of this name.
  public func link(named name: String) -> HostLink? { links.values.first { $0.name == name } }

  /// Where a packet to `address` goes: the longest prefix of the main table, the lowest metric, then the lowest
  /// interface.
  public func nextHop(to address: IPAddress) -> NextHop {
    var best: HostRoute?
    for route in routes where route.table == 254 && route.destination.contains(address) {
      if best.map({ Self.isBetter(route, $0) }) ?? true { best = route }
    }
    if addresses.contains(where: { $0.address == address }) { return .local }
    guard let best, best.kind == .unicast else { return .none }
    return .neighbour(best.gateway ?? address, link: best.link)
  }

  private static func isBetter(_ left: HostRoute, _ right: HostRoute) -> Bool {
    let order: [(Int, Int)] = [
      (-left.destination.length, -right.destination.length), (Int(left.metric), Int(right.metric)),
      (Int(left.link), Int(right.link)),
    ]
    for (left, right) in order where left != right { return left < right }
    return (left.gateway?.description ?? "") < (right.gateway?.description ?? "")
  }
}
