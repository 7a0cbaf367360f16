/// One action of a rule, in rte_flow's vocabulary. Actions are carried out in the order written.
public enum Action: Equatable, Hashable, Sendable {
  /// Counts frames and bytes of the rule; `id` is kept for the printer.
  case count(id: UInt32)
  /// Marks the frame for whoever receives it on a queue.
  case mark(UInt32)
  /// Reports the rule as aged when no frame hit it for `timeout` seconds (1…2^24−1).
  case age(timeout: UInt32)
  /// Removes the outermost headers: a whole tunnel (outer Ethernet to tunnel header), or the Ethernet header alone,
  /// as the template of `set raw_decap INDEX` says.
  case rawDecap(index: UInt16)
  /// Puts the headers of `set raw_encap INDEX` in front.
  case rawEncap(index: UInt16)
  /// Removes a VXLAN tunnel.
  case vxlanDecap
  /// Puts the headers of `set vxlan` in front (stored as an encapsulation of this index).
  case vxlanEncap(index: UInt16)
  /// Removes an NVGRE tunnel.
  case nvgreDecap
  /// Puts the headers of `set nvgre` in front (stored as an encapsulation of this index).
  case nvgreEncap(index: UInt16)
  /// Sets one header field.
  case set(SetField)
  /// Lowers the IPv4 TTL or IPv6 hop limit by one; a frame with 1 or 0 is dropped.
  case decTTL
  /// Removes the outermost VLAN tag, if there is one.
  case popVLAN
  /// Puts a VLAN tag with this TPID, priority 0 and id 0 in front.
  case pushVLAN(etherType: UInt16)
  /// Copies every `ratio`-th frame of the rule, beginning with the first, and applies `set sample_actions INDEX`.
  case sample(ratio: UInt32, index: UInt16)
  /// Applies an indirect action made by `flow indirect_action`.
  case indirect(id: UInt32)
  /// Goes on with the rules of another group.
  case jump(group: UInt32)
  /// Ends: to a receive queue.
  case queue(UInt16)
  /// Ends: to a receive queue chosen by hash.
  case rss(RSSAction)
  /// Ends: the frame is dropped, on purpose.
  case drop
  /// Ends: out of this port (rte_flow's PORT_ID).
  case portID(UInt16)
  /// Ends: out of the port represented by this one (rte_flow's REPRESENTED_PORT).
  case representedPort(UInt16)
  /// Ends: to software, through this port's representor (rte_flow's PORT_REPRESENTOR).
  case portRepresentor(UInt16)

  /// Whether no action may follow.
  public var isFate: Bool {
    switch self {
    case .jump, .queue, .rss, .drop, .portID, .representedPort, .portRepresentor: true
    default: false
    }
  }
}

/// Receive-side scaling: which queues, hashed over what.
public struct RSSAction: Equatable, Hashable, Sendable {
  /// Which headers are hashed when the frame is a tunnel's.
  public enum Level: UInt8, Sendable { case outermost = 0, outer = 1, inner = 2 }
  /// The queues to choose from, at least one.
  public var queues: [UInt16]
  /// Outer or inner headers.
  public var level: Level
  /// What is hashed; empty means the device's own.
  public var types: HashTypes

  /// Spreads over `queues`.
  public init(queues: [UInt16], level: Level = .outermost, types: HashTypes = []) {
    self.queues = queues
    self.level = level
    self.types = types
  }
}

/// Kinds of frames and fields that are hashed. Bit N is word N of the grammar's list (`HashTypes.words`).
@frozen
public struct HashTypes: OptionSet, Hashable, Sendable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt64
  /// From bits.
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A header field and the value it gets; of the outermost header of its kind at that moment.
public enum SetField: Equatable, Hashable, Sendable {
  /// Ethernet source, 48 bits.
  case macSource(UInt64)
  /// Ethernet destination, 48 bits.
  case macDestination(UInt64)
  /// IPv4 source.
  case ipv4Source(UInt32)
  /// IPv4 destination.
  case ipv4Destination(UInt32)
  /// IPv6 source.
  case ipv6Source(UInt128)
  /// IPv6 destination.
  case ipv6Destination(UInt128)
  /// TCP or UDP source port.
  case l4Source(UInt16)
  /// TCP or UDP destination port.
  case l4Destination(UInt16)
  /// IPv4 TTL or IPv6 hop limit.
  case ttl(UInt8)
  /// IPv4 DSCP, 6 bits.
  case ipv4DSCP(UInt8)
  /// IPv6 DSCP, 6 bits.
  case ipv6DSCP(UInt8)
  /// VLAN id of the outermost tag, 12 bits.
  case vlanID(UInt16)
  /// Priority of the outermost tag, 3 bits.
  case vlanPriority(UInt8)
}
