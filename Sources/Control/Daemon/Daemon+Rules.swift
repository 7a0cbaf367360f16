import Classifier
import Datapath
import Device
import Ports
import Rules

// Rules that come and go over the socket: into the tables, into the journal, and only then acknowledged.
extension Daemon {
  /// What rules may refer to.
  var check: RuleCheck { configuration.ruleCheck }

  /// Adds rules from `flow create` or Open vSwitch's lines, all of them or none.
  func addRules(_ lines: [String]) throws(RequestFailure) -> JSON {
    guard !lines.isEmpty else { throw RequestFailure("rule.none", "no rule is given") }
    var rules: [(id: UInt32, rule: Rule)] = []
    let first = try store.allocate(lines.count)
    for (index, line) in lines.enumerated() {
      let rule = try configuration.parse(line, number: lines.count > 1 ? index + 1 : nil)
      rules.append((first + UInt32(index), rule))
    }
    let now = MonotonicClock.now
    do throws(DatapathError) { try book.apply(rules.map { .add($0.id, $0.rule) }, now: now) } catch {
      throw RequestFailure("rule.refused", error.description)
    }
    do throws(Journal.Problem) { _ = try journal?.append(.add(rules.map { ($0.id, RuleStore.line($0.rule)) })) } catch {
      try? book.apply(rules.map { .delete($0.id) }, now: now)
      throw RequestFailure("journal.failed", error.description, hint: "nothing was changed")
    }
    store.add(rules)
    return acknowledge("rule.added", ids: rules.map(\.id))
  }

  private func acknowledge(_ event: String, ids: [UInt32]) -> JSON {
    change += 1
    tell(
      log.note(
        .info, event,
        ["change": .count(change), "count": .integer(ids.count), "first": .integer(Int(ids.first ?? 0))]))
    return [
      "change": .count(change), "count": .integer(ids.count),
      "ids": .array(ids.prefix(4096).map { .integer(Int($0)) }),
    ]
  }

  /// Deletes rules, all of them or none.
  func deleteRules(_ ids: [UInt32]) throws(RequestFailure) -> JSON {
    guard !ids.isEmpty else { throw RequestFailure("rule.none", "no rule is named") }
    guard Set(ids).count == ids.count else { throw RequestFailure("rule.twice", "a rule is named twice") }
    for id in ids {
      guard store.contains(id) else { throw RequestFailure("rule.missing", "there is no rule \(id)") }
      guard id >= RuleStore.firstID else {
        throw RequestFailure(
          "rule.configured", "rule \(id) stands in the configuration", hint: "change \(file) and reload it")
      }
    }
    return try remove(ids, "rule.deleted")
  }

  /// Deletes every rule that came over the socket, or those of a port.
  func flushRules(port: UInt16?) throws(RequestFailure) -> JSON {
    var ids: [UInt32] = []
    var cursor = RuleStore.firstID - 1
    while true {
      let next = store.ids(after: cursor, limit: 65536)
      guard let last = next.last else { break }
      cursor = last
      ids += port == nil ? next : next.filter { store.rule($0)?.attributes.port == port }
    }
    guard !ids.isEmpty else { return ["change": .count(change), "count": 0, "ids": []] }
    return try remove(ids, "rule.flushed")
  }

  private func remove(_ ids: [UInt32], _ event: String) throws(RequestFailure) -> JSON {
    // The journal first: what is gone there is gone after a restart, and a delete cannot fail in the tables.
    do throws(Journal.Problem) { _ = try journal?.append(.delete(ids)) } catch {
      throw RequestFailure("journal.failed", error.description, hint: "nothing was changed")
    }
    do throws(DatapathError) { try book.apply(ids.map { .delete($0) }, now: MonotonicClock.now) } catch {
      throw RequestFailure("rule.refused", error.description)
    }
    store.remove(ids)
    for id in ids {
      totals.rules[id] = nil
      totals.cleared.append(id)
    }
    return acknowledge(event, ids: ids)
  }

