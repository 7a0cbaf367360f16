import Classifier
import Device
import Memory
import Rules
import Wire

// Frames that do not take the straight way: not parseable, outer fragments, owing, or half done by a device.
extension Datapath {
  /// P1, P9, M7, V2 and V3 for one frame, then its rules.
  @inline(never)
  mutating func enter(_ frame: inout Frame, out: inout EmissionBurst) {
    guard frame.next == 0 else { return dropChain(&frame, &out) }
    let port = ports.index(of: frame.inPort)
    guard port != PortTable.none else { return drop(&frame, .noSuchPort, &out) }
    let isUplink = ports.entries[port].kind == .uplink
    let looks = isUplink && frame.steps.isDisjoint(with: [.decapsulate, .encapsulate])
    let stack: HeaderStack
    do throws(ParseDrop) {
      stack = try HeaderStack.parse(
        frame.bytes.span, options: parseOptions[looks ? 1 : 0],
        startsAtIP: frame.steps.contains(.startsAtIP))
    } catch {
      return drop(&frame, error == .runt ? .runt : .headersTooLong, &out)
    }
    var work = Work(stack, port: port, looksIntoTunnels: looks)
    if frame.steps.contains(.match) { return resume(&frame, &work, &out) }
    if looks, stack.outer.isFragment, stack.outer.ipProto == 17 || stack.outer.ipProto == 47,
      endpoint.isDestination(frame.bytes, stack.outer)
    {
      return takeFragment(&frame, &out)
    }
    if isUplink, frame.steps.isDisjoint(with: [.decapsulate, .encapsulate]), stack.outer.isFragmentOrICMP,
      QuotedPacket.isError(frame.bytes, stack.outer), endpoint.isDestination(frame.bytes, stack.outer)
    {
      hear(frame, stack.outer)
    }
    search(&frame, &work, group: 0, &out)
  }

  /// M7: an outer fragment for one of our endpoints.
  private mutating func takeFragment(_ frame: inout Frame, _ out: inout EmissionBurst) {
    let answer = reassembler?.take(frame, now: now, arena: &arena, owner: owner)
    countLosses()
    switch answer {
    case nil, .notFragment: drop(&frame, .outerFragment, &out)
    case .dropped(let reason): drop(&frame, reason, &out)
    case .absorbed: discard(frame, &out)
    case .whole(var whole):
      discard(frame, &out)
      whole.steps = []
      whole.clearOffsets()
      enter(&whole, out: &out)
    }
  }

  /// Fragments that had been taken in and were dropped since.
  private mutating func countLosses() {
    guard let losses = reassembler?.takeLosses() else { return }
    drops.add(losses)
  }

  /// Drops outer fragments that did not become whole in time; called now and then when no fragment comes.
  public mutating func expire(now: UInt64) {
    reassembler?.expire(now: now)
    countLosses()
  }

  /// V2 and V3: goes on where the device stopped.
  private mutating func resume(_ frame: inout Frame, _ work: inout Work, _ out: inout EmissionBurst) {
    statistics.resumed &+= 1
    work.jumps = max(frame.jumps, frame.group != 0 ? 1 : 0)
    frame.jumps = 0
    let id = Int(frame.rule)
    let word = resume.acquire(id &* 2)
    let isKnown = frame.rule != 0 && word != 0
    guard isKnown else {
      // The rule has gone meanwhile. A frame that nothing was done to is looked up again.
      if frame.group != 0 { return search(&frame, &work, group: UInt32(frame.group), &out) }
      let touched: Steps = [.decapsulate, .rewrite, .encapsulate]
      guard frame.steps.isDisjoint(with: touched) else { return drop(&frame, .noRule, &out) }
      return search(&frame, &work, group: 0, &out)
    }
    let hit = reader.resumed(index: UInt32(word >> 32), payload: UInt32(truncatingIfNeeded: word) &- 1)
    let done = UInt16(truncatingIfNeeded: resume.acquire(id &* 2 &+ 1))
    let program = programs[Int(hit.payload)]
    if done == 0 { return follow(&frame, &work, hit, &out) }
    restore(&frame, &work, program, done: done)
    if done >= program.actionCount, frame.group != 0 {
      return search(&frame, &work, group: UInt32(frame.group), &out)
    }
    var first = Int(program.firstOp)
    while ops[first].action < done { first &+= 1 }
    finish(&frame, &work, run(&frame, &work, from: first, &out), &out)
  }

  /// What the actions that the device did left known: marks, and outer headers (S1 asks what was carried).
  private func restore(_ frame: inout Frame, _ work: inout Work, _ program: RuleProgram, done: UInt16) {
    var count = 0
    while ops[Int(program.firstOp) &+ count].action < done { count &+= 1 }
    var position = 0
    var carried = -1
    for step in stride(from: count &- 1, through: 0, by: -1) {
      let op = ops[Int(program.firstOp) &+ step]
      switch op.code {
      case .mark where work.mark == 0: work.mark = op.a
      case .pushVLAN: position &+= 4
      case .popVLAN: position &-= 4
      case .encap:
        let template = templates.templates[Int(op.a)]
        if template.kind != .none {
          work.addLayer(
            template: op.a, l3FromEnd: frame.length &- position &- Int(template.l3),
            l4FromEnd: frame.length &- position &- Int(template.l4))
          carried = position &+ Int(template.length)
        }
        position &+= Int(template.length)
      default: break
      }
    }
    guard carried >= 0 else { return }
    work.reverseLayers()
    work.carriedLength = frame.length &- carried
    work.carriedStartsAtIP = templates.templates[Int(work.layers[0].template)].inside != 0x6558
  }

