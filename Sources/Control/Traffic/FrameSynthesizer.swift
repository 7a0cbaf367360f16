import Rules

/// Builds frames that a rule matches: the wanted bits from its items, everything else drawn at random.
struct FrameSynthesizer {
  var random: SeededGenerator

  private mutating func fill<V>(_ field: Field<V>, _ drawn: V) -> V { field.spec | drawn & ~field.mask }

  private mutating func level() -> FrameBlueprint.Level {
    var level = FrameBlueprint.Level()
    level.dst = 0x02_00_00_00_10_00 | UInt64(random.below(8))
    level.src = 0x02_00_00_00_20_00 | UInt64(random.below(8))
    level.l3 = random.oneIn(3) ? .ipv6 : .ipv4
    level.tos = random.pick([0, 0, 0, 1, 2, 3, 0xb8, 0x2a])
    level.ttl = random.pick([64, 64, 63, 128, 255, 1, 2])
    level.id = random.value()
    level.fragment = random.pick([0x4000, 0x4000, 0])
    level.flow = random.value() & 0xfffff
    address(&level)
    return level
  }

  private mutating func address(_ level: inout FrameBlueprint.Level) {
    // A few hosts, so that flows repeat.
    let from = UInt128(random.below(16) + 1), to = UInt128(random.below(16) + 1)
    let prefix: UInt128 = level.l3 == .ipv6 ? 0x2001_0db8 << 96 : 0x0a00_0000
    level.src128 = prefix | from
    level.dst128 = prefix | 0x100 | to
  }

  private mutating func transport(_ level: inout FrameBlueprint.Level) {
    switch random.below(8) {
    case 0...3: level.l4 = .tcp
    case 4...5: level.l4 = .udp
    case 6: level.l4 = level.l3 == .ipv6 ? .icmp6 : .icmp
    default: level.l4 = .none
    }
    ports(&level)
  }

  private mutating func ports(_ level: inout FrameBlueprint.Level) {
    level.srcPort = UInt16(49152 + random.below(64))
    level.dstPort = random.pick([80, 443, 53, 5201, 4500])
    level.tcpFlags = random.pick([0x10, 0x18, 0x02, 0x11])
    level.icmp = level.l4 == .icmp6 ? (128, 0) : (8, 0)
    level.sequence = random.value()
    level.zeroUDPChecksum = level.l3 == .ipv4 && random.oneIn(6)
  }

  /// A frame for `rule`; `uplinkAddresses` are the destinations of outer headers that no item fixes.
  mutating func blueprint(for rule: Rule, endpoint: (ipv4: [UInt32], ipv6: [UInt128])) -> FrameBlueprint {
    var plan = FrameBlueprint()
    plan.outer = level()
    plan.inner = level()
    transport(&plan.outer)
    transport(&plan.inner)
    plan.payload = random.bytes(payloadLength())
    var isInner = false
    var tags = 0
    for item in rule.pattern {
      if apply(tunnelItem: item, to: &plan) {
        if !isInner {
          isInner = true
          tags = 0
        }
        continue
      }
      var level = isInner ? plan.inner : plan.outer
      apply(item, to: &level, tags: &tags)
      if isInner { plan.inner = level } else { plan.outer = level }
    }
    if plan.tunnel != nil { finishTunnel(&plan, endpoint: endpoint, pattern: rule.pattern) }
    adorn(&plan, pattern: rule.pattern)
    return plan
  }

  /// Rare and lawful things, each now and then: extension headers, IPv4 options, more tags than anybody reads, tags
  /// inside tunnels, several critical options, and packets just around the usual MTUs.
  private mutating func adorn(_ plan: inout FrameBlueprint, pattern: [Item]) {
    if random.oneIn(8) { adorn(&plan.outer) }
    if random.oneIn(8) { adorn(&plan.inner) }
    if plan.tunnel != nil, random.oneIn(12) { plan.inner.tags.append((0x8100, random.value())) }
    if plan.tunnel?.kind == .geneve, random.oneIn(6), !pattern.looksAtOptionLength {
      for _ in 0...random.below(2) {
        let known: [(UInt16, UInt8)] = [(0x0102, 0x80), (0x014b, 0x81), (0x0103, 0x80), (0x0102, 0xc0), (0x0102, 0x00)]
        let (optionClass, type) = random.pick(known)
        guard (plan.tunnel?.options.count ?? 0) <= 244 else { break }
        plan.tunnel?.options += be(optionClass) + [type, 1] + random.bytes(4)
        if type & 0x80 != 0, !random.oneIn(6) { plan.tunnel?.flags |= 0x40 }
      }
    }
    if random.oneIn(10) {
      // The packet that a level carries is a byte or two around an MTU, with and without an outer header.
      let headers = plan.bytes().count - plan.payload.count
      let wanted = random.pick([1450, 1500, 1600]) + 14 - random.pick([0, 50, 58, 70]) + random.below(5) - 2
      if wanted > headers { plan.payload = random.bytes(wanted - headers) }
    }
  }

