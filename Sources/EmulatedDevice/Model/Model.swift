import Device
import Memory
import Rules

/// The device itself: everything that happens to a frame. No heap, no clock, no dictionary; all its memory was given to
/// it at the start. It reads from top to bottom like the datasheet.
struct Model: ~Copyable {
  /// Copies that one frame may leave (`sample`).
  static let copies = 4
  /// What copies and segments carry as a token: no buffer of anybody's.
  static let noToken = UInt32.max

  let abilities: Abilities
  let settings: Settings
  var store: RuleStore
  let tally: Tally
  var faults: FaultEngine
  /// The frame at hand, then its copies.
  var works: InlineArray<5, Work>
  var copyFates = InlineArray<5, Fate?>(repeating: nil)
  var copyRules = InlineArray<5, UInt32>(repeating: 0)
  var copiesUsed = 0
  /// The running IPv4 identification.
  var identification: UInt16
  var isAlive = true
  /// Why the last frame came up; nil when it did not.
  var lastCause: UpCause?

  /// Where a frame goes.
  enum Fate { case port(UInt16), queue(UInt8), drop, jump(UInt32) }

  /// What came of the search and the actions.
  enum Verdict {
    case done(Fate)
    /// As it came, perhaps with a guard's rule.
    case asItCame(UpCause, rule: UInt32)
    /// As it is now, with a rule and a group to go on with.
    case halfDone(UpCause, rule: UInt32, group: UInt32, jumps: Int)
  }

  /// Bytes of memory for works and tally.
  static let workBytes = (1 + copies) * Work.bufferSize + Tally.bytes

  init(
    abilities: Abilities, settings: Settings, store: consuming RuleStore, works memory: Bytes, faults: FaultPlan,
    seed: UInt64
  ) {
    self.abilities = abilities
    self.settings = settings
    self.store = store
    tally = Tally(memory: memory.slice(0, count: Tally.bytes))
    works = InlineArray { index in
      Work(buffer: memory.slice(Tally.bytes + index * Work.bufferSize, count: Work.bufferSize))
    }
    self.faults = FaultEngine(plan: faults, seed: seed)
    identification = UInt16(truncatingIfNeeded: self.faults.chance.next())
  }

  /// A frame arrives from outside.
  mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    tally.add(.framesIn)
    tally.add(.bytesIn, UInt64(frame.length))
    lastCause = nil
    defer { resetIfDue() }
    if swallows() { return }
    var up = frame
    up.inPort = port
    up.outcome = .up
    guard frame.owed.isEmpty else { return pass(up, port, .debts, emit) }
    guard frame.next == 0, frame.steps.isEmpty, frame.group == 0 else { return pass(up, port, .notFresh, emit) }
    guard frame.length >= 14 else { return pass(up, port, .drop(.runt), emit) }
    let isUplink = settings.port(port)?.isUplink ?? false
    works[0].load(frame.bytes, looksInside: isUplink)
    works[0].parse(settings)
    guard !works[0].parsed.isTooLong else { return pass(up, port, .drop(.headersTooLong), emit) }
    works[0].checksums = Knowledge.of(works[0].bytes, works[0].parsed, abilities.frame, fromWire: isUplink)
    if faults.lyingChecksum.strikes(&faults.chance) { works[0].checksums.lie() }
    works[0].describe(&up)
    guard !(isUplink && isTunnelFragment()) else { return pass(up, port, .drop(.outerFragment), emit) }
    guard !(isUplink && isUnderlayError()) else { return pass(up, port, .underlayError, emit) }

