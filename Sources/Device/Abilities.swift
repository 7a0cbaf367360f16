/// What a device can match.
@frozen
public struct MatchAbilities: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt64
  /// From bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// Ethernet addresses and type.
  public static let eth = Self(rawValue: 1 << 0)
  /// One VLAN tag.
  public static let vlan = Self(rawValue: 1 << 1)
  /// A second VLAN tag.
  public static let qinq = Self(rawValue: 1 << 2)
  /// IPv4 addresses, protocol, TOS.
  public static let ipv4 = Self(rawValue: 1 << 3)
  /// IPv6 addresses, next header, traffic class.
  public static let ipv6 = Self(rawValue: 1 << 4)
  /// TTL and hop limit.
  public static let ttl = Self(rawValue: 1 << 5)
  /// Fragment offset and fragment header.
  public static let fragment = Self(rawValue: 1 << 6)
  /// IPv6 flow label.
  public static let flowLabel = Self(rawValue: 1 << 7)
  /// UDP ports.
  public static let udp = Self(rawValue: 1 << 8)
  /// TCP ports.
  public static let tcp = Self(rawValue: 1 << 9)
  /// TCP flags.
  public static let tcpFlags = Self(rawValue: 1 << 10)
  /// ICMP and ICMPv6 type and code.
  public static let icmp = Self(rawValue: 1 << 11)
  /// Geneve: VNI and protocol.
  public static let geneve = Self(rawValue: 1 << 12)
  /// Geneve: option length.
  public static let geneveOptionLength = Self(rawValue: 1 << 13)
  /// Geneve options, within ``GeneveOptionLimits``.
  public static let geneveOptions = Self(rawValue: 1 << 14)
  /// VXLAN network identifier.
  public static let vxlan = Self(rawValue: 1 << 15)
  /// GRE flags and protocol.
  public static let gre = Self(rawValue: 1 << 16)
  /// GRE key.
  public static let greKey = Self(rawValue: 1 << 17)
  /// NVGRE network identifier.
  public static let nvgre = Self(rawValue: 1 << 18)
  /// ESP's SPI.
  public static let esp = Self(rawValue: 1 << 19)
  /// Headers inside a tunnel.
  public static let inner = Self(rawValue: 1 << 20)
  /// The port a frame came in through.
  public static let port = Self(rawValue: 1 << 21)
  /// Masks that are neither empty nor full.
  public static let partialMask = Self(rawValue: 1 << 22)

  /// Every ability with its name in profiles and verdicts.
  public static let names: [(ability: Self, name: String)] = [
    (.eth, "eth"), (.vlan, "vlan"), (.qinq, "qinq"), (.ipv4, "ipv4"), (.ipv6, "ipv6"), (.ttl, "ttl"),
    (.fragment, "fragment"), (.flowLabel, "flow_label"), (.udp, "udp"), (.tcp, "tcp"), (.tcpFlags, "tcp_flags"),
    (.icmp, "icmp"), (.geneve, "geneve"), (.geneveOptionLength, "geneve_optlen"), (.geneveOptions, "geneve_options"),
    (.vxlan, "vxlan"), (.gre, "gre"), (.greKey, "gre_key"), (.nvgre, "nvgre"), (.esp, "esp"), (.inner, "inner"),
    (.port, "port"), (.partialMask, "partial_mask"),
  ]
}

