import Device
import EmulatedDevice
import Rules
import Testing

@Suite("A frame's way through the rules") struct WalkTests {
  private func to(_ address: UInt32) -> Item {
    var ip = IPv4Item()
    ip.dst = Field(address)
    return .ipv4(ip)
  }

  @Test("The lowest priority wins, then the lowest id, whatever the order they were made in")
  func order() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.queue(1)], priority: 2, id: 1)
    try bench.add([.anyEth, .anyIPv4], [.queue(2)], priority: 1, id: 9)
    try bench.add([.anyIPv4, .anyTCP], [.queue(3)], priority: 1, id: 5)
    try bench.add([.anyTCP], [.queue(4)], priority: 1, id: 7)
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.queue) == [3])
    _ = try bench.device.remove(5, now: 0)
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.queue) == [4])
    _ = try bench.device.remove(7, now: 0)
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.queue) == [2])
    #expect(bench.receive(Vectors.inner6, port: 1).map(\.frame.queue) == [1])
  }

  @Test("A rule without transfer sees only its own port, and a represented port only frames from there")
  func ports() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.queue(1)], port: 2)
    try bench.add([.representedPort(Field(1)), .anyEth], [.queue(2)])
    try bench.add([.portRepresentor(Field(3)), .anyEth], [.queue(3)])
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.queue) == [2])
    #expect(bench.receive(Vectors.inner, port: 2).map(\.frame.queue) == [1])
    #expect(bench.receive(Vectors.inner, port: 3).map(\.frame.outcome) == [.up])
  }

  @Test("Counters hold each hit's length as matched, and a rule that a frame comes back to counts it again (A1)")
  func counters() throws {
    var bench = try Bench(Vectors.overlay())
    let first = try bench.add([.anyGeneve], [.count(id: 0), .rawDecap(index: 1), .jump(group: 3)])
    let second = try bench.add([.anyTCP], [.count(id: 0), .decTTL, .jump(group: 3)], group: 3, priority: 1)
    var ttl = IPv4Item()
    ttl.ttl = Field(60)
    let last = try bench.add([.ipv4(ttl)], [.count(id: 0), .representedPort(1)], group: 3)
    let out = try #require(bench.receive(Vectors.geneve, port: 0).first)
    #expect(out.frame.outcome == .forward && out.bytes[22] == 60 && Oracle.isRight(out.bytes, l3: 14, l4: 34))
    #expect(out.frame.rule == last)
    let (whole, inner) = (UInt64(Vectors.geneve.count), UInt64(Vectors.inner.count))
    for (rule, frames, bytes) in [(first, 1, whole), (second, 3, 3 * inner), (last, 1, inner)] {
      let reading = try bench.device.query(rule, now: 0)
      #expect(reading.frames == UInt64(frames) && reading.bytes == bytes)
    }
  }

  @Test("Counters wrap at their width and stand still for their interval")
  func counterWidth() throws {
    var abilities = everything()
    abilities.counterBits = 3
    abilities.counterInterval = 100
    var bench = try Bench(Vectors.overlay(), abilities)
    let rule = try bench.add([.anyEth], [.count(id: 0), .drop])
    for _ in 0..<10 { _ = bench.receive(Vectors.inner, port: 1, now: 1) }
    #expect(try bench.device.query(rule, now: 99) == CounterReading(frames: 0, bytes: 0, takenAt: 0))
    let bytes = UInt64(10 * Vectors.inner.count) % 8
    #expect(try bench.device.query(rule, now: 100) == CounterReading(frames: 2, bytes: bytes, takenAt: 100))
    _ = bench.receive(Vectors.inner, port: 1, now: 101)
    #expect(try bench.device.query(rule, now: 150).frames == 2)
    #expect(try bench.device.remove(rule, now: 150).frames == 3)
  }

  @Test("A rule takes effect after the insertion latency")
  func latency() throws {
    var abilities = everything()
    abilities.insertionLatency = 50
    var bench = try Bench(Vectors.overlay(), abilities)
    try bench.add([.anyEth], [.drop], now: 10)
    #expect(bench.receive(Vectors.inner, port: 1, now: 59).map(\.frame.outcome) == [.up])
    #expect(bench.receive(Vectors.inner, port: 1, now: 60).map(\.frame.outcome) == [.dropped(.rule)])
  }

  @Test("An idle rule is told once, and again after its next idle time")
  func aging() throws {
    var bench = try Bench(Vectors.overlay())
    let second: UInt64 = 1_000_000_000
    let rule = try bench.add([.anyTCP], [.age(timeout: 2), .drop])
    try bench.add([.anyUDP], [.drop])
    #expect(bench.device.aged(now: 2 * second - 1) == [])
    #expect(bench.device.aged(now: 2 * second) == [rule])
    #expect(bench.device.aged(now: 9 * second) == [])
    _ = bench.receive(Vectors.inner, port: 1, now: 10 * second)
    #expect(bench.device.aged(now: 11 * second) == [])
    #expect(bench.device.aged(now: 12 * second) == [rule])
  }

  @Test("A frame that comes up half done says rule, group, steps and tunnel key, and is counted")
  func halfDone() throws {
    var bench = try Bench(Vectors.overlay())
    let rule = try bench.add(
      [.anyGeneve], [.rawDecap(index: 1), .mark(77), .decTTL, .count(id: 0), .representedPort(1)], onDevice: 2)
    let out = try #require(bench.receive(Vectors.geneve, port: 0).first)
    #expect(out.bytes == Vectors.inner && out.frame.outcome == .up && out.port == 0)
    #expect(out.frame.rule == rule && out.frame.group == 0 && out.frame.tunnelKey == 0x123456 && out.mark == 77)
    #expect(out.frame.steps.isSuperset(of: [.match, .decapsulate]) && !out.frame.steps.contains(.encapsulate))
    #expect(out.frame.outerL3 == 14 && out.frame.outerL4 == 34 && out.frame.innerL2 == 0)
    #expect(try bench.device.query(rule, now: 0).bytes == UInt64(Vectors.geneve.count))
  }

  @Test("A frame that is left beginning with IP says so")
  func startsAtIP() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyGRE], [.rawDecap(index: 4), .rawEncap(index: 5), .representedPort(1)], onDevice: 1)
    let out = try #require(bench.receive(Vectors.gre, port: 0).first)
    #expect(out.bytes == Array(Vectors.inner.dropFirst(14)) && out.frame.steps.contains(.startsAtIP))
    #expect(out.frame.outerL3 == 0 && out.frame.outerL4 == 20)
  }

  @Test(
    "Guards: as it came with the rule; wide ones as a plain miss; both uncounted, and no later rule takes the frame")
  func guards() throws {
    var bench = try Bench(Vectors.overlay())
    let rule = try bench.add([.anyTCP], [.count(id: 0), .drop], onDevice: 0)
    try bench.add([.anyUDP], [.count(id: 0), .drop], onDevice: 0, wide: true, id: 50)
    try bench.add([.anyEth], [.drop], priority: 9, id: 60)
    var out = try #require(bench.receive(Vectors.inner, port: 1).first)
    #expect(out.bytes == Vectors.inner && out.frame.outcome == .up && out.frame.rule == rule)
    #expect(out.frame.steps.contains(.match))
    out = try #require(bench.receive(Vectors.inner6, port: 1).first)
    #expect(out.frame.outcome == .up && out.frame.rule == 0 && !out.frame.steps.contains(.match))
    #expect(try bench.device.query(rule, now: 0).frames == 0)
    #expect(try bench.device.query(50, now: 0).frames == 0)
    #expect(bench.receive([UInt8](repeating: 0, count: 20), port: 1).map(\.frame.outcome) == [.dropped(.rule)])
  }

  @Test("A miss behind a jump carries its resume point, or is passed up as it came", arguments: [true, false])
  func missAfterJump(_ canResume: Bool) throws {
    var abilities = everything()
    if !canResume { abilities.frame.remove(.resumePoint) }
    var bench = try Bench(Vectors.overlay(), abilities)
    // Without a resume point no change may stand before a jump.
    let change: [Action] = canResume ? [.rawDecap(index: 1)] : []
    let rule = try bench.add([.anyGeneve], [.count(id: 0)] + change + [.jump(group: 7)])
    let out = try #require(bench.receive(Vectors.geneve, port: 0).first)
    #expect(out.frame.outcome == .up)
    #expect(out.bytes == (canResume ? Vectors.inner : Vectors.geneve))
    #expect(out.frame.group == (canResume ? 7 : 0) && out.frame.rule == (canResume ? rule : 0))
    #expect(out.frame.steps.contains(.match) == canResume)
    #expect(out.frame.tunnelKey == (canResume ? 0x123456 : 0))
    #expect(try bench.device.query(rule, now: 0).frames == (canResume ? 1 : 0))
    // A guard there: the same, with the guard's rule.
    let guarding = try bench.add([.anyEth], [.drop], group: 7, onDevice: 0)
    let held = try #require(bench.receive(Vectors.geneve, port: 0).first)
    #expect(held.bytes == (canResume ? Vectors.inner : Vectors.geneve))
    #expect(held.frame.rule == (canResume ? guarding : 0))
    #expect(try bench.device.query(rule, now: 0).frames == (canResume ? 2 : 0))
  }

  @Test("A miss behind a jump back to group 0 is passed up as it came: group 0 is no resume point")
  func backToZero() throws {
    var bench = try Bench(Vectors.overlay())
    let rule = try bench.add([.anyGeneve], [.count(id: 0), .rawDecap(index: 1), .jump(group: 0)])
    let out = try #require(bench.receive(Vectors.geneve, port: 0).first)
    #expect(out.bytes == Vectors.geneve && out.frame.outcome == .up && out.frame.rule == 0)
    #expect(try bench.device.query(rule, now: 0).frames == 0)
  }

  @Test("A resume point says how many jumps led to it", arguments: [1, 5, 16])
  func jumpsOfResumePoint(_ jumps: Int) throws {
    var bench = try Bench(Vectors.overlay())
    for group in 0..<jumps {
      try bench.add([.anyEth], [.jump(group: UInt32(group + 1))], group: UInt32(group))
    }
    let miss = try #require(bench.receive(Vectors.inner, port: 1).first)
    #expect(miss.frame.group == UInt16(jumps) && miss.frame.jumps == jumps)
    try bench.add([.anyEth], [.decTTL, .drop], group: UInt32(jumps), onDevice: 1)
    let begun = try #require(bench.receive(Vectors.inner, port: 1).first)
    #expect(begun.frame.steps.contains(.rewrite) && begun.frame.jumps == jumps)
  }

  @Test("A tunnel is known by its port as it is then: behind a new one there is none, or another (A2, P7)")
  func newPort() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyGeneve], [.set(.l4Destination(6082)), .jump(group: 1)])
    try bench.add([.anyGeneve], [.drop], group: 1)
    try bench.add([.anyUDP], [.set(.l4Destination(6081)), .jump(group: 2)], group: 1, priority: 1)
    try bench.add([.anyGeneve], [.rawDecap(index: 1), .representedPort(1)], group: 2)
    #expect(bench.receive(Vectors.geneve, port: 0).map(\.bytes) == [Vectors.inner])
    var other = try Bench(Vectors.overlay())
    try other.add([.anyGeneve], [.set(.l4Destination(6082)), .rawDecap(index: 1), .representedPort(1)])
    _ = other.receive(Vectors.geneve, port: 0)
    #expect(other.device.foundDrop == .decapsulateMismatch)
  }

  @Test("Sixteen jumps are taken, the seventeenth is a loop and changes nothing")
  func loop() throws {
    for jumps in [16, 17] {
      var bench = try Bench(Vectors.overlay())
      var ids: [UInt32] = []
      for group in 0..<jumps {
        ids.append(
          try bench.add([.anyEth], [.count(id: 0), .decTTL, .jump(group: UInt32(group + 1))], group: UInt32(group)))
      }
      try bench.add([.anyEth], [.representedPort(2)], group: UInt32(jumps))
      let out = try #require(bench.receive(Vectors.inner, port: 1).first)
      #expect(out.frame.outcome == (jumps == 16 ? .forward : .up))
      #expect(out.bytes[22] == (jumps == 16 ? 47 : 63))
      for id in ids { #expect(try bench.device.query(id, now: 0).frames == (jumps == 16 ? 1 : 0)) }
    }
  }

  @Test("Every ratio-th frame of a rule is copied, from the first on, and the copy goes its own way")
  func samples() throws {
    var overlay = Vectors.overlay()
    overlay.sampleActions = [1: [.rawEncap(index: 1), .representedPort(0)]]
    var bench = try Bench(overlay)
    try bench.add([.anyTCP], [.sample(ratio: 3, index: 1), .decTTL, .representedPort(2)])
    for hit in 0..<7 {
      let out = bench.receive(Vectors.inner, port: 1)
      #expect(out.count == (hit % 3 == 0 ? 2 : 1))
      if hit % 3 == 0 {
        #expect(out[0].bytes == Vectors.geneve && out[0].port == 0 && out[0].frame.token == EmulatedDevice.noToken)
      }
      #expect(out.last?.bytes[22] == 62 && out.last?.port == 2 && out.last?.frame.token == 7)
    }
    #expect(bench.device.statistics.copied == 3 && bench.device.statistics.bypassed == 7)
  }

  @Test("A copy has the mark so far and its rule's id; a drop by its list is told, another passes the frame up")
  func copies() throws {
    var overlay = Vectors.overlay()
    overlay.sampleActions = [1: [.queue(3)], 2: [.drop], 3: [.mark(4), .queue(5)], 4: [.portID(77)]]
    var bench = try Bench(overlay)
    let id = try bench.add(
      [.anyTCP], [1, 2, 3].map { .sample(ratio: 1, index: $0) } + [.mark(9), .sample(ratio: 1, index: 1), .queue(6)])
    let out = bench.receive(Vectors.inner, port: 1)
    #expect(out.map(\.mark) == [0, 0, 4, 9, 9] && out.map(\.frame.queue) == [3, 0, 5, 3, 6])
    #expect(out[1].frame.outcome == .dropped(.rule) && out.allSatisfy { $0.frame.rule == id })
    #expect(out.map { $0.frame.steps.contains(.sampled) } == [true, true, true, true, false])
    try bench.add([.anyIPv4], [.count(id: 0), .sample(ratio: 1, index: 4), .queue(0)], port: 2, id: 50)
    _ = try bench.device.remove(id, now: 0)
    #expect(bench.receive(Vectors.inner, port: 2).map(\.frame.outcome) == [.up])
    #expect(try bench.device.query(50, now: 0).frames == 0)
  }

  @Test("A rule that a frame comes back to counts and copies it again (A1)")
  func loops() throws {
    var overlay = Vectors.overlay()
    overlay.sampleActions[1] = [.queue(0)]
    var bench = try Bench(overlay)
    var ip = IPv4Item()
    ip.ttl = Field(Vectors.inner[22] - 2)
    let loop = try bench.add([.anyIPv4], [.count(id: 0), .sample(ratio: 2, index: 1), .decTTL, .jump(group: 0)])
    try bench.add([.ipv4(ip)], [.queue(1)], id: 90)
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.outcome) == [.up], "17 jumps")
    _ = try bench.device.remove(loop, now: 0)
    try bench.add([.anyIPv4], [.count(id: 0), .sample(ratio: 2, index: 1), .decTTL, .jump(group: 0)], id: 91)
    #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.queue) == [0, 1])
    #expect(try bench.device.query(91, now: 0).frames == 2)
  }

  @Test("RSS gives a flow one queue, and flows several; inside a tunnel when asked")
  func spreading() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyGeneve], [.rss(RSSAction(queues: [3, 5, 8, 9], level: .inner))])
    var seen: Set<UInt8> = []
    for port in 0..<64 {
      var frame = Vectors.geneve
      // The inner source port; its checksum and the outer one with it.
      frame[92] = UInt8(port)
      frame[108] = frame[108] &- UInt8(port)
      let queues = Set((0..<3).map { _ in bench.receive(frame, port: 0).first?.frame.queue ?? 0 })
      #expect(queues.count == 1)
      seen.formUnion(queues)
    }
    #expect(seen == [3, 5, 8, 9])
  }

  @Test("The index finds what a search through all rules finds, through inserts and removals")
  func index() throws {
    var bench = try Bench(Vectors.overlay())
    var chance = SeededGenerator(state: 11)
    var rules: [UInt32: (address: UInt32, mask: UInt32, priority: UInt32)] = [:]
    for step in 0..<600 {
      let id = UInt32(1 + step)
      let mask = UInt32.max << UInt32(chance.next() % 9)
      let rule = (
        address: (0x0a00_0000 | UInt32(chance.next() % 16)) & mask, mask: mask, priority: UInt32(chance.next() % 4)
      )
      var ip = IPv4Item()
      ip.dst = Field(rule.address, mask: mask)
      try bench.add([.ipv4(ip)], [.queue(0)], priority: rule.priority, id: id)
      rules[id] = rule
      if chance.next() % 3 == 0, let gone = rules.keys.sorted().randomElement(using: &chance) {
        _ = try bench.device.remove(gone, now: 0)
        rules[gone] = nil
      }
      let address = 0x0a00_0000 | UInt32(chance.next() % 16)
      var frame = Vectors.inner
      frame[33] = UInt8(address & 255)
      let wanted = rules.filter { address & $0.value.mask == $0.value.address }
        .min { ($0.value.priority, $0.key) < ($1.value.priority, $1.key) }
      let out = try #require(bench.receive(frame, port: 1).first)
      #expect(out.frame.rule == wanted?.key ?? 0)
    }
  }

  @Test("More shapes of match than the index has room for are found all the same")
  func manyShapes() throws {
    var bench = try Bench(Vectors.overlay())
    for shape in 1...600 {
      var ip = IPv4Item()
      ip.src = Field(0xffff_ffff, mask: UInt32(shape))
      try bench.add([.ipv4(ip)], [.drop], priority: 1)
    }
    let last = try bench.add([.ipv4(IPv4Item()), .anyTCP], [.queue(1)], priority: 2)
    var frame = Vectors.inner
    frame[26...29] = [0, 0, 0, 0]
    #expect(bench.receive(frame, port: 1).first?.frame.rule == last)
    frame[26...29] = [0, 0, 2, 0x58]
    // 600 = 0x258: the rule of that mask wants all of its bits, and so do those of the masks inside it.
    let wanted = (1...600).first { 0x258 & $0 == $0 }
    #expect(bench.receive(frame, port: 1).first?.frame.rule == UInt32(wanted ?? 0))
    for id in 1...600 { _ = try bench.device.remove(UInt32(id), now: 0) }
    #expect(bench.receive(frame, port: 1).first?.frame.rule == last && bench.device.ruleCount == 1)
  }
}

