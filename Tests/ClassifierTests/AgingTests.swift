import Classifier
import Rules
import Testing

@Suite("Age timers, counters and what is retired")
struct AgingTests {
  private static let second: UInt64 = 1_000_000_000

  private func rule(_ timeout: UInt32, _ item: Item = .eth(EthItem())) -> Rule {
    var attributes = Attributes()
    attributes.transfer = true
    return Rule(attributes: attributes, pattern: [item], actions: [.age(timeout: timeout), .drop])
  }

  @Test("A rule is told once an idle time, and again after a hit and another idle time")
  func aging() throws {
    var classifier = try Classifier(limit: 16, readers: 2)
    var queue = try TestQueue(classifier.makeReader())
    var frames = FrameMaker(random: Seeded(3))
    let frame = [frames.ethernet(tunnels: false)]
    let ageing = rule(10)
    try classifier.transaction(now: 5 * Self.second) { change throws(ClassifierError) in
      try change.add(1, ageing)
    }
    #expect(classifier.aged(now: 15 * Self.second - 1) == [])
    #expect(classifier.aged(now: 15 * Self.second) == [1])
    #expect(classifier.aged(now: 16 * Self.second) == [])
    #expect(classifier.aged(now: 40 * Self.second) == [])
    _ = queue.lookUp(frame, port: 1, group: 0, now: 41 * Self.second)
    #expect(classifier.aged(now: 50 * Self.second) == [])
    #expect(classifier.aged(now: 51 * Self.second) == [1])
    #expect(classifier.aged(now: 90 * Self.second) == [])
    // The timer of a deleted rule does not tell of a rule that has its id and index now.
    let other = rule(100)
    try classifier.transaction(now: 90 * Self.second) { change throws(ClassifierError) in
      try change.delete(1)
      try change.add(1, other)
    }
    #expect(classifier.aged(now: 189 * Self.second) == [])
    #expect(classifier.aged(now: 190 * Self.second) == [1])
  }

  @Test(
    "A replaced rule keeps its counter; what cannot be hit any more is told, with its last counts, once readers left")
  func retired() throws {
    var classifier = try Classifier(limit: 16, readers: 2)
    var queue = try TestQueue(classifier.makeReader())
    var late = try classifier.makeReader()
    var frames = FrameMaker(random: Seeded(3))
    let frame = frames.ethernet(tunnels: false)
    let list = RetiredList()
    classifier.onRetired { list.rules.append($0) }
    let (first, second) = (rule(1), rule(1, .eth(EthItem())))
    try classifier.transaction(now: 0) { change throws(ClassifierError) in try change.add(4, first, payload: 40) }
    _ = queue.lookUp([frame, frame], port: 1, group: 0)
    late.enter(now: 0)
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.replace(4, second, payload: 41)
    }
    #expect(queue.lookUp([frame], port: 1, group: 0).first??.payload == 41)
    try classifier.transaction(now: 0) { change throws(ClassifierError) in try change.delete(4) }
    classifier.reclaim()
    #expect(list.rules.isEmpty)
    #expect(classifier.statistics.waitingRows == 2)
    late.leave()
    classifier.reclaim()
    #expect(list.rules.map(\.payload) == [40, 41])
    #expect(list.rules.map(\.id) == [nil, 4])
    #expect(list.rules.last?.count.frames == 3)
    #expect(list.rules.last?.count.bytes == UInt64(3 * frame.count))
    #expect(classifier.statistics.waitingRows == 0)
    #expect(classifier.statistics.subtables == 0)
  }

  private final class RetiredList { var rules: [RetiredRule] = [] }

  @Test("A place that a reader gave back is taken again, and more readers than places are refused")
  func places() throws {
    var classifier = try Classifier(limit: 16, readers: 1)
    for _ in 0..<3 { _ = try classifier.makeReader() }
    let kept = try classifier.makeReader()
    #expect(throws: ClassifierError.tooManyReaders(limit: 1)) { _ = try classifier.makeReader() }
    _ = consume kept
  }
}
