/// What the parser needs to know of the endpoint's policy (SPECIFICATION.md, P7). Plain data, no references.
@frozen
public struct ParseOptions: Sendable {
  /// Most critical Geneve options an endpoint may know: 16.
  public static let mostCriticalOptions = 16

  /// Tunnels are looked into: true only for frames that came in through an uplink.
  public var lookIntoTunnels: Bool
  /// VLAN tags inside VXLAN are accepted (RFC 7348 section 6.1).
  public var acceptsVXLANInnerVLAN: Bool
  /// UDP destination port of Geneve.
  public var genevePort: UInt16
  /// UDP destination port of VXLAN.
  public var vxlanPort: UInt16
  @usableFromInline var criticalCount: Int
  @usableFromInline var critical: InlineArray<16, UInt32>

  /// The RFCs' ports, no critical option known.
  @inlinable
  public init(
    lookIntoTunnels: Bool = true, genevePort: UInt16 = 6081, vxlanPort: UInt16 = 4789,
    acceptsVXLANInnerVLAN: Bool = false
  ) {
    self.lookIntoTunnels = lookIntoTunnels
    self.genevePort = genevePort
    self.vxlanPort = vxlanPort
    self.acceptsVXLANInnerVLAN = acceptsVXLANInnerVLAN
    criticalCount = 0
    critical = InlineArray(repeating: 0)
  }

  /// Adds a critical option that somebody here understands: `class << 8 | type`, the type with its top bit.
  ///
  /// - Returns: false, and nothing is added, when ``mostCriticalOptions`` are known already.
  @inlinable
  public mutating func addCriticalOption(_ option: UInt32) -> Bool {
    guard criticalCount < Self.mostCriticalOptions else { return false }
    critical[criticalCount] = option
    criticalCount += 1
    return true
  }

  /// Whether the critical option `class << 8 | type` is understood.
  @inlinable
  public func knows(_ option: UInt32) -> Bool {
    var index = 0
    while index < criticalCount {
      if critical[index] == option { return true }
      index &+= 1
    }
    return false
  }
}

/// Why a frame cannot be recorded at all; it is dropped before any rule.
@frozen
public enum ParseDrop: UInt8, Error, Equatable, Sendable {
  /// Shorter than an Ethernet header (P1).
  case runt = 1
  /// A layer begins past offset 510 (P9).
  case headersTooLong
}

/// What is wrong with a tunnel, named like the drop reasons (P7). `none` is a sound tunnel, or no tunnel.
@frozen
public enum TunnelFault: UInt8, Equatable, Sendable, CaseIterable {
  /// Sound, or there is no tunnel.
  case none = 0
  /// The tunnel's header does not fit in the packet.
  case tunnelTruncated
  /// Geneve version is not 0.
  case geneveVersion
  /// Geneve option lengths do not end at OptLen.
  case geneveOptions
  /// Geneve O bit.
  case geneveControl
  /// A critical Geneve option while the header's C bit is 0.
  case geneveCriticalBit
  /// A critical Geneve option that nobody here knows.
  case geneveCriticalOption
  /// What is inside is not Ethernet, IPv4 or IPv6.
  case tunnelProtocol
  /// What is inside is shorter than its first header.
  case innerTruncated
  /// VXLAN without the I flag.
  case vxlanNoVNI
  /// A VLAN tag inside VXLAN, and that is not configured.
  case vxlanInnerVLAN
  /// GRE with reserved bits or a version.
  case greReserved
  /// Bad GRE checksum.
  case greChecksum
}

/// Which L3 a level has.
@frozen
public enum NetworkKind: UInt8, Equatable, Sendable { case none = 0, ipv4, ipv6 }

/// Which L4 a level has.
@frozen
public enum TransportKind: UInt8, Equatable, Sendable { case none = 0, udp, tcp, icmp, icmp6, gre, esp }

/// Which tunnel a frame carries.
@frozen
public enum TunnelHeaderKind: UInt8, Equatable, Sendable { case none = 0, geneve, vxlan, gre }
