import Classifier
public import Device
import Memory
import Rules
import Wire

// The loop over a burst, in stages: all frames parsed, all looked up, all carried out, so that cache misses overlap.
extension Datapath {
  /// Carries out a burst. `now` is in nanoseconds of the caller's clock.
  ///
  /// What came of each frame is appended to `out` in order of arrival; frames made on the way stand behind the one they
  /// were made of. ``Device/FrameBurst/inPort`` of each frame names the port it came in through.
  public mutating func process(_ burst: inout FrameBurst, now: UInt64, out: inout EmissionBurst) {
    self.now = now
    let count = burst.count
    let first = out.count
    followPaths()
    if burst.segmentCount > 0 { straighten(&burst, &out) }
    reader.enter(now: now)
    seeTemplates()
    let isCached = cache.begin(reader)
    let done = isCached ? carryOutKnown(&burst, &out) : 0
    let rest = done < count ? carryOut(&burst, from: done, learns: isCached, &out) : 0
    if isCached { note(count, rest) }
    reader.leave()
    if ports.coalesces { coalesce(&out, from: first) }
  }

  /// The frames from `first` on, in stages. Gives the slots of those that the cache did not know.
  @inline(never)
  private mutating func carryOut(
    _ burst: inout FrameBurst, from first: Int, learns: Bool, _ out: inout EmissionBurst
  ) -> UInt64 {
    let slots = Self.all(burst.count) & ~Self.all(first)
    let rest = learns ? recognise(&burst, slots) : slots
    parse(&burst, rest)
    reader.lookup(slots: rest, group: 0)
    prefetchCounters(rest)
    carryOut(&burst, slots, rest, learns: learns, &out)
    return rest
  }

  @inline(__always)
  private mutating func note(_ count: Int, _ rest: UInt64) {
    let known = count &- rest.nonzeroBitCount
    statistics.recognised &+= UInt64(truncatingIfNeeded: known)
    cache.end(asked: count, known: known)
  }

  /// As many low bits as there are frames.
  @inline(__always)
  private static func all(_ count: Int) -> UInt64 { count == 0 ? 0 : .max &>> UInt64(64 &- count) }

  /// Asks for the lines that counting will write.
  @inline(__always)
  private func prefetchCounters(_ slots: UInt64) {
    var slots = slots
    while slots != 0 {
      let index = slots.trailingZeroBitCount
      slots &= slots &- 1
      reader.prefetchCounter(reader.hit(index))
    }
  }

