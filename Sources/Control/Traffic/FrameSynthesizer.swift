import Device
import Rules

/// Builds frames that a rule matches: the wanted bits from its items, everything else drawn at random.
struct FrameSynthesizer {
  var random: SeededGenerator

  mutating func fill<V>(_ field: Field<V>, _ drawn: V) -> V { field.spec | drawn & ~field.mask }

  mutating func level() -> FrameBlueprint.Level {
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

  mutating func address(_ level: inout FrameBlueprint.Level) {
    // A few hosts, so that flows repeat.
    let from = UInt128(random.below(16) + 1), to = UInt128(random.below(16) + 1)
    let prefix: UInt128 = level.l3 == .ipv6 ? 0x2001_0db8 << 96 : 0x0a00_0000
    level.src128 = prefix | from
    level.dst128 = prefix | 0x100 | to
  }

  mutating func transport(_ level: inout FrameBlueprint.Level) {
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
    // Over IPv6 it is rare, and lawful within a tunnel (RFC 6935).
    level.zeroUDPChecksum = random.oneIn(level.l3 == .ipv4 ? 6 : 24)
  }

  /// A frame for `rule`. `endpoint` has the ports of tunnels, and the destinations of outer headers that no item fixes.
  mutating func blueprint(for rule: Rule, endpoint: EndpointPolicy) -> FrameBlueprint {
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
    // What a rule does not ask for may be there all the same.
    if plan.tunnel == nil, random.oneIn(8), rule.pattern.allowsTunnel { plan.tunnel = anyTunnel() }
    if plan.tunnel != nil { finishTunnel(&plan, endpoint: endpoint, pattern: rule.pattern) }
    adorn(&plan, pattern: rule.pattern)
    return plan
  }

  private mutating func payloadLength() -> Int {
    switch random.below(10) {
    case 0...4: random.below(64)
    case 5...7: random.below(1400)
    case 8: 1380 + random.below(120)
    default: random.below(2)
    }
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
      if level.l4 == .icmp { level.l4 = .icmp6 }
      if item.proto.isUsed { level.setProto(fill(item.proto, 17)) }
      if item.hasFragment.isUsed, item.hasFragment.spec == 1 { level.extensions.append(fragmentHeader()) }
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
