import CShim

/// One exact-match table as readers see it: two-choice buckets of tags and row indices, and rows of masked words.
///
/// A bucket is a cache line: eight 16-bit tags (0 is empty) at 0, eight 32-bit row references at 16, at 48 how many rows
/// whose first bucket this is live in their second one, and at 56 a bit for the top six bits of each such row's tag. Where
/// the bit is not set, the second bucket need not be looked at.
/// A row has a header of 24 bytes (``Row``) and its words behind it; rows of one match are chained, best first.
///
/// **Why a reader never misses a row that it must see.** A row moves only from its first bucket to its second, is
/// written there before it is overwritten here, and readers look at the first before the second. See README.md.
@safe @frozen @usableFromInline
struct ExactTable: @unchecked Sendable {
  // Owned by the writer, freed two epochs after a reader could have had it. Oracle: TableTests, properties
  // classifier-model.
  @usableFromInline var buckets: UnsafeMutableRawPointer
  @usableFromInline var rows: UnsafeMutableRawPointer
  /// Count of buckets, a power of two of at least 2, less one.
  @usableFromInline var bucketMask: UInt32
  /// Bytes from one row to the next.
  @usableFromInline var stride: UInt32
  /// Words of a row's match.
  @usableFromInline var wordCount: Int

  @usableFromInline
  init(
    buckets: UnsafeMutableRawPointer, rows: UnsafeMutableRawPointer, bucketMask: UInt32, stride: UInt32, wordCount: Int
  ) {
    unsafe self.buckets = buckets
    unsafe self.rows = rows
    self.bucketMask = bucketMask
    self.stride = stride
    self.wordCount = wordCount
  }

  /// Offsets in a row's header.
  @usableFromInline enum Row {
    /// The version that shows the row.
    @usableFromInline static let born = 0
    /// The version that hides it; 0 for none.
    @usableFromInline static let died = 4
    /// Index plus one of the next row of the same match, worse than this one; 0 for none.
    @usableFromInline static let next = 8
    /// The rule's dense index.
    @usableFromInline static let rule = 12
    /// What the caller gave.
    @usableFromInline static let payload = 16
    /// The rule's priority.
    @usableFromInline static let priority = 20
    /// The words.
    @usableFromInline static let words = 24
  }

  /// Offsets in a bucket.
  @usableFromInline enum Bucket {
    @usableFromInline static let tags = 0
    @usableFromInline static let references = 16
    @usableFromInline static let overflow = 48
    @usableFromInline static let away = 56
    @usableFromInline static let size = 64
  }

  /// A reference's top bit: the row lives in its second bucket.
  @usableFromInline static let displaced: UInt32 = 0x8000_0000

  /// Spreads `count` words over 64 bits, two words a multiplication.
  ///
  /// One of the two is added to its seed and not xored: the compiler would fetch, mix and take apart again two words that
  /// are treated alike. Seeds that are added are short, so that they are part of the instruction.
  @inlinable @inline(__always)
  static func hash(_ words: UnsafePointer<UInt64>, count: Int) -> UInt64 {
    var sum: UInt64 = 0
    var index = 0
    while index &+ 1 < count {
      sum = unsafe sum ^ fold(words[index] ^ seed(index), words[index &+ 1] &+ (seed(index &+ 1) &>> 33))
      index &+= 2
    }
    if index < count { sum = unsafe sum ^ fold(words[index], 0xd6e8_feb8_6659_fd93) }
    return sum
  }

  /// A different odd constant for each place, so that equal words at two places do not cancel out.
  @inlinable @inline(__always)
  static func seed(_ index: Int) -> UInt64 {
    (UInt64(truncatingIfNeeded: index) &+ 1) &* 0xe703_7ed1_a0b4_28db | 1
  }

  @inlinable @inline(__always)
  static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// The tag of a hash, never 0.
  @inlinable @inline(__always)
  static func tag(_ hash: UInt64) -> UInt16 {
    UInt16(truncatingIfNeeded: hash &>> 48) | 1
  }

  /// The bit of ``Bucket/away`` for a tag.
  @inlinable @inline(__always)
  static func awayBit(_ tag: UInt16) -> UInt64 { 1 &<< UInt64(tag &>> 10) }

  /// Whether a row with this tag, at home in `bucket`, may be in its other bucket. To be asked after the tags were looked
  /// at: a row that left the bucket was noted there before.
  @inlinable @inline(__always)
  func isAway<W: SharedWords>(_ shared: W, from bucket: UnsafeMutableRawPointer, tag: UInt16) -> Bool {
    unsafe shared.acquire64(bucket + Bucket.away) & Self.awayBit(tag) != 0
  }

  /// The first bucket of a hash.
  @inlinable @inline(__always)
  func first(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) & bucketMask }

  /// The other bucket of a tag that is in `bucket`; its own inverse, and never `bucket`.
  @inlinable @inline(__always)
  func other(_ bucket: UInt32, tag: UInt16) -> UInt32 {
    (bucket ^ (UInt32(tag) &* 0x5bd1_e995 | 1)) & bucketMask
  }

  @inlinable @inline(__always)
  func bucket(_ index: UInt32) -> UnsafeMutableRawPointer { unsafe buckets + Int(index) &* Bucket.size }

  @inlinable @inline(__always)
  func row(_ index: UInt32) -> UnsafeMutableRawPointer { unsafe rows + Int(index) &* Int(stride) }
}

