import Device
import Rules

// What is between two levels of headers, and what a tunnel asks of both.
extension FrameSynthesizer {
  /// Says whether the item is about the tunnel, and makes the tunnel what it asks for.
  mutating func apply(tunnelItem item: Item, to plan: inout FrameBlueprint) -> Bool {
    switch item {
    case .geneve(let item):
      var tunnel = FrameBlueprint.Tunnel(kind: .geneve)
      tunnel.vni = fill(item.vni, UInt32(random.below(4))) & 0xffffff
      if item.proto.isUsed { tunnel.proto = fill(item.proto, 0x6558) }
      if item.optionLength.isUsed { tunnel.options = filler(words: Int(fill(item.optionLength, 0) & 0x3f)) }
      plan.tunnel = tunnel
    case .geneveOption(let item): add(item, to: &plan)
    case .vxlan(let item):
      var tunnel = FrameBlueprint.Tunnel(kind: .vxlan)
      tunnel.vni = fill(item.vni, UInt32(random.below(4))) & 0xffffff
      plan.tunnel = tunnel
    case .gre(let item):
      var tunnel = anyGRE()
      let flags = fill(item.flags, flags(of: tunnel))
      tunnel.hasChecksum = flags & 0x8000 != 0
      tunnel.hasKey = flags & 0x2000 != 0
      tunnel.hasSequence = flags & 0x1000 != 0
      tunnel.proto = fill(item.proto, 0x6558)
      plan.tunnel = tunnel
    case .greKey(let key):
      plan.tunnel?.hasKey = true
      plan.tunnel?.vni = fill(key, random.value())
    case .nvgre(let item):
      var tunnel = FrameBlueprint.Tunnel(kind: .nvgre)
      tunnel.vni = fill(item.tni, virtualSubnet()) & 0xffffff
      tunnel.flowID = fill(item.flowID, random.value())
      plan.tunnel = tunnel
    default: return false
    }
    return true
  }

  /// A tunnel of any kind.
  mutating func anyTunnel() -> FrameBlueprint.Tunnel {
    var tunnel: FrameBlueprint.Tunnel
    switch random.below(5) {
    case 0...1:
      tunnel = .init(kind: .geneve)
      tunnel.options = filler(words: random.pick([0, 0, 1, 3]))
    case 2: tunnel = .init(kind: .vxlan)
    case 3: return anyGRE()
    default:
      tunnel = .init(kind: .nvgre)
      tunnel.flowID = random.value()
      tunnel.vni = virtualSubnet()
      return tunnel
    }
    tunnel.vni = UInt32(random.below(4))
    return tunnel
  }

  private mutating func anyGRE() -> FrameBlueprint.Tunnel {
    var tunnel = FrameBlueprint.Tunnel(kind: .gre)
    let flags: UInt16 = random.pick([0, 0x2000, 0x8000, 0x3000, 0xb000])
    tunnel.hasChecksum = flags & 0x8000 != 0
    tunnel.hasKey = flags & 0x2000 != 0
    tunnel.hasSequence = flags & 0x1000 != 0
    tunnel.vni = random.value()
    return tunnel
  }

  private func flags(of tunnel: FrameBlueprint.Tunnel) -> UInt16 {
    (tunnel.hasChecksum ? 0x8000 : 0) | (tunnel.hasKey ? 0x2000 : 0) | (tunnel.hasSequence ? 0x1000 : 0)
  }

  /// A VSID, now and then one at the border of those that NVGRE reserves (RFC 7637 section 3.2).
  private mutating func virtualSubnet() -> UInt32 {
    random.oneIn(6) ? random.pick([0, 0xfff, 0x1000, 0xff_fffe, 0xff_ffff]) : 0x5000 + UInt32(random.below(4))
  }

