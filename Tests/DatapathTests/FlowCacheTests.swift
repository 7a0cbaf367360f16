import Datapath
import Device
import Rules
import Testing

/// The same rules in a data path with a flow cache and in one without: what came of every frame is compared.
private final class Twins {
  var known: Lab
  var plain: Lab

  init(_ overlay: Overlay, _ rules: [(id: UInt32, port: UInt16, actions: [Action], pattern: [Item])]) throws {
    var one = try Lab(overlay), other = try Lab(overlay, cachedFlows: 0)
    for rule in rules {
      try one.rule(rule.id, port: rule.port, rule.actions, pattern: rule.pattern)
      try other.rule(rule.id, port: rule.port, rule.actions, pattern: rule.pattern)
    }
    known = one
    plain = other
  }

  /// Frames that the cache knew.
  var recognised: UInt64 { known.path.statistics.recognised }

  /// Sends a frame into both; what came of it, or nil when it was not the same.
  func send(
    _ bytes: [UInt8], port: UInt16, headroom: Int = 512, checksums: UInt8 = 0
  ) -> [Result]? {
    let set = { (frame: inout Frame) in frame.checksums.rawValue = checksums }
    let (ours, theirs) = (
      known.send(bytes, port: port, headroom: headroom, set), plain.send(bytes, port: port, headroom: headroom, set)
    )
    guard ours.count == theirs.count else { return nil }
    for (one, other) in zip(ours, theirs) {
      let isSame =
        one.outcome == other.outcome && one.port == other.port && one.bytes == other.bytes && one.mark == other.mark
        && one.frame.rule == other.frame.rule && one.frame.tunnelKey == other.frame.tunnelKey
        && one.frame.steps == other.frame.steps && one.frame.checksums.rawValue == other.frame.checksums.rawValue
        && one.frame.headroom == other.frame.headroom && one.frame.tailroom == other.frame.tailroom
      guard isSame else { return nil }
    }
    return ours
  }

  func change(_ change: RuleChange) throws {
    try known.book.apply([change], now: known.now)
    try plain.book.apply([change], now: plain.now)
  }

  func countsAgree(_ ids: [UInt32]) -> Bool {
    ids.allSatisfy { known.book.counts(of: $0) == plain.book.counts(of: $0) }
  }
}

@Suite("A flow that the cache knows")
struct FlowCacheTests {
  private func outward(sums: Bool, ipv6: Bool) -> Overlay {
    var policy = EncapsulationPolicy()
    policy.udpChecksum = sums ? .on : .off
    var overlay = Lab.overlay(mtu: 9000)
    overlay.encapsulations[1] = Craft.template(.geneve, ipv6: ipv6, options: SizeTests.options(8), policy: policy)
    return overlay
  }

