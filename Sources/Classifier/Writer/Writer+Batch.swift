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
      words: words, indices: indices, masks: indices.map { match.mask.words[$0] })
  }

  /// Adds rules of one shape: rows are written and their buckets asked for a block ahead of linking them.
  func addBatch(
    _ template: RuleTemplate, count: Int, now: UInt64, undo: inout [Undo], fill: (Int, inout BatchRule) -> Void
  ) throws(ClassifierError) {
    var match = CompiledMatch()
    match.mask = template.subtable.mask
    let subtable = try findSubtable(group: template.subtable.group, match: match)
    guard count > 0, let table = self.subtable(subtable) else { return }
    book.reserve(count)
    if let old = try table.reserve(words, count) { outgrown(old) }
    if table.expect(priority: template.priority, meta: template.meta, count: count) { viewIsStale = true }
    table.rows += count
    var block = BatchBlock()
    var added: [UInt32] = []
    added.reserveCapacity(count)
    do throws(ClassifierError) {
      while added.count < count {
        try write(&block, table, template, from: added.count, size: min(BatchBlock.size, count - added.count), fill)
        try link(&block, table, subtable, template, now: now, &added)
      }
      undo.append(.addedMany(rules: added))
    } catch {
      for place in block.linked..<block.written { table.arena.give(block.rows[place]) }
      for _ in added.count..<count where table.forget(priority: template.priority) { viewIsStale = true }
      table.rows -= count - added.count
      undo.append(.addedMany(rules: added))
      throw error
    }
  }

  private func write(
    _ block: inout BatchBlock, _ table: Subtable, _ template: RuleTemplate, from: Int, size: Int,
    _ fill: (Int, inout BatchRule) -> Void
  ) throws(ClassifierError) {
    let readable = table.table
    let born = next32
    (block.written, block.numbered, block.linked) = (0, 0, 0)
    try table.arena.take(size, into: &block.rows)
    block.written = size
    var rule = BatchRule(words: template.words)
    for index in 0..<size {
      (rule.id, rule.payload) = (0, 0)
      for word in 0..<readable.wordCount { rule.words[word] = template.words[word] }
      fill(from + index, &rule)
      let at = unsafe readable.row(block.rows[index])
      unsafe self.fill(at, rule: 0, payload: rule.payload, priority: template.priority, born: born)
      let out = unsafe (at + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
      for word in 0..<readable.wordCount { unsafe out[word] = rule.words[word] }
      let hash = unsafe ExactTable.hash(out, count: readable.wordCount)
      unsafe dpu_prefetch_write(readable.bucket(readable.first(hash)))
      block.hashes[index] = hash
      block.ids[index] = rule.id
    }
  }

  /// Numbers and links the rows of a block, as many as can be, and notes them in `added`.
  private func link(
    _ block: inout BatchBlock, _ table: Subtable, _ subtable: UInt32, _ template: RuleTemplate, now: UInt64,
    _ added: inout [UInt32]
  ) throws(ClassifierError) {
    let failure = book.number(&block, subtable: subtable, timeout: template.timeout)
    let (readable, idBase) = unsafe (table.table, shared.idBase)
    for place in 0..<block.numbered {
      let rule = block.rules[place]
      unsafe readable.row(block.rows[place]).storeBytes(of: rule, toByteOffset: ExactTable.Row.rule, as: UInt32.self)
      unsafe words.release32(idBase + Int(rule) * 4, block.ids[place])
    }
    defer { for place in 0..<block.linked { added.append(block.rules[place]) } }
    do throws(ClassifierError) {
      try table.link(words, &block) { first, second in
        isBefore(table, first, second)
      } outgrown: { memory in
        outgrown(memory)
      }
    } catch {
      book.forget(block)
      throw error
    }
    if template.timeout != 0 {
      for place in 0..<block.linked {
        let rule = block.rules[place]
        book.records[Int(rule)].watch = ages.watch(rule, timeout: template.timeout, now: now)
      }
    }
    if let failure { throw failure }
  }
}