    var hits = Hits()
    switch search(port: port, now: now, &hits) {
    case .asItCame(let cause, let rule):
      if rule != 0 {
        up.rule = rule
        up.steps.insert(.match)
      }
      pass(up, port, cause, emit)
    case .halfDone(let cause, let rule, let group, let jumps):
      commit(hits, now)
      emitCopies(of: up, port, emit)
      var out = written(up)
      out.rule = rule
      out.group = UInt16(truncatingIfNeeded: group)
      out.jumps = jumps
      lastCause = cause
      tally.add(cause)
      emit(Emission(frame: out, port: port, mark: works[0].mark))
    case .done(let fate):
      commit(hits, now)
      emitCopies(of: up, port, emit)
      finish(up, hits.last, fate, port, emit)
    }
  }

  /// The reset and the lost completion: frames that go in and never come out.
  private mutating func swallows() -> Bool {
    guard isAlive else {
      tally.add(.lost)
      return true
    }
    if faults.isHeldAtReset(tally[.framesIn]) || faults.lostFrame.strikes(&faults.chance) {
      tally.add(.lost)
      return true
    }
    return false
  }

  /// The device resets itself: no rules, no answers.
  private mutating func resetIfDue() {
    guard isAlive, faults.plan.resetAtFrame > 0, tally[.framesIn] == faults.plan.resetAtFrame else { return }
    isAlive = false
    tally.add(.resets)
    store.removeAll()
  }

  /// M7: a fragment of a tunnel packet for one of our endpoints.
  private func isTunnelFragment() -> Bool {
    let outer = works[0].parsed.outer
    guard outer.isFragment, outer.hasProto, outer.proto == 17 || outer.proto == 47 else { return false }
    return settings.isEndpoint(works[0].bytes, outer)
  }

  /// I1: an ICMP error for one of our endpoints, which software has to hear.
  private func isUnderlayError() -> Bool {
    let outer = works[0].parsed.outer
    switch outer.transport {
    case .icmp:
      let type = works[0].bytes[outer.l4]
      guard type >= 3 && type <= 5 || type == 11 || type == 12 else { return false }
    case .icmp6: guard works[0].bytes[outer.l4] < 128 else { return false }
    case .none, .udp, .tcp, .gre, .esp: return false
    }
    return settings.isEndpoint(works[0].bytes, outer)
  }

  private mutating func pass(_ frame: Frame, _ port: UInt16, _ cause: UpCause, _ emit: (Emission) -> Void) {
    lastCause = cause
    tally.add(cause)
    emit(Emission(frame: frame, port: port))
  }

  /// M1–M6 and A1–A3: from group 0 on, until the frame's fate is known.
  private mutating func search(port: UInt16, now: UInt64, _ hits: inout Hits) -> Verdict {
    copiesUsed = 0
    var group: UInt32 = 0
    var jumps = 0
    while true {
      let sight = Sight(bytes: works[0].bytes, parsed: works[0].parsed, inPort: port)
      // Group 0 is where every frame begins: as a resume point it would say nothing (V3).
      let canResume = abilities.frame.contains(.resumePoint) && group != 0
      guard let slot = store.find(sight, group: group, now: now) else {
        if jumps == 0 { return .asItCame(.miss, rule: 0) }
        return handUp(canResume, .missAfterJump, rule: hits.last, group, jumps)
      }
      let row = store.row(slot)
      let flags = row.flags
      if flags.contains(.wideGuard) {
        if jumps == 0 { return .asItCame(.wideGuard, rule: 0) }
        return handUp(canResume, .wideGuard, rule: hits.last, group, jumps)
      }
      if flags.contains(.guardOnly) {
        if jumps == 0 { return .asItCame(.guarded, rule: row.id) }
        return handUp(canResume, .guarded, rule: row.id, group, jumps)
      }
      hits.add(slot, id: row.id, length: works[0].length)
      let fate: Fate?
      do {
        fate = try apply(store.actions(row), of: row.id, to: 0, hits: row.hits &+ hits.earlier(of: slot))
        if case .jump = fate {} else { try check(fate, target: 0, isPartial: flags.contains(.partial)) }
      } catch {
        return .asItCame(error.cause, rule: 0)
      }
      if flags.contains(.partial) {
        works[0].steps.insert(.match)
        return .halfDone(.partial, rule: row.id, group: group, jumps: jumps)
      }
      guard case .jump(let next) = fate else {
        guard let fate else { return .asItCame(.drop(.noFate), rule: 0) }
        return .done(fate)
      }
      jumps += 1
      guard jumps <= 16 else { return .asItCame(.drop(.jumpLoop), rule: 0) }
      works[0].steps.insert(.match)
      group = next
    }
  }

  /// V2, V3: where software goes on, or that it cannot be told.
  private func handUp(
    _ canResume: Bool, _ cause: UpCause, rule: UInt32, _ group: UInt32, _ jumps: Int
  ) -> Verdict {
    canResume ? .halfDone(cause, rule: rule, group: group, jumps: jumps) : .asItCame(.noResumePoint, rule: 0)
  }

  /// Whether a frame can go there: A3, D4, S1, S2.
  func check(_ fate: Fate?, target: Int, isPartial: Bool) throws(Exception) {
    switch fate {
    case .port(let id):
      guard let port = settings.port(id) else { throw .drop(.noSuchPort) }
      guard works[target].hasEthernet else { throw .drop(.missingEthernet) }
      guard works[target].packetLength <= port.mtu else {
        throw .drop(port.isUplink && works[target].steps.contains(.encapsulate) ? .tooBig : .exceedsPortMTU)
      }
    case .queue:
      guard works[target].hasEthernet else { throw .drop(.missingEthernet) }
    case .drop, .jump: return
    case nil:
      guard isPartial else { throw .drop(.noFate) }
    }
  }

  /// A1: what the frame hit, once it is sure that the device carries it out.
  private mutating func commit(_ hits: Hits, _ now: UInt64) {
    var hit = 0
    while hit < hits.count {
      let row = store.row(hits.slots[hit])
      row.hits &+= 1
      row.lastHit = now
      row.isToldAged = false
      if row.flags.contains(.counts) {
        row.frames &+= 1
        row.bytes &+= UInt64(hits.lengths[hit])
      }
      hit += 1
    }
    if works[0].steps.isDisjoint(with: [.decapsulate, .encapsulate, .rewrite]) { return }
    if faults.lyingAction.strikes(&faults.chance) { works[0].lie() }
  }

  /// The frame leaves: out of a port, to a queue, or not at all.
  private mutating func finish(
    _ frame: Frame, _ rule: UInt32, _ fate: Fate, _ port: UInt16, _ emit: (Emission) -> Void
  ) {
    works[0].steps.insert(.match)
    var out = frame
    if case .drop = fate { out.steps.formUnion(works[0].steps) } else { out = written(frame) }
    out.rule = rule
    var leaving = port
    var mark: UInt32 = 0
    switch fate {
    case .port(let id):
      out.outcome = .forward
      leaving = id
      tally.add(.bypassed)
    case .queue(let queue):
      out.outcome = .deliver
      out.queue = queue
      mark = works[0].mark
      tally.add(.delivered)
    case .drop, .jump:
      out.outcome = .dropped(.rule)
      tally.add(.dropped)
    }
    emit(Emission(frame: out, port: leaving, mark: mark))
  }

  /// The record of the frame at hand as it is now, in its owner's buffer when it fits there, else in the device's.
  private func written(_ frame: Frame) -> Frame {
    var out = frame
    let length = works[0].length
    if length <= frame.length {
      out.removeFirst(frame.length - length)
    } else if length - frame.length <= frame.headroom {
      out.prepend(length - frame.length)
    } else if length - frame.length <= frame.tailroom {
      out.setLength(length)
    } else {
      tally.add(.ownBuffers)
      return described(frame, works[0], token: frame.token)
    }
    out.bytes.copy(works[0].bytes, at: 0)
    works[0].record(&out)
    return out
  }

  /// A record of a frame in the device's own memory.
  func described(_ like: Frame, _ work: Work, token: UInt32) -> Frame {
    var out = Frame(buffer: work.buffer, headroom: work.start, length: work.length, token: token)
    out.inPort = like.inPort
    out.tenant = like.tenant
    out.flowHash = like.flowHash
    out.outcome = like.outcome
    work.record(&out)
    return out
  }

  private func emitCopies(of frame: Frame, _ port: UInt16, _ emit: (Emission) -> Void) {
    var copy = 1
    while copy <= copiesUsed {
      var out = described(frame, works[copy], token: Model.noToken)
      out.rule = copyRules[copy]
      var leaving = port
      var mark: UInt32 = 0
      switch copyFates[copy] {
      case .port(let id):
        out.outcome = .forward
        leaving = id
      case .queue(let queue):
        out.outcome = .deliver
        out.queue = queue
        mark = works[copy].mark
      case .drop, .jump, nil:
        out.outcome = .dropped(.rule)
        tally.add(.dropped)
      }
      tally.add(.copied)
      emit(Emission(frame: out, port: leaving, mark: mark))
      copy += 1
    }
  }
}

