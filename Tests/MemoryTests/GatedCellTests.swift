import Dispatch
import Testing

@testable import Memory

struct GatedCellTests {
  /// Two words that are equal outside of a burst; says when it ends.
  private struct Pair: ~Copyable {
    var first = 0
    var second = 0
    let ended: Tally
    deinit { ended.count += 1 }
  }

  private final class Tally: @unchecked Sendable {
    var count = 0
    var bursts = 0
    var torn = 0
    var stop = false
  }

  @Test("A value is changed and taken away between bursts only, while a worker uses it all the time")
  func replaced() {
    let cell = GatedCell<Pair>()
    let tally = Tally()
    let stop = GatedCell<Pair>()
    stop.fill(Pair(ended: Tally()))
    let done = DispatchSemaphore(value: 0)
    DispatchQueue(label: "worker").async {
      while stop.isOpen {
        _ = cell.withValue { pair in
          if pair.first != pair.second { tally.torn += 1 }
          pair.first += 1
          pair.second += 1
          tally.bursts += 1
        }
      }
      done.signal()
    }
    let rounds = 500
    for round in 0..<rounds {
      cell.fill(Pair(first: round, second: round, ended: tally))
      cell.close { pair in
        pair.first = 7
        pair.second = 7
      }
      cell.reopen()
      if round % 16 == 0 { PollTicks.pause() }
      if round % 3 == 0 { cell.empty() }
    }
    cell.empty()
    stop.close()
    done.wait()
    #expect(tally.torn == 0 && tally.count == rounds)
    #expect(cell.withValue { _ in 1 } == nil)
  }
}
