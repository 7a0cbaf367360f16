import CShim

/// All rules of one group whose matches look at the same bits, as the writer sees them.
@safe
final class Subtable {
  /// What makes rules share a table.
  struct Key: Hashable {
    var group: UInt32
    /// Rules with options outside of the key are kept apart: their rows have one word more.
    var hasResidual: Bool
    var mask: FlowKey

    static func == (a: Key, b: Key) -> Bool {
      guard a.group == b.group, a.hasResidual == b.hasResidual else { return false }
      for index in 0..<FlowKey.wordCount where a.mask.words[index] != b.mask.words[index] { return false }
      return true
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(group)
      for index in 0..<FlowKey.wordCount where mask.words[index] != 0 { hasher.combine(mask.words[index]) }
    }
  }

  let key: Key
  /// The words of a key that are looked at, and their masks; readers use them.
  let indices: UnsafeMutablePointer<UInt8>
  let masks: UnsafeMutablePointer<UInt64>
  let wordCount: Int
  let arena: RowArena
  private(set) var table: ExactTable
  private var memory: Region
  /// Chains in the buckets.
  private(set) var chains = 0
  /// Rows, those that wait to be freed included.
  var rows = 0
  /// How many rows there are of each priority.
  private var priorities: [UInt32: Int] = [:]
  /// Rows of the last priority that are not in the dictionary yet: mostly all rows have one priority.
  private var lastPriority: UInt32 = 0
  private var lastCount = 0
  /// The lowest priority number of a row.
  private(set) var best = UInt32.max
  /// Presence bits that every row asks for.
  private(set) var required = FlowKey.Presence.all

  init(key: Key, arena: RowArena, wordCount: Int) throws(ClassifierError) {
    self.key = key
    self.arena = arena
    self.wordCount = wordCount
    unsafe indices = .allocate(capacity: FlowKey.wordCount)
    unsafe masks = .allocate(capacity: FlowKey.wordCount)
    let memory = try Region(bytes: 64 * 2)
    self.memory = memory
    unsafe table = ExactTable(
      buckets: memory.base, rows: arena.base, bucketMask: 1, stride: UInt32(arena.stride), wordCount: wordCount)
    var next = 0
    for index in 0..<FlowKey.wordCount where key.mask.words[index] != 0 {
      unsafe (indices + next).initialize(to: UInt8(index))
      unsafe (masks + next).initialize(to: key.mask.words[index])
      next += 1
    }
  }

  deinit {
    unsafe indices.deallocate()
    unsafe masks.deallocate()
  }

  /// How many words of a key `mask` looks at.
  static func wordCount(_ mask: FlowKey) -> Int {
    var count = 0
    for index in 0..<FlowKey.wordCount where mask.words[index] != 0 { count += 1 }
    return count
  }

  /// Notes rows to come. True when readers have to be shown another order of tables.
  func expect(priority: UInt32, meta: UInt64, count: Int = 1) -> Bool {
    if priority != lastPriority {
      if lastCount != 0 { priorities[lastPriority, default: 0] += lastCount }
      lastCount = 0
      lastPriority = priority
    }
    lastCount += count
    let wanted = meta & FlowKey.Presence.all
    let changed = priority < best || required & ~wanted != 0
    best = min(best, priority)
    required &= wanted
    return changed
  }

  /// Notes that a row is gone. True when the order of tables could be better.
  func forget(priority: UInt32) -> Bool {
    if priority == lastPriority, lastCount > 1 {
      lastCount -= 1
      return false
    }
    if lastCount != 0 { priorities[lastPriority, default: 0] += lastCount }
    lastCount = 0
    guard let count = priorities[priority] else { return false }
    if count > 1 {
      priorities[priority] = count - 1
      return false
    }
    priorities[priority] = nil
    guard priority == best else { return false }
    best = priorities.keys.min() ?? .max
    return true
  }