/// The rules that one frame hit on its way, in order; one that it came back to stands twice (A1).
struct Hits {
  var slots = InlineArray<17, Int>(repeating: 0)
  var lengths = InlineArray<17, Int>(repeating: 0)
  var count = 0
  /// Id of the last rule that matched.
  var last: UInt32 = 0

  mutating func add(_ slot: Int, id: UInt32, length: Int) {
    last = id
    slots[count] = slot
    lengths[count] = length
    count += 1
  }

  /// How often the frame hit the row before its present hit.
  func earlier(of slot: Int) -> UInt64 {
    var hit = 0
    var times: UInt64 = 0
    while hit < count - 1 {
      if slots[hit] == slot { times += 1 }
      hit += 1
    }
    return times
  }
}

extension Exception {
  var cause: UpCause {
    switch self {
    case .drop(let reason): .drop(reason)
    case .ability: .ability
    case .copies: .copies
    }
  }
}

extension Work {
  /// Writes what is known of the frame as it is now into a record.
  func record(_ frame: inout Frame) {
    describe(&frame)
    frame.steps.formUnion(steps)
    if !hasEthernet { frame.steps.insert(.startsAtIP) }
    frame.tunnelKey = tunnelKey
  }

  /// The fault of a wrong action: one bit, in the tunnel's key when there is one in front, else in an address.
  func lie() {
    let outer = parsed.outer
    var at = hasEthernet ? 5 : min(19, length - 1)
    if steps.contains(.encapsulate), outer.transport == .udp, outer.l4 + 15 <= length { at = outer.l4 + 14 }
    bytes[at] ^= 1
  }
}

extension ChecksumKnowledge {
  /// The fault of a wrong word: good for bad and bad for good, in the outermost layer that something is known of.
  mutating func lie() {
    if flip(.outerL4) || flip(.outerL3) || flip(.innerL4) { return }
    _ = flip(.innerL3)
  }

  private mutating func flip(_ layer: Layer) -> Bool {
    let state = self[layer]
    guard state == .good || state == .bad else { return false }
    self[layer] = state == .good ? .bad : .good
    return true
  }
}
