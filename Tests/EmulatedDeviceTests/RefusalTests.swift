import Device
import EmulatedDevice
import Rules
import Testing

@Suite("Refusals") struct RefusalTests {
  /// The device's answer to one rule; nil when it takes it.
  private func answer(
    _ pattern: [Item], _ actions: [Action] = [.drop], _ overlay: Overlay = Vectors.overlay(), group: UInt32 = 0,
    priority: UInt32 = 0, onDevice: Int? = nil, _ change: (inout Abilities) -> Void = { _ in }
  ) throws -> Refusal? {
    var abilities = everything()
    change(&abilities)
    var bench = try Bench(overlay, abilities)
    do {
      try bench.add(pattern, actions, group: group, priority: priority, onDevice: onDevice)
      #expect(bench.device.ruleCount == 1)
      return nil
    } catch let refusal as Refusal {
      #expect(bench.device.ruleCount == 0)
      #expect(bench.device.statistics.refusals.map(\.name) == [refusal.reason.name])
      #expect(Words.sentence(refusal).hasSuffix("."))
      return refusal
    }
  }

  static let everyItem: [(Item, MatchAbilities)] = {
    var hasVLAN = EthItem()
    hasVLAN.hasVLAN = Field(1, mask: 1)
    var ttl = IPv4Item()
    ttl.ttl = Field(1)
    var fragment = IPv4Item()
    fragment.fragmentOffset = Field(0, mask: 0x3fff)
    var hop = IPv6Item()
    hop.hop = Field(1)
    var hasFragment = IPv6Item()
    hasFragment.hasFragment = Field(1, mask: 1)
    var flow = IPv6Item()
    flow.flow = Field(1, mask: 0xfffff)
    var flags = TCPItem()
    flags.flags = Field(2, mask: 2)
    var length = GeneveItem()
    length.optionLength = Field(1, mask: 0x3f)
    return [
      (.anyEth, .eth), (.eth(hasVLAN), .vlan), (.vlan(VLANItem()), .vlan), (.anyIPv4, .ipv4), (.anyIPv6, .ipv6),
      (.ipv4(ttl), .ttl), (.ipv6(hop), .ttl), (.ipv4(fragment), .fragment), (.ipv6(hasFragment), .fragment),
      (.ipv6(flow), .flowLabel), (.anyUDP, .udp), (.anyTCP, .tcp), (.tcp(flags), .tcpFlags),
      (.icmp(ICMPItem()), .icmp), (.icmp6(ICMPItem()), .icmp), (.anyGeneve, .geneve),
      (.geneve(length), .geneveOptionLength), (.anyVXLAN, .vxlan), (.anyGRE, .gre), (.anyNVGRE, .nvgre),
      (.esp(.any), .esp), (.representedPort(Field(1)), .port), (.portRepresentor(Field(1)), .port),
    ]
  }()

  @Test("Each item and field needs its ability, and no other", arguments: everyItem.indices)
  func matches(_ index: Int) throws {
    let (item, ability) = Self.everyItem[index]
    #expect(try answer([item]) == nil)
    #expect(try answer([item]) { $0.match.remove(ability) } == Refusal(.matchUnsupported, index: 0))
    #expect(try answer([item], [.drop], onDevice: 0) { $0.match.remove(ability) }?.reason == .matchUnsupported)
    for (other, name) in MatchAbilities.names where !ability.contains(other) && other != .eth {
      let base: MatchAbilities = [.ipv4, .ipv6, .tcp, .geneve, .vlan]
      if base.contains(other) { continue }
      #expect(try answer([item]) { $0.match.remove(other) } == nil, "\(name)")
    }
  }

