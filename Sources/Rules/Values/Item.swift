// The pattern items of rte_flow, as values. Integers are in host order; a field's width is given where it is narrower
// than its type. Which frames an item matches is written in SPECIFICATION.md, "Matching".

/// One item of a pattern, from the outermost header inwards.
public enum Item: Equatable, Hashable, Sendable {
  /// Ethernet II header.
  case eth(EthItem)
  /// One 802.1Q or 802.1ad tag.
  case vlan(VLANItem)
  /// IPv4 header.
  case ipv4(IPv4Item)
  /// IPv6 header, its extension headers skipped.
  case ipv6(IPv6Item)
  /// UDP header.
  case udp(L4Item)
  /// TCP header.
  case tcp(TCPItem)
  /// ICMP header.
  case icmp(ICMPItem)
  /// ICMPv6 header.
  case icmp6(ICMPItem)
  /// Geneve base header (RFC 8926).
  case geneve(GeneveItem)
  /// One Geneve option, anywhere in the list.
  case geneveOption(GeneveOptionItem)
  /// VXLAN header (RFC 7348).
  case vxlan(VXLANItem)
  /// GRE header (RFC 2784, 2890), NVGRE included.
  case gre(GREItem)
  /// The key of the GRE header before it.
  case greKey(Field<UInt32>)
  /// NVGRE (RFC 7637): GRE with a key, no checksum, no sequence, protocol 0x6558.
  case nvgre(NVGREItem)
  /// ESP header (RFC 4303): its SPI.
  case esp(Field<UInt32>)
  /// The frame came in through this port (rte_flow's REPRESENTED_PORT).
  case representedPort(Field<UInt16>)
  /// The frame was sent by software through this port's representor (rte_flow's PORT_REPRESENTOR).
  case portRepresentor(Field<UInt16>)
}

/// Ethernet II header fields.
@frozen
public struct EthItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Destination address, 48 bits.
  public var dst: Field<UInt64> = .any
  /// Source address, 48 bits.
  public var src: Field<UInt64> = .any
  /// The two bytes at offset 12: an EtherType, or the TPID of a tag.
  public var type: Field<UInt16> = .any
  /// Whether a tag follows: 1 or 0, mask 1.
  public var hasVLAN: Field<UInt8> = .any
  /// Any Ethernet frame.
  public init() {}
}

/// Fields of one VLAN tag.
@frozen
public struct VLANItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Tag control information: priority 3 bits, DEI 1, VLAN id 12.
  public var tci: Field<UInt16> = .any
  /// The two bytes after the TCI.
  public var innerType: Field<UInt16> = .any
  /// Any tag.
  public init() {}
}

/// IPv4 header fields.
@frozen
public struct IPv4Item: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// DSCP (6 bits) and ECN (2 bits).
  public var tos: Field<UInt8> = .any
  /// Time to live.
  public var ttl: Field<UInt8> = .any
  /// Protocol.
  public var proto: Field<UInt8> = .any
  /// Flags (3 bits) and fragment offset (13 bits, units of 8 bytes).
  public var fragmentOffset: Field<UInt16> = .any
  /// Source address.
  public var src: Field<UInt32> = .any
  /// Destination address.
  public var dst: Field<UInt32> = .any
  /// Any IPv4 packet.
  public init() {}
}

/// IPv6 base header fields.
@frozen
public struct IPv6Item: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Traffic class: DSCP (6 bits) and ECN (2 bits).
  public var tc: Field<UInt8> = .any
  /// Flow label, 20 bits.
  public var flow: Field<UInt32> = .any
  /// The base header's Next Header field.
  public var proto: Field<UInt8> = .any
  /// Hop limit.
  public var hop: Field<UInt8> = .any
  /// Whether there is a fragment extension header: 1 or 0, mask 1.
  public var hasFragment: Field<UInt8> = .any
  /// Source address.
  public var src: Field<UInt128> = .any
  /// Destination address.
  public var dst: Field<UInt128> = .any
  /// Any IPv6 packet.
  public init() {}
}

/// UDP ports.
@frozen
public struct L4Item: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Source port.
  public var src: Field<UInt16> = .any
  /// Destination port.
  public var dst: Field<UInt16> = .any
  /// Any datagram.
  public init() {}
}

/// TCP ports and flags.
@frozen
public struct TCPItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Source port.
  public var src: Field<UInt16> = .any
  /// Destination port.
  public var dst: Field<UInt16> = .any
  /// Flags: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the top bit down.
  public var flags: Field<UInt8> = .any
  /// Any segment.
  public init() {}
}

/// ICMP or ICMPv6 type and code.
@frozen
public struct ICMPItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Message type.
  public var type: Field<UInt8> = .any
  /// Message code.
  public var code: Field<UInt8> = .any
  /// Any message.
  public init() {}
}

/// Geneve base header fields.
@frozen
public struct GeneveItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Virtual network identifier, 24 bits.
  public var vni: Field<UInt32> = .any
  /// Protocol type of what is inside (0x6558 Ethernet).
  public var proto: Field<UInt16> = .any
  /// Length of the options in words of 4 bytes, 6 bits.
  public var optionLength: Field<UInt8> = .any
  /// Any Geneve packet of version 0.
  public init() {}
}

/// One Geneve option. Class, type and length are always compared in full; the data under its mask.
public struct GeneveOptionItem: Equatable, Hashable, Sendable {
  /// Option class.
  public var optionClass: UInt16
  /// Option type; the top bit says critical.
  public var type: UInt8
  /// Length of the data in words of 4 bytes, 0…31.
  public var length: UInt8
  /// Wanted data, a word at a time, masked; at most `length` words, the rest is not looked at.
  public var data: [UInt32]
  /// Bits of `data` that count; as many words.
  public var mask: [UInt32]

  /// An option of `length` words. `data` and `mask` must have the same count, at most `length`.
  public init(optionClass: UInt16, type: UInt8, length: UInt8, data: [UInt32] = [], mask: [UInt32] = []) {
    precondition(data.count == mask.count && data.count <= Int(length) && length < 32)
    self.optionClass = optionClass
    self.type = type
    self.length = length
    self.data = zip(data, mask).map { $0 & $1 }
    self.mask = mask
  }
}

/// VXLAN network identifier.
@frozen
public struct VXLANItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// VXLAN network identifier, 24 bits.
  public var vni: Field<UInt32> = .any
  /// Any VXLAN packet with the I flag.
  public init() {}
}

/// GRE header fields.
@frozen
public struct GREItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// The first two bytes: flags C, R, K, S, reserved bits, version.
  public var flags: Field<UInt16> = .any
  /// Protocol type.
  public var proto: Field<UInt16> = .any
  /// Any GRE packet of version 0.
  public init() {}
}

/// NVGRE fields.
@frozen
public struct NVGREItem: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// Tenant network identifier (virtual subnet id), 24 bits.
  public var tni: Field<UInt32> = .any
  /// Flow id.
  public var flowID: Field<UInt8> = .any
  /// Any NVGRE packet.
  public init() {}
}
