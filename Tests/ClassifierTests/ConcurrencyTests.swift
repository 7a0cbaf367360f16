import Classifier
import Dispatch
import Rules
import Synchronization
import Testing

// The tests that are for ThreadSanitizer: swift test --sanitize=thread --filter ClassifierTests
@Suite("A control thread changes rules while readers look up")
struct ConcurrencyTests {
  /// What the two threads share; the reader is the other thread's alone while it runs.
  private final class Side: @unchecked Sendable {
    let isStopped = Atomic(false)
    let bursts = Atomic(0)
    let torn = Atomic(0)
    let backwards = Atomic(0)
    let misses = Atomic(0)
    let ended = DispatchSemaphore(value: 0)
    var queue: TestQueue
    init(_ queue: consuming TestQueue) { self.queue = queue }
  }

  @Test("Two rules that change together are seen together, never missed and never older than before; counts add up")
  func together() throws {
    var classifier = try Classifier(limit: 1 << 12, readers: 2)
    let frames: [[UInt8]] = [1, 2].map { Self.frame(to: $0) }
    let rules = (0..<600).map { Self.rule(to: UInt32($0)) }
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.add(1, rules[1], payload: 0)
      try change.add(2, rules[2], payload: 0)
    }
    let sides = try (0..<2).map { _ in Side(try TestQueue(classifier.makeReader())) }
    for side in sides {
      DispatchQueue(label: "reader").async {
        var last: UInt32 = 0
        while !side.isStopped.load(ordering: .relaxed) {
          let hits = side.queue.lookUp(frames, port: 1, group: 0).map { $0?.isHit == true ? $0?.payload : nil }
          guard let one = hits[0], let two = hits[1] else {
            side.misses.add(1, ordering: .relaxed)
            continue
          }
          if one != two { side.torn.add(1, ordering: .relaxed) }
          if one < last { side.backwards.add(1, ordering: .relaxed) }
          last = one
          side.bursts.add(1, ordering: .relaxed)
        }
        side.ended.signal()
      }
    }
    var random = Seeded(11)
    var present: Set<UInt32> = []
    var payload: UInt32 = 0
    while payload < 400 || sides.contains(where: { $0.bursts.load(ordering: .relaxed) < 50 }) {
      payload += 1
      // Others come and go, so that rows move, tables grow, and rows are used again.
      try classifier.transaction(now: 0) { change throws(ClassifierError) in
        try change.replace(1, rules[1], payload: payload)
        for _ in 0..<6 {
          let id = UInt32(3 + random.below(597))
          if present.remove(id) != nil {
            try change.delete(id)
          } else {
            present.insert(id)
            try change.add(id, rules[Int(id)])
          }
        }
        try change.replace(2, rules[2], payload: payload)
      }
    }
    for side in sides { side.isStopped.store(true, ordering: .relaxed) }
    for side in sides { side.ended.wait() }
    var bursts = 0
    for side in sides {
      #expect(side.misses.load(ordering: .relaxed) == 0)
      #expect(side.torn.load(ordering: .relaxed) == 0)
      #expect(side.backwards.load(ordering: .relaxed) == 0)
      bursts += side.bursts.load(ordering: .relaxed)
    }
    #expect(classifier.count(of: 1)?.frames == UInt64(bursts))
    #expect(classifier.count(of: 2)?.frames == UInt64(bursts))
    classifier.reclaim()
    #expect(classifier.statistics.waitingRows == 0)
  }

  private static func rule(to number: UInt32) -> Rule {
    var attributes = Attributes()
    attributes.transfer = true
    var ip = IPv4Item()
    ip.dst = Field(number)
    return Rule(attributes: attributes, pattern: [.eth(EthItem()), .ipv4(ip)], actions: [.drop])
  }

  private static func frame(to number: UInt8) -> [UInt8] {
    [
      2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 99, 0, 0, 10, 0, 0, 1, 0, 0, 0,
      number,
    ]
  }
}
