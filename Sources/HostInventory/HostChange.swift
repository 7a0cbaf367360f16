/// An interface as the kernel tells of it.
public struct HostLink: Equatable, Sendable {
  /// The kernel's number.
  public var index: Int32
  /// The name.
  public var name: String
  /// The Ethernet address, 48 bits; 0 when it has none of six bytes.
  public var mac: UInt64
  /// Bytes of the largest L3 packet; 0 when the kernel did not say.
  public var mtu: Int
  /// Switched on, and with a carrier.
  public var isRunning: Bool
  /// Frames that the interface dropped on the way out, as often as the kernel tells.
  public var droppedOut: UInt64

  /// An interface.
  public init(index: Int32, name: String, mac: UInt64 = 0, mtu: Int = 0, isRunning: Bool, droppedOut: UInt64 = 0) {
    self.index = index
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.isRunning = isRunning
    self.droppedOut = droppedOut
  }
}

/// An address of this host's own.
public struct HostAddress: Hashable, Sendable {
  /// The interface's number.
  public var link: Int32
  /// The address.
  public var address: IPAddress
  /// Bits of the network it is in.
  public var prefixLength: Int

  /// An address.
  public init(link: Int32, address: IPAddress, prefixLength: Int) {
    self.link = link
    self.address = address
    self.prefixLength = prefixLength
  }
}

/// A way to a network.
public struct HostRoute: Hashable, Sendable {
  /// What becomes of packets.
  public enum Kind: UInt8, Sendable { case unicast, local, refused, other }

  /// Where to.
  public var destination: IPPrefix
  /// What becomes of packets.
  public var kind: Kind
  /// The interface's number; 0 for none.
  public var link: Int32
  /// The next hop; nil when the destination is on the link itself.
  public var gateway: IPAddress?
  /// The lower wins.
  public var metric: UInt32
  /// The kernel's table; 254 is the main one.
  public var table: UInt32

  /// A way to `destination`.
  public init(
    _ destination: IPPrefix, link: Int32, gateway: IPAddress? = nil, metric: UInt32 = 0, table: UInt32 = 254,
    kind: Kind = .unicast
  ) {
    self.destination = destination
    self.kind = kind
    self.link = link
    self.gateway = gateway
    self.metric = metric
    self.table = table
  }
}

/// What the kernel knows of a neighbour.
public struct HostNeighbour: Equatable, Sendable {
  /// How sure the kernel is.
  public enum State: UInt8, Sendable {
    /// It has no address.
    case unknown
    /// It has one that it has not heard of lately.
    case stale
    /// It heard of it lately.
    case reachable
    /// Somebody set it.
    case permanent
  }

  /// The interface's number.
  public var link: Int32
  /// Who.
  public var address: IPAddress
  /// The Ethernet address, 48 bits; 0 when there is none.
  public var mac: UInt64
  /// How sure.
  public var state: State

  /// A neighbour.
  public init(link: Int32, address: IPAddress, mac: UInt64, state: State) {
    self.link = link
    self.address = address
    self.mac = mac
    self.state = state
  }
}

/// What the kernel tells over netlink.
public enum HostChange: Equatable, Sendable {
  /// An interface is there, or changed.
  case link(HostLink)
  /// An interface is gone.
  case linkGone(Int32)
  /// An address is there.
  case address(HostAddress)
  /// An address is gone.
  case addressGone(HostAddress)
  /// A route is there; one with several next hops comes as the first of them. `replaces`: in the place of the one to the
  /// same destination with the same metric.
  case route(HostRoute, replaces: Bool)
  /// A route is gone.
  case routeGone(HostRoute)
  /// A neighbour is there, or changed.
  case neighbour(HostNeighbour)
  /// A neighbour is forgotten.
  case neighbourGone(link: Int32, IPAddress)
  /// A dump is complete; `wasDisturbed` when it has to be asked for again.
  case done(sequence: UInt32, wasDisturbed: Bool)
  /// A request was refused, with the kernel's error number.
  case refused(sequence: UInt32, errno: Int32)
  /// The kernel lost messages: everything is asked for again.
  case overrun
}