extension WalkTests {
  /// More shapes than the index has room for: what is added then is found by comparing every bit.
  private func crowded() throws -> Bench {
    var bench = try Bench(Vectors.overlay())
    for shape in 1...600 {
      var ip = IPv4Item()
      ip.src = Field(0xffff_ffff, mask: UInt32(shape))
      try bench.add([.ipv4(ip)], [.drop], group: 9)
    }
    return bench
  }

  @Test("A rule outside of the index takes a frame whose masked bits are its own, and none with one of them changed")
  func nearMisses() throws {
    var (eth, ip, tcp) = (EthItem(), IPv4Item(), TCPItem())
    eth.dst = Field(0x0200_0000_0002, mask: 0xffff_ff00_ffff)
    ip.tos = Field(0x02, mask: 0x0f)
    ip.fragmentOffset = Field(0, mask: 0x3fff)
    ip.src = Field(0x0a00_0001, mask: 0xff0f_ffff)
    tcp.src = Field(1234, mask: 0xfffe)
    tcp.flags = Field(0x18, mask: 0x3f)
    let places: [(Item, Int, [UInt8])] = [
      (.eth(eth), 0, [255, 255, 255, 0, 255, 255]), (.ipv4(ip), 15, [0x0f]), (.ipv4(ip), 20, [0x3f, 0xff]),
      (.ipv4(ip), 26, [255, 0x0f, 255, 255]), (.tcp(tcp), 34, [255, 0xfe]), (.tcp(tcp), 47, [0x3f]),
    ]
    for (item, at, mask) in places {
      var bench = try crowded()
      try bench.add([item], [.queue(1)])
      #expect(bench.receive(Vectors.inner, port: 1).first?.frame.outcome == .deliver)
      for (byte, bits) in mask.enumerated() {
        for bit in UInt8(0)..<8 {
          var frame = Vectors.inner
          frame[at + byte] ^= 1 << bit
          let isTaken = bench.receive(frame, port: 1).first?.frame.outcome == .deliver
          #expect(isTaken == (bits >> bit & 1 == 0), "\(item) byte \(byte) bit \(bit)")
        }
      }
    }
  }

