public import Device
public import Rules

extension Action {
  /// The action as the grammar writes it, with its index where it has one.
  var word: String {
    switch self {
    case .count: "count"
    case .mark: "mark"
    case .age: "age"
    case .rawDecap(let index): "raw_decap \(index)"
    case .rawEncap(let index): "raw_encap \(index)"
    case .vxlanDecap: "vxlan_decap"
    case .vxlanEncap(let index): "vxlan_encap \(index)"
    case .nvgreDecap: "nvgre_decap"
    case .nvgreEncap(let index): "nvgre_encap \(index)"
    case .set(let field): field.word
    case .decTTL: "dec_ttl"
    case .popVLAN: "of_pop_vlan"
    case .pushVLAN: "of_push_vlan"
    case .sample(_, let index): "sample \(index)"
    case .indirect(let id): "indirect \(id)"
    case .jump(let group): "jump to group \(group)"
    case .queue(let index): "queue \(index)"
    case .rss: "rss"
    case .drop: "drop"
    case .portID(let port): "port_id \(port)"
    case .representedPort(let port): "represented_port \(port)"
    case .portRepresentor(let port): "port_representor \(port)"
    }
  }

  /// The action behind an indirect one of `shared`.
  func resolved(_ shared: [UInt32: Action]) -> Action {
    guard case .indirect(let id) = self, let action = shared[id] else { return self }
    return action
  }

  /// The step of a frame's way that the action belongs to; what an indirect one stands for is not known here.
  public var step: RuleStep {
    switch self {
    case .count, .mark, .age, .indirect: .match
    case .rawDecap, .vxlanDecap, .nvgreDecap: .decapsulate
    case .rawEncap, .vxlanEncap, .nvgreEncap: .encapsulate
    case .set, .decTTL, .popVLAN, .pushVLAN: .rewrite
    case .sample, .jump, .queue, .rss, .drop, .portID, .representedPort, .portRepresentor: .forward
    }
  }
}

extension SetField {
  /// The action's word in the grammar.
  var word: String {
    switch self {
    case .macSource: "set_mac_src"
    case .macDestination: "set_mac_dst"
    case .ipv4Source: "set_ipv4_src"
    case .ipv4Destination: "set_ipv4_dst"
    case .ipv6Source: "set_ipv6_src"
    case .ipv6Destination: "set_ipv6_dst"
    case .l4Source: "set_tp_src"
    case .l4Destination: "set_tp_dst"
    case .ttl: "set_ttl"
    case .ipv4DSCP: "set_ipv4_dscp"
    case .ipv6DSCP: "set_ipv6_dscp"
    case .vlanID: "of_set_vlan_vid"
    case .vlanPriority: "of_set_vlan_pcp"
    }
  }
}

/// An ability's name in profiles; the first one when the set has several.
func name<Set: OptionSet>(of ability: Set, in names: [(ability: Set, name: String)], _ prefix: String) -> String
where Set.Element == Set {
  names.first { ability.contains($0.ability) }.map { prefix + $0.name } ?? prefix + "?"
}
