public import Device
import Rules

/// Keeps a plan on a device whatever the device does, so that results stay those of software alone.
///
/// The invariant, true after every call: *a rule on the device has every rule before it that overlaps with it on the
/// device too, in some form.* What has to be inserted goes in precedence order; what has to go away goes in the reverse
/// order; a rule that the device refuses is tried in weaker forms, and without any it takes the rules behind it that
/// overlap down with it (as wide guards where the device takes those).
///
/// Time is a parameter. The manager owns the device; frames go through ``device``. Between calls nothing changes.
public struct OffloadManager<D: OffloadDevice & ~Copyable>: ~Copyable {
  /// The device; for frames. Rules are made and removed by the manager only.
  public var device: D
  var entries: [Entry] = []
  var places: [UInt32: Int] = [:]
  /// Rules that a device could not be told to forget yet, in the order of removal.
  var lingering: [UInt32] = []
  /// The rule that a busy device has in part (``SplittingDevice``); it counts already.
  var begun: UInt32?
  var waitsUntil: UInt64 = 0
  var attempts: UInt32 = 0
  var history = BypassHistory()
  var retired: [UInt32: RuleCounter] = [:]
  /// What devices counted at rules that name an indirect counter, while they named it.
  var shared: [UInt32: SharedCounter] = [:]
  var needsInsertion = false
  /// The device was lost and is not back.
  private var isLost = false
  private var mayUpgrade = false
  /// The device's last answer when nothing could be inserted.
  public private(set) var lastRefusal: Refusal?
  /// Resets that were met.
  public private(set) var resets = 0
  /// What was distrusted, oldest first.
  public internal(set) var distrusts: [Distrust] = []
  var distrustedSteps: Set<RuleStep> = []
  var moves: [Move] = []
  private var abilities: Abilities

  /// A rule that is carried out elsewhere than before.
  public struct Move: Equatable, Sendable {
    /// The rule.
    public var id: UInt32
    /// Where it was.
    public var from: Place
    /// Where it is.
    public var to: Place
    /// Why it is not all the device's.
    public var reason: RefusalReason?
  }

  /// What is known of one rule.
  struct Entry {
    var plan: RulePlan
    /// The best form the plan found; nil when it needs none.
    var planned: DeviceRule?
    /// Where the planned match reaches.
    var cube: MatchCube
    /// What the device holds.
    var installed: DeviceRule?
    /// The device's no, or the manager's reason; nil while it is only waiting.
    var refusal: Refusal?
    /// Actions that the device may be trusted with.
    var trustedActions: Int = .max
    /// Actions that it may do while a path is narrow (``OffloadManager/hold(_:now:)``).
    var heldActions: Int = .max
    /// Actions that it may do.
    var allowedActions: Int { min(trustedActions, heldActions) }
    /// Not even the match.
    var isDistrusted = false
    var counter = RuleCounter()
    /// The indirect counters that ``installed`` names, for which it counts.
    var countedUnder: [UInt32] = []
    var shownFrames: UInt64 = 0
    var shownBytes: UInt64 = 0
    /// The device said that it is idle, when its count was this.
    var idleAt: UInt64?
    var isToldAged = false
  }

  /// Manages a device that has no rules yet.
  public init(device: consuming D) {
    self.device = device
    abilities = self.device.abilities
  }

  /// The bits of the device's counters.
  var counterBits: UInt8 { abilities.counterBits }

  // MARK: - Plans

  /// Takes a plan in place of the one before: what both give the device stays, the rest is removed, and what is new
  /// waits for ``poll(now:limit:)``, which this calls once.
  public mutating func apply(_ plan: Plan, now: UInt64, limit: Int = .max) {
    dropBegun(now: now)
    let old = entries, oldPlaces = places
    var isGone = [Bool](repeating: true, count: old.count)
    let forms = Dictionary(plan.deviceRules.map { ($0.id, $0) }) { first, _ in first }
    let ranks = plan.rules.map { Precedence($0) }
    entries = []
    entries.reserveCapacity(plan.rules.count)
    places = [:]
    places.reserveCapacity(plan.rules.count)
    for position in plan.rules.indices.sorted(by: { ranks[$0] < ranks[$1] }) {
      let rule = plan.rules[position]
      guard places[rule.id] == nil else { continue }
      let planned = forms[rule.id]
      places[rule.id] = entries.count
      guard let place = oldPlaces[rule.id] else {
        var entry = Entry(plan: rule, planned: planned, cube: MatchCube(planned?.rule ?? rule.rule))
        if let counter = retired.removeValue(forKey: rule.id) { entry.counter = counter }
        entries.append(entry)
        continue
      }
      isGone[place] = false
      let before = old[place], isSame = before.plan.rule == rule.rule
      let reaches = isSame && before.planned?.rule == planned?.rule
      var entry = Entry(
        plan: rule, planned: planned, cube: reaches ? before.cube : MatchCube(planned?.rule ?? rule.rule))
      entry.counter = before.counter
      entry.shownFrames = before.shownFrames
      entry.shownBytes = before.shownBytes
      entry.installed = before.installed
      entry.countedUnder = before.countedUnder
      if isSame {
        entry.trustedActions = before.trustedActions
        entry.isDistrusted = before.isDistrusted
        entry.heldActions = before.heldActions
      }
      entries.append(entry)
    }
    // The entries stand in precedence order; what goes away goes in the reverse.
    for index in old.indices.reversed() where isGone[index] {
      if old[index].installed != nil {
        withdraw(gone: old[index], now: now)
      } else {
        retired[old[index].plan.id] = old[index].counter
      }
    }
    settle(now: now)
    poll(now: now, limit: limit)
  }