  /// Headers and keys. A frame that cannot take the straight way is marked by its in-port's sign and goes through
  /// ``enter(_:out:)``.
  @inline(__always)
  private mutating func parse(_ burst: inout FrameBurst, _ slots: UInt64) {
    var rest = slots
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      let port = ports.index(of: burst[index].inPort)
      inPorts[index] = Self.skip
      // Half-done frames, frames that owe, chained frames and frames of unknown ports go one by one.
      guard port != PortTable.none, burst[index].isFresh else { continue }
      let isUplink = ports.entries[port].kind == .uplink
      let drop = stacks[index].reparse(burst[index].bytes.span, options: parseOptions[isUplink ? 1 : 0])
      // M7 and I1 come before any rule.
      if drop != nil || isUplink && stacks[index].outer.isFragmentOrICMP { continue }
      inPorts[index] = Int32(truncatingIfNeeded: port)
    }
    // A loop of its own: a wide load of what narrow stores have just written would wait for them.
    rest = slots
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      // A slot that goes its own way must not keep an earlier burst's key.
      if inPorts[index] == Self.skip { stacks[index] = HeaderStack() }
      reader.prepare(index, stacks[index], burst[index].bytes, inPort: burst[index].inPort)
    }
  }

  @inline(__always)
  mutating func carryOut(
    _ burst: inout FrameBurst, _ index: Int, _ rest: UInt64, learns: Bool, _ out: inout EmissionBurst
  ) {
    let port = inPorts[index]
    guard port != Self.skip else { return enter(&burst[index], out: &out) }
    let hit = reader.hit(index)
    if hit.isHit {
      let program = programs[Int(hit.payload)]
      if program.shape != .general, learns, cache.mayLearn() { learn(burst[index], index, hit, program, rest: rest) }
      switch program.shape {
      case .encapPort:
        if encapPort(burst, index, hit, program, &out) { return }
      case .decapPort:
        if decapPort(burst, index, hit, program, &out) { return }
      default: break
      }
    }
    var work = Work(
      stacks[index], port: Int(port), looksIntoTunnels: ports.entries[Int(port)].kind == .uplink)
    follow(&burst[index], &work, hit, &out)
  }

  @inline(__always)
  func countHit(_ hit: RuleHit, _ program: RuleProgram, length: Int) {
    if program.counts {
      reader.count(hit, bytes: length)
    } else if program.ages {
      reader.touch(hit)
    }
  }

  /// [count] encap port to an uplink. False, and nothing is done, when something is out of the ordinary.
  @inline(__always)
  private mutating func encapPort(
    _ burst: borrowing FrameBurst, _ index: Int, _ hit: RuleHit, _ program: RuleProgram, _ out: inout EmissionBurst
  ) -> Bool {
    let slot = Int(program.template)
    let port = ports.entries[Int(program.port)]
    let length = burst[index].length
    let padded = Int(templates.templates[slot].padded)
    guard stacks[index].outer.hasEthernet, Int(templates.templates[slot].overhead) &+ length <= Int(port.mtu),
      burst[index].headroom >= padded, length &+ padded <= 0xffff
    else { return false }
    // The record is copied before it is changed: a wide load of what narrow stores have just written waits for them.
    guard out.append(burst, index, port: port.id) else { return false }
    countHit(hit, program, length: length)
    let layers = stacks[index].outer
    let entropy = templates.templates[slot].port(FlowHash.hash(burst[index].bytes, layers))
    wrap(
      &out[out.count &- 1].frame, slot, CarriedFacts(burst[index].bytes, layers), entropy: entropy,
      rule: reader.id(of: hit))
    return true
  }

  /// Puts the template in `slot` around a frame that has the headroom and owes nothing.
  @inline(__always)
  mutating func wrap(
    _ frame: inout Frame, _ slot: Int, _ carried: CarriedFacts, entropy: UInt16, rule: UInt32
  ) {
    if templates.templates[slot].isPlain {
      templates.templates[slot].prepend(to: &frame, from: templates)
      templates.templates[slot].finishPlain(frame.bytes, tos: carried.tos, port: entropy)
    } else {
      wrapFully(&frame, slot, carried, entropy: entropy)
    }
    frame.clearOffsets()
    frame.checksums.rawValue <<= 4
    frame.steps.formUnion([.match, .encapsulate])
    frame.rule = rule
    frame.outcome = .forward
  }

  @inline(never)
  private mutating func wrapFully(_ frame: inout Frame, _ slot: Int, _ carried: CarriedFacts, entropy: UInt16) {
    let template = templates.templates[slot]
    let sum = template.sumsUDP || template.sumsGRE ? InternetChecksum.sum(frame.bytes.span) : 0
    template.prepend(to: &frame, from: templates)
    template.finish(frame.bytes, carried, port: entropy, carriedSum: sum, identification: &identification)
  }

  /// [count] decap port.
  @inline(__always)
  private mutating func decapPort(
    _ burst: borrowing FrameBurst, _ index: Int, _ hit: RuleHit, _ program: RuleProgram, _ out: inout EmissionBurst
  ) -> Bool {
    let stack = stacks[index]
    let port = ports.entries[Int(program.port)]
    guard stack.tunnelProtocol == 0x6558,
      Decapsulator.check(burst[index], stack, asked: program.kind, policy: policy) == nil,
      packetLength(stack.inner, end: Int(stack.outer.l3End)) <= Int(port.mtu)
    else { return false }
    guard Decapsulator.combineECN(burst[index].bytes, stack), out.append(burst, index, port: port.id) else {
      return false
    }
    countHit(hit, program, length: burst[index].length)
    decapsulate(&out[out.count &- 1].frame, stack, program.kind, rule: reader.id(of: hit))
    return true
  }

  @inline(__always)
  private func decapsulate(_ frame: inout Frame, _ stack: HeaderStack, _ kind: TunnelKind, rule: UInt32) {
    Decapsulator.strip(&frame, stack, asked: kind)
    frame.steps.insert(.match)
    frame.rule = rule
    frame.outcome = .forward
  }

  /// Bytes of the L3 packet of a frame that ends at `end`: without IP everything behind Ethernet and its tags (S2).
  @inline(__always)
  func packetLength(_ layers: LayerStack, end: Int) -> Int {
    if layers.l3Kind != .none { return Int(layers.l3End) &- Int(layers.l3) }
    let header = layers.hasEthernet ? 14 &+ Int(layers.vlanCount) &* 4 : 0
    return end &- Int(layers.l2) &- header
  }

  @inline(__always)
  mutating func emit(_ frame: inout Frame, port: UInt16, _ out: inout EmissionBurst) {
    frame.outcome = .forward
    if !out.append(Emission(frame: frame, port: port)) { lose(frame, &out) }
  }
}