  private mutating func adorn(_ level: inout FrameBlueprint.Level) {
    switch random.below(4) {
    case 0 where level.l3 == .ipv6 && level.extensions.isEmpty:
      for _ in 0...random.below(2) {
        let units = random.below(2)
        level.extensions.append((random.pick([0, 43, 60]), [UInt8(units)] + random.bytes(6 + units * 8)))
      }
    case 1 where level.l3 == .ipv4: level.options = random.bytes(4 * (1 + random.below(3)))
    case 2 where level.hasEthernet && level.tags.count < 3:
      level.tags.append((random.pick([0x8100, 0x88a8, 0x9100]), random.value()))
    default: level.ttl = random.pick([1, 2, 0, 255])
    }
  }

  private mutating func payloadLength() -> Int {
    switch random.below(10) {
    case 0...4: random.below(64)
    case 5...7: random.below(1400)
    case 8: 1380 + random.below(120)
    default: random.below(2)
    }
  }

  private mutating func apply(tunnelItem item: Item, to plan: inout FrameBlueprint) -> Bool {
    func begin(_ kind: TunnelKind) -> FrameBlueprint.Tunnel {
      var tunnel = FrameBlueprint.Tunnel()
      tunnel.kind = kind
      return tunnel
    }
    switch item {
    case .geneve(let item):
      var tunnel = begin(.geneve)
      tunnel.vni = fill(item.vni, UInt32(random.below(4))) & 0xffffff
      if item.proto.isUsed { tunnel.proto = fill(item.proto, 0x6558) }
      if item.optionLength.isUsed {
        tunnel.options = filler(words: Int(fill(item.optionLength, 0) & 0x3f))
      }
      plan.tunnel = tunnel
    case .geneveOption(let item):
      var tunnel = plan.tunnel ?? begin(.geneve)
      let words = (0..<Int(item.length)).map { index -> UInt32 in
        let (spec, mask) = index < item.data.count ? (item.data[index], item.mask[index]) : (0, 0)
        return spec | random.value() & ~mask
      }
      if item.type & 0x80 != 0 { tunnel.flags |= 0x40 }
      let option = be(item.optionClass) + [item.type, item.length] + words.flatMap { be($0) }
      // An optlen item made room with unknown options; a known one takes the place of the last words of it.
      let kept = max(0, tunnel.options.count - option.count)
      tunnel.options = filler(words: kept / 4) + option
      plan.tunnel = tunnel
    case .vxlan(let item):
      var tunnel = begin(.vxlan)
      tunnel.vni = fill(item.vni, UInt32(random.below(4))) & 0xffffff
      plan.tunnel = tunnel
    case .gre(let item):
      var tunnel = begin(.gre)
      let flags = fill(item.flags, random.pick([0, 0x2000, 0x8000, 0x3000, 0xb000]))
      tunnel.hasChecksum = flags & 0x8000 != 0
      tunnel.hasKey = flags & 0x2000 != 0
      tunnel.hasSequence = flags & 0x1000 != 0
      tunnel.vni = random.value()
      tunnel.proto = fill(item.proto, 0x6558)
      plan.tunnel = tunnel
    case .greKey(let key):
      plan.tunnel?.hasKey = true
      plan.tunnel?.vni = fill(key, random.value())
    case .nvgre(let item):
      var tunnel = begin(.nvgre)
      tunnel.vni = fill(item.tni, 0x5000 + UInt32(random.below(4))) & 0xffffff
      tunnel.flowID = fill(item.flowID, random.value())
      plan.tunnel = tunnel
    default: return false
    }
    return true
  }

  /// Unknown, non-critical options of `words` words in all.
  private mutating func filler(words: Int) -> [UInt8] {
    guard words > 0 else { return [] }
    var left = words
    var out: [UInt8] = []
    while left > 0 {
      let length = min(left - 1, random.below(4), 31)
      out += be(UInt16(0xfff0)) + [UInt8(random.below(128)), UInt8(length)] + random.bytes(length * 4)
      left -= 1 + length
    }
    return out
  }

