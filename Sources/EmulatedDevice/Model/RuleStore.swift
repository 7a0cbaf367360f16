import Memory

/// The rule table: heads, programs and the index, all in memory that was there at the start. A full table says so.
struct RuleStore: ~Copyable {
  /// Bytes of a program at most; programs come in sizes of 64 · 2^n.
  static let largestProgram = 4096
  static let granule = 64

  /// Rules at most.
  let capacity: Int
  private(set) var count = 0
  private let heads: Bytes
  private let heap: Bytes
  private let directory: Bytes
  private var index: ShapeIndex
  /// First free head plus one; heads that were never used come after those.
  private var freeHead: UInt32 = 0
  private var usedHeads = 0
  /// First free program of each size in granules plus one; the rest of the heap was never used.
  private var freePrograms = InlineArray<7, UInt32>(repeating: 0)
  private var usedGranules = 0

  /// Bytes of programs for `capacity` rules of `each` bytes on average; a few of the largest fit in any case.
  private static func heapBytes(capacity: Int, each: Int) -> Int {
    max(capacity * min(largestProgram, max(granule, each)), min(capacity, 16) * largestProgram)
  }

  /// Bytes that a store of `capacity` rules needs whose programs have `each` bytes on average.
  static func bytes(capacity: Int, each: Int) -> Int {
    let buckets = ShapeIndex.buckets(capacity: capacity)
    return capacity * Row.size + heapBytes(capacity: capacity, each: each) + 2 * buckets * 4 + ShapeIndex.shapeBytes
  }

  init(capacity: Int, each: Int, memory: Bytes) {
    self.capacity = capacity
    let buckets = ShapeIndex.buckets(capacity: capacity)
    heads = memory.slice(0, count: capacity * Row.size)
    var at = capacity * Row.size
    heap = memory.slice(at, count: RuleStore.heapBytes(capacity: capacity, each: each))
    at += heap.count
    directory = memory.slice(at, count: buckets * 4)
    at += buckets * 4
    index = ShapeIndex(
      heads: heads, table: memory.slice(at, count: buckets * 4),
      shapes: memory.slice(at + buckets * 4, count: ShapeIndex.shapeBytes))
  }

  /// Forgets every rule; memory that was used is zeroed.
  mutating func removeAll() {
    heads.fill(0, at: 0, count: usedHeads * Row.size)
    directory.fill(0, at: 0, count: directory.count)
    index.removeAll()
    count = 0
    freeHead = 0
    usedHeads = 0
    freePrograms = InlineArray<7, UInt32>(repeating: 0)
    usedGranules = 0
  }

  func row(_ slot: Int) -> Row { Row(head: heads.slice(slot * Row.size, count: Row.size)) }
  /// Slots that were ever used: 0..<this, free ones among them.
  var slots: Int { usedHeads }

  func match(_ row: Row) -> Bytes { heap.slice(Int(row.program) * RuleStore.granule, count: Int(row.matchCount)) }
  func actions(_ row: Row) -> Bytes {
    let from = Int(row.program) * RuleStore.granule + Int(row.matchCount)
    return heap.slice(from, count: Int(row.programCount) - Int(row.matchCount))
  }

  /// The slot of a rule; nil when there is none of that id.
  func slot(id: UInt32) -> Int? {
    var next = directory.u32(bucket(id))
    while next != 0 {
      let slot = Int(next) - 1
      if row(slot).id == id { return slot }
      next = row(slot).nextById
    }
    return nil
  }

  /// Where the bucket of an id begins in the directory.
  private func bucket(_ id: UInt32) -> Int { (Int((id &* 0x9e37_79b1) >> 7) & (directory.count / 4 - 1)) * 4 }

  /// Takes a row's memory for a program of `size` bytes; nil when head or heap is full. The head is zeroed.
  mutating func allocate(id: UInt32, size: Int) -> Int? {
    guard count < capacity, let program = takeProgram(size) else { return nil }
    let slot: Int
    if freeHead != 0 {
      slot = Int(freeHead) - 1
      freeHead = row(slot).next
    } else {
      slot = usedHeads
      usedHeads += 1
    }
    heads.fill(0, at: slot * Row.size, count: Row.size)
    let row = row(slot)
    row.id = id
    row.program = program
    row.programCount = UInt16(size)
    let at = bucket(id)
    row.nextById = directory.u32(at)
    directory.store(UInt32(slot + 1), at: at)
    count += 1
    return slot
  }

  /// Writes a row's program, of which the first `matchCount` bytes are its match.
  func write(_ slot: Int, _ program: [UInt8], matchCount: Int) {
    let row = row(slot)
    row.matchCount = UInt16(matchCount)
    heap.copy(program, at: Int(row.program) * RuleStore.granule)
  }

  /// Makes a row that is filled in findable.
  mutating func file(_ slot: Int) { index.insert(slot, match(row(slot))) }

  /// Forgets a rule.
  mutating func remove(_ slot: Int) {
    let row = row(slot)
    index.remove(slot)
    let first = bucket(row.id)
    if directory.u32(first) == UInt32(slot + 1) {
      directory.store(row.nextById, at: first)
    } else {
      var before = self.row(Int(directory.u32(first)) - 1)
      while before.nextById != UInt32(slot + 1) { before = self.row(Int(before.nextById) - 1) }
      before.nextById = row.nextById
    }
    giveProgram(row.program, Int(row.programCount))
    row.id = 0
    row.next = freeHead
    freeHead = UInt32(slot + 1)
    count -= 1
  }

  /// M6: the slot of the rule that wins for this frame in this group at this time.
  func find(_ sight: Sight, group: UInt32, now: UInt64) -> Int? {
    var best: Int?
    var bestRow: Row?
    index.candidates(sight, group: group) { slot in
      let row = row(slot)
      guard row.group == group, row.effectiveAt <= now else { return }
      guard row.flags.contains(.transfer) || row.port == sight.inPort else { return }
      if let other = bestRow, (other.priority, other.id) < (row.priority, row.id) { return }
      guard sight.matches(match(row)) else { return }
      best = slot
      bestRow = row
    }
    return best
  }

  private static func sizeClass(_ size: Int) -> Int {
    var sizeClass = 0
    while granule << sizeClass < size { sizeClass += 1 }
    return sizeClass
  }

  private mutating func takeProgram(_ size: Int) -> UInt32? {
    guard size <= RuleStore.largestProgram else { return nil }
    let sizeClass = RuleStore.sizeClass(size)
    if freePrograms[sizeClass] != 0 {
      let first = freePrograms[sizeClass] - 1
      freePrograms[sizeClass] = heap.u32(Int(first) * RuleStore.granule)
      return first
    }
    guard (usedGranules + (1 << sizeClass)) * RuleStore.granule <= heap.count else { return nil }
    defer { usedGranules += 1 << sizeClass }
    return UInt32(usedGranules)
  }

  private mutating func giveProgram(_ program: UInt32, _ size: Int) {
    let sizeClass = RuleStore.sizeClass(size)
    heap.store(freePrograms[sizeClass], at: Int(program) * RuleStore.granule)
    freePrograms[sizeClass] = program + 1
  }
}