  private mutating func withdraw(gone entry: Entry, now: UInt64) {
    var entry = entry
    let reading = removeFromDevice(entry.plan.id, now: now)
    end(&entry, reading)
    retired[entry.plan.id] = entry.counter
  }

  /// The form that an entry is to have on the device when nothing before it is missing.
  private func wanted(_ entry: Entry) -> DeviceRule? {
    guard var form = entry.planned, !entry.isDistrusted else { return nil }
    guard form.actionsOnDevice > entry.allowedActions else { return form }
    form.actionsOnDevice = abilities.frame.contains(.resumePoint) ? max(0, entry.allowedActions) : 0
    if form.rule.attributes.group != 0, !abilities.frame.contains(.resumePoint) { form.isWideGuard = true }
    return form
  }

  /// Takes from the device what must not be there now: other forms than wanted, and what overlaps with a rule before it
  /// that is missing.
  mutating func settle(now: UInt64) {
    dropBegun(now: now)
    var absent: [UInt32: OverlapIndex] = [:]
    var out: [Int] = []
    mayUpgrade = false
    for index in entries.indices {
      let entry = entries[index], group = entry.plan.rule.attributes.group
      guard entry.planned != nil || entry.installed != nil else { continue }
      let blocked = absent[group]?.overlap(with: entry.cube) != nil
      if let installed = entry.installed {
        if isRight(installed, entry, blocked: blocked) {
          if blocked, entry.refusal == nil, entry.planned?.isWideGuard == false {
            entries[index].refusal = Refusal(.shadowed)
          }
          continue
        }
        out.append(index)
        entries[index].refusal = nil
      }
      if entry.refusal?.reason == .shadowed || entry.refusal?.reason == .distrusted { entries[index].refusal = nil }
      if entries[index].refusal == nil { needsInsertion = true }
      absent[group, default: OverlapIndex()].insert(entry.cube, id: entry.plan.id)
    }
    for index in out.reversed() { takeOff(index, now: now) }
    guard !out.isEmpty else { return }
    // There is room again.
    for index in entries.indices where entries[index].refusal?.reason == .tableFull {
      entries[index].refusal = nil
      needsInsertion = true
    }
  }

  /// Whether what the device holds of an entry may stay: the wanted form, a wide guard where more would be wrong, or the
  /// weaker form that the device took when it refused the wanted one.
  private func isRight(_ installed: DeviceRule, _ entry: Entry, blocked: Bool) -> Bool {
    guard let best = wanted(entry), best.rule == installed.rule else { return false }
    if blocked { return installed.isWideGuard }
    let isWeaker = entry.refusal.map { $0.reason != .shadowed && $0.reason != .distrusted } ?? false
    return forms(best, onlyWide: false).prefix(isWeaker ? .max : 1).contains {
      $0.actionsOnDevice == installed.actionsOnDevice && $0.isWideGuard == installed.isWideGuard
    }
  }

  /// Takes back what a busy device has of a rule, which begins again or not at all.
  private mutating func dropBegun(now: UInt64) {
    guard let id = begun, let index = places[id] else { return }
    begun = nil
    end(index, removeFromDevice(id, now: now))
  }

  /// Takes a rule from the device; software has it from now on.
  mutating func takeOff(_ index: Int, now: UInt64) {
    let before = place(index)
    let reading = removeFromDevice(entries[index].plan.id, now: now)
    end(index, reading)
    entries[index].installed = nil
    entries[index].idleAt = nil
    noteMove(index, before)
  }

  private mutating func removeFromDevice(_ id: UInt32, now: UInt64) -> CounterReading? {
    do { return try device.remove(id, now: now) } catch {
      switch error.reason {
      case .noSuchRule, .deviceLost: break
      default: lingering.append(id)
      }
      return nil
    }
  }

  // MARK: - Polling

