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
    reader.enter(now: now)
    parse(&burst, count: count)
    reader.lookup(count: count, group: 0)
    for index in 0..<count { reader.prefetchCounter(reader.hit(index)) }
    for index in 0..<count { carryOut(&burst[index], index, &out) }
    reader.leave()
  }

  /// Headers and keys. A frame that cannot take the straight way is marked by its in-port's sign and goes through
  /// ``enter(_:out:)``.
  @inline(__always)
  private mutating func parse(_ burst: inout FrameBurst, count: Int) {
    for index in 0..<count {
      let port = ports.index(of: burst[index].inPort)
      inPorts[index] = Self.skip
      // Half-done frames, frames that owe, chained frames and frames of unknown ports go one by one.
      guard port != PortTable.none, burst[index].isFresh else { continue }
      let isUplink = ports.entries[port].kind == .uplink
      let drop = stacks[index].reparse(burst[index].bytes.span, options: parseOptions[isUplink ? 1 : 0])
      // M7 comes before any rule.
      if drop != nil || isUplink && stacks[index].outer.isFragment { continue }
      inPorts[index] = Int32(truncatingIfNeeded: port)
    }
    // A loop of its own: a wide load of what narrow stores have just written would wait for them.
    for index in 0..<count {
      // A slot that goes its own way must not keep an earlier burst's key.
      if inPorts[index] == Self.skip { stacks[index] = HeaderStack() }
      reader.prepare(index, stacks[index], burst[index].bytes, inPort: burst[index].inPort)
    }
  }

  @inline(__always)
  private mutating func carryOut(_ frame: inout Frame, _ index: Int, _ out: inout EmissionBurst) {
    let port = inPorts[index]
    guard port != Self.skip else { return enter(&frame, out: &out) }
    let hit = reader.hit(index)
    if hit.isHit {
      let program = programs[Int(hit.payload)]
      switch program.shape {
      case .encapPort:
        if encapPort(&frame, index, hit, program, &out) { return }
      case .decapPort:
        if decapPort(&frame, index, hit, program, &out) { return }
      default: break
      }
    }
    var work = Work(
      stacks[index], port: Int(port), looksIntoTunnels: ports.entries[Int(port)].kind == .uplink)
    follow(&frame, &work, hit, &out)
  }

  @inline(__always)
  func countHit(_ hit: RuleHit, _ program: RuleProgram, length: Int) {
    if program.counts {
      reader.count(hit, bytes: length)
    } else if program.ages {
      reader.touch(hit)
    }
  }

  /// [count] encap port to an uplink, from a plain template. False, and nothing is done, when something is out of the
  /// ordinary.
  @inline(__always)
  private mutating func encapPort(
    _ frame: inout Frame, _ index: Int, _ hit: RuleHit, _ program: RuleProgram, _ out: inout EmissionBurst
  ) -> Bool {
    let template = templates.templates[Int(program.template)]
    let port = ports.entries[Int(program.port)]
    let length = frame.length
    guard template.overhead &+ length <= Int(port.mtu), frame.headroom >= Int(template.padded),
      length &+ Int(template.padded) <= 0xffff
    else { return false }
    // The record is copied before it is changed, for the same reason.
    guard out.append(frame, port: port.id) else { return false }
    countHit(hit, program, length: length)
    let bytes = frame.bytes
    let layers = stacks[index].outer
    let tos = CarriedFacts.tos(bytes, layers)
    let hash = FlowHash.hash(bytes, layers)
    encapsulate(&out[out.count &- 1].frame, template, tos: tos, hash: hash, rule: reader.id(of: hit))
    return true
  }

  @inline(__always)
  private func encapsulate(
    _ frame: inout Frame, _ template: HeaderTemplate, tos: UInt8, hash: UInt32, rule: UInt32
  ) {
    template.prepend(to: &frame, from: templates)
    template.finishPlain(frame.bytes, tos: tos, hash: hash)
    frame.clearOffsets()
    frame.steps.formUnion([.match, .encapsulate])
    frame.rule = rule
    frame.outcome = .forward
  }

  /// [count] decap port.
  @inline(__always)
  private mutating func decapPort(
    _ frame: inout Frame, _ index: Int, _ hit: RuleHit, _ program: RuleProgram, _ out: inout EmissionBurst
  ) -> Bool {
    let stack = stacks[index]
    let port = ports.entries[Int(program.port)]
    guard stack.tunnelProtocol == 0x6558,
      Decapsulator.check(frame, stack, asked: program.kind, policy: policy) == nil,
      packetLength(stack.inner, end: Int(stack.outer.l3End)) <= Int(port.mtu)
    else { return false }
    guard Decapsulator.combineECN(frame.bytes, stack), out.append(frame, port: port.id) else {
      return false
    }
    countHit(hit, program, length: frame.length)
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