  /// Makes a template for rows.
  func makeTemplate(_ line: String, fields: [String], actions: [String]) throws(RequestFailure) -> JSON {
    guard store.templates.count < 65536 else { throw RequestFailure("template.room", "65,536 templates are there") }
    let template = try RowTemplate(id: nextTemplate, line: line, fields: fields, actions: actions, check: check)
    try configuration.checkPorts(template.rule, actions: template.actions)
    // Refused now rather than at the first rows.
    let shape: RuleTemplate
    do throws(DatapathError) { shape = try book.template(for: template.rule) } catch {
      throw RequestFailure("template.refused", error.description)
    }
    _ = try template.places(shape)
    do throws(Journal.Problem) {
      _ = try journal?.append(
        .template(id: template.id, line: line, fields: fields, actions: actions))
    } catch { throw RequestFailure("journal.failed", error.description) }
    store.add(template)
    nextTemplate += 1
    change += 1
    return [
      "change": .count(change), "template": .integer(Int(template.id)), "row_bytes": .integer(template.rowBytes),
    ]
  }

  /// Adds rows of a template. Rows that cannot be rules are named; the others are all added.
  func addRows(_ id: UInt32, _ rows: [UInt8]) throws(RequestFailure) -> JSON {
    guard let template = store.templates[id] else {
      throw RequestFailure("template.missing", "there is no template \(id)")
    }
    guard rows.count > 0, rows.count % template.rowBytes == 0 else {
      throw RequestFailure(
        "rows.size", "rows of this template have \(template.rowBytes) bytes each, found \(rows.count)")
    }
    let count = rows.count / template.rowBytes
    var refused: [(row: Int, reason: String)] = []
    for row in 0..<count {
      if let reason = template.refusal(rows, at: row * template.rowBytes) { refused.append((row, reason)) }
    }
    let bad = Set(refused.map(\.row))
    let alive = bad.isEmpty ? nil : (0..<count).filter { !bad.contains($0) }
    let first = try store.allocate(count)
    let now = MonotonicClock.now
    do throws(DatapathError) {
      try template.apply(to: book, rows: rows, alive: alive ?? Array(0..<count), first: first, now: now)
    } catch { throw RequestFailure("rule.refused", error.description, hint: "none of the rows was added") }
    do throws(Journal.Problem) { _ = try journal?.append(.rows(template: id, first: first, bytes: rows)) } catch {
      try? book.apply((alive ?? Array(0..<count)).map { .delete(first + UInt32($0)) }, now: now)
      throw RequestFailure("journal.failed", error.description, hint: "nothing was changed")
    }
    store.addRows(template: id, first: first, rows: rows, count: count, refused: refused.map(\.row))
    change += 1
    if server != nil {
      tell(
        log.note(.info, "rule.rows", ["change": .count(change), "count": .integer(count - refused.count)]))
    }
    return [
      "change": .count(change), "first": .integer(Int(first)), "added": .integer(count - refused.count),
      "refused": .integer(refused.count),
      "refused_rows": .array(
        refused.prefix(1000).map { ["row": .integer($0.row), "reason": .string($0.reason)] }),
    ]
  }

  /// Takes a journal's record into a store that is not in force yet.
  static func replay(
    _ record: JournalRecord, into store: inout RuleStore, _ configuration: Configuration, _ nextTemplate: inout UInt32
  ) throws {
    switch record {
    case .add(let rules):
      store.add(try rules.map { (id: $0.id, rule: try configuration.parse($0.line, number: nil)) })
    case .delete(let ids): store.remove(ids)
    case .template(let id, let line, let fields, let actions):
      store.add(
        try RowTemplate(id: id, line: line, fields: fields, actions: actions, check: configuration.ruleCheck))
      nextTemplate = max(nextTemplate, id + 1)
    case .rows(let id, let first, let bytes):
      guard let template = store.templates[id], bytes.count % template.rowBytes == 0 else {
        throw RequestFailure(
          "journal.rows", "the journal has rows of template \(id), which is not there or of another size")
      }
      let count = bytes.count / template.rowBytes
      let refused = (0..<count).filter { template.refusal(bytes, at: $0 * template.rowBytes) != nil }
      store.addRows(template: id, first: first, rows: bytes, count: count, refused: refused)
    }
  }

