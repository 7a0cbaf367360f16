import CShim
import Rules

extension Writer {
  func template(for rule: Rule) throws(ClassifierError) -> RuleTemplate {
    let match = try compile(rule)
    guard match.options.isEmpty, !match.neverMatches else { throw .notATemplate }
    // The template may be used long after: its slots stay.
    pinnedOptions |= UInt8(truncatingIfNeeded: match.mask.words[0] / FlowKey.Presence.option0)
    let key = Subtable.Key(group: rule.attributes.group, hasResidual: false, mask: match.mask)
    var words = InlineArray<26, UInt64>(repeating: 0)
    var indices: [Int] = []
    for index in 0..<FlowKey.wordCount where match.mask.words[index] != 0 {
      words[indices.count] = match.spec.words[index]
      indices.append(index)
    }
    return RuleTemplate(
      subtable: key, priority: rule.attributes.priority, timeout: Self.timeout(rule), meta: match.spec.words[0],
      words: words, indices: indices)
  }

  /// Adds rules of one shape: rows are written and their buckets asked for a block ahead of linking them.
  func addBatch(
    _ template: RuleTemplate, count: Int, now: UInt64, undo: inout [Undo], fill: (Int, inout BatchRule) -> Void
  ) throws(ClassifierError) {
    var match = CompiledMatch()
    match.mask = template.subtable.mask
    let subtable = try findSubtable(group: template.subtable.group, match: match)
    guard count > 0, let table = self.subtable(subtable) else { return }
    ids.reserve(count)
    undo.reserveCapacity(undo.count + count)
    if let old = try table.reserve(words, count) { outgrown(old) }
    if table.expect(priority: template.priority, meta: template.meta, count: count) { viewIsStale = true }
    table.rows += count
    var block = BatchBlock()
    var done = 0
    do {
      while done < count {
        let size = min(BatchBlock.size, count - done)
        try write(&block, table, template, from: done, size: size, fill)
        for index in 0..<size {
          try link(&block, index, table, subtable, template, now: now, &undo)
          done += 1
        }
      }
    } catch {
      for _ in done..<count where table.forget(priority: template.priority) { viewIsStale = true }
      table.rows -= count - done
      throw error
    }
  }

  private func write(
    _ block: inout BatchBlock, _ table: Subtable, _ template: RuleTemplate, from: Int, size: Int,
    _ fill: (Int, inout BatchRule) -> Void
  ) throws(ClassifierError) {
    let readable = table.table
    let born = next32
    block.written = 0
    block.linked = 0
    for index in 0..<size {
      var rule = BatchRule(words: template.words)
      fill(from + index, &rule)
      let row: UInt32
      do { row = try table.arena.take() } catch {
        giveBack(block, table)
        throw error
      }
      let at = unsafe readable.row(row)
      unsafe self.fill(at, rule: 0, payload: rule.payload, priority: template.priority, born: born)
      let out = unsafe (at + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
      for word in 0..<readable.wordCount { unsafe out[word] = rule.words[word] }
      let hash = unsafe ExactTable.hash(out, count: readable.wordCount)
      unsafe dpu_prefetch_write(readable.bucket(readable.first(hash)))
      block.rows[index] = row
      block.hashes[index] = hash
      block.ids[index] = rule.id
      block.written += 1
    }
  }

  private func giveBack(_ block: BatchBlock, _ table: Subtable) {
    for index in block.linked..<block.written { table.arena.give(block.rows[index]) }
  }

  private func link(
    _ block: inout BatchBlock, _ index: Int, _ table: Subtable, _ subtable: UInt32, _ template: RuleTemplate,
    now: UInt64,
    _ undo: inout [Undo]
  ) throws(ClassifierError) {
    let id = block.ids[index]
    let row = block.rows[index]
    do throws(ClassifierError) {
      let rule = try takeIndex()
      guard ids.insertIfAbsent(id, rule) else {
        freeIndices.append(rule)
        throw .duplicateID(id)
      }
      unsafe table.table.row(row).storeBytes(of: rule, toByteOffset: ExactTable.Row.rule, as: UInt32.self)
      var record = RuleRecord(id: id, row: row + 1, subtable: subtable, timeout: template.timeout)
      if template.timeout != 0 { record.watch = ages.watch(rule, timeout: template.timeout, now: now) }
      records[Int(rule)] = record
      unsafe words.release32(shared.idBase + Int(rule) * 4, id)
      do { try link(table, row, block.hashes[index]) } catch {
        ids.remove(id)
        freeIndices.append(rule)
        throw error
      }
      block.linked += 1
      undo.append(.added(rule: rule))
    } catch {
      giveBack(block, table)
      throw error
    }
  }
}
