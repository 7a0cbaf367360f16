import Rules

/// SplitMix64: small, seeded, the same everywhere.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Random values of everything that the grammar can say, well formed as a rule or not.
struct RandomRules {
  var random: Seeded
  /// Numbers of 0…3 and short rules only, so that commands hit each other's ids.
  var isSmall = false
  init(seed: UInt64) { random = Seeded(seed) }

  mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }
  mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

  /// Zero, all ones, a prefix, or anything, within `bits`.
  mutating func bits(_ bits: Int) -> UInt128 {
    let full = (UInt128(1) << bits) &- 1
    switch isSmall ? 3 : number(0...5) {
    case 0: return 0
    case 1: return full
    case 2: return full & ~(full >> UInt128(number(0...bits)))
    case 3: return UInt128(number(0...(isSmall ? 3 : 9))) & full
    default: return (UInt128(random.next()) << 64 | UInt128(random.next())) & full
    }
  }

  mutating func u<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T { T(truncatingIfNeeded: bits(T.bitWidth)) }

  mutating func field<T>(_ width: Int = T.bitWidth) -> Field<T> {
    let full = T(truncatingIfNeeded: (1 as UInt128) << UInt128(width) &- 1)
    let spec = T(truncatingIfNeeded: bits(width))
    switch number(0...3) {
    case 0: return .any
    case 1: return Field(spec, mask: T(truncatingIfNeeded: bits(width)))
    default: return Field(spec, mask: full)
    }
  }

  mutating func item() -> Item {
    switch number(0...16) {
    case 0:
      var i = EthItem()
      (i.dst, i.src, i.type, i.hasVLAN) = (field(48), field(48), field(), field(1))
      return .eth(i)
    case 1:
      var i = VLANItem()
      (i.tci, i.innerType) = (field(), field())
      if chance(50) {
        i.tci = Field(u(), mask: [0x0fff, 0xe000, 0x1000, 0xefff, 0xf000].randomElement(using: &random) ?? 0)
      }
      return .vlan(i)
    case 2:
      var i = IPv4Item()
      (i.tos, i.ttl, i.proto, i.fragmentOffset, i.src, i.dst) = (field(), field(), field(), field(), field(), field())
      return .ipv4(i)
    case 3:
      var i = IPv6Item()
      (i.tc, i.flow, i.proto, i.hop) = (field(), field(20), field(), field())
      (i.hasFragment, i.src, i.dst) = (field(1), field(), field())
      return .ipv6(i)
    case 4:
      var i = L4Item()
      (i.src, i.dst) = (field(), field())
      return .udp(i)
    case 5:
      var i = TCPItem()
      (i.src, i.dst, i.flags) = (field(), field(), field())
      return .tcp(i)
    case 6, 7:
      var i = ICMPItem()
      (i.type, i.code) = (field(), field())
      return chance(50) ? .icmp(i) : .icmp6(i)
    case 8:
      var i = GeneveItem()
      (i.vni, i.proto, i.optionLength) = (field(24), field(), field(6))
      return .geneve(i)
    case 9, 10: return .geneveOption(option())
    case 11:
      var i = VXLANItem()
      i.vni = field(24)
      return .vxlan(i)
    case 12:
      var i = GREItem()
      (i.flags, i.proto) = (field(), field())
      if chance(50) { i.flags = Field(u(), mask: [0x2000, 0xb000, 0x8000].randomElement(using: &random) ?? 0) }
      return .gre(i)
    case 13: return .greKey(field())
    case 14:
      var i = NVGREItem()
      (i.tni, i.flowID) = (field(24), field())
      return .nvgre(i)
    case 15: return .esp(field())
    default: return chance(50) ? .representedPort(field()) : .portRepresentor(field())
    }
  }

  mutating func option() -> GeneveOptionItem {
    let length = number(0...31)
    let words = chance(50) ? length : number(0...length)
    let whole = chance(50)
    return GeneveOptionItem(
      optionClass: u(), type: u(), length: UInt8(length), data: (0..<words).map { _ in u() },
      mask: (0..<words).map { _ in whole ? .max : u() })
  }

  mutating func action() -> Action {
    switch number(0...26) {
    case 0: return .count(id: chance(50) ? 0 : u())
    case 1: return .mark(u())
    case 2: return .age(timeout: u() & 0xff_ffff)
    case 3: return .rawDecap(index: u())
    case 4: return .rawEncap(index: u())
    case 5: return .vxlanDecap
    case 6: return .vxlanEncap(index: chance(50) ? Action.latestTunnel : u())
    case 7: return .nvgreDecap
    case 8: return .nvgreEncap(index: chance(50) ? Action.latestTunnel : u())
    case 9: return .decTTL
    case 10: return .popVLAN
    case 11: return .pushVLAN(etherType: u())
    case 12: return .sample(ratio: u(), index: u())
    case 13: return .indirect(id: u())
    case 14: return .jump(group: u())
    case 15: return .queue(u())
    case 16, 17: return .rss(rss())
    case 18: return .drop
    case 19: return .portID(u())
    case 20: return .representedPort(u())
    case 21: return .portRepresentor(u())
    default: return .set(setField())
    }
  }

  mutating func rss() -> RSSAction {
    return RSSAction(
      queues: (0..<number(1...5)).map { _ in u() }, level: .init(rawValue: UInt8(number(0...2))) ?? .inner,
      types: HashTypes(rawValue: chance(50) ? 0 : u() & ((1 << UInt64(HashTypes.words.count)) - 1)))
  }

  mutating func setField() -> SetField {
    switch number(0...12) {
    case 0: .macSource(u() & 0xffff_ffff_ffff)
    case 1: .macDestination(u() & 0xffff_ffff_ffff)
    case 2: .ipv4Source(u())
    case 3: .ipv4Destination(u())
    case 4: .ipv6Source(u())
    case 5: .ipv6Destination(u())
    case 6: .l4Source(u())
    case 7: .l4Destination(u())
    case 8: .ttl(u())
    case 9: .ipv4DSCP(u() & 63)
    case 10: .ipv6DSCP(u() & 63)
    case 11: .vlanID(u() & 0xfff)
    default: .vlanPriority(u() & 7)
    }
  }

  mutating func rule() -> Rule {
    var rule = Rule(
      pattern: (0..<number(0...(isSmall ? 1 : 8))).map { _ in item() },
      actions: (0..<number(0...(isSmall ? 2 : 5))).map { _ in action() })
    (rule.attributes.group, rule.attributes.priority, rule.attributes.port) = (u(), u(), u())
    (rule.attributes.ingress, rule.attributes.egress, rule.attributes.transfer) = (chance(50), chance(5), chance(50))
    return rule
  }

  mutating func ids() -> [UInt32] { (0..<number(1...4)).map { _ in u() } }

  mutating func command() -> Command {
    switch number(0...22) {
    case 0...5:
      let tunnel: RuleRequest.TunnelReference? = chance(70) ? nil : chance(50) ? .set(u()) : .match(u())
      let request = RuleRequest(rule: rule(), tunnel: tunnel, userID: chance(80) ? nil : u())
      return chance(80) ? .create(request) : .validate(request)
    case 6: return .destroy(port: u(), rules: ids(), byUserID: chance(30))
    case 7: return .flush(port: u())
    case 8: return .query(port: u(), rule: u(), chance(50) ? .count : .age)
    case 9: return .list(port: u(), groups: chance(50) ? [] : ids())
    case 10: return .dump(port: u(), rule: chance(50) ? nil : u(), file: chance(50) ? nil : "out.txt")
    case 11: return .isolate(port: u(), chance(50))
    case 12: return .aged(port: u(), destroy: chance(50))
    case 13:
      var direction = Command.Direction()
      (direction.ingress, direction.egress, direction.transfer) = (chance(50), chance(50), chance(50))
      return .createIndirect(port: u(), id: chance(50) ? nil : u(), direction, action())
    case 14: return .updateIndirect(port: u(), id: u(), action())
    case 15: return .destroyIndirect(port: u(), ids: ids())
    case 16: return .queryIndirect(port: u(), id: u())
    case 17: return .createTunnel(port: u(), [.geneve, .vxlan, .gre, .nvgre].randomElement(using: &random) ?? .gre)
    case 18: return chance(50) ? .destroyTunnel(port: u(), id: u()) : .listTunnels(port: u())
    case 19: return .setRawEncap(index: u() & 0x7fff, headers())
    case 20: return .setRawDecap(index: u() & 0x7fff, headers())
    case 21: return .setSampleActions(index: u() & 0x7fff, (0..<number(0...5)).map { _ in action() })
    default: return .setTunnel(tunnelSetting())
    }
  }

  /// Headers have values, not matches.
  mutating func headers() -> [Item] {
    // Half of what is set when it should be of use: headers that are a template.
    if isSmall, chance(70) {
      let udp: [Item] = [.eth(EthItem()), .ipv4(IPv4Item()), .udp(L4Item())]
      let gre: [Item] = [.eth(EthItem()), .ipv6(IPv6Item()), .gre(GREItem())]
      return [udp + [.geneve(GeneveItem())], udp + [.vxlan(VXLANItem())], gre, [.eth(EthItem())]][number(0...3)]
    }
    return (0..<number(0...6)).map { _ in
      while true {
        let item = item()
        if let again = try? FlowScript.command("set raw_encap 0 \(item.text) / end_set"),
          again == .setRawEncap(index: 0, [item])
        {
          return item
        }
      }
    }
  }

  mutating func tunnelSetting() -> TunnelSetting {
    var setting = TunnelSetting(kind: chance(50) ? .vxlan : .nvgre)
    setting.isIPv6 = chance(50)
    (setting.key, setting.ethSource) = (u() & 0xff_ffff, u() & 0xffff_ffff_ffff)
    (setting.ipSource, setting.ipDestination) = setting.isIPv6 ? (u(), u()) : (bits(32), bits(32))
    setting.ethDestination = u() & 0xffff_ffff_ffff
    if setting.kind == .vxlan { (setting.udpSource, setting.udpDestination) = (u(), u()) }
    if chance(50) { setting.vlanTCI = u() }
    if setting.kind == .vxlan || setting.vlanTCI != nil, chance(50) { setting.tosTTL = .init(tos: u(), ttl: u()) }
    return setting
  }
}
