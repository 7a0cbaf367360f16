/// How a field's value is written.
enum ValueForm {
  /// Decimal or `0x`; printed decimal.
  case number
  /// Decimal or `0x`; printed `0x`.
  case hex
  /// An Ethernet address.
  case mac
  /// An IPv4 address, or a number.
  case ipv4
  /// An IPv6 address, or a number.
  case ipv6
}

/// One field of an item, as testpmd names it.
struct FieldWord {
  let name: String
  let bits: Int
  let form: ValueForm

  init(_ name: String, _ bits: Int, _ form: ValueForm = .number) {
    self.name = name
    self.bits = bits
    self.form = form
  }

  /// All bits of the field.
  var full: UInt128 { (1 << UInt128(bits)) &- 1 }

  /// Reads a value; nil when it is not of the form, or too big for the field.
  func parse(_ text: ArraySlice<UInt8>) -> UInt128? {
    let value: UInt128?
    switch form {
    case .number, .hex: value = NumberText.parse(text)
    case .mac: value = MACText.parse(text).map { UInt128($0) }
    case .ipv4: value = IPv4Text.parse(text).map { UInt128($0) } ?? NumberText.parse(text)
    case .ipv6: value = IPv6Text.parse(text) ?? NumberText.parse(text)
    }
    guard let value, value <= full || bits == 128 else { return nil }
    return value
  }

  /// Writes a value so that ``parse(_:)`` reads it.
  func print(_ value: UInt128) -> String {
    switch form {
    case .number: String(value)
    case .hex: NumberText.hex(value, digits: (bits + 3) / 4)
    case .mac: MACText.print(UInt64(truncatingIfNeeded: value))
    case .ipv4: IPv4Text.print(UInt32(truncatingIfNeeded: value))
    case .ipv6: IPv6Text.print(value)
    }
  }

  /// What is expected, in words.
  var wanted: String {
    switch form {
    case .number, .hex: "a number of \(bits) bit\(bits == 1 ? "" : "s") (0…\(full))"
    case .mac: "an Ethernet address (aa:bb:cc:dd:ee:ff)"
    case .ipv4: "an IPv4 address"
    case .ipv6: "an IPv6 address"
    }
  }
}

/// One item: its word and its fields. The order of the fields is the order in which they are printed.
struct ItemWord {
  let name: String
  let fields: [FieldWord]

  /// Every item of a rule, in the order of headers.
  static let all: [ItemWord] = [
    ItemWord(name: "represented_port", fields: [FieldWord("ethdev_port_id", 16)]),
    ItemWord(name: "port_representor", fields: [FieldWord("port_id", 16)]),
    ItemWord(
      name: "eth",
      fields: [
        FieldWord("dst", 48, .mac), FieldWord("src", 48, .mac), FieldWord("type", 16, .hex), FieldWord("has_vlan", 1),
      ]),
    ItemWord(
      name: "vlan",
      fields: [
        FieldWord("tci", 16, .hex), FieldWord("pcp", 3), FieldWord("dei", 1), FieldWord("vid", 12),
        FieldWord("inner_type", 16, .hex),
      ]),
    ItemWord(
      name: "ipv4",
      fields: [
        FieldWord("tos", 8, .hex), FieldWord("fragment_offset", 16, .hex), FieldWord("ttl", 8), FieldWord("proto", 8),
        FieldWord("src", 32, .ipv4), FieldWord("dst", 32, .ipv4),
      ]),
    ItemWord(
      name: "ipv6",
      fields: [
        FieldWord("tc", 8, .hex), FieldWord("flow", 20, .hex), FieldWord("proto", 8), FieldWord("hop", 8),
        FieldWord("has_frag_ext", 1), FieldWord("src", 128, .ipv6), FieldWord("dst", 128, .ipv6),
      ]),
    ItemWord(name: "udp", fields: [FieldWord("src", 16), FieldWord("dst", 16)]),
    ItemWord(name: "tcp", fields: [FieldWord("src", 16), FieldWord("dst", 16), FieldWord("flags", 8, .hex)]),
    ItemWord(name: "icmp", fields: [FieldWord("type", 8), FieldWord("code", 8)]),
    ItemWord(name: "icmp6", fields: [FieldWord("type", 8), FieldWord("code", 8)]),
    ItemWord(name: "esp", fields: [FieldWord("spi", 32, .hex)]),
    ItemWord(
      name: "geneve", fields: [FieldWord("vni", 24), FieldWord("protocol", 16, .hex), FieldWord("optlen", 6)]),
    ItemWord(
      name: "geneve-opt", fields: [FieldWord("class", 16, .hex), FieldWord("type", 8, .hex), FieldWord("length", 5)]),
    ItemWord(name: "vxlan", fields: [FieldWord("vni", 24)]),
    ItemWord(
      name: "gre",
      fields: [
        FieldWord("c_rsvd0_ver", 16, .hex), FieldWord("c_bit", 1), FieldWord("k_bit", 1), FieldWord("s_bit", 1),
        FieldWord("protocol", 16, .hex),
      ]),
    ItemWord(name: "gre_key", fields: [FieldWord("value", 32)]),
    ItemWord(name: "nvgre", fields: [FieldWord("tni", 24), FieldWord("flow_id", 8)]),
  ]

  /// The items by name.
  static let byName: [String: ItemWord] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// Items that testpmd knows and this project does not match, with what to do instead.
  static let foreign: [String: String] = {
    var words = [
      "port_id": "it is ambiguous in rte_flow; use `represented_port ethdev_port_id is N`",
      "any": "leave the layer out", "gre_option": "use `gre_key value is N` for the key",
      "ipv6_frag_ext": "use `ipv6 has_frag_ext is 1`",
    ]
    for word in [
      "raw", "invert", "pf", "vf", "phy_port", "mark", "meta", "tag", "sctp", "arp_eth_ipv4", "ipv6_ext", "e_tag",
      "mpls", "fuzzy", "gtp", "gtpc", "gtpu", "gtp_psc", "vxlan-gpe", "integrity", "conntrack", "pppoes", "pppoed",
      "pppoe_proto_id", "l2tpv3oip", "l2tpv2", "ppp", "ah", "pfcp", "ecpri", "flex", "higig2", "icmp6_nd_ns",
      "icmp6_nd_na", "icmp6_nd_opt", "icmp6_nd_opt_sla_eth", "icmp6_nd_opt_tla_eth", "meter_color", "nsh", "igmp",
    ] {
      words[word] = ""
    }
    return words
  }()
}
