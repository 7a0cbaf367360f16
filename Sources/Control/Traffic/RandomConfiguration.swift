import Device
import Rules

/// Configurations nobody thought of: ports, encapsulations of every kind and rules of every form, from a seed.
public struct RandomConfiguration {
  var random: SeededGenerator
  var overlay = Overlay()
  private var ports: [Configuration.NamedPort] = []
  private var rules: [NumberedRule] = []
  let uplinks: [UInt16] = [0, 1]
  let tenants: [UInt16] = [10, 11, 12]

  /// The configuration of a seed, with about `ruleCount` rules.
  public static func make(seed: UInt64, ruleCount: Int = 40) -> Configuration {
    var maker = RandomConfiguration(random: SeededGenerator(seed: seed ^ 0xc0f1_6000))
    maker.addPorts()
    maker.addEndpoint()
    maker.addEncapsulations()
    maker.addSampleLists()
    while maker.rules.count < ruleCount { maker.addRule() }
    return Configuration(
      file: "seed \(seed)", ports: maker.ports, overlay: maker.overlay, rules: maker.rules, wants: [],
      answers: .init())
  }

  private init(random: SeededGenerator) { self.random = random }

  private mutating func addPorts() {
    for id in uplinks {
      let port = Port(
        id: id, kind: .uplink, mtu: random.pick([1500, 1500, 1600, 9000]), mac: 0x02_00_00_00_01_00 | UInt64(id),
        miss: random.oneIn(3) ? .host : .drop)
      ports.append(.init(name: "uplink\(id)", port: port))
    }
    for (index, id) in tenants.enumerated() {
      let port = Port(
        id: id, kind: .tenant, mtu: random.pick([1450, 1500, 9000]), tenant: UInt16(index % 2 + 1),
        mac: 0x02_00_00_00_20_00 | UInt64(index), miss: random.oneIn(4) ? .host : .drop)
      ports.append(.init(name: "vm\(id)", port: port))
    }
    if !random.oneIn(3) { ports.append(.init(name: "host", port: Port(id: 99, kind: .host, mtu: 9000))) }
    overlay.ports = ports.map(\.port)
  }

  private mutating func addEndpoint() {
    overlay.endpoint.ipv4 = [0xc633_6401, 0xcb00_7101]  // 198.51.100.1, 203.0.113.1
    overlay.endpoint.ipv6 = [0x2001_0db8 << 96 | 1]
    overlay.endpoint.acceptsZeroUDPChecksumIPv6 = random.oneIn(3)
    overlay.endpoint.acceptsVXLANInnerVLAN = random.oneIn(3)
    if random.oneIn(2) { overlay.endpoint.knownCriticalOptions = [0x0102_80, 0x014b_81] }
  }

  private mutating func addEncapsulations() {
    overlay.decapsulations = [
      1: .tunnel(.geneve), 2: .tunnel(.vxlan), 3: .tunnel(.gre), 4: .tunnel(.nvgre), 5: .ethernet,
    ]
    for index in UInt16(1)...12 { overlay.encapsulations[index] = encapsulation() }
    overlay.encapsulations[20] = ethernet()
  }

  private func ethernet() -> Encapsulation {
    let header = be48(0x02_00_00_00_00_99) + be48(0x02_00_00_00_00_98) + be(UInt16(0))
    return Encapsulation(
      header: header, kind: .none, l3: 0, l4: 0, isIPv6: false, policy: EncapsulationPolicy())
  }