/// What a device can do with a frame that matched.
@frozen
public struct ActionAbilities: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt64
  /// From bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// COUNT.
  public static let count = Self(rawValue: 1 << 0)
  /// MARK on frames that come up.
  public static let mark = Self(rawValue: 1 << 1)
  /// AGE.
  public static let age = Self(rawValue: 1 << 2)
  /// QUEUE.
  public static let queue = Self(rawValue: 1 << 3)
  /// RSS.
  public static let rss = Self(rawValue: 1 << 4)
  /// DROP.
  public static let drop = Self(rawValue: 1 << 5)
  /// Out of another port of the embedded switch, without software: *bypass*.
  public static let port = Self(rawValue: 1 << 6)
  /// JUMP to another group.
  public static let jump = Self(rawValue: 1 << 7)
  /// Removes a Geneve tunnel.
  public static let decapGeneve = Self(rawValue: 1 << 8)
  /// Removes a VXLAN tunnel.
  public static let decapVXLAN = Self(rawValue: 1 << 9)
  /// Removes a GRE tunnel.
  public static let decapGRE = Self(rawValue: 1 << 10)
  /// Removes an NVGRE tunnel.
  public static let decapNVGRE = Self(rawValue: 1 << 11)
  /// Removes an Ethernet header.
  public static let decapEthernet = Self(rawValue: 1 << 12)
  /// Puts Geneve in front.
  public static let encapGeneve = Self(rawValue: 1 << 13)
  /// Puts VXLAN in front.
  public static let encapVXLAN = Self(rawValue: 1 << 14)
  /// Puts GRE in front.
  public static let encapGRE = Self(rawValue: 1 << 15)
  /// Puts NVGRE in front.
  public static let encapNVGRE = Self(rawValue: 1 << 16)
  /// Puts an Ethernet header in front.
  public static let encapEthernet = Self(rawValue: 1 << 17)
  /// Sets Ethernet addresses.
  public static let setMAC = Self(rawValue: 1 << 18)
  /// Sets IPv4 addresses.
  public static let setIPv4 = Self(rawValue: 1 << 19)
  /// Sets IPv6 addresses.
  public static let setIPv6 = Self(rawValue: 1 << 20)
  /// Sets TCP and UDP ports.
  public static let setL4 = Self(rawValue: 1 << 21)
  /// Sets or lowers TTL and hop limit.
  public static let setTTL = Self(rawValue: 1 << 22)
  /// Sets DSCP.
  public static let setDSCP = Self(rawValue: 1 << 23)
  /// Removes a VLAN tag.
  public static let popVLAN = Self(rawValue: 1 << 24)
  /// Adds a VLAN tag and sets its id and priority.
  public static let pushVLAN = Self(rawValue: 1 << 25)
  /// SAMPLE.
  public static let sample = Self(rawValue: 1 << 26)
  /// INDIRECT actions.
  public static let indirect = Self(rawValue: 1 << 27)

  /// Puts any tunnel's headers in front.
  public static let encapsulations: Self = [encapGeneve, encapVXLAN, encapGRE, encapNVGRE]

  /// Every ability with its name in profiles and verdicts.
  public static let names: [(ability: Self, name: String)] = [
    (.count, "count"), (.mark, "mark"), (.age, "age"), (.queue, "queue"), (.rss, "rss"), (.drop, "drop"),
    (.port, "port"), (.jump, "jump"), (.decapGeneve, "decap_geneve"), (.decapVXLAN, "decap_vxlan"),
    (.decapGRE, "decap_gre"), (.decapNVGRE, "decap_nvgre"), (.decapEthernet, "decap_ethernet"),
    (.encapGeneve, "encap_geneve"), (.encapVXLAN, "encap_vxlan"), (.encapGRE, "encap_gre"),
    (.encapNVGRE, "encap_nvgre"), (.encapEthernet, "encap_ethernet"), (.setMAC, "set_mac"), (.setIPv4, "set_ipv4"),
    (.setIPv6, "set_ipv6"), (.setL4, "set_l4"), (.setTTL, "set_ttl"), (.setDSCP, "set_dscp"),
    (.popVLAN, "pop_vlan"), (.pushVLAN, "push_vlan"), (.sample, "sample"), (.indirect, "indirect"),
  ]
}

