import Classifier
import Datapath
import Device
import Rules
import Testing

/// V2 and V3: a frame that a device did some steps of ends as one that software did all of.
@Suite struct HalfDoneTests {
  static func overlay() -> Overlay {
    var overlay = Lab.overlay()
    var plain = EncapsulationPolicy()
    plain.udpChecksum = .off
    overlay.encapsulations = [
      1: Craft.template(.geneve, options: [1, 2, 3, 1, 9, 9, 9, 9]), 2: Craft.template(.vxlan, policy: plain),
      3: Craft.template(.geneve, ipv6: true, proto: 0x0800), 4: Craft.template(.none), 5: Craft.template(.nvgre),
    ]
    return overlay
  }

  static let programs: [[Action]] = [
    [.count(id: 0), .rawDecap(index: 1), .set(.ttl(9)), .decTTL, .portID(Lab.tenant)],
    [.rawDecap(index: 1), .count(id: 0), .mark(5), .set(.ipv4Source(7)), .queue(3)],
    [.rawDecap(index: 1), .rawEncap(index: 2), .count(id: 0), .portID(Lab.uplink)],
    [.rawDecap(index: 1), .rawDecap(index: 5), .rawEncap(index: 3), .portID(Lab.uplink)],
    [.rawDecap(index: 1), .rawDecap(index: 5), .rawEncap(index: 4), .pushVLAN(etherType: 0x8100), .portID(Lab.other)],
    [.decTTL, .set(.macSource(5)), .pushVLAN(etherType: 0x88a8), .set(.vlanID(9)), .popVLAN, .portID(Lab.host)],
    [.age(timeout: 9), .rawDecap(index: 1), .portID(77)], [.rawDecap(index: 1), .drop], [.rawDecap(index: 1)],
    [.rawDecap(index: 2), .portID(Lab.tenant)], [.mark(1), .jump(group: 5)],
    [.count(id: 0), .rawDecap(index: 1), .jump(group: 5)],
  ]

  /// What matters of a result.
  static func same(_ a: Result, _ b: Result) -> Bool {
    a.outcome == b.outcome && a.port == b.port && a.bytes == b.bytes && a.mark == b.mark
      && a.frame.queue == b.frame.queue
  }

  static func fill(_ lab: inout Lab, _ program: [Action]) throws {
    try lab.rule(1, port: Lab.uplink, program)
    try lab.rule(
      2, port: Lab.uplink, [.count(id: 0), .set(.ttl(3)), .portID(Lab.tenant)],
      pattern: [.eth(.init()), .ipv4(.init())], group: 5)
  }

