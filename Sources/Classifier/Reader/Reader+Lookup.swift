import CShim

// Tuple-space search over a burst. Stages: masked words and their hashes, the bucket's line asked for; tags, the row's
// line asked for; words compared. So the cache misses of a burst overlap.
extension Reader {
  /// Looks up the first `count` slots in `group`: the rule with the lowest priority number, then the lowest id.
  public mutating func lookup(count: Int, group: UInt32) {
    precondition(count >= 0 && count <= Self.burst)
    for slot in 0..<count { unsafe scratch[slot].hit = .none }
    guard count > 0, let group = unsafe view.pointee.group(group) else { return }
    unsafe search(group, slots: .max &>> UInt64(64 &- count))
  }

  /// Looks up one slot in `group`: for a frame that goes on in another group than its burst.
  public mutating func lookup(slot: Int, group: UInt32) {
    precondition(slot >= 0 && slot < Self.burst)
    unsafe scratch[slot].hit = .none
    guard let group = unsafe view.pointee.group(group) else { return }
    unsafe search(group, slots: 1 &<< UInt64(slot))
  }

  private mutating func search(_ group: UnsafeMutablePointer<GroupView>, slots: UInt64) {
    let again = slots & repeated
    if again != 0 { unsafe searchRepeated(group, slots: again) }
    let slots = slots & ~again
    if slots != 0 { unsafe searchTables(group, slots: slots) }
  }

  /// Improves the hits of `slots` by what the group's tables have.
  func searchTables(_ group: UnsafeMutablePointer<GroupView>, slots: UInt64) {
    var live = slots
    let count = unsafe group.pointee.count
    let tables = unsafe group.pointee.first
    var index = 0
    while index < count, live != 0 {
      live = unsafe searchTable(tables + index, live)
      index &+= 1
    }
  }

  /// Searches one table. Returns the slots that a later table may still do better for.
  @inline(__always)
  private func searchTable(_ view: UnsafeMutablePointer<SubtableView>, _ slots: UInt64) -> UInt64 {
    var live: UInt64 = 0
    var wanted: UInt64 = 0
    let best = unsafe view.pointee.best
    let required = unsafe view.pointee.required
    let table = unsafe view.pointee.table
    var rest = slots
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      // Tables come best first: with a better hit than this table's best, a slot is done.
      let hit = unsafe scratch[slot].hit
      guard hit.priority >= best || !hit.isHit else { continue }
      live |= 1 &<< UInt64(slot)
      let key = unsafe keys + slot &* FlowKey.stride
      guard unsafe key[0] & required == required else { continue }
      wanted |= 1 &<< UInt64(slot)
      let words = unsafe packed + slot &* FlowKey.stride
      unsafe view.pointee.pack(key, into: words)
      let hash = unsafe ExactTable.hash(words, count: table.wordCount)
      unsafe scratch[slot].hash = hash
      unsafe dpu_prefetch(table.bucket(table.first(hash)))
    }
    if wanted == 0 { return live }
    // One frame has nothing to overlap with.
    if wanted & (wanted &- 1) != 0 { prefetchRows(table, wanted) }
    rest = wanted
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      let row = unsafe find(table, slot, hasResidual: view.pointee.hasResidual)
      if let row = unsafe row { unsafe take(row, slot) }
    }
    return live
  }

  @inline(__always)
  private func prefetchRows(_ table: ExactTable, _ slots: UInt64) {
    let words = Machine()
    var rest = slots
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      let hash = unsafe scratch[slot].hash
      let tag = ExactTable.tag(hash)
      let index = table.first(hash)
      let bucket = unsafe table.bucket(index)
      let low = unsafe ExactTable.lanes(words.acquire64(bucket), tag)
      let high = unsafe ExactTable.lanes(words.acquire64(bucket + 8), tag)
      if low | high != 0 {
        let place = low != 0 ? low.trailingZeroBitCount &>> 4 : 4 &+ high.trailingZeroBitCount &>> 4
        let reference = unsafe words.acquire32(bucket + ExactTable.Bucket.references + place &* 4)
        let row = unsafe table.row(reference & ~ExactTable.displaced)
        unsafe dpu_prefetch(row)
        if table.stride > 64 { unsafe dpu_prefetch(row + 64) }
      } else if unsafe words.acquire32(bucket + ExactTable.Bucket.overflow) != 0 {
        unsafe dpu_prefetch(table.bucket(table.other(index, tag: tag)))
      }
    }
  }

  @inline(__always)
  private func find(_ table: ExactTable, _ slot: Int, hasResidual: Bool) -> UnsafeMutableRawPointer? {
    let (hash, words) = unsafe (scratch[slot].hash, UnsafePointer(packed + slot &* FlowKey.stride))
    if !hasResidual {
      return unsafe table.find(Machine(), key: words, hash: hash, version: version) { _ in true }
    }
    let (options, length) = unsafe (scratch[slot].options, unsafe scratch[slot].optionsLength)
    return unsafe table.find(Machine(), key: words, hash: hash, version: version) { row in
      let block = unsafe row.load(fromByteOffset: ExactTable.Row.words + 8 &* table.wordCount, as: UInt64.self)
      return unsafe Residual.matches(block, options: options, length: length)
    }
  }

  /// Takes a row as the slot's hit when it is better than the one it has.
  @inline(__always)
  private func take(_ row: UnsafeMutableRawPointer, _ slot: Int) {
    let found = unsafe RuleHit(
      index: row.load(fromByteOffset: ExactTable.Row.rule, as: UInt32.self),
      payload: row.load(fromByteOffset: ExactTable.Row.payload, as: UInt32.self),
      priority: row.load(fromByteOffset: ExactTable.Row.priority, as: UInt32.self))
    if isBetter(found, unsafe scratch[slot].hit) { unsafe scratch[slot].hit = found }
  }

  @inline(__always)
  func isBetter(_ a: RuleHit, _ b: RuleHit) -> Bool {
    guard b.isHit else { return a.isHit }
    guard a.isHit else { return false }
    return a.priority != b.priority ? a.priority < b.priority : id(of: a) < id(of: b)
  }
}
