import Classifier
import Datapath
import Device
import Rules
import Testing

@Suite struct SampleTests {
  @Test("A copy is the frame as it is when the action comes, with the mark so far, and leaves before the frame (A5)")
  func copies() throws {
    var overlay = Lab.overlay()
    overlay.sampleActions = [1: [.queue(2)], 2: [.set(.ttl(1)), .portID(Lab.host)]]
    var lab = try Lab(overlay)
    try lab.rule(
      1, port: Lab.tenant,
      [
        .count(id: 0), .sample(ratio: 1, index: 1), .mark(7), .decTTL, .sample(ratio: 1, index: 1),
        .sample(ratio: 2, index: 2), .portID(Lab.other),
      ])
    let frame = Craft.tenant()
    let first = lab.send(frame, port: Lab.tenant)
    try #require(first.count == 4)
    #expect(first[0].bytes == frame && first[0].mark == 0 && first[0].outcome == .deliver)
    #expect(first[1].bytes[22] == frame[22] - 1 && first[1].mark == 7)
    #expect(first[2].bytes[22] == 1 && first[2].port == Lab.host)
    #expect(first[3].port == Lab.other && first[3].bytes[22] == frame[22] - 1)
    #expect(first.map { $0.frame.steps.contains(.sampled) } == [true, true, true, false])
    #expect(first.allSatisfy { $0.frame.rule == 1 })
    #expect(lab.send(frame, port: Lab.tenant).count == 3)
    #expect(lab.book.counts(of: 1)?.frames == 2, "copies are not counted")
  }

  @Test("Each rule counts its own frames for its samples, and begins again when it is replaced (A5)")
  func ratios() throws {
    var overlay = Lab.overlay()
    overlay.sampleActions[1] = [.queue(0)]
    var lab = try Lab(overlay)
    let actions: [Action] = [.sample(ratio: 4, index: 1), .portID(Lab.uplink)]
    try lab.rule(1, port: Lab.tenant, actions)
    try lab.rule(2, port: Lab.other, actions)
    func copies(_ port: UInt16, _ count: Int) -> [Int] {
      (0..<count).filter { _ in lab.send(Craft.tenant(), port: port).count == 2 }
    }
    #expect(copies(Lab.tenant, 6) == [0, 4])
    #expect(copies(Lab.other, 3) == [0])
    #expect(copies(Lab.tenant, 6) == [2], "frames 8 of the rule: the other rule's do not count")
    var attributes = Attributes()
    attributes.port = Lab.tenant
    try lab.book.apply([.replace(1, Rule(attributes: attributes, pattern: [], actions: actions))], now: lab.now)
    #expect(copies(Lab.tenant, 2) == [0])
  }

  @Test("What becomes of a copy is its own: dropped by its list or by name, too big and not answered (A5)")
  func fates() throws {
    var overlay = Lab.overlay(mtu: 9000)
    overlay.encapsulations[1] = Craft.template(.vxlan)
    overlay.sampleActions = [
      1: [.drop], 2: [.set(.ttl(1)), .decTTL, .queue(0)], 3: [.rawEncap(index: 1), .portID(Lab.uplink)], 4: [.mark(1)],
    ]
    var lab = try Lab(overlay)
    try lab.rule(
      1, port: Lab.tenant, (1...4).map { .sample(ratio: 1, index: $0) } + [.portID(Lab.other)])
    let out = lab.send(Craft.tenant(payload: 2000), port: Lab.tenant)
    #expect(out.map(\.drop) == [.rule, .ttlExpired, .tooBig, .noFate, nil])
    #expect(out.last?.port == Lab.other && lab.path.statistics.answers == 0)
    for reason in [DropReason.rule, .ttlExpired, .tooBig, .noFate] { #expect(lab.path.drops[reason] == 1) }
    #expect(lab.path.buffersAvailable == 256)
  }

  @Test("An indirect count is one counter of all its rules, and keeps what rules counted that have gone since (A6)")
  func sharedCounter() throws {
    var overlay = Lab.overlay()
    overlay.indirectActions = [4: .count(id: 0), 9: .count(id: 3), 7: .mark(1)]
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.indirect(id: 4), .indirect(id: 4), .jump(group: 1)])
    try lab.rule(2, port: Lab.tenant, [.decTTL, .indirect(id: 4), .portID(Lab.uplink)], group: 1)
    try lab.rule(3, port: Lab.other, [.indirect(id: 9), .count(id: 0), .indirect(id: 4), .portID(Lab.uplink)])
    let frame = Craft.tenant()
    for _ in 0..<3 { _ = lab.send(frame, port: Lab.tenant) }
    for _ in 0..<5 { _ = lab.send(frame, port: Lab.other) }
    func shared(_ id: UInt32) -> UInt64? { lab.book.sharedCount(of: id)?.frames }
    #expect(shared(4) == 3 + 3 + 5 && shared(9) == 5 && shared(7) == nil && shared(1) == nil)
    #expect(lab.book.sharedCount(of: 4)?.bytes == 11 * UInt64(frame.count))
    #expect([1, 2, 3].map { lab.book.counts(of: $0)?.frames } == [3, 3, 5])
    try lab.book.delete(3, now: lab.now)
    #expect(shared(4) == 11 && shared(9) == 5)
    var attributes = Attributes()
    attributes.port = Lab.tenant
    try lab.book.apply(
      [.replace(1, Rule(attributes: attributes, pattern: [], actions: [.indirect(id: 9), .drop]))], now: lab.now)
    _ = lab.send(frame, port: Lab.tenant)
    #expect(shared(4) == 11 && shared(9) == 6)
  }

  @Test("A frame that a device has counted is not counted at an indirect counter again, one that it guarded is (V2)")
  func halfDone() throws {
    var overlay = Lab.overlay()
    overlay.indirectActions[1] = .count(id: 0)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.decTTL, .indirect(id: 1), .portID(Lab.other)])
    func arrive() -> [Result] {
      lab.send(Craft.tenant(), port: Lab.tenant) {
        $0.rule = 1
        $0.steps = [.match]
      }
    }
    #expect(arrive().first?.port == Lab.other)
    #expect(lab.book.sharedCount(of: 1)?.frames == 1)
    lab.book.setResume(rule: 1, actionsDone: 1)
    #expect(arrive().first?.port == Lab.other)
    #expect(lab.book.sharedCount(of: 1)?.frames == 1)
  }
}