  @Test(
    "is encapsulated to the last byte that the uplink takes and not one more, whatever headroom there is",
    arguments: [(false, false), (false, true), (true, false), (true, true)])
  func outwardSizes(sums: Bool, outerIPv6: Bool) throws {
    let mtu = outerIPv6 ? 1422 : 1442
    for ipv6 in [false, true] {
      let twins = try Twins(
        outward(sums: sums, ipv6: outerIPv6),
        [(1, Lab.tenant, [.count(id: 0), .rawEncap(index: 1), .portID(Lab.uplink)], [])])
      _ = twins.send(SizeTests.frame(100, ipv6: ipv6), port: Lab.tenant)
      var fitted: UInt64 = 0
      for length in Array(60...80) + Array(mtu - 3...mtu + 3) {
        let out = try #require(
          twins.send(SizeTests.frame(length, ipv6: ipv6), port: Lab.tenant), "\(length) bytes")
        #expect((out.first?.outcome == .forward) == (length <= mtu), "\(length) bytes")
        if length <= mtu { fitted += 1 }
      }
      #expect(twins.recognised >= fitted)
      for headroom in 0...160 {
        #expect(
          twins.send(SizeTests.frame(200, ipv6: ipv6), port: Lab.tenant, headroom: headroom) != nil, "\(headroom)")
      }
      for checksums in UInt8.min...UInt8.max {
        #expect(twins.send(SizeTests.frame(200, ipv6: ipv6), port: Lab.tenant, checksums: checksums) != nil)
      }
      for tos in UInt8.min...UInt8.max {
        #expect(twins.send(Craft.tenant(ipv6: ipv6, tos: tos), port: Lab.tenant) != nil)
      }
      #expect(twins.countsAgree([1]))
    }
  }

  private func inward(_ kind: Bool, _ sum: Craft.Sum, _ inner: [UInt8], tos: UInt8 = 0, ipSum: Craft.Sum = .right)
    -> [UInt8]
  {
    Craft.underlayUDP(
      6081, Craft.geneve(5, inner, options: SizeTests.options(8)), ipv6: kind, tos: tos, sum: sum, ipSum: ipSum)
  }

  @Test(
    "is decapsulated to the last byte that the tenant takes, with every ECN pair, checksum and thing known of it",
    arguments: [(false, false), (false, true), (true, false), (true, true)])
  func inwardEdges(outerIPv6: Bool, sums: Bool) throws {
    let sum: Craft.Sum = sums ? .right : .zero
    for ipv6 in [false, true] {
      var overlay = Lab.overlay(mtu: 1000, uplinkMTU: 9000)
      overlay.endpoint.acceptsZeroUDPChecksumIPv6 = ipv6
      let twins = try Twins(
        overlay, [(1, Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)], [])])
      let frame = inward(outerIPv6, sum, SizeTests.frame(100, ipv6: ipv6))
      _ = twins.send(frame, port: Lab.uplink)
      _ = twins.send(frame, port: Lab.uplink)
      let drops = outerIPv6 && !sums && !ipv6
      #expect(twins.recognised > 0 || drops)
      for length in 990...1010 {
        let out = try #require(
          twins.send(inward(outerIPv6, sum, SizeTests.frame(length, ipv6: ipv6)), port: Lab.uplink))
        #expect((out.first?.outcome == .forward) == (length <= 1000 && !drops), "\(length) bytes")
      }
      for outer in UInt8(0)..<4 {
        for inner in UInt8(0)..<4 {
          let marked = inward(outerIPv6, sum, Craft.tenant(ipv6: ipv6, tos: inner), tos: 0x48 | outer)
          #expect(twins.send(marked, port: Lab.uplink) != nil, "\(inner) in \(outer)")
        }
      }
      for checksums in UInt8.min...UInt8.max {
        for (sum, ipSum) in [(sum, Craft.Sum.right), (.wrong, .right), (sum, .wrong)] {
          let spoiled = inward(outerIPv6, sum, SizeTests.frame(100, ipv6: ipv6), ipSum: ipSum)
          #expect(twins.send(spoiled, port: Lab.uplink, checksums: checksums) != nil)
        }
      }
      #expect(twins.countsAgree([1]))
      for reason in DropReason.allCases { #expect(twins.known.path.drops[reason] == twins.plain.path.drops[reason]) }
    }
  }

  @Test(
    "has any length that its headers may say, and is taken for what the parser takes it for",
    arguments: [(false, false), (false, true), (true, false), (true, true)])
  func lengths(ipv6: Bool, isInward: Bool) throws {
    let carried = SizeTests.frame(100, ipv6: ipv6)
    let frame = isInward ? inward(ipv6, .zero, carried) : carried
    // Total or payload length and UDP length, of each level.
    func places(_ l3: Int) -> [Int] { [l3 + (ipv6 ? 4 : 2), l3 + (ipv6 ? 40 : 20) + 4] }
    let port = isInward ? Lab.uplink : Lab.tenant
    var overlay = outward(sums: false, ipv6: false)
    overlay.endpoint.acceptsZeroUDPChecksumIPv6 = true
    // What is said of the length decides whether there is UDP: the rule inward asks for it, and so does the outer port.
    let network = ipv6 ? Item.ipv6(IPv6Item()) : .ipv4(IPv4Item())
    let twins = try Twins(
      overlay,
      [
        isInward
          ? (
            1, port, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)],
            [.geneve(GeneveItem()), .eth(EthItem()), network, .udp(L4Item())]
          ) : (1, port, [.count(id: 0), .rawEncap(index: 1), .portID(Lab.uplink)], [])
      ])
    for _ in 0..<2 { _ = twins.send(frame, port: port) }
    let before = twins.recognised
    _ = twins.send(frame, port: port)
    #expect(twins.recognised == before + 1)
    for place in isInward ? places(14) + places(frame.count - 100) : places(14) {
      let right = Craft.get16(frame, place)
      for length in Array(0...60) + Array(right - 70...right + 70) + [0x7fff, 0xffff] {
        for known: UInt8 in [0, 0b0001, 0b0101] {
          var liar = frame
          Craft.put(&liar, place, length)
          #expect(twins.send(liar, port: port, checksums: known) != nil, "\(length) at \(place)")
        }
      }
    }
    for count in 60..<frame.count { #expect(twins.send(Array(frame[..<count]), port: port) != nil) }
    #expect(twins.send(frame + [0, 0, 0], port: port) != nil)
    #expect(twins.countsAgree([1]))
  }

  @Test("is carried out by another rule as soon as there is one, and by none when there is none")
  func otherRules() throws {
    let twins = try Twins(
      outward(sums: false, ipv6: false),
      [(1, Lab.tenant, [.count(id: 0), .rawEncap(index: 1), .portID(Lab.uplink)], [])])
    let frame = SizeTests.frame(100)
    func rule(_ actions: [Action], priority: UInt32 = 1) -> Rule {
      var attributes = Attributes()
      (attributes.port, attributes.priority) = (Lab.tenant, priority)
      return Rule(attributes: attributes, pattern: [], actions: actions)
    }
    let steps: [(change: RuleChange, port: UInt16?, drop: DropReason?)] = [
      (.replace(1, rule([.count(id: 0), .portID(Lab.other)])), Lab.other, nil),
      (.replace(1, rule([.count(id: 0), .drop])), nil, .rule),
      (.replace(1, rule([.count(id: 0), .rawEncap(index: 1), .portID(Lab.uplink)])), Lab.uplink, nil),
      (.add(2, rule([.portID(Lab.other)], priority: 0)), Lab.other, nil), (.delete(2), Lab.uplink, nil),
      (.delete(1), nil, .noRule),
    ]
    for step in steps {
      // Known by now, and by rules that are gone.
      for _ in 0..<3 { _ = twins.send(frame, port: Lab.tenant) }
      try twins.change(step.change)
      let out = try #require(twins.send(frame, port: Lab.tenant)?.first, "\(step.change)")
      #expect(out.drop == step.drop)
      if let port = step.port { #expect(out.outcome == .forward && out.port == port) }
    }
    #expect(twins.recognised > 5)
  }
}