  private mutating func apply(_ item: Item, to level: inout FrameBlueprint.Level, tags: inout Int) {
    switch item {
    case .eth(let item):
      level.dst = fill(item.dst, level.dst)
      level.src = fill(item.src, level.src)
      if item.type.isUsed { level.setType(fill(item.type, 0x0800)) }
      if item.hasVLAN.isUsed, item.hasVLAN.spec == 1, level.tags.isEmpty { level.tags.append((0x8100, random.value())) }
    case .vlan(let item):
      if level.tags.count <= tags { level.tags.append((tags == 0 ? 0x8100 : 0x88a8, 0)) }
      level.tags[tags].tci = fill(item.tci, random.value())
      if item.innerType.isUsed { level.setType(fill(item.innerType, 0x0800)) }
      tags += 1
    case .ipv4(let item):
      level.l3 = .ipv4
      address(&level)
      level.src128 = UInt128(fill(item.src, UInt32(truncatingIfNeeded: level.src128)))
      level.dst128 = UInt128(fill(item.dst, UInt32(truncatingIfNeeded: level.dst128)))
      level.tos = fill(item.tos, level.tos)
      level.ttl = fill(item.ttl, level.ttl)
      level.fragment = fill(item.fragmentOffset, level.fragment)
      if level.l4 == .icmp6 { level.l4 = .icmp }
      if item.proto.isUsed { level.setProto(fill(item.proto, 17)) }
    case .ipv6(let item):
      level.l3 = .ipv6
      address(&level)
      level.src128 = fill(item.src, level.src128)
      level.dst128 = fill(item.dst, level.dst128)
      level.tos = fill(item.tc, level.tos)
      level.ttl = fill(item.hop, level.ttl)
      level.flow = fill(item.flow, level.flow) & 0xfffff
      level.zeroUDPChecksum = false
      if level.l4 == .icmp { level.l4 = .icmp6 }
      if item.proto.isUsed { level.setProto(fill(item.proto, 17)) }
      if item.hasFragment.isUsed, item.hasFragment.spec == 1 {
        level.extensions.append((44, [0, 0, 0, 0, 0, 0, 1]))
      }
    case .udp(let item):
      level.setL4(.udp, src: fill(item.src, level.srcPort), dst: fill(item.dst, level.dstPort))
    case .tcp(let item):
      level.setL4(.tcp, src: fill(item.src, level.srcPort), dst: fill(item.dst, level.dstPort))
      level.tcpFlags = fill(item.flags, level.tcpFlags)
    case .icmp(let item):
      level.l4 = .icmp
      level.l3 = .ipv4
      level.icmp = (fill(item.type, 8), fill(item.code, 0))
    case .icmp6(let item):
      level.l4 = .icmp6
      if level.l3 != .ipv6 {
        level.l3 = .ipv6
        address(&level)
      }
      level.icmp = (fill(item.type, 128), fill(item.code, 0))
    case .esp(let spi):
      level.l4 = .esp
      level.spi = fill(spi, random.value())
    default: break
    }
  }

  private mutating func finishTunnel(
    _ plan: inout FrameBlueprint, endpoint: (ipv4: [UInt32], ipv6: [UInt128]), pattern: [Item]
  ) {
    let proto = plan.tunnel?.proto ?? 0x6558
    if proto == 0x0800 || proto == 0x86dd {
      plan.inner.hasEthernet = false
      let wanted: FrameBlueprint.L3 = proto == 0x0800 ? .ipv4 : .ipv6
      if plan.inner.l3 != wanted {
        plan.inner.l3 = wanted
        address(&plan.inner)
        if plan.inner.l4 == .icmp || plan.inner.l4 == .icmp6 { plan.inner.l4 = wanted == .ipv4 ? .icmp : .icmp6 }
      }
    }
    plan.inner.zeroUDPChecksum = plan.inner.zeroUDPChecksum && plan.inner.l3 == .ipv4
    plan.outer.srcPort = random.value() | 0xc000
    plan.outer.zeroUDPChecksum = plan.outer.l3 == .ipv4 && random.oneIn(2)
    if case .ipv4 = plan.outer.l3, let address = endpoint.ipv4.first, !pattern.pinsOuterDestination {
      plan.outer.dst128 = UInt128(address)
    }
    if case .ipv6 = plan.outer.l3, let address = endpoint.ipv6.first, !pattern.pinsOuterDestination {
      plan.outer.dst128 = address
    }
    plan.outer.fragment &= 0x4000
    // Sometimes an unknown option beside those wanted: devices have to skip it.
    if plan.tunnel?.kind == .geneve, random.oneIn(4), !pattern.looksAtOptionLength {
      let room = 252 - (plan.tunnel?.options.count ?? 0)
      plan.tunnel?.options += filler(words: min(room / 4, 1 + random.below(5)))
    }
  }
}

extension FrameBlueprint.Level {
  fileprivate mutating func setType(_ type: UInt16) {
    switch type {
    case 0x0800: l3 = .ipv4
    case 0x86dd: l3 = .ipv6
    case 0x8100, 0x88a8, 0x9100: if tags.isEmpty { tags.append((type, 1)) } else { tags[0].tpid = type }
    default:
      l3 = .none
      typeOverride = type
    }
  }

  fileprivate mutating func setProto(_ proto: UInt8) {
    switch proto {
    case 6: l4 = .tcp
    case 17: l4 = .udp
    case 1: l4 = .icmp
    case 58: l4 = .icmp6
    case 50: l4 = .esp
    default:
      l4 = .none
      protoOverride = proto
    }
  }

  fileprivate mutating func setL4(_ kind: FrameBlueprint.L4, src: UInt16, dst: UInt16) {
    l4 = kind
    srcPort = src
    dstPort = dst
  }
}

extension [Item] {
  fileprivate var pinsOuterDestination: Bool {
    for item in self {
      switch item {
      case .ipv4(let item): return item.dst.isUsed
      case .ipv6(let item): return item.dst.isUsed
      case .geneve, .vxlan, .gre, .nvgre: return false
      default: continue
      }
    }
    return false
  }

  fileprivate var looksAtOptionLength: Bool {
    contains { if case .geneve(let item) = $0 { item.optionLength.isUsed } else { false } }
  }
}
