import CShim

// One table, a burst of slots. Stages: masked words and their hashes, the bucket's line asked for; tags, the row's line
// asked for; words compared. So the cache misses of a burst overlap. The number of words is a parameter of the type, so
// that for the common ones every loop over words is straight code.
extension Reader {
  /// Searches one table. Returns the slots that a later table may still do better for.
  @inline(__always)
  mutating func searchTable(_ view: UnsafeMutablePointer<SubtableView>, _ slots: UInt64) -> UInt64 {
    let live = unsafe stillLive(slots, best: view.pointee.best)
    switch unsafe view.pointee.table.wordCount {
    case 1: unsafe search(view, live, Words<1>())
    case 2: unsafe search(view, live, Words<2>())
    case 3: unsafe search(view, live, Words<3>())
    case 4: unsafe search(view, live, Words<4>())
    case 5: unsafe search(view, live, Words<5>())
    case 6: unsafe search(view, live, Words<6>())
    case 7: unsafe search(view, live, Words<7>())
    case 8: unsafe search(view, live, Words<8>())
    default: unsafe searchWide(view, live)
    }
    return live
  }

  /// Tables come best first: with a better hit than this table's best, a slot is done.
  @inline(__always)
  private func stillLive(_ slots: UInt64, best: UInt32) -> UInt64 {
    var live = slots & ~found
    var rest = slots & found
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      if unsafe scratch[slot].hit.priority >= best { live |= 1 &<< UInt64(slot) }
    }
    return live
  }

  /// A count of words as a type.
  private struct Words<let count: Int> {
    var words = InlineArray<count, UInt64>(repeating: 0)
    var places = InlineArray<count, Int>(repeating: 0)
  }

  private mutating func search<let count: Int>(
    _ view: UnsafeMutablePointer<SubtableView>, _ slots: UInt64, _ shape: Words<count>
  ) {
    let table = unsafe view.pointee.table
    let required = unsafe view.pointee.required
    var shape = shape
    for index in 0..<count {
      shape.words[index] = unsafe view.pointee.masks[index]
      shape.places[index] = unsafe Int(view.pointee.indices[index])
    }
    var waiting = 0
    var rest = slots
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      let key = unsafe keys + slot &* FlowKey.stride
      guard unsafe key[0] & required == required else { continue }
      let words = unsafe packed + waiting &* FlowKey.stride
      for index in 0..<count { unsafe words[index] = key[shape.places[index]] & shape.words[index] }
      unsafe ask(table, waiting, slot: slot, hash: ExactTable.hash(words, count: count))
      waiting &+= 1
    }
    unsafe settle(
      table, packed, stride: FlowKey.stride, waiting, hasResidual: view.pointee.hasResidual, count: count)
  }

  /// More words than there are types for.
  @inline(never)
  private mutating func searchWide(_ view: UnsafeMutablePointer<SubtableView>, _ slots: UInt64) {
    let table = unsafe view.pointee.table
    let required = unsafe view.pointee.required
    var waiting = 0
    var rest = slots
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      let key = unsafe keys + slot &* FlowKey.stride
      guard unsafe key[0] & required == required else { continue }
      let words = unsafe packed + waiting &* FlowKey.stride
      unsafe view.pointee.pack(key, into: words)
      unsafe ask(table, waiting, slot: slot, hash: ExactTable.hash(words, count: table.wordCount))
      waiting &+= 1
    }
    unsafe settle(
      table, packed, stride: FlowKey.stride, waiting, hasResidual: view.pointee.hasResidual, count: table.wordCount)
  }

  /// Notes a key that is to be found, and asks for its bucket.
  @inline(__always)
  func ask(_ table: ExactTable, _ index: Int, slot: Int, hash: UInt64) {
    unsafe waiting[index].hash = hash
    unsafe waiting[index].slot = UInt32(truncatingIfNeeded: slot)
    unsafe dpu_prefetch(table.bucket(table.first(hash)))
  }

  /// Finds the `total` keys that were asked for; key i stands `stride` * i words behind `words`.
  @inline(__always)
  mutating func settle(
    _ table: ExactTable, _ words: UnsafePointer<UInt64>, stride: Int, _ total: Int, hasResidual: Bool, count: Int
  ) {
    let away = probe(table, total)
    if away != 0 { probeOthers(table, away) }
    var index = 0
    while index < total {
      let candidate = unsafe waiting[index].candidate
      if candidate != ExactTable.none {
        let key = unsafe words + index &* stride
        let found: UnsafeMutableRawPointer?
        if hasResidual {
          unsafe found = verified(table, index, key)
        } else {
          unsafe found = table.resolve(
            Machine(), candidate: candidate, key: key, hash: waiting[index].hash, version: version, count: count
          ) { _ in true }
        }
        if let row = unsafe found { unsafe take(row, Int(waiting[index].slot)) }
      }
      index &+= 1
    }
  }

  /// Looks at the first buckets. A bit for each key that may be in its second one.
  ///
  /// A call for a burst: inside of its callers the loop would have to share their registers.
  @inline(never)
  func probe(_ table: ExactTable, _ total: Int) -> UInt64 {
    table.stride > 64 ? probe(table, total, isLong: true) : probe(table, total, isLong: false)
  }

  @inline(__always)
  private func probe(_ table: ExactTable, _ total: Int, isLong: Bool) -> UInt64 {
    var next = unsafe waiting
    let end = unsafe waiting + total
    var away: UInt64 = 0
    var bit: UInt64 = 1
    while unsafe next < end {
      let hash = unsafe next.pointee.hash
      let candidate = table.probe(Machine(), hash: hash)
      unsafe next.pointee.candidate = candidate
      if candidate < ExactTable.unknown {
        unsafe dpu_prefetch(table.row(candidate))
        if isLong { unsafe dpu_prefetch(table.row(candidate) + 64) }
      } else if candidate == ExactTable.unknown {
        away |= bit
        unsafe dpu_prefetch(table.bucket(table.other(table.first(hash), tag: ExactTable.tag(hash))))
      }
      bit &<<= 1
      unsafe next += 1
    }
    return away
  }

  @inline(never)
  func probeOthers(_ table: ExactTable, _ away: UInt64) {
    var rest = away
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      let candidate = unsafe table.probeOther(Machine(), hash: waiting[index].hash)
      unsafe waiting[index].candidate = candidate
      if candidate != ExactTable.none { prefetch(table, candidate) }
    }
  }

  @inline(__always)
  private func prefetch(_ table: ExactTable, _ candidate: UInt32) {
    let row = unsafe table.row(candidate)
    unsafe dpu_prefetch(row)
    if table.stride > 64 { unsafe dpu_prefetch(row + 64) }
  }

  /// With options outside of the key: rows are compared with the frame's own options.
  @inline(never)
  private func verified(
    _ table: ExactTable, _ index: Int, _ words: UnsafePointer<UInt64>
  ) -> UnsafeMutableRawPointer? {
    let (hash, candidate) = unsafe (waiting[index].hash, waiting[index].candidate)
    let slot = unsafe Int(waiting[index].slot)
    let (options, length) = unsafe (scratch[slot].options, scratch[slot].optionsLength)
    return unsafe table.resolve(
      Machine(), candidate: candidate, key: words, hash: hash, version: version, count: table.wordCount
    ) { row in
      let block = unsafe row.load(fromByteOffset: ExactTable.Row.words + 8 &* table.wordCount, as: UInt64.self)
      return unsafe Residual.matches(block, options: options, length: length)
    }
  }

  @inline(__always)
  func hit(of row: UnsafeMutableRawPointer) -> RuleHit {
    unsafe RuleHit(
      index: row.load(fromByteOffset: ExactTable.Row.rule, as: UInt32.self),
      payload: row.load(fromByteOffset: ExactTable.Row.payload, as: UInt32.self),
      priority: row.load(fromByteOffset: ExactTable.Row.priority, as: UInt32.self))
  }

  /// Takes a row as the slot's hit when it is better than the one it has.
  @inline(__always)
  private mutating func take(_ row: UnsafeMutableRawPointer, _ slot: Int) {
    let found = unsafe hit(of: row)
    let bit: UInt64 = 1 &<< UInt64(slot)
    if self.found & bit == 0 || (unsafe isBetter(found, scratch[slot].hit)) {
      unsafe scratch[slot].hit = found
      self.found |= bit
    }
  }

  @inline(__always)
  private func isBetter(_ a: RuleHit, _ b: RuleHit) -> Bool {
    a.priority != b.priority ? a.priority < b.priority : id(of: a) < id(of: b)
  }
}
