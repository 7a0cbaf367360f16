import Device
import Rules

// What drawn rules do.
extension RandomConfiguration {
  /// What a rule does.
  mutating func actions(isTunnel: Bool, pattern: [Item], group: UInt32) -> [Action] {
    var actions: [Action] = []
    if !random.oneIn(4) { actions.append(.count(id: 0)) }
    if random.oneIn(6) { actions.append(.age(timeout: UInt32(1 + random.below(5)))) }
    let jumps = group < 2 && random.oneIn(5)
    if !jumps, random.oneIn(5) { actions.append(.mark(UInt32(1 + random.below(1000)))) }
    let encapsulates = !isTunnel && !jumps && random.oneIn(2)
    if isTunnel, !random.oneIn(5) { actions.append(decapsulate(pattern)) }
    if random.oneIn(4) { actions += rewrites() }
    if encapsulates { actions += encapsulate() }
    if random.oneIn(5) {
      let sample = Action.sample(ratio: random.pick([1, 1, 2, 3, 7]), index: UInt16(1 + random.below(4)))
      actions.insert(sample, at: random.below(actions.count + 1))
    }
    if jumps {
      actions.append(.jump(group: group + 1 + UInt32(random.below(2))))
    } else if encapsulates {
      actions.append(.representedPort(random.pick(uplinks)))
    } else {
      switch random.below(12) {
      case 0: actions.append(.drop)
      case 1: actions.append(.queue(UInt16(random.below(4))))
      case 2: actions.append(.rss(RSSAction(queues: [0, 1, 2, 3])))
      case 3: actions.append(.portRepresentor(random.pick(tenants)))
      case 4: actions.append(.portID(77))
      case 5: break
      case 6...7: actions.append(.representedPort(random.pick(uplinks)))
      default: actions.append(.representedPort(random.pick(tenants)))
      }
    }
    if random.oneIn(5) { actions = actions.map { random.oneIn(2) ? shared($0) : $0 } }
    return actions
  }

  /// An indirect action that stands for this one; of `count` there are two, of every other action one.
  private mutating func shared(_ action: Action) -> Action {
    let id: UInt32
    if case .count = action {
      id = UInt32(1 + random.below(2))
    } else {
      let known = overlay.indirectActions.filter { $0.value == action }.keys.min()
      id = known ?? max(2, overlay.indirectActions.keys.max() ?? 0) + 1
    }
    overlay.indirectActions[id] = action
    return .indirect(id: id)
  }

  /// What is done with copies: to a queue, changed, into a tunnel, and everything that can go wrong.
  mutating func addSampleLists() {
    overlay.sampleActions[1] = [.mark(UInt32(1 + random.below(1000))), .queue(UInt16(random.below(4)))]
    overlay.sampleActions[2] = rewrites() + [.representedPort(random.pick(tenants))]
    overlay.sampleActions[3] = encapsulate() + [.representedPort(random.pick(uplinks))]
    overlay.sampleActions[4] =
      switch random.below(6) {
      case 0: [.drop]
      case 1: [.rss(RSSAction(queues: [0, 1, 2, 3]))]
      case 2: rewrites()
      case 3: [.rawDecap(index: UInt16(1 + random.below(4))), .representedPort(random.pick(tenants))]
      case 4: [.rawDecap(index: 1)] + encapsulate() + [.representedPort(random.pick(uplinks))]
      default: [.decTTL, .portID(random.oneIn(4) ? 77 : tenants[0])]
      }
  }

  private mutating func encapsulate() -> [Action] {
    let index = UInt16(1 + random.below(12))
    let carriesIP = overlay.encapsulations[index].map(Self.carriesIP) ?? false
    return (carriesIP ? [.rawDecap(index: 5)] : []) + [.rawEncap(index: index)]
  }

  private mutating func decapsulate(_ pattern: [Item]) -> Action {
    for item in pattern {
      switch item {
      case .geneve: return .rawDecap(index: random.oneIn(12) ? 2 : 1)
      case .vxlan: return random.oneIn(2) ? .rawDecap(index: 2) : .vxlanDecap
      case .gre: return .rawDecap(index: 3)
      case .nvgre: return random.oneIn(2) ? .rawDecap(index: 4) : .nvgreDecap
      default: continue
      }
    }
    return .rawDecap(index: 1)
  }

  private static func carriesIP(_ encapsulation: Encapsulation) -> Bool {
    let at = encapsulation.l4 + (encapsulation.kind == .geneve ? 10 : 2)
    return encapsulation.kind != .vxlan && encapsulation.header[at] == 0x08 && encapsulation.header[at + 1] == 0
  }

  private mutating func rewrites() -> [Action] {
    (0...random.below(2)).map { _ in
      switch random.below(13) {
      case 0: .set(.macSource(0x02_00_00_00_77_01))
      case 1: .set(.macDestination(0x02_00_00_00_77_02))
      case 2: .set(.ipv4Source(0x0a01_0000 | random.value() & 0xff))
      case 3: .set(.ipv4Destination(0x0a02_0000 | random.value() & 0xff))
      case 4: .set(.ipv6Source(0x2001_0db8_0001 << 80 | 5))
      case 5: .set(.ipv6Destination(0x2001_0db8_0002 << 80 | 6))
      case 6: .set(.l4Source(random.value()))
      case 7: .set(.l4Destination(random.value()))
      case 8: .set(.ttl(random.pick([1, 64, 255])))
      case 9: .set(random.oneIn(2) ? .ipv4DSCP(random.value() & 63) : .ipv6DSCP(random.value() & 63))
      case 10: .decTTL
      case 11: .popVLAN
      default: random.oneIn(2) ? .pushVLAN(etherType: 0x8100) : .set(.vlanID(random.value() & 0xfff))
      }
    }
  }
}