  private mutating func add(_ item: GeneveOptionItem, to plan: inout FrameBlueprint) {
    var tunnel = plan.tunnel ?? FrameBlueprint.Tunnel(kind: .geneve)
    if item.type & 0x80 != 0 { tunnel.flags |= 0x40 }
    let words = (0..<Int(item.length)).map { index -> UInt32 in
      let (spec, mask) = index < item.data.count ? (item.data[index], item.mask[index]) : (0, 0)
      return spec | random.value() & ~mask
    }
    var option = be(item.optionClass) + [item.type, item.length] + words.flatMap { be($0) }
    // An optlen item made room with unknown options; a known one takes the place of the last words of it.
    let kept = max(0, tunnel.options.count - option.count)
    switch random.below(8) {
    case 0 where kept == tunnel.options.count - option.count || tunnel.options.isEmpty:
      // One like it comes first: of another class, or with other data.
      var other = option
      if random.oneIn(2) { other[0] ^= 1 } else { other[other.count - 1] ^= random.value() }
      if tunnel.options.count + 2 * option.count <= 252 { option = other + option }
    case 1: option[random.below(min(4, option.count))] ^= 1 << UInt8(random.below(2))
    default: break
    }
    tunnel.options = filler(words: kept / 4) + option
    plan.tunnel = tunnel
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

  /// Brings both levels in line with the tunnel between them.
  mutating func finishTunnel(_ plan: inout FrameBlueprint, endpoint: EndpointPolicy, pattern: [Item]) {
    let kind = plan.tunnel?.kind ?? .none
    if kind == .geneve || kind == .gre, plan.tunnel?.proto == 0x6558, !pattern.pinsInside, random.oneIn(8) {
      plan.tunnel?.proto = plan.inner.l3 == .ipv6 ? 0x86dd : 0x0800
    }
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
    plan.outer.srcPort = random.value() | 0xc000
    plan.outer.zeroUDPChecksum = random.oneIn(2)
    if kind == .geneve || kind == .vxlan, !pattern.pinsOuterPort, !random.oneIn(32) {
      plan.outer.dstPort = kind == .geneve ? endpoint.genevePort : endpoint.vxlanPort
    }
    if !pattern.pinsOuterDestination, !random.oneIn(32) {
      if case .ipv4 = plan.outer.l3, !endpoint.ipv4.isEmpty { plan.outer.dst128 = UInt128(random.pick(endpoint.ipv4)) }
      if case .ipv6 = plan.outer.l3, !endpoint.ipv6.isEmpty { plan.outer.dst128 = random.pick(endpoint.ipv6) }
    }
    plan.outer.fragment &= 0x4000
    // Sometimes an unknown option beside those wanted: devices have to skip it.
    if kind == .geneve, random.oneIn(4), !pattern.looksAtOptionLength {
      let room = 252 - (plan.tunnel?.options.count ?? 0)
      // Now and then as many as there is room for.
      let words = random.oneIn(16) ? room / 4 : 1 + random.below(5)
      plan.tunnel?.options += filler(words: min(room / 4, words))
    }
  }
}

extension [Item] {
  /// Items of the outer headers.
  private var outside: ArraySlice<Item> { prefix { !$0.isTunnel } }

  fileprivate var pinsOuterDestination: Bool {
    outside.contains { item in
      switch item {
      case .ipv4(let item): item.dst.isUsed
      case .ipv6(let item): item.dst.isUsed
      default: false
      }
    }
  }

  fileprivate var pinsOuterPort: Bool {
    outside.contains { if case .udp(let item) = $0 { item.dst.isUsed } else { false } }
  }

  /// What is inside the tunnel must be Ethernet, or is said by the tunnel's item.
  fileprivate var pinsInside: Bool {
    contains { item in
      switch item {
      case .geneve(let item): item.proto.isUsed
      case .gre(let item): item.proto.isUsed
      default: false
      }
    }
      || drop { !$0.isTunnel }.contains { item in
        switch item {
        case .eth, .vlan: true
        default: false
        }
      }
  }

  /// No item speaks against a tunnel inside.
  var allowsTunnel: Bool {
    !contains { item in
      switch item {
      case .tcp, .icmp, .icmp6, .esp: true
      case .udp(let item): item.dst.isUsed
      case .ipv4(let item): item.proto.isUsed
      case .ipv6(let item): item.proto.isUsed
      default: false
      }
    }
  }

  var looksAtOptionLength: Bool {
    contains { if case .geneve(let item) = $0 { item.optionLength.isUsed } else { false } }
  }
}
