import Rules

/// How a change is taken back when its transaction fails.
enum Undo {
  case added(rule: UInt32)
  case addedMany(rules: [UInt32])
  case deleted(rule: UInt32)
  case replaced(rule: UInt32, old: RuleRecord)
}

extension Writer {
  func add(
    id: UInt32, rule: Rule, payload: UInt32, now: UInt64, undo: inout [Undo]
  ) throws(ClassifierError) {
    guard book.ids[id] == nil else { throw .duplicateID(id) }
    let match = try compile(rule)
    let index = try book.takeIndex()
    book.records[Int(index)].id = id
    var record = RuleRecord(id: id, row: 0, subtable: 0, timeout: Self.timeout(rule))
    do {
      try makeRow(of: rule, match, index, payload, &record)
    } catch {
      book.freeIndices.append(index)
      throw error
    }
    unsafe words.release32(shared.idBase + Int(index) * 4, id)
    record.watch = ages.watch(index, timeout: record.timeout, now: now)
    book.records[Int(index)] = record
    book.ids.insert(id, index)
    undo.append(.added(rule: index))
  }

  func replace(
    id: UInt32, rule: Rule, payload: UInt32, now: UInt64, undo: inout [Undo]
  ) throws(ClassifierError) {
    guard let index = book.ids[id] else { throw .unknownID(id) }
    let match = try compile(rule)
    let old = book.records[Int(index)]
    var record = RuleRecord(id: id, row: 0, subtable: 0, timeout: Self.timeout(rule))
    try makeRow(of: rule, match, index, payload, &record)
    kill(row: old.row, subtable: old.subtable, at: next32)
    dying.append(DeadRow(row: old.row, subtable: old.subtable, rule: DeadRow.none))
    record.watch =
      record.timeout == old.timeout ? old.watch : ages.watch(index, timeout: record.timeout, now: now)
    book.records[Int(index)] = record
    undo.append(.replaced(rule: index, old: old))
  }

  func delete(id: UInt32, undo: inout [Undo]) throws(ClassifierError) {
    guard let index = book.ids[id] else { throw .unknownID(id) }
    let record = book.records[Int(index)]
    kill(row: record.row, subtable: record.subtable, at: next32)
    dying.append(DeadRow(row: record.row, subtable: record.subtable, rule: index))
    book.ids.remove(id)
    undo.append(.deleted(rule: index))
  }

  func compile(_ rule: Rule) throws(ClassifierError) -> CompiledMatch {
    var match = try MatchCompiler.compile(rule)
    if !match.options.isEmpty, slots.place(&match, inUse: { self.optionsInUse() }) { viewIsStale = true }
    return match
  }

  /// Slots that a table looks at, a bit each.
  private func optionsInUse() -> UInt8 {
    var used = pinnedOptions
    for case let table? in subtables {
      used |= UInt8(truncatingIfNeeded: table.key.mask.words[0] / FlowKey.Presence.option0)
    }
    return used
  }

  private func makeRow(
    of rule: Rule, _ match: CompiledMatch, _ index: UInt32, _ payload: UInt32, _ record: inout RuleRecord
  ) throws(ClassifierError) {
    guard !match.neverMatches else { return }
    record.subtable = try findSubtable(group: rule.attributes.group, match: match)
    record.row = try makeRow(
      subtable: record.subtable, match: match, rule: index, payload: payload, priority: rule.attributes.priority)
  }

  static func timeout(_ rule: Rule) -> UInt32 {
    for case .age(let timeout) in rule.actions { return timeout }
    return 0
  }

  /// Shows the transaction to readers that enter from now on.
  func commit(now: UInt64) {
    show()
    reclaim()
    restampWhenDue()
  }

  /// Shows the transaction, and takes nothing apart yet.
  func show() {
    let next = nextVersion
    publish(next)
    if !dying.isEmpty {
      linked.append(Waiting(version: next, rows: dying, memory: []))
      dying = []
    }
  }

  /// Takes back what the transaction did; readers have seen nothing of it.
  func rollBack(_ undo: [Undo], now: UInt64) {
    let version = next32
    dying = []
    for step in undo.reversed() {
      switch step {
      case .added(let rule): takeBack(rule, at: version)
      case .addedMany(let rules): for rule in rules.reversed() { takeBack(rule, at: version) }
      case .deleted(let rule):
        let record = book.records[Int(rule)]
        kill(row: record.row, subtable: record.subtable, at: 0)
        book.ids.insert(record.id, rule)
      case .replaced(let rule, let old):
        let record = book.records[Int(rule)]
        kill(row: record.row, subtable: record.subtable, at: version)
        dying.append(DeadRow(row: record.row, subtable: record.subtable, rule: DeadRow.none))
        kill(row: old.row, subtable: old.subtable, at: 0)
        book.records[Int(rule)] = old
      }
    }
    // Rows born and dead with this version are seen by nobody; tables that grew are shown.
    commit(now: now)
  }

  private func takeBack(_ rule: UInt32, at version: UInt32) {
    let record = book.records[Int(rule)]
    kill(row: record.row, subtable: record.subtable, at: version)
    dying.append(DeadRow(row: record.row, subtable: record.subtable, rule: rule))
    book.ids.remove(record.id)
  }

  /// Shows the tables as they are under `next`.
  func publish(_ next: UInt64) {
    if viewIsStale {
      var groups: [UInt32: [Subtable]] = [:]
      for case let table? in subtables { groups[table.key.group, default: []].append(table) }
      let serial = unsafe view.view.pointee.serial + 1
      let fresh = ViewMemory(
        groups: groups.map { (id: $0.key, subtables: $0.value) }, slots: slots.slots, serial: serial)
      unsafe words.order64(shared.viewPlace, UInt64(UInt(bitPattern: fresh.view)))
      replaced.append(view)
      view = fresh
      viewIsStale = false
    }
    shared.epochs.publish(words, next)
    version = next
    if !replaced.isEmpty {
      unlinked.append(Waiting(version: next, rows: [], memory: replaced))
      replaced = []
    }
  }
}
