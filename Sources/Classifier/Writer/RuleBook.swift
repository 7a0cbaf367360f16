/// Rules by id and by dense index, and the indices that are free.
struct RuleBook {
  /// Rules that there may be.
  let limit: Int
  var ids = IDMap()
  var records: [RuleRecord] = []
  var freeIndices: [UInt32] = []

  init(limit: Int) { self.limit = limit }

  /// A dense index that no rule has.
  mutating func takeIndex() throws(ClassifierError) -> UInt32 {
    if let index = freeIndices.popLast() { return index }
    guard records.count < limit else { throw .full(limit: limit) }
    records.append(RuleRecord(id: 0, row: 0, subtable: 0, timeout: 0))
    return UInt32(records.count - 1)
  }

  /// Makes room for `count` more rules.
  mutating func reserve(_ count: Int) {
    ids.reserve(count)
    let wanted = min(limit, records.count + max(0, count - freeIndices.count))
    if wanted > records.capacity { records.reserveCapacity(max(wanted, min(limit, 2 * records.capacity))) }
  }

  /// Gives the rules of a block their indices and records, in order. Stops at the first that cannot have one, and says
  /// why: ``BatchBlock/numbered`` says how many have.
  mutating func number(_ block: inout BatchBlock, subtable: UInt32, timeout: UInt32) -> ClassifierError? {
    for place in 0..<block.written {
      let id = block.ids[place]
      let rule: UInt32
      do throws(ClassifierError) { rule = try takeIndex() } catch { return error }
      guard ids.insertIfAbsent(id, rule) else {
        freeIndices.append(rule)
        return .duplicateID(id)
      }
      records[Int(rule)] = RuleRecord(id: id, row: block.rows[place] + 1, subtable: subtable, timeout: timeout)
      block.rules[place] = rule
      block.numbered += 1
    }
    return nil
  }

  /// Takes numbers back that no reader has seen.
  mutating func forget(_ block: BatchBlock) {
    for place in block.linked..<block.numbered {
      ids.remove(block.ids[place])
      freeIndices.append(block.rules[place])
    }
  }
}
