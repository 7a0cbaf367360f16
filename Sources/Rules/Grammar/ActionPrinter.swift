extension Action {
  /// The action in testpmd's words; it parses to this value.
  ///
  /// One thing goes beyond testpmd: ``vxlanEncap(index:)`` and ``nvgreEncap(index:)`` have an `index` when
  /// they do not mean the tunnel that was set last.
  public var text: String {
    switch self {
    case .count(let id): id == 0 ? "count" : "count identifier \(id)"
    case .mark(let id): "mark id \(id)"
    case .age(let timeout): "age timeout \(timeout)"
    case .rawDecap(let index): "raw_decap index \(index)"
    case .rawEncap(let index): "raw_encap index \(index)"
    case .vxlanDecap: "vxlan_decap"
    case .vxlanEncap(let index): "vxlan_encap" + Self.index(index)
    case .nvgreDecap: "nvgre_decap"
    case .nvgreEncap(let index): "nvgre_encap" + Self.index(index)
    case .set(let field): field.text
    case .decTTL: "dec_ttl"
    case .popVLAN: "of_pop_vlan"
    case .pushVLAN(let type): "of_push_vlan ethertype " + NumberText.hex(UInt128(type), digits: 4)
    case .sample(let ratio, let index): "sample ratio \(ratio) index \(index)"
    case .indirect(let id): "indirect \(id)"
    case .jump(let group): "jump group \(group)"
    case .queue(let queue): "queue index \(queue)"
    case .rss(let rss): rss.text
    case .drop: "drop"
    case .portID(let port): "port_id id \(port)"
    case .representedPort(let port): "represented_port ethdev_port_id \(port)"
    case .portRepresentor(let port): "port_representor port_id \(port)"
    }
  }

  private static func index(_ index: UInt16) -> String { index == latestTunnel ? "" : " index \(index)" }
}

extension RSSAction {
  var text: String {
    var text = "rss queues " + queues.map { "\($0) " }.joined() + "end"
    if level != .outermost { text += " level \(level.rawValue)" }
    if !types.isEmpty { text += " types " + types.names.map { $0 + " " }.joined() + "end" }
    return text
  }
}

extension SetField {
  var text: String {
    switch self {
    case .macSource(let address): "set_mac_src mac_addr " + MACText.print(address)
    case .macDestination(let address): "set_mac_dst mac_addr " + MACText.print(address)
    case .ipv4Source(let address): "set_ipv4_src ipv4_addr " + IPv4Text.print(address)
    case .ipv4Destination(let address): "set_ipv4_dst ipv4_addr " + IPv4Text.print(address)
    case .ipv6Source(let address): "set_ipv6_src ipv6_addr " + IPv6Text.print(address)
    case .ipv6Destination(let address): "set_ipv6_dst ipv6_addr " + IPv6Text.print(address)
    case .l4Source(let port): "set_tp_src port \(port)"
    case .l4Destination(let port): "set_tp_dst port \(port)"
    case .ttl(let value): "set_ttl ttl_value \(value)"
    case .ipv4DSCP(let value): "set_ipv4_dscp dscp_value \(value)"
    case .ipv6DSCP(let value): "set_ipv6_dscp dscp_value \(value)"
    case .vlanID(let id): "of_set_vlan_vid vlan_vid \(id)"
    case .vlanPriority(let priority): "of_set_vlan_pcp vlan_pcp \(priority)"
    }
  }
}
