import Device
import Rules
import Testing

@testable import Control

@Suite("Generated traffic")
struct TrafficTests {
  @Test("is the same for the same seed and another for another")
  func deterministic() {
    let configuration = RandomConfiguration.make(seed: 3)
    var first = TrafficGenerator(configuration, seed: 9)
    var second = TrafficGenerator(configuration, seed: 9)
    var third = TrafficGenerator(configuration, seed: 10)
    var different = 0
    for _ in 0..<200 {
      let (a, b, c) = (first.next(), second.next(), third.next())
      #expect(a.bytes == b.bytes && a.port == b.port && a.rule == b.rule)
      if a.bytes != c.bytes { different += 1 }
    }
    #expect(different > 150)
  }

  @Test("has right IPv4 header checksums and lengths when it is not spoiled")
  func wellFormed() {
    for seed in UInt64(0)..<20 {
      let configuration = RandomConfiguration.make(seed: seed)
      var mix = TrafficGenerator.Mix()
      mix.strayPercent = 0
      var generator = TrafficGenerator(configuration, mix: mix, seed: seed)
      for _ in 0..<200 {
        let frame = generator.next().bytes
        var at = 12
        while at + 4 <= frame.count, frame[at] == 0x81 || frame[at] == 0x88 || frame[at] == 0x91 { at += 4 }
        guard at + 22 <= frame.count, frame[at] == 8, frame[at + 1] == 0 else { continue }
        let header = Int(frame[at + 2] & 15) * 4
        #expect(sum(Array(frame[at + 2..<at + 2 + header])) == 0xffff)
        #expect(Int(frame[at + 4]) << 8 | Int(frame[at + 5]) == frame.count - at - 2)
      }
    }
  }
}

@Suite("Comparing two sides")
struct ComparatorTests {
  private let configuration = RandomConfiguration.make(seed: 1)

  private func differences(_ device: [Result], _ software: [Result]) -> [String] {
    var comparator = Comparator(configuration)
    comparator.compare(frame: 1, device: device, software: software)
    return comparator.differences.map(\.what)
  }

  private func sent(_ bytes: [UInt8], port: UInt16 = 0, rule: UInt32 = 0) -> Result {
    Result(fate: .forwarded(port: port), rule: rule, bytes: bytes)
  }

  @Test("finds every single byte that differs in a frame without chosen fields")
  func everyByte() {
    let frame = [UInt8](repeating: 7, count: 80)
    #expect(differences([sent(frame)], [sent(frame)]).isEmpty)
    for index in frame.indices {
      var other = frame
      other[index] ^= 1
      #expect(differences([sent(frame)], [sent(other)]).count == 1, "byte \(index)")
    }
  }

  @Test("finds another port, rule, count, drop reason, queue and mark")
  func everythingElse() {
    let frame = [UInt8](repeating: 7, count: 80)
    #expect(!differences([sent(frame, port: 1)], [sent(frame)]).isEmpty)
    #expect(!differences([sent(frame, rule: 900)], [sent(frame)]).isEmpty)
    #expect(!differences([sent(frame), sent(frame)], [sent(frame)]).isEmpty)
    #expect(!differences([], [sent(frame)]).isEmpty)
    func drop(_ reason: DropReason) -> Result { Result(fate: .dropped(reason), rule: 0, bytes: []) }
    #expect(!differences([drop(.rule)], [drop(.noRule)]).isEmpty)
    func queue(_ queue: UInt8, _ mark: UInt32) -> Result {
      Result(fate: .delivered(queue: queue, mark: mark), rule: 0, bytes: frame)
    }
    #expect(!differences([queue(1, 0)], [queue(2, 0)]).isEmpty)
    #expect(!differences([queue(1, 5)], [queue(1, 6)]).isEmpty)
  }

