public import Device
import Rules

/// The control side: rules come and go, counters are read.
extension EmulatedDevice {
  /// Takes a rule, or says why not, in the order of the datasheet's section "What it refuses".
  public mutating func insert(_ rule: DeviceRule, now: UInt64) throws(Refusal) {
    try insert(rule, own: nil, now: now)
  }

  /// The same for a rule that brings its templates itself: `own` holds what its indices of encapsulations,
  /// decapsulations, sample lists and indirect actions mean, and stays with the rule. Ports and endpoint of `own` are not
  /// looked at.
  public mutating func insert(_ rule: DeviceRule, own: Overlay?, now: UInt64) throws(Refusal) {
    do throws(Refusal) {
      try take(rule, own, now)
      model.tally.add(.inserted)
    } catch {
      model.tally.add(error.reason)
      throw error
    }
  }

  /// Says why the rule would not be taken now, and takes nothing: no counter and no fault moves.
  public func check(_ rule: DeviceRule, own: Overlay? = nil, now: UInt64) throws(Refusal) {
    _ = try compile(rule, own: own)
    let limit = tableLimit
    guard ruleCount < limit else { throw Refusal(.tableFull, limit: limit, wanted: ruleCount + 1) }
  }

  private var tableLimit: Int {
    min(ruleCapacity, model.faults.plan.tableFullAt > 0 ? Int(model.faults.plan.tableFullAt) : .max)
  }

  /// Checks a rule, all but the room for it, and compiles it.
  public func compile(_ asked: DeviceRule, own: Overlay? = nil) throws(Refusal) -> CompiledRule {
    guard isAlive else { throw Refusal(.deviceLost) }
    let rule = asked.rule
    let overlay = own ?? overlay
    let names = own.map { SlotNames(own: $0) } ?? names
    let attributes = rule.attributes
    let all = rule.actions.count
    guard asked.id != 0, model.store.slot(id: asked.id) == nil, !attributes.egress, 0...all ~= asked.actionsOnDevice
    else { throw Refusal(.invalid) }
    try PatternChecks.checkOrder(rule.pattern)
    if let fate = rule.actions.firstIndex(where: \.isFate), fate != all - 1 {
      throw Refusal(.invalid, index: fate, isAction: true)
    }
    guard attributes.group < min(abilities.groups, 65_536) else {
      throw Refusal(.groupRange, limit: Int(abilities.groups), wanted: Int(attributes.group))
    }
    guard attributes.priority < abilities.priorities else {
      throw Refusal(.priorityRange, limit: Int(abilities.priorities), wanted: Int(attributes.priority))
    }
    try PatternChecks.check(rule.pattern, abilities)
    let count = asked.isWideGuard ? 0 : asked.actionsOnDevice
    if count > 0 { try ActionChecks(abilities: abilities, overlay: overlay, names: names).check(rule, first: count) }
    var writer = ProgramWriter()
    writer.pattern(rule.pattern)
    let matchCount = writer.bytes.count
    for action in rule.actions.prefix(count) { writer.action(action.resolved(overlay), names) }
    let size = writer.bytes.count
    guard size <= RuleStore.largestProgram else {
      throw Refusal(.invalid, limit: RuleStore.largestProgram, wanted: size)
    }
    let hasOptions = rule.pattern.contains { if case .geneveOption = $0 { true } else { false } }
    if hasOptions {
      var after = ledger
      try after.enter(rule.pattern, abilities.geneveOptions)
    }
    var compiled = CompiledRule(program: writer.bytes, matchCount: matchCount, attributes: attributes)
    if hasOptions { compiled.options = rule.pattern }
    compiled.setFlags(asked, overlay, count: count)
    return compiled
  }

  private mutating func take(_ asked: DeviceRule, _ own: Overlay?, _ now: UInt64) throws(Refusal) {
    try take(try compile(asked, own: own), asked.id, now)
  }

  /// Inserts a rule that ``compile(_:own:)`` gave, or one like it under other values.
  public mutating func insert(_ rule: CompiledRule, id: UInt32, now: UInt64) throws(Refusal) {
    do throws(Refusal) {
      try take(rule, id, now)
      model.tally.add(.inserted)
    } catch {
      model.tally.add(error.reason)
      throw error
    }
  }

  private mutating func take(_ rule: CompiledRule, _ id: UInt32, _ now: UInt64) throws(Refusal) {
    guard isAlive else { throw Refusal(.deviceLost) }
    guard id != 0, model.store.slot(id: id) == nil else { throw Refusal(.invalid) }
    let limit = tableLimit
    guard ruleCount < limit else { throw Refusal(.tableFull, limit: limit, wanted: ruleCount + 1) }
    guard !model.faults.busyInsertion.strikes(&model.faults.chance), pace.allows(now) else { throw Refusal(.busy) }
    guard let slot = model.store.allocate(id: id, size: rule.program.count) else {
      throw Refusal(.tableFull, limit: ruleCapacity, wanted: ruleCount + 1)
    }
    pace.spend()
    if let pattern = rule.options {
      // The budget was asked for when the rule was compiled, and nothing came since.
      try? ledger.enter(pattern, abilities.geneveOptions)
      patterns[id] = pattern
    }
    fill(slot, rule, now)
    model.store.write(slot, rule.program, matchCount: rule.matchCount)
    model.store.file(slot)
  }

