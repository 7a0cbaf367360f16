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
  /// Groups that rules are in; jumps go to a later one, and seldom to any.
  private(set) var groups: UInt32 = 3

  /// The configuration of a seed, with about `ruleCount` rules.
  public static func make(seed: UInt64, ruleCount: Int = 40) -> Configuration {
    var maker = RandomConfiguration(random: SeededGenerator(seed: seed ^ 0xc0f1_6000))
    maker.addPorts()
    maker.addEndpoint()
    maker.addEncapsulations()
    maker.addSampleLists()
    if maker.random.oneIn(8) { maker.addLadder() }
    while maker.rules.count < ruleCount { maker.addRule() }
    // Rules are made in any order, and mean the same.
    maker.rules.shuffle(using: &maker.random)
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
        mac: 0x02_00_00_00_20_00 | UInt64(index), miss: random.oneIn(4) ? .host : .drop,
        coalesces: random.oneIn(4))
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
    if random.oneIn(8) { (overlay.endpoint.genevePort, overlay.endpoint.vxlanPort) = (6082, 8472) }
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
    plan.outer.dstPort = tunnel.kind == .vxlan ? overlay.endpoint.vxlanPort : overlay.endpoint.genevePort
    // The I flag is set whatever the template says (E4).
    if tunnel.kind == .vxlan, random.oneIn(3) { tunnel.flags = 0x08 }
    tunnel.vni = tunnel.kind == .nvgre ? 0x5001 : 0x100 + UInt32(random.below(8))
    if tunnel.kind == .gre {
      tunnel.hasKey = random.oneIn(2)
      tunnel.hasChecksum = random.oneIn(3)
    }
    if tunnel.kind == .geneve || tunnel.kind == .gre, random.oneIn(6) { tunnel.proto = random.pick([0x0800, 0x86dd]) }
    if tunnel.kind == .geneve {
      let isLong = random.oneIn(12)
      for _ in 0..<random.pick([0, 0, 1, 1, 2, 4]) {
        let words = isLong ? 8 + random.below(6) : random.below(4)
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

  /// Groups one behind the other, about as many as a frame may pass (A3), now and then in a circle.
  private mutating func addLadder() {
    groups = 15 + UInt32(random.below(5))
    let isCircle = random.oneIn(3)
    for group in 0..<groups {
      var rule = Rule(pattern: [.eth(EthItem())], actions: [.count(id: 0)])
      rule.attributes.group = group
      rule.attributes.ingress = true
      rule.attributes.transfer = true
      rule.attributes.priority = 3
      let isLast = group + 1 == groups
      rule.actions.append(
        isLast && !isCircle ? .representedPort(random.pick(tenants)) : .jump(group: isLast ? 1 : group + 1))
      add(rule)
    }
  }

  private mutating func add(_ rule: Rule) {
    rules.append(NumberedRule(id: UInt32(rules.count + 1), rule: rule))
  }

  private mutating func addRule() {
    var rule = Rule(pattern: [], actions: [])
    rule.attributes.group = random.oneIn(2) ? 0 : UInt32(random.below(Int(groups)))
    rule.attributes.ingress = true
    let fromUplink = random.oneIn(2)
    rule.attributes.transfer = random.oneIn(2)
    rule.attributes.port = random.pick(fromUplink ? uplinks : tenants)
    if rule.attributes.transfer, random.oneIn(2) { rule.pattern.append(.representedPort(Field(rule.attributes.port))) }
    let asksForTunnel = fromUplink ? !random.oneIn(3) : random.oneIn(16)
    rule.pattern += asksForTunnel ? tunnelPattern() : level()
    // What looks at little gives way to what looks at more, mostly.
    rule.attributes.priority = random.oneIn(4) ? UInt32(random.below(4)) : UInt32(max(0, 3 - rule.pattern.count / 2))
    rule.actions = actions(
      pattern: rule.pattern, group: rule.attributes.group, fromUplink: fromUplink, asksForTunnel: asksForTunnel)
    add(rule)
  }
}