  /// Looks the frame up in `group` and carries out what it hits, through all groups.
  mutating func search(_ frame: inout Frame, _ work: inout Work, group: UInt32, _ out: inout EmissionBurst) {
    work.group = group
    guard let hit = look(&frame, &work, group: group, &out) else { return }
    follow(&frame, &work, hit, &out)
  }

  /// The frame's hit in `group`; nil when the frame, as it is now, cannot be parsed and was dropped.
  private mutating func look(
    _ frame: inout Frame, _ work: inout Work, group: UInt32, _ out: inout EmissionBurst
  ) -> RuleHit? {
    if let reason = refresh(frame, &work) {
      drop(&frame, reason, &out)
      return nil
    }
    reader.prepare(Self.singleSlot, work.stack, frame.bytes, inPort: frame.inPort)
    reader.lookup(slot: Self.singleSlot, group: group)
    return reader.hit(Self.singleSlot)
  }

  /// Carries out the rule that was hit, and those it jumps to.
  @inline(never)
  mutating func follow(_ frame: inout Frame, _ work: inout Work, _ first: RuleHit, _ out: inout EmissionBurst) {
    var hit = first
    while true {
      guard hit.isHit else { return miss(&frame, &work, .noRule, &out) }
      let program = programs[Int(hit.payload)]
      countHit(hit, program, length: frame.length)
      frame.steps.insert(.match)
      frame.rule = reader.id(of: hit)
      switch run(&frame, &work, from: Int(program.firstOp), &out) {
      case .done: return
      case .jump(let group):
        work.jumps &+= 1
        guard work.jumps <= 16 else { return drop(&frame, .jumpLoop, &out) }
        work.group = group
        guard let next = look(&frame, &work, group: group, &out) else { return }
        hit = next
      }
    }
  }

  /// Goes on after a run that did not begin at a rule's first action.
  mutating func finish(_ frame: inout Frame, _ work: inout Work, _ end: RunEnd, _ out: inout EmissionBurst) {
    guard case .jump(let group) = end else { return }
    work.jumps &+= 1
    guard work.jumps <= 16 else { return drop(&frame, .jumpLoop, &out) }
    search(&frame, &work, group: group, &out)
  }

  /// Parses again what has changed; the reason when that is not possible.
  func refresh(_ frame: Frame, _ work: inout Work) -> DropReason? {
    guard work.isStale else { return nil }
    let failed = work.stack.reparse(
      frame.bytes.span, options: parseOptions[work.looksIntoTunnels ? 1 : 0],
      startsAtIP: frame.steps.contains(.startsAtIP))
    if let failed { return failed == .runt ? .runt : .headersTooLong }
    work.isStale = false
    return nil
  }

  /// A4 for a port whose misses are the controller's: the frame as it is, with the key of its flow and where it goes on.
  private mutating func handUp(_ frame: inout Frame, _ work: Work, _ out: inout EmissionBurst) {
    let last = frame.rule
    let stack = work.stack
    frame.flowHash = FlowHash.hash(frame.bytes, stack.hasSoundTunnel ? stack.inner : stack.outer)
    frame.tunnelKey = stack.hasSoundTunnel ? stack.tunnelKey : work.tunnelKey
    frame.group = UInt16(truncatingIfNeeded: work.group)
    // No rule's actions are under way: the frame goes on with the rules of its group.
    frame.rule = 0
    if work.group != 0 {
      frame.steps.insert(.match)
      frame.jumps = work.jumps
    }
    frame.outcome = .up
    if !out.append(Emission(frame: frame, port: frame.inPort, mark: last)) { lose(frame, &out) }
  }

  /// No rule, or no fate (A3, A4).
  mutating func miss(
    _ frame: inout Frame, _ work: inout Work, _ reason: DropReason, _ out: inout EmissionBurst
  ) {
    if let unparsed = refresh(frame, &work) { return drop(&frame, unparsed, &out) }
    let port = ports.entries[work.port]
    let fault = work.stack.fault
    if port.miss == .controller, reason == .noRule, fault == .none, work.mark == 0, work.layerCount == 0, !work.isCopy {
      return handUp(&frame, work, &out)
    }
    if port.miss != .host {
      return drop(&frame, reason == .noRule && fault != .none ? DropReason(fault) : reason, &out)
    }
    if fault != .none, endpoint.isDestination(frame.bytes, work.stack.outer) {
      return drop(&frame, DropReason(fault), &out)
    }
    let target = port.missPort != PortTable.none ? port.missPort : ports.firstHost
    guard target != PortTable.none else { return drop(&frame, reason, &out) }
    send(&frame, &work, port: target, &out)
  }
}
