import Classifier
import Rules
import Testing

@Suite("Classifier against a linear scan")
struct OracleTests {
  @Test(
    "Every frame hits the rule that a scan over all rules finds, through adds, replaces and deletes", arguments: 0..<6)
  func agrees(seed: Int) throws {
    var rules = RuleMaker(random: Seeded(UInt64(seed)))
    var frames = FrameMaker(random: Seeded(UInt64(seed) + 1000))
    var classifier = try Classifier(limit: 4096, readers: 1)
    var queue = try TestQueue(classifier.makeReader())
    var oracle: [UInt32: Rule] = [:]
    var nextID: UInt32 = 1
    var hits = 0
    var counted: [UInt32: RuleCount] = [:]
    for round in 0..<10 {
      // A transaction of random changes, now and then one that fails at its end.
      let before = oracle
      let fails = rules.random.chance(20)
      do {
        try classifier.transaction(now: UInt64(round)) { change throws(ClassifierError) in
          for _ in 0..<60 {
            let victim = oracle.keys.sorted().dropFirst(rules.random.below(max(1, oracle.count))).first
            switch (rules.random.below(6), victim) {
            case (0, let id?):
              try change.delete(id)
              oracle[id] = nil
            case (1, let id?):
              let rule = rules.rule()
              try change.replace(id, rule, payload: id)
              oracle[id] = rule
            default:
              let rule = rules.rule()
              try change.add(nextID, rule, payload: nextID)
              oracle[nextID] = rule
              nextID += 1
            }
          }
          if fails { try change.delete(.max) }
        }
      } catch {
        #expect(error == .unknownID(.max))
        oracle = before
      }
      for id in counted.keys where oracle[id] == nil { counted[id] = nil }
      #expect(classifier.count == oracle.count)
      for burst in 0..<12 {
        let port = UInt16(1 + burst % 2)
        let group: UInt32 = burst % 3 == 0 ? 3 : 0
        let some = (0..<32).map { _ in frames.frame() }
        for (frame, hit) in zip(some, queue.lookUp(some, port: port, group: group)) {
          guard let hit else { continue }
          let want = OracleFrame.best(oracle, OracleFrame(frame), group: group, port: port)
          #expect((hit.isHit ? hit.payload : nil) == want, "seed \(seed), frame \(frame)")
          if let want {
            hits += 1
            counted[want, default: RuleCount(lastHit: 1)].frames += 1
            counted[want, default: RuleCount()].bytes += UInt64(frame.count)
          }
        }
      }
    }
    for (id, count) in counted {
      #expect(classifier.count(of: id)?.frames == count.frames)
      #expect(classifier.count(of: id)?.bytes == count.bytes)
    }
    // The generator is biased so that the comparison is about hits.
    #expect(hits > 1000)
  }
}