  /// Does what is due: notices a reset, recovers, retries removals and insertions. Call it often; it is cheap when
  /// nothing is due.
  ///
  /// - Parameter limit: insertions at most in this call.
  public mutating func poll(now: UInt64, limit: Int = .max) {
    if !device.isAlive {
      loseEverything(now: now)
      // A device may take its time to come back; until then all is software's.
      guard device.isAlive else { return }
    }
    isLost = false
    guard now >= waitsUntil else { return }
    while let id = lingering.first {
      do { _ = try device.remove(id, now: now) } catch {
        if error.reason == .busy { return backOff(error, now) }
      }
      lingering.removeFirst()
    }
    var left = limit
    // Each round frees what the one before made free; what is left after a few waits for the next poll.
    for _ in 0..<4 where needsInsertion && lingering.isEmpty && now >= waitsUntil {
      guard insertAll(now: now, left: &left), mayUpgrade, left > 0 else { return }
      // What came back may have been all that kept others down to a wide guard.
      guard entries.contains(where: { $0.refusal?.reason == .shadowed && $0.installed != nil }) else { return }
      settle(now: now)
    }
  }

  /// A lost device's rules are software's at once; nothing is asked of the device, which ``poll(now:limit:)`` has back.
  public mutating func takeOver() {
    guard !device.isAlive else { return }
    if !isLost { resets += 1 }
    isLost = true
    for index in entries.indices where entries[index].installed != nil {
      let before = place(index)
      end(index, nil)
      entries[index].installed = nil
      entries[index].idleAt = nil
      entries[index].refusal = nil
      noteMove(index, before, reason: .deviceLost)
    }
    if let id = begun, let index = places[id] { end(index, nil) }
    begun = nil
    lingering = []
  }

  private mutating func loseEverything(now: UInt64) {
    takeOver()
    device.recover(now: now)
    abilities = device.abilities
    needsInsertion = true
    attempts = 0
    waitsUntil = now
  }

  private mutating func backOff(_ refusal: Refusal, _ now: UInt64) {
    lastRefusal = refusal
    // 10 µs, doubled up to about 10 ms.
    waitsUntil = now &+ (10_000 << UInt64(min(attempts, 10)))
    attempts += 1
  }

  /// Inserts what waits, in order; true when nothing has to wait any more.
  private mutating func insertAll(now: UInt64, left: inout Int) -> Bool {
    var absent: [UInt32: OverlapIndex] = [:]
    var full: Refusal?
    needsInsertion = false
    for index in entries.indices {
      let entry = entries[index], group = entry.plan.rule.attributes.group
      guard entry.planned != nil, entry.installed == nil else { continue }
      guard left > 0, device.isAlive else {
        needsInsertion = true
        return false
      }
      if let full, entry.refusal == nil { entries[index].refusal = full }
      if entries[index].refusal == nil {
        left -= 1
        let blocked = absent[group]?.overlap(with: entry.cube) != nil
        if insert(index, blocked: blocked, now: now) { continue }
        if entries[index].refusal == nil {
          needsInsertion = true
          return false
        }
        if entries[index].refusal?.reason == .tableFull { full = entries[index].refusal }
      }
      absent[group, default: OverlapIndex()].insert(entry.cube, id: entry.plan.id)
    }
    return true
  }

  /// Tries an entry's forms from the best down. False: it is not on the device; without a refusal it has to be tried
  /// again later, and nothing behind it before.
  private mutating func insert(_ index: Int, blocked: Bool, now: UInt64) -> Bool {
    let before = place(index)
    guard let best = wanted(entries[index]) else {
      entries[index].refusal = Refusal(.distrusted)
      return false
    }
    var first: Refusal? = blocked ? Refusal(.shadowed) : nil
    for form in forms(best, onlyWide: blocked) {
      do {
        try device.insert(form, now: now)
        entries[index].installed = form
        entries[index].refusal = first
        beginCount(index, now: now)
        begun = nil
        attempts = 0
        mayUpgrade = true
        noteMove(index, before)
        return true
      } catch {
        switch error.reason {
        case .busy:
          if device.hasBegun(form.id) {
            beginCount(index, now: now)
            begun = form.id
          }
          backOff(error, now)
          return false
        case .deviceLost: return false
        case .tableFull:
          dropBegun(now: now)
          entries[index].refusal = first ?? error
          return false
        default: first = first ?? error
        }
      }
    }
    dropBegun(now: now)
    entries[index].refusal = first ?? Refusal(.invalid)
    lastRefusal = entries[index].refusal
    return false
  }

  /// The device counts for an entry from now on, or has since it began.
  private mutating func beginCount(_ index: Int, now: UInt64) {
    guard begun != entries[index].plan.id else { return }
    entries[index].counter.begin(now: now, bypassed: history.total)
    entries[index].countedUnder = entries[index].plan.sharedCounters
  }

  /// A form and the weaker ones that are right in its stead.
  private func forms(_ best: DeviceRule, onlyWide: Bool) -> [DeviceRule] {
    var list: [DeviceRule] = onlyWide && !best.isWideGuard ? [] : [best]
    var weaker = best
    weaker.actionsOnDevice = 0
    let guards = best.rule.attributes.group == 0 || abilities.frame.contains(.resumePoint)
    if !onlyWide, best.actionsOnDevice > 0, guards { list.append(weaker) }
    weaker.isWideGuard = true
    if !best.isWideGuard { list.append(weaker) }
    return list
  }
}
