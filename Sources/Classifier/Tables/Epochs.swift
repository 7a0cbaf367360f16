/// Who looks at the tables now: the version that is shown, and the version that each reader entered with.
///
/// The version goes up by one with each transaction and with each round of taking things apart. A reader writes the
/// version it sees into its place when it enters and 0 when it leaves, each on a cache line of its own. Nobody waits.
@safe @frozen @usableFromInline
struct Epochs: @unchecked Sendable {
  /// Places for readers.
  @usableFromInline static let mostReaders = 64
  /// Bytes of the board: the version's line and a line for each reader.
  @usableFromInline static let size = 64 * (1 + mostReaders)

  // Owned by the writer's SharedState, which every reader keeps alive.
  @usableFromInline let board: UnsafeMutableRawPointer

  @usableFromInline
  init(board: UnsafeMutableRawPointer) { unsafe self.board = board }

  @inlinable @inline(__always)
  func place(_ reader: Int) -> UnsafeMutableRawPointer { unsafe board + 64 &* (reader &+ 1) }

  /// Enters: after this, nothing that the returned version shows is freed until ``leave(_:reader:)``.
  ///
  /// The place is written with a version that may be older than the one returned, which only keeps more. A writer
  /// that looked at the place before the store freed nothing that the second load's version still shows.
  @inlinable @inline(__always)
  func enter<W: SharedWords>(_ shared: W, reader: Int) -> UInt64 {
    let seen = unsafe shared.acquire64(board)
    unsafe shared.order64(place(reader), seen)
    return unsafe shared.ordered64(board)
  }

  /// Leaves.
  @inlinable @inline(__always)
  func leave<W: SharedWords>(_ shared: W, reader: Int) {
    unsafe shared.release64(place(reader), 0)
  }

  /// The oldest version that a reader among the first `readers` may still look at, or `now` when all are outside.
  @usableFromInline
  func oldest<W: SharedWords>(_ shared: W, readers: Int, now: UInt64) -> UInt64 {
    var oldest = now
    for reader in 0..<readers {
      let seen = unsafe shared.ordered64(place(reader))
      if seen != 0 { oldest = min(oldest, seen) }
    }
    return oldest
  }

  /// Shows `version`.
  @usableFromInline
  func publish<W: SharedWords>(_ shared: W, _ version: UInt64) { unsafe shared.order64(board, version) }
}
