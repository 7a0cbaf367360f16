import Classifier
import Datapath
import Device
import Rules
import Testing

@Suite struct FatesTests {
  @Test("Runts, headers past 510 bytes, rule drops, no rule, no fate, jump loops: each dropped under its name")
  func drops() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.drop], pattern: [.ipv4(.init())])
    try lab.rule(2, port: Lab.tenant, [.count(id: 0)], pattern: [.ipv6(.init())])
    try lab.rule(3, port: Lab.other, [.jump(group: 5)])
    try lab.rule(4, port: Lab.other, [.jump(group: 5)], group: 5)
    #expect(try lab.one([1, 2, 3], port: Lab.tenant).drop == .runt)
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).drop == .rule)
    #expect(try lab.one(Craft.tenant(ipv6: true), port: Lab.tenant).drop == .noFate)
    #expect(try lab.one(Craft.ethernet(0x0806, []), port: Lab.tenant).drop == .noRule)
    #expect(try lab.one(Craft.tenant(), port: Lab.other).drop == .jumpLoop)
    // Two extension headers of 264 bytes each put UDP at 582.
    let long: [UInt8] = [17, 32] + [UInt8](repeating: 0, count: 262)
    let longer: [UInt8] = [60, 32] + [UInt8](repeating: 0, count: 262)
    let frame = Craft.ethernet(0x86dd, Craft.ipv6(60, longer + long + [UInt8](Craft.udp(1, 2, [], pseudo: { _ in 0 }))))
    #expect(try lab.one(frame, port: Lab.tenant).drop == .headersTooLong)
    for reason in [DropReason.runt, .rule, .noFate, .noRule, .jumpLoop, .headersTooLong] {
      #expect(lab.path.drops[reason] == 1)
    }
    #expect(lab.path.drops.total == 6)
    #expect(lab.book.counts(of: 2)?.frames == 1, "a rule without a fate counts what it matched")
  }

  @Test("Outer fragments for an endpoint of ours are dropped by name, others are not looked at so (M7)")
  func outerFragment() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.portID(Lab.host)])
    let data = [UInt8](repeating: 5, count: 16)
    let ours = Craft.ethernet(
      0x0800, Craft.ipv4(17, data, source: Craft.remote4, destination: Craft.local4, df: false, fragment: 0x2000))
    #expect(try lab.one(ours, port: Lab.uplink).drop == .outerFragment)
    let later = Craft.ethernet(
      0x86dd, Craft.ipv6(44, [17, 0, 0, 8, 0, 0, 0, 1] + data, source: Craft.remote6, destination: Craft.local6))
    #expect(try lab.one(later, port: Lab.uplink).drop == .outerFragment)
    let others = Craft.ethernet(
      0x0800, Craft.ipv4(17, data, source: Craft.remote4, destination: 99, df: false, fragment: 0x2000))
    #expect(try lab.one(others, port: Lab.uplink).port == Lab.host)
    let icmp = Craft.ethernet(
      0x0800, Craft.ipv4(1, data, source: Craft.remote4, destination: Craft.local4, df: false, fragment: 0x2000))
    #expect(try lab.one(icmp, port: Lab.uplink).port == Lab.host)
    #expect(try lab.one(ours, port: Lab.tenant).drop == .noRule, "and only what comes from the underlay")
  }

  @Test("With reassembly, outer fragments are absorbed and the whole packet is decapsulated (M7)")
  func reassembly() throws {
    var overlay = Lab.overlay()
    overlay.endpoint.reassembly = .init(bytes: 1 << 20, timeout: 1_000_000_000)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)])
    let inner = Craft.tenant(payload: 500)
    let whole = Craft.underlayUDP(6081, Craft.geneve(5, inner), sum: .right)
    let data = Array(whole[34...])
    func piece(_ from: Int, _ to: Int) -> [UInt8] {
      Craft.ethernet(
        0x0800,
        Craft.ipv4(
          17, Array(data[from..<to]), source: Craft.remote4, destination: Craft.local4, df: false, id: 9,
          fragment: (to < data.count ? 0x2000 : 0) | from / 8))
    }
    #expect(lab.send(piece(0, 240), port: Lab.uplink).isEmpty)
    let out = lab.send(piece(240, data.count), port: Lab.uplink)
    #expect(out.count == 1 && out.first?.bytes == inner && out.first?.port == Lab.tenant)
    #expect(lab.book.counts(of: 1)?.frames == 1)
    #expect(lab.released.count == 2)
    #expect(lab.send(piece(0, 240), port: Lab.uplink).isEmpty)
    lab.path.expire(now: lab.now + 2_000_000_000)
    #expect(lab.path.drops[.fragmentTimeout] == 1)
  }

  @Test("A miss goes to the host where the port says so, except a faulty tunnel for an endpoint of ours (A4)")
  func misses() throws {
    var overlay = Lab.overlay()
    overlay.ports[0].miss = .host
    var lab = try Lab(overlay)
    #expect(try lab.one(Craft.tenant(), port: Lab.uplink).port == Lab.host)
    let faulty = Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant(), version: 1))
    #expect(try lab.one(faulty, port: Lab.uplink).drop == .geneveVersion)
    var forOthers = faulty
    forOthers.replaceSubrange(30..<34, with: [9, 9, 9, 9])
    #expect(try lab.one(forOthers, port: Lab.uplink).port == Lab.host)
    var strict = try Lab()
    #expect(try strict.one(forOthers, port: Lab.uplink).drop == .geneveVersion)
    #expect(try strict.one(Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant())), port: Lab.uplink).drop == .noRule)
  }

  @Test("Marks come with frames to queues; rss keeps a flow on one of its queues; representors deliver to queue 0")
  func queues() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.mark(77), .queue(3)])
    try lab.rule(2, port: Lab.other, [.rss(RSSAction(queues: [4, 5, 6]))])
    try lab.rule(3, port: Lab.uplink, [.mark(5), .portRepresentor(9)])
    let out = try lab.one(Craft.tenant(), port: Lab.tenant)
    #expect(out.outcome == .deliver && out.frame.queue == 3 && out.mark == 77)
    var seen: Set<UInt8> = []
    for flow in 0..<50 {
      let frame = Craft.tenant(ports: (flow, 80))
      let first = try lab.one(frame, port: Lab.other).frame.queue
      #expect(try lab.one(frame, port: Lab.other).frame.queue == first)
      seen.insert(first)
    }
    #expect(seen == [4, 5, 6])
    let up = try lab.one(Craft.tenant(), port: Lab.uplink)
    #expect(up.outcome == .deliver && up.frame.queue == 0 && up.mark == 5)
  }

  @Test(
    "A frame counts at each rule on its way, with the length it has there; a rule without count counts nothing (A1)")
  func counting() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.count(id: 0), .count(id: 1), .rawDecap(index: 1), .jump(group: 3)])
    try lab.rule(2, port: Lab.uplink, [.count(id: 0), .jump(group: 4)], group: 3)
    try lab.rule(3, port: Lab.uplink, [.age(timeout: 5), .portID(Lab.tenant)], group: 4)
    let inner = Craft.tenant()
    let frame = Craft.underlayUDP(6081, Craft.geneve(5, inner))
    #expect(try lab.one(frame, port: Lab.uplink).bytes == inner)
    #expect(lab.book.counts(of: 1)?.frames == 1)
    #expect(lab.book.counts(of: 1)?.bytes == UInt64(frame.count))
    #expect(lab.book.counts(of: 2)?.bytes == UInt64(inner.count))
    #expect(lab.book.counts(of: 3)?.frames == 0)
    #expect(lab.book.counts(of: 3)?.lastHit == lab.now)
    #expect(lab.book.aged(now: lab.now + 4_000_000_000).isEmpty)
    #expect(lab.book.aged(now: lab.now + 6_000_000_000) == [3])
  }

  @Test("A sample copies every n-th frame of its rule, the first one first, and gives the copy its own actions")
  func sample() throws {
    var overlay = Lab.overlay()
    overlay.sampleActions[1] = [.mark(9), .queue(2)]
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.sample(ratio: 3, index: 1), .set(.ttl(9)), .portID(Lab.other)])
    let frame = Craft.tenant()
    var copies: [Int] = []
    for round in 0..<7 {
      let out = lab.send(frame, port: Lab.tenant)
      #expect(out.last?.port == Lab.other && out.last?.bytes[22] == 9)
      if out.count == 2 {
        copies.append(round)
        #expect(out[0].outcome == .deliver && out[0].mark == 9 && out[0].frame.queue == 2 && out[0].bytes == frame)
      }
    }
    #expect(copies == [0, 3, 6])
    #expect(lab.path.buffersAvailable == 256)
  }

  @Test("An indirect action is the action it stands for; changes of many rules are seen at once or not at all")
  func indirect() throws {
    var overlay = Lab.overlay()
    overlay.indirectActions = [1: .set(.ttl(5)), 2: .count(id: 0)]
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.indirect(id: 2), .indirect(id: 1), .portID(Lab.other)])
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).bytes[22] == 5)
    #expect(lab.book.counts(of: 1)?.frames == 1)
    var attributes = Attributes()
    attributes.port = Lab.tenant
    let rule = Rule(attributes: attributes, pattern: [], actions: [.drop])
    #expect(throws: DatapathError.rules(.unknownID(9))) {
      try lab.book.apply([.replace(1, rule), .delete(9)], now: lab.now)
    }
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).outcome == .forward)
    try lab.book.apply([.replace(1, rule)], now: lab.now)
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).drop == .rule)
    #expect(throws: DatapathError.badID(0)) { try lab.book.add(0, rule, now: 0) }
    try lab.book.delete(1, now: lab.now)
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).drop == .noRule)
  }

  @Test("Without a buffer, a frame that needs one is dropped by name, and no buffer is lost")
  func noBuffers() throws {
    var overlay = Lab.overlay()
    overlay.encapsulations[1] = Craft.template(.vxlan)
    overlay.sampleActions[1] = [.queue(0)]
    var lab = try Lab(overlay, buffers: 1, bufferSize: 512)
    try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .portID(Lab.uplink)])
    try lab.rule(2, port: Lab.other, [.sample(ratio: 1, index: 1), .portID(Lab.tenant)])
    #expect(try lab.one(Craft.tenant(payload: 200), port: Lab.tenant, headroom: 0).drop == .noHeadroom)
    #expect(try lab.one(Craft.tenant(payload: 600), port: Lab.other).outcome == .forward)
    #expect(lab.path.statistics.samplesLost == 1)
    #expect(lab.path.buffersAvailable == 1)
  }

  @Test("A frame from a port that is not there is dropped by name")
  func unknownPort() throws {
    var lab = try Lab()
    #expect(try lab.one(Craft.tenant(), port: 99).drop == .noSuchPort)
  }
}
