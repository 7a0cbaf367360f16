import Device
import Memory
import Rules

/// Compiles action lists against an overlay: names become places, indirect actions the actions they stand for.
struct ProgramCompiler {
  let overlay: Overlay
  /// Place of an encapsulation in the template store, by its number.
  let templatePlaces: [UInt16: Int]
  /// Whether the template at a place puts a tunnel around Ethernet.
  let carriesEthernet: [Bool]
  private let portIndices: [UInt16: Int]
  /// Places of indirect counters in each queue's table, by id.
  let counterPlaces: [UInt32: Int]

  init(overlay: Overlay, templatePlaces: [UInt16: Int], carriesEthernet: [Bool]) {
    self.overlay = overlay
    let counters = overlay.indirectActions.filter { if case .count = $0.value { true } else { false } }.keys.sorted()
    counterPlaces = Dictionary(uniqueKeysWithValues: counters.enumerated().map { ($1, $0) })
    self.templatePlaces = templatePlaces
    self.carriesEthernet = carriesEthernet
    portIndices = Dictionary(
      overlay.ports.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The ops of `actions`, ended by `end`, and what the shapes need; `sampleOps` gives the place of a copy's actions.
  func compile(
    _ actions: [Action], sampleOps: (UInt16) -> (first: UInt32, serial: UInt32)?
  ) -> (program: RuleProgram, ops: [Op]) {
    var program = RuleProgram(
      shape: .general, counts: false, ages: false, kind: .none, port: 0, actionCount: UInt16(clamping: actions.count),
      template: 0, firstOp: 0)
    var ops = sharedCounts(actions)
    for (index, action) in actions.enumerated() {
      for var op in self.ops(resolve(action), &program, sampleOps) {
        op.action = UInt16(clamping: index)
        ops.append(op)
      }
    }
    var end = Op(.end)
    end.action = .max
    ops.append(end)
    shape(&program, ops)
    return (program, ops)
  }

  /// A6: each indirect counter that the list names, once. As the rule's first action, so that frames whose counting a
  /// device has done (V2) go on behind it.
  private func sharedCounts(_ actions: [Action]) -> [Op] {
    var ops: [Op] = []
    for case .indirect(let id) in actions {
      guard let place = counterPlaces[id], !ops.contains(where: { $0.a == UInt32(place) }) else { continue }
      ops.append(Op(.countShared, a: UInt32(place)))
    }
    return ops
  }

  /// Indirect actions may stand for indirect ones, eight deep.
  private func resolve(_ action: Action) -> Action? {
    var action = action
    for _ in 0..<8 {
      guard case .indirect(let id) = action else { return action }
      guard let next = overlay.indirectActions[id] else { return nil }
      action = next
    }
    return nil
  }

  private func ops(
    _ action: Action?, _ program: inout RuleProgram, _ sampleOps: (UInt16) -> (first: UInt32, serial: UInt32)?
  ) -> [Op] {
    switch action {
    case nil, .indirect: return [Op(.missing)]
    case .count:
      program.counts = true
      return []
    case .age:
      program.ages = true
      return []
    case .mark(let mark): return [Op(.mark, a: mark)]
    case .rawDecap(let index):
      switch overlay.decapsulations[index] {
      case .tunnel(let kind): return [Op(.decapTunnel, a: UInt32(kind.rawValue))]
      case .ethernet: return [Op(.decapEthernet)]
      case nil: return [Op(.missing)]
      }
    case .vxlanDecap: return [Op(.decapTunnel, a: UInt32(TunnelKind.vxlan.rawValue))]
    case .nvgreDecap: return [Op(.decapTunnel, a: UInt32(TunnelKind.nvgre.rawValue))]
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index):
      return [templatePlaces[index].map { Op(.encap, a: UInt32($0)) } ?? Op(.missing)]
    case .set(let field): return [op(field)]
    case .decTTL: return [Op(.decTTL)]
    case .popVLAN: return [Op(.popVLAN)]
    case .pushVLAN(let type): return [Op(.pushVLAN, a: UInt32(type))]
    case .sample(let ratio, let index):
      guard let (first, serial) = sampleOps(index) else { return [Op(.missing)] }
      return [Op(.sample, a: max(1, ratio), b: UInt64(first), c: UInt64(serial))]
    case .jump(let group): return [Op(.jump, a: group)]
    case .queue(let queue): return [Op(.queue, a: UInt32(queue))]
    case .rss(let rss): return [op(rss)]
    case .drop: return [Op(.drop)]
    case .portID(let id), .representedPort(let id):
      return [Op(.port, a: portIndices[id].map(UInt32.init) ?? .max)]
    case .portRepresentor: return [Op(.representor)]
    }
  }

  private func op(_ field: SetField) -> Op {
    switch field {
    case .macSource(let value): Op(.setMACSource, b: value)
    case .macDestination(let value): Op(.setMACDestination, b: value)
    case .ipv4Source(let value): Op(.setIPv4Source, b: UInt64(value))
    case .ipv4Destination(let value): Op(.setIPv4Destination, b: UInt64(value))
    case .ipv6Source(let value):
      Op(.setIPv6Source, b: UInt64(value >> 64), c: UInt64(truncatingIfNeeded: value))
    case .ipv6Destination(let value):
      Op(.setIPv6Destination, b: UInt64(value >> 64), c: UInt64(truncatingIfNeeded: value))
    case .l4Source(let value): Op(.setL4Source, b: UInt64(value))
    case .l4Destination(let value): Op(.setL4Destination, b: UInt64(value))
    case .ttl(let value): Op(.setTTL, b: UInt64(value))
    case .ipv4DSCP(let value): Op(.setIPv4DSCP, b: UInt64(value))
    case .ipv6DSCP(let value): Op(.setIPv6DSCP, b: UInt64(value))
    case .vlanID(let value): Op(.setVLANID, b: UInt64(value))
    case .vlanPriority(let value): Op(.setVLANPriority, b: UInt64(value))
    }
  }

  /// At most eight queues of the list are used, each by its low byte: the frame record has a byte for the queue.
  private func op(_ rss: RSSAction) -> Op {
    guard let first = rss.queues.first else { return Op(.queue, a: 0) }
    guard rss.queues.count > 1 else { return Op(.queue, a: UInt32(first)) }
    var queues: UInt64 = 0
    for (index, queue) in rss.queues.prefix(8).enumerated() {
      queues |= UInt64(UInt8(truncatingIfNeeded: queue)) << UInt64(index * 8)
    }
    return Op(.rss, b: queues, c: UInt64(min(8, rss.queues.count)))
  }

  private func shape(_ program: inout RuleProgram, _ ops: [Op]) {
    guard ops.count == 2 || ops.count == 3 else { return }
    let last = ops[ops.count - 2]
    guard last.code == .port, last.a < 0xffff else { return }
    program.port = UInt16(last.a)
    if ops.count == 2 {
      program.shape = .port
    } else if ops[0].code == .encap, carriesEthernet[Int(ops[0].a)], overlay.ports[Int(last.a)].kind == .uplink {
      program.shape = .encapPort
      program.template = ops[0].a
    } else if ops[0].code == .decapTunnel, let kind = TunnelKind(rawValue: UInt8(truncatingIfNeeded: ops[0].a)) {
      program.shape = .decapPort
      program.kind = kind
    }
  }
}
