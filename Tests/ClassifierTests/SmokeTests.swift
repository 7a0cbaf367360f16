import Classifier
import Memory
import Rules
import Testing
import Wire

@Suite("Classifier")
struct ClassifierTests {
  @Test("A frame hits the rule of the lowest priority number, then of the lowest id")
  func priorities() throws {
    var classifier = try Classifier(limit: 64, readers: 1)
    var reader = try classifier.makeReader()
    var attributes = Attributes()
    attributes.port = 1
    attributes.priority = 5
    let any = Rule(attributes: attributes, pattern: [.eth(EthItem())], actions: [.drop])
    attributes.priority = 2
    let ip = Rule(attributes: attributes, pattern: [.eth(EthItem()), .ipv4(IPv4Item())], actions: [.drop])
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.add(1, any, payload: 10)
      try change.add(3, ip, payload: 30)
      try change.add(2, ip, payload: 20)
    }
    #expect(payload(&reader, ipv4Frame) == 20)
    try classifier.transaction(now: 0) { change throws(ClassifierError) in try change.delete(2) }
    #expect(payload(&reader, ipv4Frame) == 30)
    try classifier.transaction(now: 0) { change throws(ClassifierError) in try change.delete(3) }
    #expect(payload(&reader, ipv4Frame) == 10)
    #expect(throws: ClassifierError.unknownID(3)) {
      try classifier.transaction(now: 0) { change throws(ClassifierError) in
        try change.delete(1)
        try change.delete(3)
      }
    }
    #expect(payload(&reader, ipv4Frame) == 10)
    #expect(classifier.count(of: 1) == RuleCount(frames: 2, bytes: 84, lastHit: 9))
  }

  @Test("A rule's first option keeps its place in the key when its second one finds none")
  func optionPlaces() throws {
    var classifier = try Classifier(limit: 64, readers: 1)
    var reader = try classifier.makeReader()
    func rule(_ options: [(type: UInt8, words: Int)]) -> Rule {
      var attributes = Attributes()
      attributes.port = 1
      let items = options.map { option in
        Item.geneveOption(
          GeneveOptionItem(
            optionClass: 9, type: option.type, length: UInt8(option.words),
            data: [UInt32](repeating: 0, count: option.words), mask: [UInt32](repeating: .max, count: option.words)))
      }
      return Rule(
        attributes: attributes, pattern: [.ipv4(IPv4Item()), .geneve(GeneveItem())] + items, actions: [.drop])
    }
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      // Of the key's eight words one is left: the next rule's first option takes it, its second needs two.
      for type in UInt8(1)...3 { try change.add(UInt32(type), rule([(type, 2)]), payload: UInt32(type)) }
      try change.add(4, rule([(4, 1)]), payload: 4)
      try change.add(5, rule([(5, 1), (6, 2)]), payload: 5)
    }
    #expect(payload(&reader, geneveFrame([(6, 2)])) == nil)
    #expect(payload(&reader, geneveFrame([(5, 1)])) == nil)
    #expect(payload(&reader, geneveFrame([(5, 1), (6, 2)])) == 5)
    #expect(payload(&reader, geneveFrame([(3, 2), (4, 1)])) == 3)
  }

  /// A Geneve packet with options of class 9 whose data is 0, around an empty Ethernet frame.
  private func geneveFrame(_ options: [(type: UInt8, words: Int)]) -> [UInt8] {
    let list = options.flatMap { [0, 9, $0.type, UInt8($0.words)] + [UInt8](repeating: 0, count: $0.words * 4) }
    let count = UInt8(20 + 8 + 8 + list.count + 14)
    return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, count, 0, 0, 0x40, 0, 64, 17, 0, 0]
      + [10, 0, 0, 1, 10, 0, 0, 2, 0xc0, 0, 0x17, 0xc1, 0, count - 20, 0, 0]
      + [UInt8(list.count / 4), 0, 0x65, 0x58, 0, 0, 1, 0] + list + [UInt8](repeating: 2, count: 14)
  }

  private var ipv4Frame: [UInt8] {
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
      + [0, 1, 0, 2, 0, 8, 0, 0]
  }

  private func payload(_ reader: inout Reader, _ frame: [UInt8]) -> UInt32? {
    var arena: FrameArena
    do { arena = try FrameArena(capacity: 1) } catch { return nil }
    let window = arena.buffer(arena.take() ?? 0).slice(384, count: frame.count)
    window.copy(frame, at: 0)
    guard let stack = try? HeaderStack.parse(window.span, options: ParseOptions(lookIntoTunnels: true)) else {
      return nil
    }
    reader.enter(now: 9)
    defer { reader.leave() }
    reader.prepare(0, stack, window, inPort: 1)
    reader.lookup(count: 1, group: 0)
    let hit = reader.hit(0)
    reader.count(hit, bytes: frame.count)
    return hit.isHit ? hit.payload : nil
  }
}
