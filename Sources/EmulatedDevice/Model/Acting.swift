import Device
import Memory
import Rules

/// A2: a row's actions in order, on the frame at hand (target 0) or on a copy of it.
extension Model {
  /// Carries out `ops` of the rule `rule`; gives the fate, or nil when there is none. `hits` is how often the rule was
  /// hit before.
  mutating func apply(_ ops: Bytes, of rule: UInt32, to target: Int, hits: UInt64) throws(Exception) -> Fate? {
    var at = 0
    while at < ops.count {
      guard let op = Op(rawValue: ops[at]) else { return nil }
      switch op {
      case .nothing: break
      case .decapTunnel:
        let kind = TunnelKind(rawValue: ops[at + 1]) ?? .none
        try works[target].decapsulate(kind, abilities: abilities.frame, settings)
      case .decapEthernet: try works[target].removeEthernet(settings)
      case .encap:
        identification &+= 1
        let entry = settings.templates.entry(ops.u16(at + 1))
        try works[target].encapsulate(entry, identification: identification, settings)
      case .encapHere:
        identification &+= 1
        let entry = Templates.Entry(slot: ops.slice(at + 3, count: Int(ops.u16(at + 1))))
        try works[target].encapsulate(entry, identification: identification, settings)
      case .popVLAN: works[target].popVLAN(settings)
      case .pushVLAN: try works[target].pushVLAN(ops.u16(at + 1), settings)
      case .mark: works[target].mark = ops.u32(at + 1)
      case .sample:
        let ratio = UInt64(ops.u32(at + 1))
        if ratio > 0, hits % ratio == 0 { try sample(settings.templates.sample(ops.u16(at + 5)), for: rule) }
      case .sampleHere:
        let ratio = UInt64(ops.u32(at + 1))
        if ratio > 0, hits % ratio == 0 { try sample(ops.slice(at + 7, count: Int(ops.u16(at + 5))), for: rule) }
      case .jump: return .jump(UInt32(ops.u16(at + 1)))
      case .queue: return .queue(ops[at + 1])
      case .rss: return .queue(spread(ops, at, works[target]))
      case .drop: return .drop
      case .port: return .port(ops.u16(at + 1))
      case .representor: return .queue(0)
      default: try works[target].rewrite(op, ops, at, settings)
      }
      // P9 again: what has grown too long to be recorded is software's.
      guard !works[target].parsed.isTooLong else { throw .ability }
      at += op.size(ops, at)
    }
    return nil
  }

  /// A5: makes a copy and carries out a sample list on it. A copy whose fate is a drop by the list is told, too.
  private mutating func sample(_ list: Bytes, for rule: UInt32) throws(Exception) {
    guard copiesUsed < Model.copies else { throw .copies }
    copiesUsed += 1
    let copy = copiesUsed
    works[copy].copy(works[0])
    works[copy].steps.insert(.sampled)
    let fate = try apply(list, of: rule, to: copy, hits: 0)
    try check(fate, target: copy, isPartial: false)
    copyFates[copy] = fate
    copyRules[copy] = rule
  }

  /// RSS: one of the queues by the device's hash, inside a tunnel when that is asked for.
  private func spread(_ ops: Bytes, _ at: Int, _ work: Work) -> UInt8 {
    let isInner = ops[at + 1] == RSSAction.Level.inner.rawValue && work.parsed.hasSoundTunnel
    let hash = FlowHash.of(work.bytes, isInner ? work.parsed.inner : work.parsed.outer)
    return ops[at + 3 + Int(hash % UInt32(max(1, ops[at + 2])))]
  }
}

extension Work {
  /// The actions that change one field.
  mutating func rewrite(_ op: Op, _ ops: Bytes, _ at: Int, _ settings: Settings) throws(Exception) {
    let outer = parsed.outer
    let hasIPv4 = outer.l3 >= 0 && !outer.isIPv6
    let hasIPv6 = outer.l3 >= 0 && outer.isIPv6
    switch op {
    case .setMACDestination: setMAC(0, ops, at + 1)
    case .setMACSource: setMAC(6, ops, at + 1)
    case .setIPv4Source: if hasIPv4 { setAddress(outer.l3 + 12, ops, at + 1, words: 2) }
    case .setIPv4Destination: if hasIPv4 { setAddress(outer.l3 + 16, ops, at + 1, words: 2) }
    case .setIPv6Source: if hasIPv6 { setAddress(outer.l3 + 8, ops, at + 1, words: 8) }
    case .setIPv6Destination: if hasIPv6 { setAddress(outer.l3 + 24, ops, at + 1, words: 8) }
    case .setL4Source: setPort(0, ops.u16(at + 1), settings)
    case .setL4Destination: setPort(2, ops.u16(at + 1), settings)
    case .setTTL: setTTL(ops[at + 1])
    case .decTTL: try decrementTTL()
    case .setIPv4DSCP: setDSCP(ops[at + 1], isIPv6: false)
    case .setIPv6DSCP: setDSCP(ops[at + 1], isIPv6: true)
    case .setVLANID: setTCI(ops.u16(at + 1), mask: 0x0fff)
    case .setVLANPriority: setTCI(UInt16(ops[at + 1]) << 13, mask: 0xe000)
    default: break
    }
  }
}
