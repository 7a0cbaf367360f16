public import Rules

/// A port of the overlay as both sides know it.
@frozen
public struct Port: Equatable, Sendable, BitwiseCopyable {
  /// What stands behind the port.
  @frozen public enum Kind: UInt8, Sendable, BitwiseCopyable, CaseIterable { case uplink = 0, tenant, host }
  /// What happens to a frame that no rule wants.
  @frozen public enum Miss: UInt8, Sendable, BitwiseCopyable, CaseIterable { case drop = 0, host, controller }

  /// The port's number in rules.
  public var id: UInt16
  /// Uplink (tunnels are looked into), tenant (nothing is), or host.
  public var kind: Kind
  /// Largest L3 packet in bytes, 68…65535.
  public var mtu: UInt16
  /// The tenant that owns it; 0 for none.
  public var tenant: UInt16
  /// The port's own address, 48 bits.
  public var mac: UInt64
  /// What happens on a miss.
  public var miss: Miss
  /// Segments on their way to it are merged (GRO) where it carries the segmentation that they then owe.
  public var coalesces: Bool

  /// A port.
  public init(
    id: UInt16, kind: Kind, mtu: UInt16 = 1500, tenant: UInt16 = 0, mac: UInt64 = 0, miss: Miss = .drop,
    coalesces: Bool = false
  ) {
    self.id = id
    self.kind = kind
    self.mtu = mtu
    self.tenant = tenant
    self.mac = mac
    self.miss = miss
    self.coalesces = coalesces
  }
}

/// What a tunnel endpoint accepts. One for the host.
public struct EndpointPolicy: Equatable, Sendable {
  /// UDP port of Geneve.
  public var genevePort: UInt16 = 6081
  /// UDP port of VXLAN.
  public var vxlanPort: UInt16 = 4789
  /// Zero UDP checksums over IPv6 are accepted (RFC 6935, asked for by the user).
  public var acceptsZeroUDPChecksumIPv6 = false
  /// VLAN tags inside VXLAN are accepted (RFC 7348 section 6.1).
  public var acceptsVXLANInnerVLAN = false
  /// Outer fragments are put together, within these bounds.
  public var reassembly: Reassembly?
  /// Critical Geneve options that somebody here understands, as class << 8 | type (type with its top bit).
  public var knownCriticalOptions: [UInt32] = []
  /// IPv4 addresses of our tunnel endpoints.
  public var ipv4: [UInt32] = []
  /// IPv6 addresses of our tunnel endpoints.
  public var ipv6: [UInt128] = []

  /// Bounds of reassembly.
  public struct Reassembly: Equatable, Sendable {
    /// Bytes held at most.
    public var bytes: Int
    /// Nanoseconds that a packet may take to become whole.
    public var timeout: UInt64
    /// Bounds.
    public init(bytes: Int, timeout: UInt64) {
      self.bytes = bytes
      self.timeout = timeout
    }
  }

  /// The defaults of the RFCs.
  public init() {}
}

/// Everything but the rules: what an overlay is made of. Device and software get the same value.
public struct Overlay: Equatable, Sendable {
  /// Ports by no particular order; ids are unique.
  public var ports: [Port] = []
  /// Encapsulations by index of `raw_encap` and its kin.
  public var encapsulations: [UInt16: Encapsulation] = [:]
  /// What `raw_decap` indices remove.
  public var decapsulations: [UInt16: Decapsulation] = [:]
  /// `set sample_actions`: what is done with the copy.
  public var sampleActions: [UInt16: [Action]] = [:]
  /// `flow indirect_action`: shared actions.
  public var indirectActions: [UInt32: Action] = [:]
  /// What is accepted from the underlay.
  public var endpoint = EndpointPolicy()

  /// Nothing.
  public init() {}
}
