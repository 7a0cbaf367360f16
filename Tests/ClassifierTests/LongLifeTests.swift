@testable import Classifier
import Rules
import Testing

@Suite("Rules that stay")
struct LongLifeTests {
  @Test("A rule is hit after any number of changes, also when the version's low half has gone around")
  func manyVersions() throws {
    var attributes = Attributes()
    attributes.transfer = true
    let rule = Rule(attributes: attributes, pattern: [.eth(EthItem())], actions: [.drop])
    var classifier = try Classifier(limit: 64, readers: 1)
    var queue = try TestQueue(classifier.makeReader())
    var frames = FrameMaker(random: Seeded(5))
    let frame = [frames.ethernet(tunnels: false)]
    try classifier.transaction(now: 0) { change throws(ClassifierError) in try change.add(1, rule, payload: 7) }
    for round in 0..<12 as Range<UInt32> {
      // As if so many transactions had been: 6 * 2^29 versions go around 2^32 once, and more.
      classifier.writer.version += 1 << 29
      let seen = round % 2 == 0
      try classifier.transaction(now: 0) { change throws(ClassifierError) in
        if seen { try change.add(100 + round, rule) } else { try change.delete(99 + round) }
      }
      let hits = queue.lookUp(frame, port: 1, group: 0, now: 1)
      #expect(hits[0]?.payload == 7, "round \(round), version \(classifier.statistics.version)")
    }
  }
}
