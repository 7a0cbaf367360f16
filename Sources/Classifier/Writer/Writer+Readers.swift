extension Writer {
  func makeReader() throws(ClassifierError) -> Reader {
    let place: Int
    if let free = shared.takeFreePlace() {
      place = free
    } else {
      guard readerCount < shared.readers else { throw .tooManyReaders(limit: shared.readers) }
      place = readerCount
      readerCount += 1
    }
    return Reader(shared: shared, place: place)
  }

  var currentStatistics: ClassifierStatistics {
    var now = statistics
    now.version = version
    now.subtables = subtables.reduce(0) { $0 + ($1 == nil ? 0 : 1) }
    now.tableBytes = book.records.count * (4 + readerCount * RuleCounter.size)
    for arena in arenas.values { now.tableBytes += arena.usedBytes }
    for case let table? in subtables { now.tableBytes += table.bucketBytes }
    return now
  }
}