  @Test("A rule outside of the index is found in its own group and in no other")
  func groupsOutside() throws {
    var bench = try crowded()
    let last = try bench.add([.anyIPv4, .anyTCP], [.queue(1)], group: 4)
    #expect(bench.receive(Vectors.inner, port: 1).first?.frame.rule == 0)
    try bench.add([.anyEth], [.jump(group: 4)])
    #expect(bench.receive(Vectors.inner, port: 1).first?.frame.rule == last)
  }

  @Test("Whatever goes first, the other rules are found by their ids")
  func directory() throws {
    for order in 0..<4 {
      var bench = try Bench(Vectors.overlay())
      var chance = SeededGenerator(state: UInt64(order))
      // Many more ids than places to begin at: some share one.
      var ids = Set((0..<900).map { _ in UInt32(truncatingIfNeeded: chance.next()) | 1 })
      for id in ids {
        var ip = IPv4Item()
        ip.dst = Field(id)
        try bench.add([.ipv4(ip)], [.drop], id: id)
      }
      for id in ids.sorted().shuffled(using: &chance).prefix(450) {
        _ = try bench.device.remove(id, now: 0)
        ids.remove(id)
      }
      for id in ids { #expect(throws: Never.self) { try bench.device.query(id, now: 0) } }
      #expect(bench.device.ruleCount == ids.count)
    }
  }
}

/// SplitMix64, for tests.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