  private mutating func encapsulation() -> Encapsulation {
    var plan = FrameBlueprint()
    var tunnel = FrameBlueprint.Tunnel()
    tunnel.kind = random.pick([.geneve, .geneve, .geneve, .vxlan, .gre, .nvgre])
    let isIPv6 = random.oneIn(3)
    plan.outer.l3 = isIPv6 ? .ipv6 : .ipv4
    plan.outer.src128 = isIPv6 ? overlay.endpoint.ipv6[0] : UInt128(overlay.endpoint.ipv4[0])
    plan.outer.dst128 = isIPv6 ? 0x2001_0db8 << 96 | 0x77 : 0xc633_6407
    plan.outer.tos = random.pick([0, 0xb8, 0x03])
    plan.outer.ttl = random.pick([64, 32, 0])
    plan.outer.flow = isIPv6 ? random.value() & 0xfffff : 0
    if random.oneIn(4) { plan.outer.tags = [(0x8100, 100)] }
    plan.outer.srcPort = random.oneIn(4) ? 50000 : 0
    plan.outer.dstPort = tunnel.kind == .vxlan ? 4789 : 6081
    tunnel.vni = tunnel.kind == .nvgre ? 0x5001 : 0x100 + UInt32(random.below(8))
    if tunnel.kind == .gre {
      tunnel.hasKey = random.oneIn(2)
      tunnel.hasChecksum = random.oneIn(3)
    }
    if tunnel.kind == .geneve || tunnel.kind == .gre, random.oneIn(6) { tunnel.proto = 0x0800 }
    if tunnel.kind == .geneve {
      for _ in 0..<random.pick([0, 0, 1, 1, 2, 4]) {
        let words = random.below(4)
        let type = random.value(UInt8.self)
        if type & 0x80 != 0 { tunnel.flags |= 0x40 }
        let optionClass: UInt16 = random.pick([0x0102, 0x0108, 0x014b, 0xfff1])
        tunnel.options += be(optionClass) + [type, UInt8(words)]
        tunnel.options += random.bytes(words * 4)
      }
    }
    plan.tunnel = tunnel
    plan.inner.hasEthernet = false
    plan.inner.l3 = .none
    let l3 = 14 + plan.outer.tags.count * 4
    var policy = EncapsulationPolicy()
    policy.ecn = random.oneIn(3) ? .zero : .copy
    policy.dscp = random.oneIn(4) ? .copy : .fixed
    policy.ttl = random.oneIn(4) ? .copy : .fixed
    policy.df = random.pick([.set, .set, .clear, .copy])
    policy.udpChecksum = random.oneIn(2) ? .off : .on
    return Encapsulation(
      header: plan.bytes(), kind: tunnel.kind, l3: l3, l4: l3 + (isIPv6 ? 40 : 20), isIPv6: isIPv6, policy: policy)
  }

