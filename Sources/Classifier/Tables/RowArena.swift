/// Rows of one size: an index is a place in one mapping, so that readers need no directory. Indices are reused.
final class RowArena {
  /// Bytes of a row.
  let stride: Int
  private let region: Region
  private let limit: Int
  private var used = 0
  private var free: [UInt32] = []

  /// A place for `limit` rows of `stride` bytes.
  init(stride: Int, limit: Int) throws(ClassifierError) {
    self.stride = stride
    self.limit = limit
    region = try Region(bytes: stride * limit)
  }

  /// Where row 0 is.
  var base: UnsafeMutableRawPointer { unsafe region.base }

  /// Bytes of the rows that were ever in use.
  var usedBytes: Int { used * stride }

  /// An unused row's index.
  func take() throws(ClassifierError) -> UInt32 {
    if let index = free.popLast() { return index }
    guard used < limit else { throw .full(limit: limit) }
    used += 1
    return UInt32(used - 1)
  }

  /// Unused rows' indices, all or none.
  func take(_ count: Int, into rows: inout InlineArray<32, UInt32>) throws(ClassifierError) {
    guard free.count + limit - used >= count else { throw .full(limit: limit) }
    let again = min(count, free.count)
    for place in 0..<again { rows[place] = free[free.count - 1 - place] }
    free.removeLast(again)
    for place in again..<count { rows[place] = UInt32(used + place - again) }
    used += count - again
  }

  /// A row that no reader can see any more.
  func give(_ index: UInt32) { free.append(index) }

  /// Where a row is.
  func row(_ index: UInt32) -> UnsafeMutableRawPointer { unsafe base + Int(index) * stride }

  /// Bytes of a row of `words` words: one cache line up to five, so that the common rules take one line.
  static func stride(words: Int) -> Int {
    let bytes = ExactTable.Row.words + 8 * words
    return bytes <= 32 ? 32 : max(64, (bytes + 31) & ~31)
  }
}
