/// One action: its word and its parameters, as testpmd names them.
struct ActionWord {
  let name: String
  let parameters: [FieldWord]

  init(_ name: String, _ parameters: [FieldWord] = []) {
    self.name = name
    self.parameters = parameters
  }

  /// Actions whose parameters are plain `name value` pairs; rss and indirect have a form of their own.
  static let all: [ActionWord] = [
    ActionWord("count", [FieldWord("identifier", 32)]),
    ActionWord("mark", [FieldWord("id", 32)]),
    ActionWord("age", [FieldWord("timeout", 24)]),
    ActionWord("raw_decap", [FieldWord("index", 16)]),
    ActionWord("raw_encap", [FieldWord("index", 16)]),
    ActionWord("vxlan_decap"),
    ActionWord("vxlan_encap", [FieldWord("index", 16)]),
    ActionWord("nvgre_decap"),
    ActionWord("nvgre_encap", [FieldWord("index", 16)]),
    ActionWord("set_mac_src", [FieldWord("mac_addr", 48, .mac)]),
    ActionWord("set_mac_dst", [FieldWord("mac_addr", 48, .mac)]),
    ActionWord("set_ipv4_src", [FieldWord("ipv4_addr", 32, .ipv4)]),
    ActionWord("set_ipv4_dst", [FieldWord("ipv4_addr", 32, .ipv4)]),
    ActionWord("set_ipv6_src", [FieldWord("ipv6_addr", 128, .ipv6)]),
    ActionWord("set_ipv6_dst", [FieldWord("ipv6_addr", 128, .ipv6)]),
    ActionWord("set_tp_src", [FieldWord("port", 16)]),
    ActionWord("set_tp_dst", [FieldWord("port", 16)]),
    ActionWord("set_ttl", [FieldWord("ttl_value", 8)]),
    ActionWord("dec_ttl"),
    ActionWord("of_dec_nw_ttl"),
    ActionWord("set_ipv4_dscp", [FieldWord("dscp_value", 6)]),
    ActionWord("set_ipv6_dscp", [FieldWord("dscp_value", 6)]),
    ActionWord("of_pop_vlan"),
    ActionWord("of_push_vlan", [FieldWord("ethertype", 16, .hex)]),
    ActionWord("of_set_vlan_vid", [FieldWord("vlan_vid", 12)]),
    ActionWord("of_set_vlan_pcp", [FieldWord("vlan_pcp", 3)]),
    ActionWord("sample", [FieldWord("ratio", 32), FieldWord("index", 16)]),
    ActionWord("jump", [FieldWord("group", 32)]),
    ActionWord("queue", [FieldWord("index", 16)]),
    ActionWord("drop"),
    ActionWord("port_id", [FieldWord("id", 16), FieldWord("original", 1)]),
    ActionWord("represented_port", [FieldWord("ethdev_port_id", 16)]),
    ActionWord("port_representor", [FieldWord("port_id", 16)]),
  ]

  /// The actions by name.
  static let byName: [String: ActionWord] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// Everything that may stand where an action is expected.
  static let candidates: [String] = all.map(\.name) + ["modify_field", "rss", "indirect", "void", "end"]

  /// Actions that testpmd knows and this project does not do, with what to do instead.
  static let foreign: [String: String] = {
    var words = [
      "flag": "use `mark id N`", "passthru": "use `jump group N`", "of_set_nw_ttl": "use `set_ttl ttl_value N`",
      "l2_encap": "use `raw_encap index N` with `set raw_encap N eth … / end_set`",
      "l2_decap": "use `raw_decap index N` with `set raw_decap N eth / end_set`",
      "mac_swap": "use `set_mac_src` and `set_mac_dst`",
      "shared_indirect": "use `indirect N`", "phy_port": "use `represented_port ethdev_port_id N`",
    ]
    for word in [
      "pf", "vf", "meter", "meter_color", "meter_mark", "color", "of_set_mpls_ttl", "of_dec_mpls_ttl",
      "of_copy_ttl_out", "of_copy_ttl_in", "of_pop_mpls", "of_push_mpls", "mplsogre_encap", "mplsogre_decap",
      "mplsoudp_encap", "mplsoudp_decap", "inc_tcp_seq", "dec_tcp_seq", "inc_tcp_ack", "dec_tcp_ack", "set_tag",
      "set_meta", "conntrack", "security", "quota_query", "send_to_kernel",
    ] {
      words[word] = ""
    }
    return words
  }()
}

extension HashTypes {
  /// testpmd's names of the hash types; the place in the list is the bit.
  public static let words: [String] = [
    "all", "none", "ip", "udp", "tcp", "sctp", "tunnel", "vlan", "port", "eth", "ipv4", "ipv4-frag", "ipv4-tcp",
    "ipv4-udp", "ipv4-sctp", "ipv4-other", "ipv6", "ipv6-frag", "ipv6-tcp", "ipv6-udp", "ipv6-sctp", "ipv6-other",
    "l2-payload", "ipv6-ex", "ipv6-tcp-ex", "ipv6-udp-ex", "vxlan", "geneve", "nvgre", "s-vlan", "c-vlan", "esp",
    "ah", "l2tpv3", "pfcp", "pppoe", "gtpu", "ecpri", "mpls", "ipv4-chksum", "l4-chksum", "l2tpv2", "l3-pre32",
    "l3-pre40", "l3-pre48", "l3-pre56", "l3-pre64", "l3-pre96", "l2-src-only", "l2-dst-only", "l3-src-only",
    "l3-dst-only", "l4-src-only", "l4-dst-only",
  ]

  /// The names of the bits that are set.
  public var names: [String] {
    Self.words.enumerated().filter { rawValue >> UInt64($0.offset) & 1 == 1 }.map(\.element)
  }

  /// The type of this name.
  init?(word: String) {
    guard let bit = Self.words.firstIndex(of: word) else { return nil }
    self.init(rawValue: 1 << UInt64(bit))
  }
}
