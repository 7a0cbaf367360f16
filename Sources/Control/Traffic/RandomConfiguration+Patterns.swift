import Device
import Rules

// What drawn rules look at: every item and every field, mostly in full, now and then in part.
extension RandomConfiguration {
  private mutating func field<V: FixedWidthInteger & UnsignedInteger & Sendable & BitwiseCopyable>(
    _ value: V, partial: V
  ) -> Field<V> {
    switch random.below(6) {
    case 0: Field(value, mask: partial)
    case 1: .any
    default: Field(value)
    }
  }

  /// Items of one level of headers, Ethernet first.
  mutating func level() -> [Item] {
    var items: [Item] = []
    if !random.oneIn(3) {
      var eth = EthItem()
      if random.oneIn(3) { eth.dst = Field(0x02_00_00_00_10_00 | UInt64(random.below(8)), mask: 0xffff_ffff_ffff) }
      if random.oneIn(6) { eth.src = Field(0x02_00_00_00_20_00, mask: 0xffff_ffff_fff0) }
      if random.oneIn(8) { eth.type = Field(random.pick([0x0800, 0x86dd, 0x0806, 0x8100])) }
      if random.oneIn(16) { eth.hasVLAN = Field(UInt8(random.below(2)), mask: 1) }
      items.append(.eth(eth))
    }
    if random.oneIn(6) {
      items.append(.vlan(vlan()))
      if random.oneIn(3) { items.append(.vlan(vlan())) }
    }
    let isIPv6 = random.oneIn(3)
    guard !random.oneIn(6) else { return items.isEmpty ? [.eth(EthItem())] : items }
    items.append(isIPv6 ? .ipv6(ipv6()) : .ipv4(ipv4()))
    if let transport = transport(isIPv6: isIPv6) { items.append(transport) }
    return items
  }

  private mutating func vlan() -> VLANItem {
    var vlan = VLANItem()
    if random.oneIn(2) { vlan.tci = Field(UInt16(random.below(4)), mask: 0x0fff) }
    if random.oneIn(12) { vlan.tci = Field(UInt16(random.below(8)) << 13, mask: 0xe000) }
    if random.oneIn(12) { vlan.innerType = Field(random.pick([0x0800, 0x86dd])) }
    return vlan
  }

  private mutating func ipv4() -> IPv4Item {
    var ip = IPv4Item()
    if random.oneIn(3) { ip.dst = field(0x0a00_0100 | UInt32(random.below(16) + 1), partial: 0xffff_ff00) }
    if random.oneIn(4) { ip.src = field(0x0a00_0000 | UInt32(random.below(16) + 1), partial: 0xffff_fff0) }
    if random.oneIn(6) { ip.tos = Field(UInt8(random.below(4)), mask: 3) }
    if random.oneIn(24) { ip.tos = Field(random.pick([0xb8, 0x28]), mask: 0xfc) }
    if random.oneIn(12) { ip.ttl = Field(64) }
    if random.oneIn(12) { ip.fragmentOffset = Field(0, mask: random.pick([0x3fff, 0x1fff, 0x2000])) }
    if random.oneIn(24) { ip.fragmentOffset = Field(0x4000, mask: 0x4000) }
    if random.oneIn(16) { ip.proto = Field(random.pick([6, 17, 1, 47, 50])) }
    return ip
  }

  private mutating func ipv6() -> IPv6Item {
    var ip = IPv6Item()
    if random.oneIn(3) {
      ip.dst = field(0x2001_0db8 << 96 | 0x100 | UInt128(random.below(16) + 1), partial: .max << 64)
    }
    if random.oneIn(6) { ip.src = field(0x2001_0db8 << 96 | UInt128(random.below(16) + 1), partial: .max << 4) }
    if random.oneIn(6) { ip.tc = Field(UInt8(random.below(4)), mask: 3) }
    if random.oneIn(12) { ip.hasFragment = Field(UInt8(random.below(2)), mask: 1) }
    if random.oneIn(12) { ip.hop = Field(64) }
    if random.oneIn(12) { ip.flow = Field(random.value() & 0xf, mask: 0xf_ffff) }
    if random.oneIn(16) { ip.proto = Field(random.pick([6, 17, 58, 0, 44, 50])) }
    return ip
  }