  static func frames() -> [[UInt8]] {
    [
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant())),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant(tos: 2)), tos: 3),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant()), tos: 3),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant(ipv6: true, payload: 1380)), sum: .right),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant(payload: 1400, df: false)), sum: .right),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.ethernet(0x0806, [1, 2, 3]))),
      Craft.underlayUDP(6081, Craft.geneve(5, Craft.tenant(), flags: 0x80)),
      Craft.underlayUDP(4789, Craft.vxlan(5, Craft.tenant(ttl: 1))), Craft.tenant(tcp: true, payload: 500),
      Craft.tenant(ttl: 1),
    ]
  }

  @Test("After every prefix of every program, done by a device, software ends in the same bytes, fates and counts (V2)")
  func prefixes() throws {
    var compared = 0
    for program in Self.programs {
      for bytes in Self.frames() {
        var whole = try Lab(Self.overlay())
        try Self.fill(&whole, program)
        let expected = whole.send(bytes, port: Lab.uplink)
        for done in 0..<program.count where !program[..<done].contains(where: \.isFate) {
          // The device: a data path of its own that does the prefix and gives the frame up.
          var device = try Lab(Self.overlay())
          try device.rule(1, port: Lab.uplink, Array(program[..<done]) + [.queue(0)])
          let up = try device.one(bytes, port: Lab.uplink)
          // A device that would have to drop passes the frame up as it came (V1).
          if up.outcome != .deliver, up.drop != .missingEthernet || !up.frame.steps.contains(.startsAtIP) { continue }
          var software = try Lab(Self.overlay())
          try Self.fill(&software, program)
          software.book.setResume(rule: 1, actionsDone: done)
          let got = software.send(done == 0 ? bytes : up.bytes, port: Lab.uplink) {
            $0.rule = 1
            $0.steps = done == 0 ? .match : up.frame.steps.union(.match)
            $0.tunnelKey = up.frame.tunnelKey
          }
          compared += 1
          #expect(got.count == expected.count)
          for (one, other) in zip(got, expected) {
            #expect(Self.same(one, other), "\(program) after \(done): \(one.outcome) \(other.outcome)")
          }
          for reason in DropReason.allCases { #expect(software.path.drops[reason] == whole.path.drops[reason]) }
          let counted = whole.book.counts(of: 1)?.frames ?? 0
          #expect(software.book.counts(of: 1)?.frames == (done == 0 ? counted : 0), "whoever begins counts")
          #expect(software.book.counts(of: 2)?.frames == whole.book.counts(of: 2)?.frames)
        }
      }
    }
    #expect(compared > 150)
  }

  @Test("A frame that missed in a later group goes on there, with the marks of the rule that sent it (V3)")
  func groups() throws {
    let bytes = Self.frames()[0]
    let program: [Action] = [.count(id: 0), .mark(8), .rawDecap(index: 1), .jump(group: 5)]
    var whole = try Lab(Self.overlay())
    try whole.rule(1, port: Lab.uplink, program)
    try whole.rule(2, port: Lab.uplink, [.count(id: 0), .queue(4)], group: 5)
    let expected = try whole.one(bytes, port: Lab.uplink)
    #expect(expected.mark == 8)
    var software = try Lab(Self.overlay())
    try software.rule(1, port: Lab.uplink, program)
    try software.rule(2, port: Lab.uplink, [.count(id: 0), .queue(4)], group: 5)
    software.book.setResume(rule: 1, actionsDone: 4)
    let got = try software.one(Craft.tenant(), port: Lab.uplink) {
      $0.rule = 1
      $0.group = 5
      $0.steps = [.match, .decapsulate]
      $0.tunnelKey = 5
    }
    #expect(Self.same(got, expected))
    #expect(software.book.counts(of: 1)?.frames == 0)
    #expect(software.book.counts(of: 2)?.frames == 1)
  }

  @Test("A guard met behind a jump has its whole program done and is counted")
  func guardBehindJump() throws {
    var software = try Lab(Self.overlay())
    try software.rule(2, port: Lab.uplink, [.count(id: 0), .set(.ttl(3)), .portID(Lab.tenant)], group: 5)
    let got = try software.one(Craft.tenant(), port: Lab.uplink) {
      $0.rule = 2
      $0.group = 5
      $0.steps = [.match, .decapsulate]
    }
    #expect(got.bytes[22] == 3 && got.port == Lab.tenant)
    #expect(software.book.counts(of: 2)?.frames == 1)
  }

  @Test("Jumps of the device count for the loop: sixteen in all, wherever they are taken (A3, V3)", arguments: [8, 9])
  func loop(_ byDevice: Int) throws {
    var software = try Lab(Self.overlay())
    for group in UInt32(9)..<17 {
      try software.rule(group, port: Lab.uplink, [.jump(group: group + 1)], group: group)
    }
    try software.rule(40, port: Lab.uplink, [.portID(Lab.tenant)], group: 17)
    let got = try software.one(Craft.tenant(), port: Lab.uplink) {
      $0.group = 9
      $0.steps = .match
      $0.jumps = byDevice
    }
    #expect(got.drop == (byDevice == 8 ? nil : .jumpLoop))
    #expect(got.frame.jumps == 0, "told once")
  }

  @Test("A frame whose rule has gone meanwhile is looked up again when nothing was done to it, else dropped")
  func gone() throws {
    var software = try Lab(Self.overlay())
    try software.rule(3, port: Lab.uplink, [.portID(Lab.host)])
    let untouched = try software.one(Craft.tenant(), port: Lab.uplink) {
      $0.rule = 77
      $0.steps = .match
    }
    #expect(untouched.port == Lab.host)
    let touched = try software.one(Craft.tenant(), port: Lab.uplink) {
      $0.rule = 77
      $0.steps = [.match, .decapsulate]
    }
    #expect(touched.drop == .noRule)
  }
}
