import Classifier
import Rules
import Testing

@Suite("Rules added many at once")
struct BatchTests {
  @Test("A batch is the same as its rules added one by one, counters and ids included")
  func batch() throws {
    var classifier = try Classifier(limit: 4096, readers: 1)
    var queue = try TestQueue(classifier.makeReader())
    var frames = FrameMaker(random: Seeded(5))
    func rule(_ address: UInt32, _ port: UInt16) -> Rule {
      var attributes = Attributes()
      attributes.transfer = true
      var ip = IPv4Item()
      ip.dst = Field(address)
      var udp = L4Item()
      udp.src = Field(port)
      return Rule(attributes: attributes, pattern: [.eth(EthItem()), .ipv4(ip), .udp(udp)], actions: [.drop])
    }
    let template = try classifier.template(for: rule(0, 0))
    let address = try #require(template.field(.ipv4Destination(.outer)))
    let port = try #require(template.field(.l4Source(.outer)))
    #expect(template.field(.ipv4Source(.outer)) == nil)
    var oracle: [UInt32: Rule] = [:]
    var values: [(UInt32, UInt16)] = []
    for one in Few.addresses { for two in Few.ports + [7, 8, 9] { values.append((one, two)) } }
    for (index, value) in values.enumerated() { oracle[UInt32(index + 1)] = rule(value.0, value.1) }
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.addBatch(template, count: values.count) { index, rule in
        rule.id = UInt32(index + 1)
        rule.payload = UInt32(index + 1)
        rule.set(address, UInt64(values[index].0))
        rule.set(port, UInt64(values[index].1))
      }
    }
    var hits = 0
    for _ in 0..<60 {
      let some = (0..<32).map { _ in frames.frame() }
      for (frame, hit) in zip(some, queue.lookUp(some, port: 1, group: 0)) {
        guard let hit else { continue }
        let want = OracleFrame.best(oracle, OracleFrame(frame), group: 0, port: 1)
        #expect((hit.isHit ? hit.payload : nil) == want)
        hits += hit.isHit ? 1 : 0
      }
    }
    #expect(hits > 20)
  }

  @Test("A batch with an id that exists changes nothing, and the tables take all their rules again afterwards")
  func duplicate() throws {
    var classifier = try Classifier(limit: 300, readers: 1)
    let template = try classifier.template(for: Rule(pattern: [.ipv4(IPv4Item())], actions: [.drop]))
    for _ in 0..<4 {
      #expect(throws: ClassifierError.duplicateID(7)) {
        try classifier.transaction(now: 0) { change throws(ClassifierError) in
          try change.addBatch(template, count: 200) { index, rule in rule.id = index == 150 ? 7 : UInt32(index) }
        }
      }
      #expect(classifier.count == 0)
    }
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.addBatch(template, count: 300) { index, rule in rule.id = UInt32(index) }
    }
    #expect(classifier.count == 300)
    #expect(throws: ClassifierError.full(limit: 300)) {
      try classifier.transaction(now: 0) { change throws(ClassifierError) in
        try change.addBatch(template, count: 2) { index, rule in rule.id = UInt32(400 + index) }
      }
    }
    #expect(classifier.count == 300)
  }
}
