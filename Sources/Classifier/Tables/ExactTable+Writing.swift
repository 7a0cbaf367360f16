// Writing: one writer, while readers run. Each function says what readers see between its stores.
extension ExactTable {
  /// A place in a bucket.
  struct Place {
    var bucket: UInt32
    var slot: Int
  }

  func tag(_ shared: some SharedWords, _ place: Place) -> UInt16 {
    let half = place.slot >> 2
    let word = unsafe shared.acquire64(bucket(place.bucket) + half * 8)
    return UInt16(truncatingIfNeeded: word >> UInt64(16 * (place.slot & 3)))
  }

  func setTag(_ shared: some SharedWords, _ place: Place, _ tag: UInt16) {
    let half = place.slot >> 2
    let shift = UInt64(16 * (place.slot & 3))
    let at = unsafe bucket(place.bucket) + half * 8
    let word = unsafe shared.acquire64(at)
    unsafe shared.release64(at, word & ~(0xffff << shift) | UInt64(tag) << shift)
  }

  func reference(_ shared: some SharedWords, _ place: Place) -> UInt32 {
    unsafe shared.acquire32(bucket(place.bucket) + Bucket.references + place.slot * 4)
  }

  func setReference(_ shared: some SharedWords, _ place: Place, _ reference: UInt32) {
    unsafe shared.release32(bucket(place.bucket) + Bucket.references + place.slot * 4, reference)
  }

  /// Notes that a row with this tag, at home in the bucket, is about to live in its other one.
  func addOverflow(_ shared: some SharedWords, _ index: UInt32, tag: UInt16) {
    let base = unsafe bucket(index)
    let bits = unsafe shared.acquire64(base + Bucket.away)
    unsafe shared.release64(base + Bucket.away, bits | Self.awayBit(tag))
    unsafe shared.release32(base + Bucket.overflow, shared.acquire32(base + Bucket.overflow) &+ 1)
  }

  /// Notes that such a row is gone. Bits are of many rows and go with the last of them.
  func subtractOverflow(_ shared: some SharedWords, _ index: UInt32) {
    let base = unsafe bucket(index)
    let count = unsafe shared.acquire32(base + Bucket.overflow) &- 1
    unsafe shared.release32(base + Bucket.overflow, count)
    if count == 0 { unsafe shared.release64(base + Bucket.away, 0) }
  }

  func freeSlot(_ shared: some SharedWords, _ index: UInt32) -> Place? {
    let base = unsafe bucket(index)
    let hits = unsafe shared.match(base, tag: 0)
    if hits != 0 { return Place(bucket: index, slot: hits.trailingZeroBitCount) }
    return nil
  }

  /// Where the head of the chain of `key` is.
  func place(_ shared: some SharedWords, key: UnsafePointer<UInt64>, hash: UInt64) -> Place? {
    let tag = Self.tag(hash)
    let home = first(hash)
    if let place = unsafe place(shared, in: home, tag: tag, key: key) { return place }
    // The second bucket is mostly another cache miss.
    guard unsafe isAway(shared, from: bucket(home), tag: tag) else { return nil }
    return unsafe place(shared, in: other(home, tag: tag), tag: tag, key: key)
  }

  private func place(
    _ shared: some SharedWords, in index: UInt32, tag: UInt16, key: UnsafePointer<UInt64>
  ) -> Place? {
    let base = unsafe bucket(index)
    var hits = unsafe shared.match(base, tag: tag)
    while hits != 0 {
      let place = Place(bucket: index, slot: hits.trailingZeroBitCount)
      if unsafe equal(row(reference(shared, place) & ~Self.displaced), key, count: wordCount) { return place }
      hits &= hits &- 1
    }
    return nil
  }

  /// Puts a reference where readers find it: the reference first, then the tag that makes them look at it.
  func fill(_ shared: some SharedWords, _ place: Place, tag: UInt16, reference: UInt32) {
    setReference(shared, place, reference)
    setTag(shared, place, tag)
  }

  /// Adds the head of a new chain. False when there is no room that rows can be moved out of: the table must grow.
  func insert(_ shared: some SharedWords, row: UInt32, hash: UInt64) -> Bool {
    let tag = Self.tag(hash)
    let home = first(hash)
    if let place = freeSlot(shared, home) {
      fill(shared, place, tag: tag, reference: row)
      return true
    }
    let second = other(home, tag: tag)
    if let place = freeSlot(shared, second) {
      addOverflow(shared, home, tag: tag)
      fill(shared, place, tag: tag, reference: row | Self.displaced)
      return true
    }
    for depth in 0..<3 {
      if let place = makeRoom(shared, home, depth: depth) {
        fill(shared, place, tag: tag, reference: row)
        return true
      }
      if let place = makeRoom(shared, second, depth: depth) {
        addOverflow(shared, home, tag: tag)
        fill(shared, place, tag: tag, reference: row | Self.displaced)
        return true
      }
    }
    return false
  }

  /// Adds a new chain where that needs one look at one bucket: nothing there has its tag, nothing like it is away, and a
  /// slot is free. False, and nothing done, in all other cases.
  @inline(__always)
  func insertAtHome(_ shared: some SharedWords, row index: UInt32, hash: UInt64) -> Bool {
    let tag = Self.tag(hash)
    let home = first(hash)
    let base = unsafe bucket(home)
    guard unsafe shared.match(base, tag: tag) == 0, unsafe !isAway(shared, from: base, tag: tag) else { return false }
    let hits = unsafe shared.match(base, tag: 0)
    guard hits != 0 else { return false }
    unsafe shared.release32(row(index) + Row.next, 0)
    fill(shared, Place(bucket: home, slot: hits.trailingZeroBitCount), tag: tag, reference: index)
    return true
  }

  /// Moves one row that is in its first bucket, `index`, to its second; the slot given back still has its tag.
  ///
  /// Readers that look at the first bucket before the caller overwrites the slot find the row there, later ones see
  /// that it is away and find it in the second.
  func makeRoom(_ shared: some SharedWords, _ index: UInt32, depth: Int) -> Place? {
    for slot in 0..<8 {
      let place = Place(bucket: index, slot: slot)
      let reference = reference(shared, place)
      guard reference & Self.displaced == 0 else { continue }
      let tag = tag(shared, place)
      let target = other(index, tag: tag)
      var free = freeSlot(shared, target)
      if free == nil, depth > 0, target != index { free = makeRoom(shared, target, depth: depth - 1) }
      // The way may have come back to this very slot.
      guard let free, self.reference(shared, place) == reference, self.tag(shared, place) == tag else { continue }
      guard free.bucket != place.bucket || free.slot != place.slot else { continue }
      addOverflow(shared, index, tag: tag)
      fill(shared, free, tag: tag, reference: reference | Self.displaced)
      return place
    }
    return nil
  }

  /// Takes the head of a chain out: nobody finds it any more.
  func remove(_ shared: some SharedWords, _ place: Place) {
    let reference = reference(shared, place)
    let tag = tag(shared, place)
    setTag(shared, place, 0)
    if reference & Self.displaced != 0 {
      subtractOverflow(shared, other(place.bucket, tag: tag))
    }
  }
}
