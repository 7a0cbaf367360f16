import Device
import Rules

// What drawn rules do: every action, in orders that make sense and in some that do not.
extension RandomConfiguration {
  /// What a rule does.
  mutating func actions(pattern: [Item], group: UInt32, fromUplink: Bool, asksForTunnel: Bool) -> [Action] {
    var actions: [Action] = []
    if !random.oneIn(4) { actions.append(.count(id: 0)) }
    if random.oneIn(6) { actions.append(.age(timeout: UInt32(1 + random.below(5)))) }
    let jumps = random.oneIn(5)
    if !jumps, random.oneIn(5) { actions.append(.mark(UInt32(1 + random.below(1000)))) }
    let removes = asksForTunnel ? !random.oneIn(5) : random.oneIn(fromUplink ? 4 : 16)
    if removes { actions.append(decapsulate(pattern)) }
    if random.oneIn(4) { actions += rewrites() }
    // A frame that is taken out of one tunnel may go on in another.
    let wraps = !jumps && random.oneIn(asksForTunnel ? 8 : fromUplink ? 4 : 2)
    if wraps {
      actions += encapsulate(isBare: removes && random.oneIn(4))
      if random.oneIn(24) { actions += encapsulate(isBare: false) }
      if random.oneIn(24) { actions.append(decapsulate(pattern)) }
    } else if removes, random.oneIn(6) {
      actions.append(.rawEncap(index: 20))
    }
    if random.oneIn(5) {
      let sample = Action.sample(ratio: random.pick([1, 1, 2, 3, 7]), index: UInt16(1 + random.below(4)))
      actions.insert(sample, at: random.below(actions.count + 1))
    }
    actions += fate(jumps: jumps, group: group, wraps: wraps)
    if random.oneIn(5) { actions = actions.map { random.oneIn(2) ? shared($0) : $0 } }
    return actions
  }

  private mutating func fate(jumps: Bool, group: UInt32, wraps: Bool) -> [Action] {
    if jumps {
      // Mostly on; seldom anywhere, in a circle too.
      return [.jump(group: random.oneIn(16) ? UInt32(random.below(Int(groups))) : group + 1 + UInt32(random.below(2)))]
    }
    if wraps, !random.oneIn(8) { return [.representedPort(random.pick(uplinks))] }
    switch random.below(16) {
    case 0: return [.drop]
    case 1: return [.queue(UInt16(random.below(4)))]
    case 2:
      return [.rss(RSSAction(queues: [0, 1, 2, 3], level: random.pick([.outermost, .outer, .inner])))]
    case 3: return [.portRepresentor(random.pick(tenants))]
    case 4: return random.oneIn(2) ? [.portID(77)] : [.portID(random.pick(tenants))]
    case 5: return []
    case 6...8: return [.representedPort(random.pick(uplinks))]
    default: return [.representedPort(random.pick(tenants))]
    }
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

  /// An encapsulation; for a template of IP the Ethernet header goes first, unless the frame `isBare` already.
  private mutating func encapsulate(isBare: Bool = false) -> [Action] {
    let index = UInt16(1 + random.below(12))
    let carriesIP = overlay.encapsulations[index].map(Self.carriesIP) ?? false
    return (carriesIP && !isBare ? [.rawDecap(index: 5)] : []) + [.rawEncap(index: index)]
  }

  private mutating func decapsulate(_ pattern: [Item]) -> Action {
    for item in pattern where !random.oneIn(12) {
      switch item {
      case .geneve: return .rawDecap(index: 1)
      case .vxlan: return random.oneIn(2) ? .rawDecap(index: 2) : .vxlanDecap
      case .gre: return .rawDecap(index: 3)
      case .nvgre: return random.pick([.rawDecap(index: 4), .nvgreDecap, .rawDecap(index: 3)])
      default: continue
      }
    }
    return .rawDecap(index: UInt16(1 + random.below(4)))
  }

  private static func carriesIP(_ encapsulation: Encapsulation) -> Bool {
    let at = encapsulation.l4 + (encapsulation.kind == .geneve ? 10 : 2)
    let type = UInt16(encapsulation.header[at]) << 8 | UInt16(encapsulation.header[at + 1])
    return encapsulation.kind != .vxlan && (type == 0x0800 || type == 0x86dd)
  }

  private mutating func rewrites() -> [Action] {
    (0...random.below(2)).map { _ in
      switch random.below(14) {
      case 0: .set(.macSource(0x02_00_00_00_77_01))
      case 1: .set(.macDestination(0x02_00_00_00_77_02))
      case 2: .set(.ipv4Source(0x0a01_0000 | random.value() & 0xff))
      case 3: .set(.ipv4Destination(0x0a02_0000 | random.value() & 0xff))
      case 4: .set(.ipv6Source(0x2001_0db8_0001 << 80 | 5))
      case 5: .set(.ipv6Destination(0x2001_0db8_0002 << 80 | 6))
      case 6: .set(.l4Source(random.oneIn(2) ? random.value() : 49152 + UInt16(random.below(64))))
      case 7:
        .set(.l4Destination(random.oneIn(2) ? random.value() : random.pick([80, 443, 53, 5201, 4500, 4789, 6081])))
      case 8: .set(.ttl(random.pick([1, 64, 255])))
      case 9: .set(random.oneIn(2) ? .ipv4DSCP(random.value() & 63) : .ipv6DSCP(random.value() & 63))
      case 10: .decTTL
      case 11: .popVLAN
      case 12: .set(random.oneIn(2) ? .vlanID(random.value() & 0xfff) : .vlanPriority(random.value() & 7))
      default: .pushVLAN(etherType: random.pick([0x8100, 0x88a8, 0x9100]))
      }
    }
  }
}
