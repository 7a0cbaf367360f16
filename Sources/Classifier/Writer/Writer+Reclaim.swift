extension Writer {
  /// Takes apart what no reader can see any more, in two steps: out of the chains and buckets first, and when the
  /// readers of that moment are gone too, the memory. Never waits.
  func reclaim() {
    // Twice: when nobody is inside, what the first round unlinks is freed by the second.
    if reclaimRound() { _ = reclaimRound() }
    statistics.waitingRows = linked.reduce(0) { $0 + $1.rows.count } + unlinked.reduce(0) { $0 + $1.rows.count }
    statistics.mostWaitingRows = max(statistics.mostWaitingRows, statistics.waitingRows)
  }

  /// Looks once at where the readers are, and does what that allows. True when there may be more to do.
  func reclaimRound() -> Bool {
    let oldest = shared.epochs.oldest(words, readers: readerCount, now: version)
    freeUnlinked(oldest)
    return unlinkDead(oldest)
  }

  /// Shows a new version with nothing changed.
  func advance() -> UInt64 {
    let next = nextVersion
    publish(next)
    return next
  }

  /// Whether all readers left that entered before `wanted` was shown.
  func haveReadersLeft(before wanted: UInt64) -> Bool {
    shared.epochs.oldest(words, readers: readerCount, now: version) >= wanted
  }

  private func unlinkDead(_ oldest: UInt64) -> Bool {
    let ready = linked.prefix { $0.version <= oldest }.count
    guard ready > 0 else { return false }
    let batches = linked[..<ready]
    linked.removeFirst(ready)
    for batch in batches {
      for dead in batch.rows where dead.row != 0 { subtable(dead.subtable)?.unlink(words, row: dead.row - 1) }
    }
    let next = nextVersion
    for batch in batches { unlinked.append(Waiting(version: next, rows: batch.rows, memory: [])) }
    publish(next)
    return true
  }

  private func freeUnlinked(_ oldest: UInt64) {
    let ready = unlinked.prefix { $0.version <= oldest }.count
    guard ready > 0 else { return }
    let batches = unlinked[..<ready]
    unlinked.removeFirst(ready)
    for batch in batches {
      for dead in batch.rows { free(dead) }
    }
  }

  private func free(_ dead: DeadRow) {
    if onRetired != nil || dead.rule != DeadRow.none { retire(dead) }
    guard dead.row != 0, let table = subtable(dead.subtable) else { return }
    let row = unsafe table.arena.row(dead.row - 1)
    if table.key.hasResidual {
      let words = unsafe (row + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
      Residual.free(unsafe words[table.wordCount])
    }
    let priority = unsafe row.load(fromByteOffset: ExactTable.Row.priority, as: UInt32.self)
    if table.forget(priority: priority) { viewIsStale = true }
    table.arena.give(dead.row - 1)
    table.rows -= 1
    if table.rows == 0 { drop(dead.subtable, table) }
  }

  /// Forgets a table without rows. Readers may still have it in their view, so its memory waits.
  private func drop(_ index: UInt32, _ table: Subtable) {
    bySubtable[table.key] = nil
    subtables[Int(index)] = nil
    lastKey = nil
    viewIsStale = true
    replaced.append(table)
  }

  private func retire(_ dead: DeadRow) {
    var payload: UInt32 = 0
    if dead.row != 0, let table = subtable(dead.subtable) {
      let row = unsafe table.arena.row(dead.row - 1)
      payload = unsafe row.load(fromByteOffset: ExactTable.Row.payload, as: UInt32.self)
    }
    if dead.rule == DeadRow.none {
      onRetired?(RetiredRule(id: nil, payload: payload, count: RuleCount()))
    } else {
      let record = book.records[Int(dead.rule)]
      onRetired?(RetiredRule(id: record.id, payload: payload, count: count(dead.rule)))
      clearCounters(dead.rule)
      book.freeIndices.append(dead.rule)
    }
  }
}