  private mutating func fill(_ slot: Int, _ rule: CompiledRule, _ now: UInt64) {
    let row = model.store.row(slot)
    row.group = rule.attributes.group
    row.priority = rule.attributes.priority
    row.port = rule.attributes.port
    row.flags = rule.flags
    row.ageTimeout = rule.ageTimeout
    row.lastHit = now
    row.shownAt = now
    var latency = abilities.insertionLatency
    if model.faults.slowInsertion.strikes(&model.faults.chance) { latency &+= model.faults.plan.slowness }
    let (at, over) = now.addingReportingOverflow(latency)
    // Insertions complete in order, as in a queue: a late one holds up those behind it.
    pace.lastEffect = max(pace.lastEffect, over ? .max : at)
    row.effectiveAt = pace.lastEffect
  }

  /// Forgets a rule and gives the last reading of its counter.
  public mutating func remove(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    guard isAlive else { throw Refusal(.deviceLost) }
    guard let slot = model.store.slot(id: id) else { throw Refusal(.noSuchRule) }
    let row = model.store.row(slot)
    let last = CounterReading(frames: modulo(row.frames), bytes: modulo(row.bytes), takenAt: now)
    model.store.remove(slot)
    model.tally.add(.removed)
    if let pattern = patterns.removeValue(forKey: id) { ledger.leave(pattern) }
    return last
  }

  /// Reads a rule's counter, which may stand still for ``Abilities/counterInterval``.
  public mutating func query(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    guard isAlive else { throw Refusal(.deviceLost) }
    guard let slot = model.store.slot(id: id) else { throw Refusal(.noSuchRule) }
    let row = model.store.row(slot)
    let isDue = now >= row.shownAt && now - row.shownAt >= abilities.counterInterval
    if isDue, !model.faults.staleCounter.strikes(&model.faults.chance) {
      row.shownFrames = row.frames
      row.shownBytes = row.bytes
      row.shownAt = now
    }
    return CounterReading(frames: modulo(row.shownFrames), bytes: modulo(row.shownBytes), takenAt: row.shownAt)
  }

  private func modulo(_ count: UInt64) -> UInt64 {
    abilities.counterBits >= 64 ? count : count & (1 << UInt64(abilities.counterBits) - 1)
  }

  /// The rules that were idle for their timeout, each told once an idle time.
  public mutating func aged(now: UInt64) -> [UInt32] {
    guard isAlive else { return [] }
    var ids: [UInt32] = []
    for slot in 0..<model.store.slots {
      let row = model.store.row(slot)
      guard row.id != 0, row.flags.contains(.ages), !row.isToldAged, now >= row.lastHit else { continue }
      if now - row.lastHit >= UInt64(row.ageTimeout) * 1_000_000_000 {
        row.isToldAged = true
        ids.append(row.id)
      }
    }
    return ids
  }
}

/// A rule as the device would hold it: checked, all but the room for it, and compiled.
public struct CompiledRule: Sendable {
  /// Checks, then actions, in the device's own layout. Whoever changes it answers for what it means.
  public var program: [UInt8]
  let matchCount: Int
  let attributes: Attributes
  var flags: Row.Flags = []
  /// Seconds.
  var ageTimeout: UInt32 = 0
  /// The pattern of a rule with Geneve options, for the ledger.
  var options: [Item]?

  init(program: [UInt8], matchCount: Int, attributes: Attributes) {
    self.program = program
    self.matchCount = matchCount
    self.attributes = attributes
  }

  fileprivate mutating func setFlags(_ asked: DeviceRule, _ overlay: Overlay, count: Int) {
    if attributes.transfer { flags.insert(.transfer) }
    if asked.isWideGuard {
      flags.insert(.wideGuard)
    } else if count == 0 {
      flags.insert(.guardOnly)
    } else {
      if count < asked.rule.actions.count { flags.insert(.partial) }
      for action in asked.rule.actions {
        switch action.resolved(overlay) {
        case .count: flags.insert(.counts)
        case .age(let timeout):
          flags.insert(.ages)
          ageTimeout = timeout
        default: continue
        }
      }
    }
  }
}

extension Action {
  /// The action that an indirect one stands for.
  fileprivate func resolved(_ overlay: Overlay) -> Action {
    if case .indirect(let id) = self, let shared = overlay.indirectActions[id] { return shared }
    return self
  }
}

/// How fast rules come in: a bucket of one second's rules, filled at the rate.
struct InsertionPace {
  private let perSecond: UInt64
  /// Billionths of a rule.
  private var credit: UInt64
  private var last: UInt64?
  /// When the rule that was inserted last takes effect.
  var lastEffect: UInt64 = 0

  init(perSecond: UInt32) {
    self.perSecond = UInt64(perSecond)
    credit = UInt64(perSecond) * 1_000_000_000
  }

  /// Whether a rule may come at `now`.
  mutating func allows(_ now: UInt64) -> Bool {
    guard perSecond > 0 else { return true }
    let passed = min(1_000_000_000, now >= last ?? now ? now - (last ?? now) : 0)
    credit = min(perSecond * 1_000_000_000, credit + passed * perSecond)
    last = now
    return credit >= 1_000_000_000
  }

  /// One rule came.
  mutating func spend() { if perSecond > 0 { credit -= 1_000_000_000 } }
}
