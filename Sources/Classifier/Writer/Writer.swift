import Rules

/// The writer's side of the tables: what it knows of each rule, and what waits until no reader can see it.
///
/// Generic over the access to shared words, so that the model steps through this very code.
final class Writer<Words: SharedWords> {
  let shared: SharedState
  let words: Words
  /// The version that readers see.
  var version: UInt64 = 1
  /// Versions after which rows are restamped, and the version they were last restamped to.
  var restampAfter: UInt64 = 1 << 29
  var restamped: UInt64 = 1
  var book: RuleBook
  var arenas: [Int: RowArena] = [:]
  var subtables: [Subtable?] = []
  var bySubtable: [Subtable.Key: UInt32] = [:]
  /// The subtable of the last rule: the next one is mostly of the same kind.
  var lastKey: Subtable.Key?
  var lastSubtable: UInt32 = 0
  var slots = OptionAllocator()
  /// Option slots that templates look at, a bit each.
  var pinnedOptions: UInt8 = 0
  var view: ViewMemory
  var viewIsStale = false
  /// Rows that died and are still linked, oldest first.
  var linked: [Waiting] = []
  /// Rows and memory that nobody can find any more, oldest first.
  var unlinked: [Waiting] = []
  /// DeadRow rows of the transaction that runs.
  var dying: [DeadRow] = []
  /// Memory replaced in the transaction that runs.
  var replaced: [AnyObject] = []
  var ages = AgeQueue()
  var readerCount = 0
  var statistics = ClassifierStatistics()
  /// Called with what no reader can hit any more, when the owner wants to know.
  var onRetired: ((RetiredRule) -> Void)?

  init(_ words: Words, limit: Int, readers: Int) throws(ClassifierError) {
    self.words = words
    shared = try SharedState(limit: limit, readers: readers)
    book = RuleBook(limit: limit)
    view = ViewMemory(groups: [], slots: OptionSlots(), serial: 1)
    unsafe words.order64(shared.viewPlace, UInt64(UInt(bitPattern: view.view)))
    shared.epochs.publish(words, version)
  }

  /// The version that comes next; its low half, which rows keep, is never 0: that means "not died".
  var nextVersion: UInt64 { UInt32(truncatingIfNeeded: version + 1) == 0 ? version + 2 : version + 1 }
  var next32: UInt32 { UInt32(truncatingIfNeeded: nextVersion) }

  func subtable(_ index: UInt32) -> Subtable? { subtables[Int(index)] }

  /// The table for a match, made when there is none.
  func findSubtable(group: UInt32, match: CompiledMatch) throws(ClassifierError) -> UInt32 {
    let key = Subtable.Key(group: group, hasResidual: !match.options.isEmpty, mask: match.mask)
    if let lastKey, lastKey == key { return lastSubtable }
    let index: UInt32
    if let found = bySubtable[key] {
      index = found
    } else {
      let count = Subtable.wordCount(key.mask)
      let arena = try arena(stride: RowArena.stride(words: count + (key.hasResidual ? 1 : 0)))
      let table = try Subtable(key: key, arena: arena, wordCount: count)
      if let free = subtables.firstIndex(where: { $0 == nil }) {
        subtables[free] = table
        index = UInt32(free)
      } else {
        index = UInt32(subtables.count)
        subtables.append(table)
      }
      bySubtable[key] = index
      viewIsStale = true
    }
    lastKey = key
    lastSubtable = index
    return index
  }

  private func arena(stride: Int) throws(ClassifierError) -> RowArena {
    if let arena = arenas[stride] { return arena }
    let arena = try RowArena(stride: stride, limit: shared.limit)
    arenas[stride] = arena
    return arena
  }

  /// Writes a row for `match` and links it; born with the running transaction. Returns row plus one.
  func makeRow(
    subtable index: UInt32, match: CompiledMatch, rule: UInt32, payload: UInt32, priority: UInt32
  ) throws(ClassifierError) -> UInt32 {
    guard let table = subtable(index) else { return 0 }
    let row = try table.arena.take()
    let at = unsafe table.arena.row(row)
    unsafe fill(at, rule: rule, payload: payload, priority: priority, born: next32)
    let out = unsafe (at + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
    for word in 0..<table.wordCount { unsafe out[word] = match.spec.words[Int(table.indices[word])] }
    if table.key.hasResidual { unsafe out[table.wordCount] = Residual.make(match.options) }
    let hash = unsafe ExactTable.hash(out, count: table.wordCount)
    do {
      try link(table, row, hash)
    } catch {
      table.arena.give(row)
      throw error
    }
    table.rows += 1
    if table.expect(priority: priority, meta: match.spec.words[0]) { viewIsStale = true }
    return row + 1
  }

  @inline(__always)
  func fill(_ at: UnsafeMutableRawPointer, rule: UInt32, payload: UInt32, priority: UInt32, born: UInt32) {
    unsafe words.release32(at + ExactTable.Row.born, born)
    unsafe words.release32(at + ExactTable.Row.died, 0)
    unsafe at.storeBytes(of: rule, toByteOffset: ExactTable.Row.rule, as: UInt32.self)
    unsafe at.storeBytes(of: payload, toByteOffset: ExactTable.Row.payload, as: UInt32.self)
    unsafe at.storeBytes(of: priority, toByteOffset: ExactTable.Row.priority, as: UInt32.self)
  }

  func link(_ table: Subtable, _ row: UInt32, _ hash: UInt64) throws(ClassifierError) {
    let old = try table.link(words, row: row, hash: hash) { first, second in isBefore(table, first, second) }
    if let old { outgrown(old) }
  }

  /// Buckets that a table no longer uses, and that readers may still look at.
  func outgrown(_ memory: Region) {
    replaced.append(memory)
    viewIsStale = true
  }

  /// Lower priority number first, then the lower id; of two rows of one rule the newer one.
  func isBefore(_ table: Subtable, _ first: UInt32, _ second: UInt32) -> Bool {
    let (a, b) = unsafe (table.arena.row(first), table.arena.row(second))
    let priorities = unsafe (
      a.load(fromByteOffset: ExactTable.Row.priority, as: UInt32.self),
      b.load(fromByteOffset: ExactTable.Row.priority, as: UInt32.self)
    )
    if priorities.0 != priorities.1 { return priorities.0 < priorities.1 }
    return unsafe id(of: a) <= id(of: b)
  }

  func id(of row: UnsafeMutableRawPointer) -> UInt32 {
    book.records[Int(unsafe row.load(fromByteOffset: ExactTable.Row.rule, as: UInt32.self))].id
  }

  /// Makes a row invisible from the running transaction on.
  func kill(row: UInt32, subtable index: UInt32, at version: UInt32) {
    guard row != 0, let table = subtable(index) else { return }
    unsafe words.release32(table.arena.row(row - 1) + ExactTable.Row.died, version)
  }
}
