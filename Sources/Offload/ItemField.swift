import Device
import Rules

/// One field of a pattern item, with what a device needs for it.
enum ItemField: UInt8, CaseIterable, Sendable {
  case ethDst = 1, ethSrc, ethType, ethHasVLAN, vlanTCI, vlanInnerType
  case ipv4TOS, ipv4TTL, ipv4Proto, ipv4Fragment, ipv4Src, ipv4Dst
  case ipv6TC, ipv6Flow, ipv6Proto, ipv6Hop, ipv6HasFragment, ipv6Src, ipv6Dst
  case l4Src, l4Dst, tcpFlags, icmpType, icmpCode
  case geneveVNI, geneveProto, geneveOptionLength, vxlanVNI, greFlags, greProto, greKey, nvgreTNI, nvgreFlow, espSPI
  case inPort, representor

  /// The field as users write it, with its item.
  var name: String {
    switch self {
    case .ethDst: "eth dst"
    case .ethSrc: "eth src"
    case .ethType: "eth type"
    case .ethHasVLAN: "eth has_vlan"
    case .vlanTCI: "vlan tci"
    case .vlanInnerType: "vlan inner_type"
    case .ipv4TOS: "ipv4 tos"
    case .ipv4TTL: "ipv4 ttl"
    case .ipv4Proto: "ipv4 proto"
    case .ipv4Fragment: "ipv4 fragment_offset"
    case .ipv4Src: "ipv4 src"
    case .ipv4Dst: "ipv4 dst"
    case .ipv6TC: "ipv6 tc"
    case .ipv6Flow: "ipv6 flow"
    case .ipv6Proto: "ipv6 proto"
    case .ipv6Hop: "ipv6 hop"
    case .ipv6HasFragment: "ipv6 has_frag_ext"
    case .ipv6Src: "ipv6 src"
    case .ipv6Dst: "ipv6 dst"
    case .l4Src: "source port"
    case .l4Dst: "destination port"
    case .tcpFlags: "tcp flags"
    case .icmpType: "icmp type"
    case .icmpCode: "icmp code"
    case .geneveVNI: "geneve vni"
    case .geneveProto: "geneve protocol"
    case .geneveOptionLength: "geneve optlen"
    case .vxlanVNI: "vxlan vni"
    case .greFlags: "gre c_rsvd0_ver"
    case .greProto: "gre protocol"
    case .greKey: "gre_key value"
    case .nvgreTNI: "nvgre tni"
    case .nvgreFlow: "nvgre flow_id"
    case .espSPI: "esp spi"
    case .inPort: "represented_port ethdev_port_id"
    case .representor: "port_representor port_id"
    }
  }

  /// What the field needs beside its item's own ability.
  var ability: MatchAbilities {
    switch self {
    case .ethHasVLAN: .vlan
    case .ipv4TTL, .ipv6Hop: .ttl
    case .ipv4Fragment, .ipv6HasFragment: .fragment
    case .ipv6Flow: .flowLabel
    case .tcpFlags: .tcpFlags
    case .geneveOptionLength: .geneveOptionLength
    default: []
    }
  }

  /// The field's subfields: each may be looked at in full or not at all without a partial mask.
  var subfields: [UInt128] {
    switch self {
    case .ethDst, .ethSrc: [0xffff_ffff_ffff]
    case .ethType, .vlanInnerType, .l4Src, .l4Dst, .geneveProto, .greProto, .inPort, .representor: [0xffff]
    case .ethHasVLAN, .ipv6HasFragment: [1]
    case .vlanTCI: [0xe000, 0x1000, 0x0fff]
    case .ipv4TOS, .ipv6TC: [0xfc, 0x03]
    case .ipv4TTL, .ipv4Proto, .ipv6Proto, .ipv6Hop, .icmpType, .icmpCode, .nvgreFlow: [0xff]
    case .ipv4Fragment: [0x8000, 0x4000, 0x2000, 0x1fff]
    case .ipv4Src, .ipv4Dst, .greKey, .espSPI: [0xffff_ffff]
    case .ipv6Flow: [0xfffff]
    case .ipv6Src, .ipv6Dst: [.max]
    case .tcpFlags: (0..<8).map { 1 << $0 }
    case .geneveVNI, .vxlanVNI, .nvgreTNI: [0xff_ffff]
    case .geneveOptionLength: [0x3f]
    case .greFlags: (0..<16).map { 1 << $0 }
    }
  }

  /// Every bit of the field.
  var fullMask: UInt128 { subfields.reduce(0, |) }

  /// Whether the mask looks at a part of some subfield.
  func isPartial(_ mask: UInt128) -> Bool {
    switch self {
    case .tcpFlags, .greFlags, .ethHasVLAN, .ipv6HasFragment: return false
    default:
      for subfield in subfields where mask & subfield != 0 && mask & subfield != subfield { return true }
      return false
    }
  }

  /// The subfields that the mask looks at at all, each in full.
  func rounded(_ mask: UInt128) -> UInt128 {
    subfields.filter { mask & $0 != 0 }.reduce(0, |)
  }

  /// The subfields that the mask looks at in full, and no others.
  func trimmed(_ mask: UInt128) -> UInt128 {
    subfields.filter { mask & $0 == $0 }.reduce(0, |)
  }
}

/// A field that a rule looks at.
struct FieldUse: Equatable, Sendable {
  var field: ItemField
  var spec: UInt128
  var mask: UInt128
}
