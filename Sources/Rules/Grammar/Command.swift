/// One command of testpmd's `flow` and `set` families.
public enum Command: Equatable, Hashable, Sendable {
  /// `flow create`.
  case create(RuleRequest)
  /// `flow validate`.
  case validate(RuleRequest)
  /// `flow destroy PORT rule ID …`; by the users' own ids when `user_id` ends the line.
  case destroy(port: UInt16, rules: [UInt32], byUserID: Bool = false)
  /// `flow flush PORT`.
  case flush(port: UInt16)
  /// `flow query PORT RULE ACTION`.
  case query(port: UInt16, rule: UInt32, QueriedAction)
  /// `flow list PORT [group N …]`; no group means all.
  case list(port: UInt16, groups: [UInt32])
  /// `flow dump PORT all|rule ID [FILE]`.
  case dump(port: UInt16, rule: UInt32?, file: String?)
  /// `flow isolate PORT BOOL`.
  case isolate(port: UInt16, Bool)
  /// `flow aged PORT [destroy]`.
  case aged(port: UInt16, destroy: Bool)
  /// `flow indirect_action PORT create`; without an id the next free one is taken.
  case createIndirect(port: UInt16, id: UInt32?, Direction, Action)
  /// `flow indirect_action PORT update`.
  case updateIndirect(port: UInt16, id: UInt32, Action)
  /// `flow indirect_action PORT destroy action_id ID …`.
  case destroyIndirect(port: UInt16, ids: [UInt32])
  /// `flow indirect_action PORT query`.
  case queryIndirect(port: UInt16, id: UInt32)
  /// `flow tunnel create PORT type KIND`; `none` is no kind.
  case createTunnel(port: UInt16, TunnelKind)
  /// `flow tunnel destroy PORT id N`.
  case destroyTunnel(port: UInt16, id: UInt32)
  /// `flow tunnel list PORT`.
  case listTunnels(port: UInt16)
  /// `set raw_encap N ITEMS end_set`. Fields without a mask count as given.
  case setRawEncap(index: UInt16, [Item])
  /// `set raw_decap N ITEMS end_set`.
  case setRawDecap(index: UInt16, [Item])
  /// `set sample_actions N ACTIONS end`.
  case setSampleActions(index: UInt16, [Action])
  /// `set vxlan`, `set vxlan-with-vlan`, `set vxlan-tos-ttl`, `set nvgre`, `set nvgre-with-vlan`.
  case setTunnel(TunnelSetting)

  /// What `flow query` asks about.
  public enum QueriedAction: String, Sendable, CaseIterable { case count, age, rss }

  /// Ingress, egress, transfer of an indirect action.
  public struct Direction: Equatable, Hashable, Sendable {
    /// For frames that come in.
    public var ingress = false
    /// For frames that go out.
    public var egress = false
    /// For the embedded switch.
    public var transfer = false
    /// None of them.
    public init() {}
  }
}

/// A rule as `flow create` asks for it.
public struct RuleRequest: Equatable, Hashable, Sendable {
  /// The rule, its port included.
  public var rule: Rule
  /// `tunnel_set N` or `tunnel_match N`.
  public var tunnel: TunnelReference?
  /// `user_id N`: a name of the user's own for `flow destroy … user_id`.
  public var userID: UInt32?

  /// A request.
  public init(rule: Rule, tunnel: TunnelReference? = nil, userID: UInt32? = nil) {
    self.rule = rule
    self.tunnel = tunnel
    self.userID = userID
  }

  /// A tunnel of `flow tunnel create`, and what the rule does with it.
  public enum TunnelReference: Equatable, Hashable, Sendable {
    /// The rule removes this tunnel before its own actions.
    case set(UInt32)
    /// The rule matches frames of this tunnel that an earlier rule did not finish.
    case match(UInt32)
  }
}

/// What `set vxlan`, `set nvgre` and their kin say: an outer header.
public struct TunnelSetting: Equatable, Hashable, Sendable {
  /// `vxlan` or `nvgre`.
  public var kind: TunnelKind
  /// VNI or TNI, 24 bits.
  public var key: UInt32 = 0
  /// UDP source port; 0 leaves it to the inner flow's hash. VXLAN only.
  public var udpSource: UInt16 = 0
  /// UDP destination port; 0 means 4789. VXLAN only.
  public var udpDestination: UInt16 = 0
  /// Whether the outer packet is IPv6.
  public var isIPv6 = false
  /// Outer source address; 32 bits for IPv4.
  public var ipSource: UInt128 = 0
  /// Outer destination address; 32 bits for IPv4.
  public var ipDestination: UInt128 = 0
  /// Outer VLAN tag, when there is one.
  public var vlanTCI: UInt16?
  /// Outer TOS or traffic class, and TTL or hop limit, when they were given (`vxlan-tos-ttl`).
  public var tosTTL: TosTTL?
  /// Outer Ethernet source, 48 bits.
  public var ethSource: UInt64 = 0
  /// Outer Ethernet destination, 48 bits.
  public var ethDestination: UInt64 = 0

  /// A header of zeros.
  public init(kind: TunnelKind) { self.kind = kind }

  /// TOS and TTL of an outer header.
  public struct TosTTL: Equatable, Hashable, Sendable {
    /// TOS or traffic class.
    public var tos: UInt8
    /// TTL or hop limit.
    public var ttl: UInt8
    /// Both.
    public init(tos: UInt8, ttl: UInt8) {
      self.tos = tos
      self.ttl = ttl
    }
  }
}