  private mutating func transport(isIPv6: Bool) -> Item? {
    switch random.below(8) {
    case 0...2:
      var tcp = TCPItem()
      if random.oneIn(2) { tcp.dst = Field(random.pick([80, 443, 5201])) }
      if random.oneIn(8) { tcp.src = field(49152 + UInt16(random.below(64)), partial: 0xfff0) }
      if random.oneIn(6) { tcp.flags = Field(0x02, mask: 0x12) }
      return .tcp(tcp)
    case 3...4:
      var udp = L4Item()
      if random.oneIn(2) { udp.dst = field(random.pick([53, 443]), partial: 0xfffe) }
      if random.oneIn(8) { udp.src = field(49152 + UInt16(random.below(64)), partial: 0xfff0) }
      return .udp(udp)
    case 5:
      var icmp = ICMPItem()
      if random.oneIn(3) { icmp.type = Field(random.pick(isIPv6 ? [128, 2, 1] : [8, 3, 11])) }
      if random.oneIn(6) { icmp.code = Field(UInt8(random.below(2))) }
      return isIPv6 ? .icmp6(icmp) : .icmp(icmp)
    case 6 where random.oneIn(2): return .esp(random.oneIn(2) ? .any : Field(UInt32(random.below(4)), mask: 3))
    default: return nil
    }
  }

  /// Items of outer headers, a tunnel and sometimes of what is inside.
  mutating func tunnelPattern() -> [Item] {
    var items: [Item] = []
    if !random.oneIn(3) { items.append(.eth(EthItem())) }
    if random.oneIn(16) { items.append(.vlan(vlan())) }
    if random.oneIn(3) {
      var ip = random.oneIn(8) ? ipv6() : IPv6Item()
      if random.oneIn(2) { ip.dst = Field(overlay.endpoint.ipv6[0]) }
      ip.proto = .any
      items.append(.ipv6(ip))
    } else if !random.oneIn(8) {
      var ip = random.oneIn(8) ? ipv4() : IPv4Item()
      if random.oneIn(2) { ip.dst = Field(overlay.endpoint.ipv4[0]) }
      ip.proto = .any
      items.append(.ipv4(ip))
    }
    switch random.below(10) {
    case 0...4: items += geneve()
    case 5...6:
      var vxlan = VXLANItem()
      if !random.oneIn(4) { vxlan.vni = Field(UInt32(random.below(4)), mask: 0xff_ffff) }
      items.append(.vxlan(vxlan))
    case 7...8:
      var gre = GREItem()
      if random.oneIn(4) { gre.flags = Field(random.pick([0, 0x2000, 0x8000]), mask: random.pick([0xb000, 0xffff])) }
      if random.oneIn(4) { gre.proto = Field(random.pick([0x6558, 0x0800, 0x86dd])) }
      items.append(.gre(gre))
      if random.oneIn(3) { items.append(.greKey(Field(UInt32(random.below(4)), mask: 3))) }
    default:
      var nvgre = NVGREItem()
      if random.oneIn(2) { nvgre.tni = Field(0x5000 + UInt32(random.below(4)), mask: 0xff_ffff) }
      if random.oneIn(6) { nvgre.flowID = Field(UInt8(random.below(4)), mask: random.pick([0xff, 3])) }
      items.append(.nvgre(nvgre))
    }
    if random.oneIn(2) { items += level() }
    return items
  }

  private mutating func geneve() -> [Item] {
    var items: [Item] = []
    if random.oneIn(2) {
      var udp = L4Item()
      if random.oneIn(2) { udp.dst = Field(overlay.endpoint.genevePort) }
      items.append(.udp(udp))
    }
    var geneve = GeneveItem()
    geneve.vni = field(UInt32(random.below(4)), partial: 0xff_fffc)
    if geneve.vni.mask == .max { geneve.vni = Field(geneve.vni.spec, mask: 0xff_ffff) }
    if random.oneIn(6) { geneve.optionLength = Field(UInt8(random.below(4)), mask: 0x3f) }
    if random.oneIn(8) { geneve.proto = Field(random.pick([0x6558, 0x6558, 0x0800, 0x86dd])) }
    items.append(.geneve(geneve))
    for _ in 0..<random.pick([0, 0, 1, 1, 2]) {
      let words = UInt8(1 + random.below(2))
      let data = (0..<Int(words)).map { _ in UInt32(random.below(3)) }
      items.append(
        .geneveOption(
          GeneveOptionItem(
            optionClass: random.pick([0x0102, 0x0108]), type: random.pick([0x80, 0x01, 0x02]), length: words,
            data: data, mask: data.map { _ in random.pick([.max, .max, 0xffff, 0]) })))
    }
    return items
  }
}