// Reading. Generic over SharedWords so that the model steps through this very code.
extension ExactTable {
  /// Whether the row's words equal the `count` at `key`. A constant `count` makes straight code.
  @inlinable @inline(__always)
  func equal(_ row: UnsafeMutableRawPointer, _ key: UnsafePointer<UInt64>, count: Int) -> Bool {
    let words = unsafe UnsafePointer<UInt64>((row + Row.words).assumingMemoryBound(to: UInt64.self))
    var difference: UInt64 = 0
    var index = 0
    while index < count {
      difference |= unsafe words[index] ^ key[index]
      index &+= 1
    }
    return difference == 0
  }

  /// Whether a reader that entered at `version` sees the row.
  @inlinable @inline(__always)
  static func isVisible<W: SharedWords>(_ shared: W, _ row: UnsafeMutableRawPointer, version: UInt32) -> Bool {
    let both = unsafe shared.acquire64(row + Row.born)
    let born = UInt32(truncatingIfNeeded: both)
    let died = UInt32(truncatingIfNeeded: both &>> 32)
    return Int32(bitPattern: version &- born) >= 0 && (died == 0 || Int32(bitPattern: version &- died) < 0)
  }

  /// The first row of a chain that the reader sees and that `accept` takes.
  @inlinable @inline(__always)
  func choose<W: SharedWords>(
    _ shared: W, head: UInt32, version: UInt32, accept: (UnsafeMutableRawPointer) -> Bool
  ) -> UnsafeMutableRawPointer? {
    var row = unsafe row(head)
    while true {
      if unsafe Self.isVisible(shared, row, version: version), unsafe accept(row) { return unsafe row }
      let next = unsafe shared.acquire32(row + Row.next)
      guard next != 0 else { return nil }
      unsafe row = self.row(next &- 1)
    }
  }

  /// The head of the chain whose match is `key`, looked for in one bucket; ``none`` when it is not there.
  @inlinable @inline(__always)
  func head<W: SharedWords>(
    _ shared: W, in bucket: UnsafeMutableRawPointer, tag: UInt16, key: UnsafePointer<UInt64>
  ) -> UInt32 {
    var hits = unsafe shared.match(bucket, tag: tag)
    while hits != 0 {
      let slot = hits.trailingZeroBitCount
      let reference = unsafe shared.acquire32(bucket + Bucket.references + slot &* 4) & ~Self.displaced
      if unsafe equal(row(reference), key, count: wordCount) { return reference }
      hits &= hits &- 1
    }
    return Self.none
  }

  /// No row.
  @usableFromInline static let none: UInt32 = 0x7fff_ffff
  /// Not known after the first look at the first bucket.
  @usableFromInline static let unknown: UInt32 = 0x7fff_fffe

  /// The first look: a row of the first bucket whose tag is right, ``none`` when there surely is none, or ``unknown``.
  ///
  /// Between it and ``resolve(_:candidate:key:hash:version:count:accept:)`` the row's line has time to come.
  @inlinable @inline(__always)
  func probe<W: SharedWords>(_ shared: W, hash: UInt64) -> UInt32 {
    let tag = Self.tag(hash)
    let home = unsafe bucket(first(hash))
    let hits = unsafe shared.match(home, tag: tag)
    if hits != 0 {
      let slot = hits.trailingZeroBitCount
      return unsafe shared.acquire32(home + Bucket.references + slot &* 4) & ~Self.displaced
    }
    return unsafe isAway(shared, from: home, tag: tag) ? Self.unknown : Self.none
  }

  /// The second look, for a hash that ``probe(_:hash:)`` said ``unknown`` of: a row of the second bucket whose tag is
  /// right, or ``none`` when there surely is none.
  @inlinable @inline(__always)
  func probeOther<W: SharedWords>(_ shared: W, hash: UInt64) -> UInt32 {
    let tag = Self.tag(hash)
    let second = unsafe bucket(other(first(hash), tag: tag))
    let hits = unsafe shared.match(second, tag: tag)
    if hits == 0 { return Self.none }
    return unsafe shared.acquire32(second + Bucket.references + hits.trailingZeroBitCount &* 4) & ~Self.displaced
  }

  /// The best row for `key` (`count` masked words with this `hash`) at `version`, or nil. `candidate` is what
  /// ``probe(_:hash:)`` or ``probeOther(_:hash:)`` said, and a row.
  @inlinable @inline(__always)
  func resolve<W: SharedWords>(
    _ shared: W, candidate: UInt32, key: UnsafePointer<UInt64>, hash: UInt64, version: UInt32, count: Int,
    accept: (UnsafeMutableRawPointer) -> Bool
  ) -> UnsafeMutableRawPointer? {
    let row = unsafe row(candidate)
    if unsafe equal(row, key, count: count), unsafe Self.isVisible(shared, row, version: version), unsafe accept(row) {
      return unsafe row
    }
    let head = unsafe search(shared, key: key, hash: hash)
    if head == Self.none { return nil }
    return unsafe choose(shared, head: head, version: version, accept: accept)
  }

  /// The head of the chain of `key`, in either bucket: where the first look was not enough.
  @inlinable @inline(never)
  func search<W: SharedWords>(_ shared: W, key: UnsafePointer<UInt64>, hash: UInt64) -> UInt32 {
    let tag = Self.tag(hash)
    let index = first(hash)
    let home = unsafe bucket(index)
    let head = unsafe head(shared, in: home, tag: tag, key: key)
    if head != Self.none { return head }
    guard unsafe isAway(shared, from: home, tag: tag) else { return Self.none }
    return unsafe self.head(shared, in: bucket(other(index, tag: tag)), tag: tag, key: key)
  }
}
