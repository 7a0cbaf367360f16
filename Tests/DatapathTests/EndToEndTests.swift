import Classifier
import Datapath
import Device
import Rules
import Testing

@Suite struct EndToEndTests {
  @Test("A tenant's frame goes out of the uplink inside Geneve with its option, and comes back unchanged")
  func there() throws {
    var policy = EncapsulationPolicy()
    policy.udpChecksum = .off
    var overlay = Lab.overlay()
    let option: [UInt8] = [0x01, 0x02, 0x00, 0x01, 0xde, 0xad, 0xbe, 0xef]
    overlay.encapsulations[7] = Craft.template(.geneve, options: option, policy: policy)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.count(id: 0), .rawEncap(index: 7), .portID(Lab.uplink)])
    try lab.rule(
      2, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)], pattern: [.geneve(.init())])
    let frame = Craft.tenant()
    let out = try lab.one(frame, port: Lab.tenant)
    #expect(out.outcome == .forward)
    #expect(out.port == Lab.uplink)
    let port = Craft.get16(out.bytes, 34)
    #expect(port >= 49152)
    let inside = Craft.geneve(0x123456, frame, options: option)
    let datagram = Craft.udp(port, 6081, inside, pseudo: { _ in 0 }, sum: .zero)
    let expected = Craft.ethernet(
      0x0800, Craft.ipv4(17, datagram, source: Craft.local4, destination: Craft.remote4))
    #expect(out.bytes == expected)
    let back = try lab.one(out.bytes, port: Lab.uplink)
    #expect(back.outcome == .forward)
    #expect(back.port == Lab.tenant)
    #expect(back.bytes == frame)
    #expect(back.frame.tunnelKey == 0x123456)
    #expect(lab.book.counts(of: 1)?.frames == 1)
    #expect(lab.book.counts(of: 1)?.bytes == UInt64(frame.count))
    #expect(lab.book.counts(of: 2)?.bytes == UInt64(out.bytes.count))
  }

  @Test("A burst of frames of all kinds ends as the same frames one by one, in the same order")
  func bursts() throws {
    var generator = SeededGenerator(state: 3)
    let kinds: [(bytes: [UInt8], port: UInt16)] =
      HalfDoneTests.frames().map { ($0, Lab.uplink) } + [
        ([1, 2], Lab.tenant), (Craft.tenant(), Lab.tenant), (Craft.tenant(ipv6: true, payload: 1450), Lab.tenant),
        (Craft.tenant(tcp: true), Lab.other), (Craft.tenant(), 99),
        (Craft.tenant(payload: 1460, df: false), Lab.tenant),
      ]
    for _ in 0..<30 {
      let frames = (0..<Int.random(in: 1...32, using: &generator)).compactMap { _ in
        kinds.randomElement(using: &generator)
      }
      var together = try Self.mixed()
      var alone = try Self.mixed()
      let results = together.sendTogether(frames)
      let singles = frames.flatMap { alone.send($0.bytes, port: $0.port) }
      #expect(results.count == singles.count)
      for (one, other) in zip(results, singles) { #expect(HalfDoneTests.same(one, other)) }
      for reason in DropReason.allCases { #expect(together.path.drops[reason] == alone.path.drops[reason]) }
      for id in 1...3 as ClosedRange<UInt32> { #expect(together.book.counts(of: id) == alone.book.counts(of: id)) }
    }
  }

  private static func mixed() throws -> Lab {
    var lab = try Lab(HalfDoneTests.overlay())
    try lab.rule(
      1, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)], pattern: [.geneve(.init())])
    try lab.rule(2, port: Lab.tenant, [.count(id: 0), .rawEncap(index: 2), .portID(Lab.uplink)])
    try lab.rule(3, port: Lab.other, [.count(id: 0), .decTTL, .rawEncap(index: 1), .portID(Lab.uplink)])
    return lab
  }
}
