import Synchronization

/// The memory that the writer and its readers have in common, kept alive by each of them.
@usableFromInline
final class SharedState: @unchecked Sendable {
  // `@unchecked`: the words are shared by the protocol of Epochs; the counters are each queue's own.
  @usableFromInline let epochs: Epochs
  /// Rules that the tables are made for.
  let limit: Int
  private let board: Region
  private let counters: [Region]
  private let ids: Region
  private let freePlaces = Mutex<[Int]>([])

  init(limit: Int, readers: Int) throws(ClassifierError) {
    self.limit = limit
    board = try Region(bytes: Epochs.size)
    unsafe epochs = Epochs(board: board.base)
    var counters: [Region] = []
    for _ in 0..<readers { counters.append(try Region(bytes: limit * RuleCounter.size)) }
    self.counters = counters
    ids = try Region(bytes: limit * 4)
  }

  /// The place of the view's address, on the version's line.
  @usableFromInline var viewPlace: UnsafeMutableRawPointer { unsafe epochs.board + 8 }

  /// How many readers there can be.
  var readers: Int { counters.count }

  /// A reader is gone, on whatever thread it was. Its counters stay.
  func givePlace(_ place: Int) { freePlaces.withLock { $0.append(place) } }

  /// A place that a reader gave back.
  func takeFreePlace() -> Int? { freePlaces.withLock { $0.popLast() } }

  func counterBase(_ reader: Int) -> UnsafeMutableRawPointer { unsafe counters[reader].base }

  var idBase: UnsafeMutableRawPointer { unsafe ids.base }
}