  /// Links a filled row. Returns memory that readers may still look at when the table had to grow.
  func link(_ shared: some SharedWords, row index: UInt32, hash: UInt64, isBefore: (UInt32, UInt32) -> Bool)
    throws(ClassifierError) -> Region?
  {
    let row = unsafe table.row(index)
    let words = unsafe (row + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
    if let place = unsafe table.place(shared, key: words, hash: hash) {
      let reference = table.reference(shared, place)
      let head = reference & ~ExactTable.displaced
      if isBefore(index, head) {
        unsafe shared.release32(row + ExactTable.Row.next, head + 1)
        table.setReference(shared, place, index | reference & ExactTable.displaced)
        return nil
      }
      var before = head
      while true {
        let next = unsafe shared.acquire32(table.row(before) + ExactTable.Row.next)
        if next == 0 || isBefore(index, next - 1) {
          unsafe shared.release32(row + ExactTable.Row.next, next)
          unsafe shared.release32(table.row(before) + ExactTable.Row.next, index + 1)
          return nil
        }
        before = next - 1
      }
    }
    unsafe shared.release32(row + ExactTable.Row.next, 0)
    var old: Region?
    if chains + 1 > capacity { old = try grow(shared, slots: 2 * (chains + 1)) }
    while !table.insert(shared, row: index, hash: hash) {
      let last = try grow(shared, slots: 2 * Int(table.bucketMask + 1) * 8)
      // Only the first of them was ever shown.
      if old == nil { old = last }
    }
    chains += 1
    return old
  }

  /// Links the rows of a block that have numbers; ``BatchBlock/linked`` says how far it came. What `outgrown` gets
  /// readers may still look at.
  func link(
    _ shared: some SharedWords, _ block: inout BatchBlock, isBefore: (UInt32, UInt32) -> Bool,
    outgrown: (Region) -> Void
  ) throws(ClassifierError) {
    var place = block.linked
    defer { block.linked = place }
    while place < block.numbered {
      // The table's words are read once for all that go in without growing it.
      let exact = table
      let room = min(block.numbered, place + max(0, capacity - chains))
      let first = place
      while place < room, exact.insertAtHome(shared, row: block.rows[place], hash: block.hashes[place]) { place += 1 }
      chains += place - first
      guard place < block.numbered else { return }
      let old = try link(shared, row: block.rows[place], hash: block.hashes[place], isBefore: isBefore)
      if let old { outgrown(old) }
      place += 1
    }
  }

  /// Takes a row out of its chain; the row itself stays as it is for those who stand on it.
  func unlink(_ shared: some SharedWords, row index: UInt32) {
    let row = unsafe table.row(index)
    let words = unsafe (row + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
    let hash = unsafe ExactTable.hash(words, count: wordCount)
    guard let place = unsafe table.place(shared, key: words, hash: hash) else { return }
    let next = unsafe shared.acquire32(row + ExactTable.Row.next)
    let reference = table.reference(shared, place)
    var before = reference & ~ExactTable.displaced
    if before == index {
      if next == 0 {
        table.remove(shared, place)
        chains -= 1
      } else {
        table.setReference(shared, place, (next - 1) | reference & ExactTable.displaced)
      }
      return
    }
    while true {
      let after = unsafe shared.acquire32(table.row(before) + ExactTable.Row.next)
      if after == 0 { return }
      if after - 1 == index {
        unsafe shared.release32(table.row(before) + ExactTable.Row.next, next)
        return
      }
      before = after - 1
    }
  }

  /// Chains that fit before the table grows: seven of eight slots.
  var capacity: Int { Int(table.bucketMask + 1) * 7 }

  /// Bytes of the buckets.
  var bucketBytes: Int { memory.size }

  /// Makes room for `count` more chains. Returns the memory of the buckets until now, if it changed.
  func reserve(_ shared: some SharedWords, _ count: Int) throws(ClassifierError) -> Region? {
    chains + count > capacity ? try grow(shared, slots: (chains + count) * 8 / 7 + 8) : nil
  }

  /// Builds larger buckets beside the ones that readers use.
  private func grow(_ shared: some SharedWords, slots: Int) throws(ClassifierError) -> Region {
    var buckets = Int(table.bucketMask) + 1
    while buckets * 8 < slots { buckets *= 2 }
    while true {
      let fresh = try Region(bytes: buckets * ExactTable.Bucket.size)
      let larger = unsafe ExactTable(
        buckets: fresh.base, rows: table.rows, bucketMask: UInt32(buckets - 1), stride: table.stride,
        wordCount: wordCount)
      if copy(shared, to: larger) {
        let old = memory
        memory = fresh
        table = larger
        return old
      }
      buckets *= 2
    }
  }

  /// Fills larger buckets with what is in these. Rows lie anywhere, and so do the new homes of those that are displaced:
  /// rows are asked for four buckets ahead, homes a few rows ahead.
  private func copy(_ shared: some SharedWords, to larger: ExactTable) -> Bool {
    var rows = InlineArray<16, UInt32>(repeating: 0)
    var hashes = InlineArray<16, UInt64>(repeating: 0)
    var (taken, put) = (0, 0)
    for bucket in 0...table.bucketMask {
      askForRows(shared, of: min(table.bucketMask, bucket + 4))
      for slot in 0..<8 {
        let place = ExactTable.Place(bucket: bucket, slot: slot)
        guard table.tag(shared, place) != 0 else { continue }
        let index = table.reference(shared, place) & ~ExactTable.displaced
        let words = unsafe (table.row(index) + ExactTable.Row.words).assumingMemoryBound(to: UInt64.self)
        let hash = unsafe ExactTable.hash(words, count: wordCount)
        if taken - put == 16 {
          guard larger.insert(shared, row: rows[put & 15], hash: hashes[put & 15]) else { return false }
          put += 1
        }
        unsafe dpu_prefetch_write(larger.bucket(larger.first(hash)))
        rows[taken & 15] = index
        hashes[taken & 15] = hash
        taken += 1
      }
    }
    while put < taken {
      guard larger.insert(shared, row: rows[put & 15], hash: hashes[put & 15]) else { return false }
      put += 1
    }
    return true
  }

  private func askForRows(_ shared: some SharedWords, of bucket: UInt32) {
    for slot in 0..<8 {
      let reference = table.reference(shared, ExactTable.Place(bucket: bucket, slot: slot)) & ~ExactTable.displaced
      unsafe dpu_prefetch(table.row(reference) + ExactTable.Row.words)
    }
  }
}
