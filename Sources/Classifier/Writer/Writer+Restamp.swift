// Rows keep 32 bits of the version that shows them, and compare them around the clock: a row that stays for 2^31 versions
// would stop being seen. So long before that the rows that stay get a younger birth, one that all readers are past.
extension Writer {
  /// Gives every living row a birth that is recent enough, when the last time is ``restampAfter`` versions ago.
  ///
  /// It touches every row once, so it takes tens of milliseconds for a million rules; at a hundred thousand changes a
  /// second once in an hour and a half.
  func restampWhenDue() {
    guard version - restamped >= restampAfter else { return }
    let oldest = shared.epochs.oldest(words, readers: readerCount, now: version)
    // Nobody is inside with a version below this one.
    let birth = UInt32(truncatingIfNeeded: oldest)
    for case let table? in subtables { table.restamp(words, birth: birth) }
    restamped = oldest
  }
}

extension Subtable {
  /// Makes `birth` the version that shows each row that is older than it.
  func restamp(_ shared: some SharedWords, birth: UInt32) {
    for bucket in 0...table.bucketMask {
      for slot in 0..<8 {
        let place = ExactTable.Place(bucket: bucket, slot: slot)
        guard table.tag(shared, place) != 0 else { continue }
        var next = table.reference(shared, place) & ~ExactTable.displaced + 1
        while next != 0 {
          let row = unsafe table.row(next - 1)
          let born = unsafe shared.acquire32(row + ExactTable.Row.born)
          if Int32(bitPattern: birth &- born) > 0 { unsafe shared.release32(row + ExactTable.Row.born, birth) }
          next = unsafe shared.acquire32(row + ExactTable.Row.next)
        }
      }
    }
  }
}
