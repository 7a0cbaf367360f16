import Rules

/// Every rule of a daemon by id: those of the configuration below ``firstID``, those that came over the socket from there
/// on. Rules that came as rows stay rows, 10 to 40 bytes each, and become rules when somebody looks.
struct RuleStore {
  /// The first id of rules that come over the socket.
  static let firstID: UInt32 = 1 << 21
  /// The last; ids above are the daemon's own (host port, representors).
  static let lastID: UInt32 = 1 << 24 - 257

  /// Rows that came together, with ids that follow each other.
  struct Batch {
    var template: UInt32
    var first: UInt32
    var rows: [UInt8]
    var count: Int
    var live: Int
    // A bit a row that was refused or deleted.
    var gone: [UInt64]

    func isGone(_ row: Int) -> Bool { gone[row / 64] >> UInt64(row % 64) & 1 == 1 }
    mutating func remove(_ row: Int) {
      guard !isGone(row) else { return }
      gone[row / 64] |= 1 << UInt64(row % 64)
      live -= 1
    }
  }

  private(set) var singles: [UInt32: Rule] = [:]
  private(set) var batches: [Batch] = []
  private(set) var templates: [UInt32: RowTemplate] = [:]
  private var sorted: [UInt32]?
  private var nextID = RuleStore.firstID

  /// How many rules there are.
  var count: Int { singles.count + batches.reduce(0) { $0 + $1.live } }

  /// The rule of this id.
  func rule(_ id: UInt32) -> Rule? {
    if let rule = singles[id] { return rule }
    guard let (batch, row) = place(id), let template = templates[batches[batch].template] else { return nil }
    return template.rule(batches[batch].rows, at: row * template.rowBytes)
  }

  func contains(_ id: UInt32) -> Bool { singles[id] != nil || place(id) != nil }

  private func place(_ id: UInt32) -> (batch: Int, row: Int)? {
    var low = 0, high = batches.count
    while low < high {
      let middle = (low + high) / 2
      if batches[middle].first <= id { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let batch = batches[low - 1]
    let row = Int(id - batch.first)
    return row < batch.count && !batch.isGone(row) ? (low - 1, row) : nil
  }

  /// Up to `limit` ids above `id`, in order.
  mutating func ids(after id: UInt32, limit: Int) -> [UInt32] {
    let all = sorted ?? singles.keys.sorted()
    sorted = all
    var low = 0, high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle] <= id { low = middle + 1 } else { high = middle }
    }
    let near = Array(all[low...].prefix(limit))
    var rows: [UInt32] = []
    for batch in batches where batch.live > 0 && UInt64(batch.first) + UInt64(batch.count) > UInt64(id) + 1 {
      guard rows.count < limit else { break }
      for row in max(0, Int(id) + 1 - Int(batch.first))..<batch.count where !batch.isGone(row) {
        rows.append(batch.first + UInt32(row))
        if rows.count == limit { break }
      }
    }
    guard !rows.isEmpty else { return near }
    return Array((near + rows).sorted().prefix(limit))
  }

  /// `count` ids that follow each other and stand for no rule; the first of them.
  mutating func allocate(_ count: Int) throws(RequestFailure) -> UInt32 {
    let last = Int(Self.lastID)
    if Int(nextID) + count - 1 > last {
      // Once around: behind the highest id in use, or not at all.
      let highest = max(
        singles.keys.filter { $0 >= Self.firstID }.max() ?? 0, batches.last.map { $0.first + UInt32($0.count) - 1 } ?? 0
      )
      nextID = max(Self.firstID, highest + 1)
      guard Int(nextID) + count - 1 <= last else {
        throw RequestFailure(
          "rule.ids", "no \(count) rule ids are left in a row", hint: "flush rules that are not needed")
      }
    }
    return nextID
  }

  mutating func add(_ rules: [(id: UInt32, rule: Rule)]) {
    for (id, rule) in rules {
      singles[id] = rule
      if id >= Self.firstID, id <= Self.lastID { nextID = max(nextID, id + 1) }
    }
    sorted = nil
  }

  mutating func add(_ template: RowTemplate) { templates[template.id] = template }

  /// Adds rows; those of `refused` are none.
  mutating func addRows(template: UInt32, first: UInt32, rows: [UInt8], count: Int, refused: [Int]) {
    var batch = Batch(
      template: template, first: first, rows: rows, count: count, live: count,
      gone: [UInt64](repeating: 0, count: (count + 63) / 64))
    for row in refused { batch.remove(row) }
    let place = batches.firstIndex { $0.first > first } ?? batches.count
    batches.insert(batch, at: place)
    nextID = max(nextID, first + UInt32(count))
  }

  mutating func remove(_ ids: [UInt32]) {
    for id in ids {
      if singles.removeValue(forKey: id) != nil {
        sorted = nil
      } else if let (batch, row) = place(id) {
        batches[batch].remove(row)
      }
    }
    batches.removeAll { $0.live == 0 }
  }

  /// Puts other rules in the place of the configuration's.
  mutating func setConfigured(_ rules: [NumberedRule]) {
    singles = singles.filter { $0.key >= Self.firstID && $0.key <= Self.lastID }
    for rule in rules { singles[rule.id] = rule.rule }
    sorted = nil
  }

  /// The rules that came over the socket, as journal records.
  func records(_ put: (JournalRecord) throws(Journal.Problem) -> Void) throws(Journal.Problem) {
    var part: [(id: UInt32, line: String)] = []
    for (id, rule) in singles.sorted(by: { $0.key < $1.key }) where id >= Self.firstID && id <= Self.lastID {
      part.append((id, Self.line(rule)))
      if part.count == 1024 {
        try put(.add(part))
        part = []
      }
    }
    if !part.isEmpty { try put(.add(part)) }
    for template in templates.values.sorted(by: { $0.id < $1.id }) {
      try put(
        .template(id: template.id, line: template.line, fields: template.fieldNames, actions: template.actionLines))
    }
    for batch in batches {
      try put(.rows(template: batch.template, first: batch.first, bytes: batch.rows))
      let gone = (0..<batch.count).filter { batch.isGone($0) }
      if !gone.isEmpty { try put(.delete(gone.map { batch.first + UInt32($0) })) }
    }
  }

  /// The rule as `flow create` makes it.
  static func line(_ rule: Rule) -> String { Command.create(RuleRequest(rule: rule)).description }
}
