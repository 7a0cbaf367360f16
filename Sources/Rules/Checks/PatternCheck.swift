/// The order of items in a pattern (SPECIFICATION.md M2) and the widths of their masks.
struct PatternCheck {
  /// What came so far, from outside in. Items may be left out, but never stand before an earlier layer's.
  private enum Layer: Int { case port, eth, vlan, network, transport, tunnel }

  private var layer = Layer.port
  private var tags = 0
  private var isInner = false
  private var hasKey = false
  private var network: Item?
  private var transport: Item?
  private var tunnel: Item?

  init() {}

  func check(_ pattern: [Item]) throws(RuleError) {
    var state = self
    for (index, item) in pattern.enumerated() {
      try state.place(item, index)
      try state.checkWidths(item, index)
    }
  }

  private mutating func place(_ item: Item, _ index: Int) throws(RuleError) {
    switch item {
    case .representedPort, .portRepresentor:
      guard layer == .port, !isInner else { throw RuleError(.item(index), "`\(item.name)` stands first in a pattern") }
    case .eth: try enter(.eth, after: .port, item, index)
    case .vlan:
      if layer != .vlan { try enter(.vlan, after: .eth, item, index) }
      tags += 1
      guard tags <= 2 else { throw RuleError(.item(index), "more than two VLAN items of one frame") }
    case .ipv4, .ipv6:
      try enter(.network, after: .vlan, item, index)
      network = item
    case .udp, .tcp, .icmp, .icmp6, .esp: try placeTransport(item, index)
    case .geneve, .vxlan, .gre, .nvgre: try placeTunnel(item, index)
    case .geneveOption:
      guard layer == .tunnel, case .geneve? = tunnel else {
        throw RuleError(.item(index), "`geneve-opt` stands behind `geneve`")
      }
    case .greKey:
      guard !hasKey else { throw RuleError(.item(index), "one GRE header has one key") }
      hasKey = true
      guard layer == .tunnel, case .gre? = tunnel else {
        throw RuleError(.item(index), "`gre_key` stands behind `gre`")
      }
    }
  }

  /// Goes to `next`, which may follow everything up to `last`.
  private mutating func enter(_ next: Layer, after last: Layer, _ item: Item, _ index: Int) throws(RuleError) {
    if layer == .tunnel, !isInner {
      // What follows the tunnel's items is about the frame inside.
      isInner = true
      layer = .port
      (tags, network, transport) = (0, nil, nil)
    }
    guard layer.rawValue <= last.rawValue else {
      throw RuleError(.item(index), "`\(item.name)` cannot stand here: items go from the outermost header inwards")
    }
    layer = next
  }

  private mutating func placeTransport(_ item: Item, _ index: Int) throws(RuleError) {
    try enter(.transport, after: .network, item, index)
    switch (network, item) {
    case (.ipv6?, .icmp): throw RuleError(.item(index), "`icmp` is carried by ipv4; behind ipv6 use `icmp6`")
    case (.ipv4?, .icmp6): throw RuleError(.item(index), "`icmp6` is carried by ipv6; behind ipv4 use `icmp`")
    default: break
    }
    transport = item
  }

  private mutating func placeTunnel(_ item: Item, _ index: Int) throws(RuleError) {
    guard !isInner, layer != .tunnel else {
      throw RuleError(.item(index), "a second tunnel inside the first is not looked into")
    }
    switch (item, transport) {
    case (_, nil), (.geneve, .udp?), (.vxlan, .udp?): break
    default:
      let other = transport?.name ?? ""
      throw RuleError(.item(index), "`\(item.name)` is not carried by `\(other)`")
    }
    layer = .tunnel
    tunnel = item
  }

  private func checkWidths(_ item: Item, _ index: Int) throws(RuleError) {
    func demand(_ mask: some FixedWidthInteger, _ bits: Int, _ field: String) throws(RuleError) {
      guard mask >> bits == 0 else {
        throw RuleError(.item(index), "the mask of `\(field)` is wider than its \(bits) bits")
      }
    }
    switch item {
    case .eth(let eth):
      try demand(eth.dst.mask, 48, "dst")
      try demand(eth.src.mask, 48, "src")
      try demand(eth.hasVLAN.mask, 1, "has_vlan")
    case .ipv6(let ip):
      try demand(ip.flow.mask, 20, "flow")
      try demand(ip.hasFragment.mask, 1, "has_frag_ext")
    case .geneve(let geneve):
      try demand(geneve.vni.mask, 24, "vni")
      try demand(geneve.optionLength.mask, 6, "optlen")
    case .vxlan(let vxlan): try demand(vxlan.vni.mask, 24, "vni")
    case .nvgre(let nvgre): try demand(nvgre.tni.mask, 24, "tni")
    default: break
    }
  }
}