  /// Writes the journal anew when more than half of it, and a megabyte, are changes that cancel each other out.
  func compactIfWorth() {
    guard let journal, journal.size > 1 << 20, journal.size > 2 * lastCompaction else { return }
    let store = store
    do throws(Journal.Problem) {
      let before = journal.size
      try journal.compact { (put) throws(Journal.Problem) in try store.records(put) }
      lastCompaction = max(journal.size, 1 << 19)
      log.note(.info, "journal.compacted", ["bytes_before": .integer(before), "bytes": .integer(journal.size)])
    } catch {
      lastCompaction = journal.size
      log.note(.error, "journal.failed", ["message": .string(error.description)])
    }
  }
}

extension RowTemplate {
  /// Puts the rows of `alive` into the tables, as one change.
  func apply(to book: RuleBook, rows: [UInt8], alive: [Int], first: UInt32, now: UInt64) throws(DatapathError) {
    let shape = try book.template(for: rule)
    guard let places = try? places(shape) else { throw .rules(.notATemplate) }
    let size = rowBytes
    try book.addBatch(shape, actions: actions, count: alive.count, now: now) { index, rule in
      let row = alive[index]
      rule.id = first + UInt32(row)
      fill(&rule, rows, at: row * size, places)
    }
  }
}

extension Configuration {
  /// What rules may refer to.
  var ruleCheck: RuleCheck {
    RuleCheck(
      encapsulations: overlay.encapsulations, decapsulations: overlay.decapsulations,
      sampleActions: overlay.sampleActions, indirectActions: overlay.indirectActions)
  }

  /// The rule of a `flow create` line, or of a line as Open vSwitch's datapath prints it, with everything that it refers to
  /// in this configuration.
  func parse(_ line: String, number: Int?) throws(RequestFailure) -> Rule {
    let place = number.map { "rule \($0) of the request: " } ?? ""
    if FlowLine.looksLikeOne(line) {
      let rule: Rule
      do throws(GrammarError) { rule = try FlowLine.parse(line, ruleCheck).rule } catch {
        throw RequestFailure("rule.grammar", place + error.description)
      }
      try check(rule, place)
      return rule
    }
    let command: Command
    do throws(GrammarError) { command = try FlowScript.command(line) } catch {
      throw RequestFailure("rule.grammar", place + error.description)
    }
    guard case .create(let request) = command else {
      throw RequestFailure("rule.command", place + "expected a 'flow create' line")
    }
    guard request.tunnel == nil, request.userID == nil else {
      throw RequestFailure("rule.unsupported", place + "tunnel_set, tunnel_match and user_id are for rule scripts")
    }
    try check(request.rule, place)
    return request.rule
  }

  private func check(_ rule: Rule, _ place: String) throws(RequestFailure) {
    do throws(RuleError) { try ruleCheck.check(rule) } catch {
      throw RequestFailure("rule.invalid", place + error.description)
    }
    try checkPorts(rule, actions: [rule.actions])
  }

  /// Every port that a rule was made on or sends to has to be there.
  func checkPorts(_ rule: Rule, actions: [[Action]]) throws(RequestFailure) {
    var ids = [rule.attributes.port]
    for action in actions.joined() {
      switch action {
      case .portID(let id), .representedPort(let id), .portRepresentor(let id): ids.append(id)
      default: continue
      }
    }
    for id in ids where !ports.contains(where: { $0.port.id == id }) {
      let known = ports.map { "\($0.port.id) (\($0.name))" }.joined(separator: ", ")
      throw RequestFailure("rule.port", "the rule names port \(id), which is not there", hint: "ports: " + known)
    }
  }
}