/// What a device makes of the frame-dependent fields of an outer header, and other things it does to frames.
@frozen
public struct FrameAbilities: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt64
  /// From bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// Encapsulation copies ECN from inside.
  public static let ecnCopy = Self(rawValue: 1 << 0)
  /// Encapsulation copies DSCP from inside.
  public static let dscpCopy = Self(rawValue: 1 << 1)
  /// Encapsulation copies TTL or hop limit from inside.
  public static let ttlCopy = Self(rawValue: 1 << 2)
  /// Encapsulation copies DF from an inner IPv4 packet.
  public static let dfCopy = Self(rawValue: 1 << 3)
  /// Encapsulation computes the outer UDP checksum over IPv4.
  public static let udpChecksumIPv4 = Self(rawValue: 1 << 4)
  /// Encapsulation computes the outer UDP checksum over IPv6.
  public static let udpChecksumIPv6 = Self(rawValue: 1 << 5)
  /// Encapsulation fills a zero UDP source port from a hash of the inner flow.
  public static let entropy = Self(rawValue: 1 << 6)
  /// Encapsulation fills IPv4 and UDP lengths and the IPv4 checksum.
  public static let fixesLengths = Self(rawValue: 1 << 7)
  /// Decapsulation combines outer and inner ECN (RFC 6040). Without it, frames whose outer ECN is not 0 come up.
  public static let ecnDecap = Self(rawValue: 1 << 8)
  /// Receive: outer IPv4 header checksum.
  public static let rxOuterL3 = Self(rawValue: 1 << 9)
  /// Receive: outer (or only) transport checksum.
  public static let rxOuterL4 = Self(rawValue: 1 << 10)
  /// Receive: inner IPv4 header checksum.
  public static let rxInnerL3 = Self(rawValue: 1 << 11)
  /// Receive: inner transport checksum.
  public static let rxInnerL4 = Self(rawValue: 1 << 12)
  /// Transmit: completes ``Owed/checksum``.
  public static let txChecksum = Self(rawValue: 1 << 13)
  /// Transmit: ``Owed/outerIPv4Checksum``.
  public static let txOuterIPv4Checksum = Self(rawValue: 1 << 14)
  /// Transmit: ``Owed/outerUDPChecksum``.
  public static let txOuterUDPChecksum = Self(rawValue: 1 << 15)
  /// Transmit: TCP segmentation of a plain frame.
  public static let tso = Self(rawValue: 1 << 16)
  /// Transmit: UDP segmentation of a plain frame.
  public static let uso = Self(rawValue: 1 << 17)
  /// Transmit: segmentation inside Geneve, VXLAN, GRE and NVGRE.
  public static let tunnelTSO = Self(rawValue: 1 << 18)
  /// A frame that comes up half done says where to go on (group, steps, tunnel key): rte_flow_restore_info.
  public static let resumePoint = Self(rawValue: 1 << 19)

  /// Every ability with its name in profiles and verdicts.
  public static let names: [(ability: Self, name: String)] = [
    (.ecnCopy, "ecn_copy"), (.dscpCopy, "dscp_copy"), (.ttlCopy, "ttl_copy"), (.dfCopy, "df_copy"),
    (.udpChecksumIPv4, "udp_checksum_ipv4"), (.udpChecksumIPv6, "udp_checksum_ipv6"), (.entropy, "entropy"),
    (.fixesLengths, "fixes_lengths"), (.ecnDecap, "ecn_decap"), (.rxOuterL3, "rx_outer_l3"),
    (.rxOuterL4, "rx_outer_l4"), (.rxInnerL3, "rx_inner_l3"), (.rxInnerL4, "rx_inner_l4"),
    (.txChecksum, "tx_checksum"), (.txOuterIPv4Checksum, "tx_outer_ipv4_checksum"),
    (.txOuterUDPChecksum, "tx_outer_udp_checksum"), (.tso, "tso"), (.uso, "uso"), (.tunnelTSO, "tunnel_tso"),
    (.resumePoint, "resume_point"),
  ]
}

/// What a device's parser can do with Geneve options (device-facts.md).
@frozen
public struct GeneveOptionLimits: Sendable, Hashable, BitwiseCopyable {
  /// Options in one rule, at most.
  public var perRule: UInt8 = 0
  /// Different options (class, type, length) in the whole device, at most; 0 for no limit.
  public var perDevice: UInt8 = 0
  /// Data words in the whole device, at most; 0 for no limit.
  public var words: UInt8 = 0
  /// Matching the class costs one word more.
  public var classCostsWord = false
  /// Words of data that one option may be matched on; 0 for no limit.
  public var wordsPerOption: UInt8 = 0
  /// Data of zero cannot be matched.
  public var refusesZeroData = false
  /// A data mask of all zero bits is refused.
  public var refusesZeroMask = false
  /// One option may not stand twice in a rule.
  public var refusesRepeats = false
  /// No options.
  public init() {}
}

/// Everything a device allows, as flat data: what DeviceProfiles/ says and EmulatedDevice enforces.
@frozen
public struct Abilities: Sendable, Hashable, BitwiseCopyable {
  /// Matches.
  public var match: MatchAbilities = []
  /// Actions.
  public var actions: ActionAbilities = []
  /// What it does to frames.
  public var frame: FrameAbilities = []
  /// Geneve options.
  public var geneveOptions = GeneveOptionLimits()
  /// Rules at most, all groups together.
  public var rules: UInt32 = 0
  /// Groups 0…groups−1.
  public var groups: UInt32 = 1
  /// Priorities 0…priorities−1.
  public var priorities: UInt32 = 1
  /// Largest outer header in bytes that it puts in front; 0 for none.
  public var largestHeader: UInt16 = 0
  /// Bits of a counter.
  public var counterBits: UInt8 = 64
  /// Rules per second it takes; 0 for no limit.
  public var insertionsPerSecond: UInt32 = 0
  /// Nanoseconds between the request and the rule's first hit.
  public var insertionLatency: UInt64 = 0
  /// Nanoseconds for which a counter reading may stand still.
  public var counterInterval: UInt64 = 0

  /// Nothing at all.
  public init() {}
}