  @Test("Two tags, inner headers, a GRE key and Geneve options need theirs too")
  func places() throws {
    let tags: [Item] = [.anyEth, .vlan(VLANItem()), .vlan(VLANItem())]
    #expect(try answer(tags) { $0.match.remove(.qinq) } == Refusal(.matchUnsupported, index: 2))
    #expect(try answer([.anyGeneve, .anyEth]) { $0.match.remove(.inner) } == Refusal(.matchUnsupported, index: 1))
    #expect(try answer([.anyGRE, .greKey(.any)]) { $0.match.remove(.greKey) } == Refusal(.matchUnsupported, index: 1))
    let option = GeneveOptionItem(optionClass: 1, type: 2, length: 1, data: [3], mask: [.max])
    #expect(
      try answer([.anyGeneve, .geneveOption(option)]) { $0.match.remove(.geneveOptions) }
        == Refusal(.matchUnsupported, index: 1))
  }

  @Test("A mask of a part of a field needs partial masks; whole parts do not")
  func masks() throws {
    var prefix = IPv4Item()
    prefix.dst = Field(0x0a00_0000, mask: 0xff00_0000)
    var dscp = IPv4Item()
    dscp.tos = Field(0xb8, mask: 0xfc)
    var id = VLANItem()
    id.tci = Field(5, mask: 0x0fff)
    var half = VLANItem()
    half.tci = Field(5, mask: 0x000f)
    func whole(_ abilities: inout Abilities) { abilities.match.remove(.partialMask) }
    #expect(try answer([.ipv4(prefix)], whole) == Refusal(.partialMask, index: 0))
    #expect(try answer([.ipv4(prefix)]) == nil)
    #expect(try answer([.vlan(half)], whole) == Refusal(.partialMask, index: 0))
    #expect(try answer([.ipv4(dscp)], whole) == nil)
    #expect(try answer([.vlan(id)], whole) == nil)
  }

  private func answer(_ pattern: [Item], _ change: (inout Abilities) -> Void) throws -> Refusal? {
    try answer(pattern, [.drop], Vectors.overlay(), change)
  }

  @Test("What has no order or sense is invalid")
  func invalid() throws {
    let bad: [[Item]] = [
      [.anyIPv4, .anyEth], [.anyEth, .anyEth], [.anyIPv4, .anyIPv6], [.anyUDP, .anyTCP], [.anyGeneve, .anyVXLAN],
      [.anyTCP, .anyGeneve], [.anyUDP, .anyGRE], [.anyIPv6, .icmp(ICMPItem())], [.anyIPv4, .icmp6(ICMPItem())],
      [.greKey(.any)], [.anyVXLAN, .greKey(.any)], [.anyGRE, .greKey(.any), .greKey(.any)],
      [.anyEth, .representedPort(.any)], [.vlan(VLANItem()), .vlan(VLANItem()), .vlan(VLANItem())],
      [.geneveOption(GeneveOptionItem(optionClass: 0, type: 0, length: 0))],
    ]
    for pattern in bad { #expect(try answer(pattern)?.reason == .invalid, "\(pattern)") }
    let lists: [[Action]] = [
      [.drop, .count(id: 0)],
      [.sample(ratio: 0, index: 1), .drop], [.sample(ratio: 1, index: 99), .drop], [.indirect(id: 99), .drop],
      [.rss(RSSAction(queues: []))],
    ]
    for actions in lists { #expect(try answer([.anyEth], actions)?.reason == .invalid, "\(actions)") }
    for action: Action in [.rawDecap(index: 99), .rawEncap(index: 99)] {
      #expect(try answer([.anyEth], [action, .drop]) == Refusal(.templateMalformed, index: 0, isAction: true))
    }
    #expect(try answer([.anyEth], [.drop], onDevice: 2) == Refusal(.invalid))
    // No device would take it, whatever else is wrong.
    #expect(try answer([.anyIPv4, .anyEth], [.drop], group: 9) { $0.groups = 1 }?.reason == .invalid)
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.drop], id: 5)
    #expect(throws: Refusal(.invalid)) { try bench.add([.anyEth], [.drop], id: 5) }
    #expect(throws: Refusal(.invalid)) { try bench.add([.anyEth], [.drop], id: 0) }
    var egress = Attributes()
    egress.egress = true
    let rule = Rule(attributes: egress, pattern: [.anyEth], actions: [.drop])
    #expect(throws: Refusal(.invalid)) {
      try bench.device.insert(DeviceRule(id: 9, rule: rule, actionsOnDevice: 1), now: 0)
    }
  }

  static let everyAction: [(Action, ActionAbilities)] = [
    (.count(id: 0), .count), (.mark(1), .mark), (.age(timeout: 1), .age), (.rawDecap(index: 1), .decapGeneve),
    (.rawDecap(index: 2), .decapVXLAN), (.rawDecap(index: 3), .decapNVGRE), (.rawDecap(index: 4), .decapGRE),
    (.rawDecap(index: 5), .decapEthernet), (.vxlanDecap, .decapVXLAN), (.nvgreDecap, .decapNVGRE),
    (.rawEncap(index: 1), .encapGeneve), (.rawEncap(index: 2), .encapVXLAN), (.nvgreEncap(index: 3), .encapNVGRE),
    (.rawEncap(index: 4), .encapGRE), (.rawEncap(index: 5), .encapEthernet), (.set(.macSource(1)), .setMAC),
    (.set(.ipv4Source(1)), .setIPv4), (.set(.ipv6Source(1)), .setIPv6), (.set(.l4Source(1)), .setL4),
    (.set(.ttl(1)), .setTTL), (.decTTL, .setTTL), (.set(.ipv4DSCP(1)), .setDSCP), (.set(.ipv6DSCP(1)), .setDSCP),
    (.popVLAN, .popVLAN), (.pushVLAN(etherType: 0x8100), .pushVLAN), (.set(.vlanID(1)), .pushVLAN),
    (.sample(ratio: 1, index: 1), .sample), (.indirect(id: 1), .indirect),
  ]

  private func withLists() -> Overlay {
    var overlay = Vectors.overlay()
    overlay.sampleActions = [1: [.queue(3)], 2: [.decTTL, .queue(3)], 3: [.jump(group: 1)]]
    overlay.indirectActions = [1: .count(id: 0), 2: .decTTL]
    return overlay
  }

  @Test("Each action needs its ability; a guard needs none", arguments: everyAction.indices)
  func actions(_ index: Int) throws {
    let (action, ability) = Self.everyAction[index]
    let list = [action, .drop]
    #expect(try answer([.anyEth], list, withLists()) == nil)
    let refused = try answer([.anyEth], list, withLists()) { $0.actions.remove(ability) }
    #expect(refused == Refusal(.actionUnsupported, index: 0, isAction: true))
    #expect(try answer([.anyEth], list, withLists(), onDevice: 0) { $0.actions.remove(ability) } == nil)
  }

  @Test("Fates, lists and shared actions need their abilities, and stay in range")
  func fates() throws {
    let fates: [(Action, ActionAbilities)] = [
      (.drop, .drop), (.queue(1), .queue), (.rss(RSSAction(queues: [1])), .rss), (.jump(group: 1), .jump),
      (.portID(1), .port), (.representedPort(1), .port), (.portRepresentor(1), .queue),
    ]
    for (fate, ability) in fates {
      #expect(try answer([.anyEth], [fate]) == nil)
      #expect(
        try answer([.anyEth], [fate]) { $0.actions.remove(ability) }
          == Refusal(.actionUnsupported, index: 0, isAction: true))
    }
    #expect(
      try answer([.anyEth], [.queue(256)])
        == Refusal(.actionUnsupported, index: 0, isAction: true, limit: 255, wanted: 256))
    #expect(
      try answer([.anyEth], [.sample(ratio: 1, index: 2), .drop], withLists()) { $0.actions.remove(.setTTL) }
        == Refusal(.actionUnsupported, index: 0, isAction: true))
    #expect(try answer([.anyEth], [.sample(ratio: 1, index: 3), .drop], withLists())?.reason == .actionUnsupported)
    #expect(
      try answer([.anyEth], [.indirect(id: 2), .drop], withLists()) { $0.actions.remove(.setTTL) }
        == Refusal(.actionUnsupported, index: 0, isAction: true))
    // The rule's count is the device's wherever it stands (V2).
    #expect(
      try answer([.anyEth], [.decTTL, .count(id: 0), .drop], onDevice: 1) { $0.actions.remove(.count) }
        == Refusal(.actionUnsupported, index: 1, isAction: true))
  }

  @Test("Groups, priorities and half-done frames have their limits")
  func limits() throws {
    func small(_ abilities: inout Abilities) {
      abilities.groups = 2
      abilities.priorities = 3
    }
    #expect(try answer([.anyEth], group: 1, priority: 2, small) == nil)
    #expect(try answer([.anyEth], group: 2, small) == Refusal(.groupRange, limit: 2, wanted: 2))
    #expect(try answer([.anyEth], priority: 3, small) == Refusal(.priorityRange, limit: 3, wanted: 3))
    #expect(
      try answer([.anyEth], [.jump(group: 2)], small)
        == Refusal(.groupRange, index: 0, isAction: true, limit: 2, wanted: 2))
    #expect(
      try answer([.anyEth], [.decTTL, .drop], onDevice: 1) { $0.frame.remove(.resumePoint) }
        == Refusal(.noResumePoint, index: 1, isAction: true))
    #expect(try answer([.anyEth], [.decTTL, .drop], onDevice: 2) { $0.frame.remove(.resumePoint) } == nil)
    #expect(
      try answer([.anyEth], [.decTTL, .jump(group: 1)]) { $0.frame.remove(.resumePoint) }
        == Refusal(.noResumePoint, index: 1, isAction: true))
    #expect(try answer([.anyEth], [.count(id: 0), .jump(group: 1)]) { $0.frame.remove(.resumePoint) } == nil)
  }

  private func answer(
    _ pattern: [Item], _ actions: [Action] = [.drop], group: UInt32 = 0, priority: UInt32 = 0,
    _ change: (inout Abilities) -> Void
  ) throws -> Refusal? {
    try answer(pattern, actions, Vectors.overlay(), group: group, priority: priority, change)
  }

  @Test("A full table says so, with its size, and takes a rule again when one is gone")
  func tableFull() throws {
    var abilities = everything()
    abilities.rules = 3
    var bench = try Bench(Vectors.overlay(), abilities)
    for id in 1...3 { try bench.add([.anyEth], [.drop], id: UInt32(id)) }
    #expect(throws: Refusal(.tableFull, limit: 3, wanted: 4)) { try bench.add([.anyEth], [.drop], id: 4) }
    _ = try bench.device.remove(2, now: 0)
    try bench.add([.anyEth], [.drop], id: 4)
    #expect(throws: Refusal(.noSuchRule)) { try bench.device.remove(2, now: 0) }
    #expect(throws: Refusal(.noSuchRule)) { try bench.device.query(2, now: 0) }
  }

  @Test("Rules come no faster than they may: a second's worth at once, then at the rate")
  func rate() throws {
    var abilities = everything()
    abilities.insertionsPerSecond = 4
    var bench = try Bench(Vectors.overlay(), abilities)
    for _ in 0..<4 { try bench.add([.anyEth], [.drop]) }
    #expect(throws: Refusal(.busy)) { try bench.add([.anyEth], [.drop]) }
    #expect(throws: Refusal(.busy)) { try bench.add([.anyEth], [.drop], now: 249_999_999) }
    try bench.add([.anyEth], [.drop], now: 250_000_000)
    #expect(throws: Refusal(.busy)) { try bench.add([.anyEth], [.drop], now: 250_000_001) }
  }
}