  private mutating func addRule() {
    var rule = Rule(pattern: [], actions: [])
    rule.attributes.group = random.pick([0, 0, 0, 0, 1, 1, 2])
    rule.attributes.priority = UInt32(random.below(4))
    rule.attributes.ingress = true
    let fromUplink = random.oneIn(2)
    rule.attributes.transfer = random.oneIn(2)
    rule.attributes.port = random.pick(fromUplink ? uplinks : tenants)
    if rule.attributes.transfer, random.oneIn(2) { rule.pattern.append(.representedPort(Field(rule.attributes.port))) }
    let isTunnel = fromUplink && rule.attributes.group == 0 && !random.oneIn(4)
    rule.pattern += level()
    if isTunnel {
      rule.pattern = tunnelPattern(Array(rule.pattern.prefix { if case .representedPort = $0 { true } else { false } }))
    }
    rule.actions = actions(isTunnel: isTunnel, pattern: rule.pattern, group: rule.attributes.group)
    rules.append(NumberedRule(id: UInt32(rules.count + 1), rule: rule))
  }

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
  private mutating func level() -> [Item] {
    var items: [Item] = []
    if !random.oneIn(3) {
      var eth = EthItem()
      if random.oneIn(3) { eth.dst = Field(0x02_00_00_00_10_00 | UInt64(random.below(8)), mask: 0xffff_ffff_ffff) }
      if random.oneIn(6) { eth.src = Field(0x02_00_00_00_20_00, mask: 0xffff_ffff_fff0) }
      if random.oneIn(8) { eth.type = Field(random.pick([0x0800, 0x86dd, 0x0806, 0x8100])) }
      items.append(.eth(eth))
    }
    if random.oneIn(6) {
      var vlan = VLANItem()
      if random.oneIn(2) { vlan.tci = Field(UInt16(random.below(4)), mask: 0x0fff) }
      items.append(.vlan(vlan))
      if random.oneIn(4) { items.append(.vlan(VLANItem())) }
    }
    let isIPv6 = random.oneIn(3)
    guard !random.oneIn(6) else { return items.isEmpty ? [.eth(EthItem())] : items }
    if isIPv6 {
      var ip = IPv6Item()
      if random.oneIn(3) {
        ip.dst = field(0x2001_0db8 << 96 | 0x100 | UInt128(random.below(16) + 1), partial: .max << 64)
      }
      if random.oneIn(6) { ip.tc = Field(UInt8(random.below(4)), mask: 3) }
      if random.oneIn(12) { ip.hasFragment = Field(0, mask: 1) }
      if random.oneIn(12) { ip.hop = Field(64) }
      items.append(.ipv6(ip))
    } else {
      var ip = IPv4Item()
      if random.oneIn(3) { ip.dst = field(0x0a00_0100 | UInt32(random.below(16) + 1), partial: 0xffff_ff00) }
      if random.oneIn(4) { ip.src = field(0x0a00_0000 | UInt32(random.below(16) + 1), partial: 0xffff_fff0) }
      if random.oneIn(6) { ip.tos = Field(UInt8(random.below(4)), mask: 3) }
      if random.oneIn(12) { ip.ttl = Field(64) }
      if random.oneIn(12) { ip.fragmentOffset = Field(0, mask: 0x3fff) }
      items.append(.ipv4(ip))
    }
    switch random.below(8) {
    case 0...2:
      var tcp = TCPItem()
      if random.oneIn(2) { tcp.dst = Field(random.pick([80, 443, 5201])) }
      if random.oneIn(6) { tcp.flags = Field(0x02, mask: 0x12) }
      items.append(.tcp(tcp))
    case 3...4:
      var udp = L4Item()
      if random.oneIn(2) { udp.dst = field(random.pick([53, 443]), partial: 0xfffe) }
      items.append(.udp(udp))
    case 5: items.append(isIPv6 ? .icmp6(ICMPItem()) : .icmp(ICMPItem()))
    default: break
    }
    return items
  }

  private mutating func tunnelPattern(_ prefix: [Item]) -> [Item] {
    var items = prefix
    if !random.oneIn(3) { items.append(.eth(EthItem())) }
    let isIPv6 = random.oneIn(3)
    if isIPv6 {
      var ip = IPv6Item()
      if random.oneIn(2) { ip.dst = Field(overlay.endpoint.ipv6[0]) }
      items.append(.ipv6(ip))
    } else {
      var ip = IPv4Item()
      if random.oneIn(2) { ip.dst = Field(overlay.endpoint.ipv4[0]) }
      items.append(.ipv4(ip))
    }
    switch random.below(7) {
    case 0...3:
      var udp = L4Item()
      if random.oneIn(2) { udp.dst = Field(6081) }
      if random.oneIn(2) { items.append(.udp(udp)) }
      var geneve = GeneveItem()
      geneve.vni = field(UInt32(random.below(4)), partial: 0xff_fffc)
      if geneve.vni.mask == .max { geneve.vni = Field(geneve.vni.spec, mask: 0xff_ffff) }
      if random.oneIn(6) { geneve.optionLength = Field(UInt8(random.below(4)), mask: 0x3f) }
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
    case 4:
      var vxlan = VXLANItem()
      if !random.oneIn(4) { vxlan.vni = Field(UInt32(random.below(4)), mask: 0xff_ffff) }
      items.append(.vxlan(vxlan))
    case 5:
      items.append(.gre(GREItem()))
      if random.oneIn(3) { items.append(.greKey(Field(UInt32(random.below(4)), mask: 3))) }
    default:
      var nvgre = NVGREItem()
      if random.oneIn(2) { nvgre.tni = Field(0x5000 + UInt32(random.below(4)), mask: 0xff_ffff) }
      items.append(.nvgre(nvgre))
    }
    if random.oneIn(2) { items += level() }
    return items
  }
}