  @Test("knows which frames each side has to copy, and finds a copy that is missing, too many or another")
  func copies() {
    var configuration = self.configuration
    configuration.overlay.sampleActions = [1: [.queue(1)]]
    var attributes = Attributes()
    attributes.group = 1
    let rule = Rule(
      attributes: attributes, pattern: [],
      actions: [.sample(ratio: 1, index: 1), .sample(ratio: 3, index: 1), .representedPort(0)])
    configuration.rules = [NumberedRule(id: 1, rule: rule)]
    var copy = Result(fate: .delivered(queue: 1, mark: 0), rule: 1, bytes: [1, 2, 3])
    copy.isCopy = true
    let frame = sent([7], rule: 1)
    var comparator = Comparator(configuration)
    func compare(_ copies: [Result], _ handover: Handover?) -> Int {
      let before = comparator.count
      comparator.compare(
        frame: 1, device: copies + [frame], software: [copy, copy, frame], handover: handover, rightChecksums: false)
      return comparator.count - before
    }
    // The device and software count for themselves: the first of each, then every third.
    #expect(compare([copy, copy], .finished) == 0)
    #expect(compare([copy, copy], .untouched) == 0)
    #expect(compare([copy], .finished) == 0)
    #expect(compare([copy, copy], .finished) == 1, "one too many")
    #expect(compare([copy], .finished) == 1, "the fourth is missing")
    // Half done: the first action by the device, its fifth; the second by software, its second.
    #expect(compare([copy], .begun(rule: 1, actionsDone: 1)) == 0)
    var other = copy
    other.bytes[2] = 4
    #expect(compare([other], .untouched) > 0)
    #expect(compare([], nil) == 0 && compare([copy], nil) == 0 && compare([other], nil) == 1)
  }

  @Test("lets a chosen source port and identification differ, and nothing else, and holds them to their rules")
  func chosenFields() throws {
    var plan = FrameBlueprint()
    plan.outer.fragment = 0
    plan.outer.src128 = 0x0a000001
    plan.outer.dst128 = 0x0a000002
    var tunnel = FrameBlueprint.Tunnel()
    tunnel.vni = 5
    plan.tunnel = tunnel
    plan.outer.dstPort = 6081
    let header = Array(plan.bytes().prefix(50))
    let encapsulation = Encapsulation(
      header: header, kind: .geneve, l3: 14, l4: 34, isIPv6: false, policy: EncapsulationPolicy())
    var rule = Rule(pattern: [.eth(EthItem())], actions: [.rawEncap(index: 1), .representedPort(0)])
    rule.attributes.ingress = true
    var configuration = self.configuration
    configuration.overlay.encapsulations[1] = encapsulation
    configuration.rules = [NumberedRule(id: 1, rule: rule)]
    func frame(port: UInt16, id: UInt16) -> Result {
      var plan = plan
      plan.outer.srcPort = port
      plan.outer.id = id
      return sent(plan.bytes(), rule: 1)
    }
    func compare(_ a: Result, _ b: Result) -> [String] {
      var comparator = Comparator(configuration)
      comparator.compare(frame: 1, device: [a], software: [b])
      return comparator.differences.map(\.what)
    }
    let good = frame(port: 50000, id: 3)
    #expect(compare(good, frame(port: 60000, id: 4)).isEmpty)
    #expect(!compare(good, frame(port: 5000, id: 4)).isEmpty, "a port outside of the range")
    for index in good.bytes.indices where ![18, 19, 24, 25, 34, 35, 40, 41].contains(index) {
      var bad = good
      bad.bytes[index] ^= 1
      #expect(!compare(good, bad).isEmpty, "byte \(index)")
    }
    for index in [24, 25, 40, 41, 18, 34] {
      var bad = good
      bad.bytes[index] ^= 1
      #expect(!compare(good, bad).isEmpty, "byte \(index): a checksum no longer right")
    }
    var comparator = Comparator(configuration)
    comparator.compare(frame: 1, device: [good], software: [good])
    comparator.compare(frame: 2, device: [frame(port: 50001, id: 0)], software: [good])
    #expect(comparator.count == 1, "one flow with two ports")
  }
}
