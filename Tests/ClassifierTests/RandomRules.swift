import Rules

/// Rules over the same few values as the frames, with masks of every kind.
struct RuleMaker {
  var random: Seeded

  mutating func field<T>(_ values: [T], use: Int = 40) -> Field<T> {
    guard random.chance(use) else { return .any }
    let value = random.pick(values)
    switch random.below(6) {
    case 0: return Field(value, mask: 0xff)
    case 1: return Field(value, mask: ~1)
    case 2: return Field(value, mask: T.max << T(T.bitWidth / 2))
    default: return Field(value)
    }
  }

  mutating func rule() -> Rule {
    var attributes = Attributes()
    attributes.group = random.chance(20) ? 3 : 0
    attributes.priority = UInt32(random.below(4))
    attributes.port = UInt16(1 + random.below(2))
    attributes.transfer = random.chance(30)
    var pattern: [Item] = []
    if random.chance(10) {
      pattern.append(.representedPort(Field(UInt16(1 + random.below(2)), mask: random.pick([0xffff, 1]))))
    }
    if random.chance(2) { pattern.append(.portRepresentor(Field(1))) }
    let tunnelled = random.chance(55)
    pattern += level(inner: false, tunnelled: tunnelled)
    if tunnelled {
      pattern += tunnel()
      pattern += level(inner: true, tunnelled: false)
    }
    return Rule(attributes: attributes, pattern: pattern, actions: [.drop])
  }

  private mutating func level(inner: Bool, tunnelled: Bool) -> [Item] {
    var items: [Item] = []
    let few = tunnelled ? 12 : 40
    if random.chance(50) {
      var item = EthItem()
      item.dst = mac(few)
      item.src = mac(few)
      item.type = field([0x0800, 0x86dd, 0x8100, 0x0806], use: few / 2)
      if random.chance(10) { item.hasVLAN = Field(UInt8(random.below(2)), mask: 1) }
      items.append(.eth(item))
    }
    for _ in 0..<(random.chance(12) ? 1 + random.below(2) : 0) {
      var item = VLANItem()
      item.tci = field(Few.tcis)
      item.innerType = field([0x0800, 0x86dd, 0x8100], use: 20)
      items.append(.vlan(item))
    }
    let ip = random.below(10)
    if ip < 5 { items.append(.ipv4(ipv4(few))) } else if ip < 8 { items.append(.ipv6(ipv6(few))) }
    if !tunnelled, random.chance(50) { items.append(transport()) }
    if tunnelled, random.chance(20) { items.append(.udp(L4Item())) }
    return items
  }

  private mutating func mac(_ use: Int) -> Field<UInt64> {
    let wanted = field(Few.macs, use: use)
    return Field(wanted.spec & 0xffff_ffff_ffff, mask: wanted.mask & 0xffff_ffff_ffff)
  }

  private mutating func ipv4(_ use: Int) -> IPv4Item {
    var item = IPv4Item()
    item.src = field(Few.addresses, use: use)
    item.dst = field(Few.addresses, use: use)
    item.tos = field([0, 0x2e], use: use / 4)
    item.ttl = field([1, 64], use: use / 4)
    item.proto = field([6, 17, 1], use: use / 4)
    item.fragmentOffset = field([0, 0x4000, 0x2000], use: use / 4)
    return item
  }

  private mutating func ipv6(_ use: Int) -> IPv6Item {
    var item = IPv6Item()
    item.src = field(Few.addresses6, use: use)
    item.dst = field(Few.addresses6, use: use)
    item.tc = field([0, 0x2e], use: use / 4)
    let flow = field([0, 5], use: use / 4) as Field<UInt32>
    item.flow = Field(flow.spec, mask: flow.mask & 0xf_ffff)
    item.hop = field([1, 64], use: use / 4)
    item.proto = field([6, 17, 58, 44, 0], use: use / 4)
    if random.chance(10) { item.hasFragment = Field(UInt8(random.below(2)), mask: 1) }
    return item
  }

  private mutating func transport() -> Item {
    switch random.below(6) {
    case 0, 1:
      var item = L4Item()
      item.src = field(Few.ports)
      item.dst = field(Few.ports)
      return .udp(item)
    case 2, 3:
      var item = TCPItem()
      item.src = field(Few.ports)
      item.dst = field(Few.ports)
      item.flags = field([2, 16, 18], use: 20)
      return .tcp(item)
    case 4:
      return .esp(field(Few.keys))
    default:
      var item = ICMPItem()
      item.type = field([8, 0, 128])
      item.code = field([0, 1])
      return random.chance(50) ? .icmp(item) : .icmp6(item)
    }
  }

  private mutating func key() -> Field<UInt32> {
    let wanted = field(Few.keys, use: 60)
    return Field(wanted.spec & 0xff_ffff, mask: wanted.mask & 0xff_ffff)
  }

  private mutating func tunnel() -> [Item] {
    switch random.below(8) {
    case 0:
      var item = VXLANItem()
      item.vni = key()
      return [.vxlan(item)]
    case 1:
      var item = GREItem()
      item.flags = field([0x2000, 0, 0x3000], use: 20)
      item.proto = field([0x6558, 0x0800], use: 20)
      return random.chance(50) ? [.gre(item)] : [.gre(item), .greKey(field(Few.keys.map { $0 << 8 | 5 }))]
    case 2:
      var item = NVGREItem()
      item.tni = key()
      item.flowID = field([5, 6])
      return [.nvgre(item)]
    default:
      var item = GeneveItem()
      item.vni = key()
      item.proto = field([0x6558, 0x0800], use: 15)
      if random.chance(10) { item.optionLength = Field(UInt8(random.below(4)), mask: 0x3f) }
      var items: [Item] = [.geneve(item)]
      for _ in 0..<(random.chance(60) ? 1 + random.below(2) : 0) { items.append(.geneveOption(option())) }
      return items
    }
  }

  private mutating func option() -> GeneveOptionItem {
    let (optionClass, type, length) = random.pick(Few.optionKinds)
    var (data, mask): ([UInt32], [UInt32]) = ([], [])
    for _ in 0..<(length == 0 ? 0 : random.below(Int(length) + 1)) {
      data.append(random.pick(Few.words))
      mask.append(random.pick([.max, .max, 0xffff, 0]))
    }
    return GeneveOptionItem(optionClass: optionClass, type: type, length: length, data: data, mask: mask)
  }
}
