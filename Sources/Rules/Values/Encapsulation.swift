/// The kind of tunnel a header template makes or a frame carries.
@frozen
public enum TunnelKind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// No tunnel.
  case none = 0
  /// RFC 8926.
  case geneve
  /// RFC 7348.
  case vxlan
  /// RFC 2784 and 2890.
  case gre
  /// RFC 7637.
  case nvgre
}

/// Headers to put in front of a frame, and how the fields that depend on the frame are made.
///
/// `header` is what `set raw_encap` gives: Ethernet (with tags), IPv4 or IPv6, UDP for Geneve and VXLAN, the tunnel header and its options, or an Ethernet
/// header alone. Lengths, checksums and a zero UDP source port in it are filled in; SPECIFICATION.md, "Encapsulation", says how.
public struct Encapsulation: Equatable, Hashable, Sendable {
  /// The header bytes, network order, 14…400.
  public var header: [UInt8]
  /// What the header's tunnel is; `none` for an Ethernet header alone.
  public var kind: TunnelKind
  /// Offset of the IP header in `header`; 0 when there is none.
  public var l3: Int
  /// Offset of the UDP or GRE header in `header`; 0 when there is none.
  public var l4: Int
  /// Whether the IP header is version 6.
  public var isIPv6: Bool
  /// How fields are made.
  public var policy: EncapsulationPolicy

  /// A template of these parts; ``EncapsulationBuilder`` makes one from items.
  public init(header: [UInt8], kind: TunnelKind, l3: Int, l4: Int, isIPv6: Bool, policy: EncapsulationPolicy) {
    self.header = header
    self.kind = kind
    self.l3 = l3
    self.l4 = l4
    self.isIPv6 = isIPv6
    self.policy = policy
  }
}

/// How the frame-dependent fields of an outer header are made.
@frozen
public struct EncapsulationPolicy: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Outer ECN (RFC 6040 section 4.1).
  public enum ECN: UInt8, Sendable, CaseIterable, BitwiseCopyable { case copy = 0, zero }
  /// Outer DSCP (RFC 2983): copied from the inner packet, or the template's.
  public enum DSCP: UInt8, Sendable, CaseIterable, BitwiseCopyable { case fixed = 0, copy }
  /// Outer TTL: the template's (64 when that is 0), or the inner packet's.
  public enum TTL: UInt8, Sendable, CaseIterable, BitwiseCopyable { case fixed = 0, copy }
  /// Outer IPv4 DF: set, clear, or the inner IPv4 packet's (set for everything else).
  public enum DF: UInt8, Sendable, CaseIterable, BitwiseCopyable { case set = 0, clear, copy }
  /// Outer UDP checksum: computed, or zero.
  public enum Checksum: UInt8, Sendable, CaseIterable, BitwiseCopyable { case on = 0, off }

  /// Outer ECN; the default is RFC 6040's normal mode.
  public var ecn = ECN.copy
  /// Outer DSCP.
  public var dscp = DSCP.fixed
  /// Outer TTL or hop limit.
  public var ttl = TTL.fixed
  /// Outer IPv4 don't-fragment.
  public var df = DF.set
  /// Outer UDP checksum. Off over IPv6 is RFC 6935's exception and must be asked for.
  public var udpChecksum = Checksum.on

  /// RFC 6040 ECN, fixed DSCP and TTL, DF set, checksum on.
  public init() {}
}

/// What `set raw_decap` asks to be removed.
@frozen
public enum Decapsulation: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// A whole tunnel of this kind, options included.
  case tunnel(TunnelKind)
  /// The Ethernet header and its tags, so that the frame begins with its IP header; an encapsulation must follow.
  case ethernet
}
