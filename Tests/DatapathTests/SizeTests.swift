import Classifier
import Datapath
import Device
import Rules
import Testing

@Suite struct SizeTests {
  struct Row: Sendable {
    var kind: TunnelKind
    var ipv6: Bool
    var options: Int
    var flags = 0x2000
    var mtu: Int
  }

  /// notes/protocol-behaviours.md, D7, for an underlay of 1500.
  static let rows: [Row] = [
    Row(kind: .vxlan, ipv6: false, options: 0, mtu: 1450), Row(kind: .vxlan, ipv6: true, options: 0, mtu: 1430),
    Row(kind: .geneve, ipv6: false, options: 0, mtu: 1450), Row(kind: .geneve, ipv6: true, options: 0, mtu: 1430),
    Row(kind: .geneve, ipv6: false, options: 8, mtu: 1442), Row(kind: .geneve, ipv6: true, options: 8, mtu: 1422),
    Row(kind: .geneve, ipv6: false, options: 252, mtu: 1198), Row(kind: .geneve, ipv6: true, options: 252, mtu: 1178),
    Row(kind: .nvgre, ipv6: false, options: 0, mtu: 1458),
  ]

  static func options(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let words = min(31, (count - bytes.count) / 4 - 1)
      bytes += [1, 2, 3, UInt8(words)] + [UInt8](repeating: 5, count: words * 4)
    }
    return bytes
  }

  static func lab(_ template: Encapsulation, uplinkMTU: UInt16 = 1500) throws -> Lab {
    var overlay = Lab.overlay(mtu: 9000, uplinkMTU: uplinkMTU)
    overlay.encapsulations[1] = template
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.count(id: 0), .rawEncap(index: 1), .portID(Lab.uplink)])
    return lab
  }

  /// A tenant's frame with an L3 packet of `length` bytes.
  static func frame(_ length: Int, ipv6: Bool = false, df: Bool = true) -> [UInt8] {
    Craft.tenant(ipv6: ipv6, payload: length - (ipv6 ? 48 : 28), df: df)
  }

  @Test("The inner MTU of each encapsulation is what arithmetic says: one byte more is too big and answered (D7)")
  func arithmetic() throws {
    for row in Self.rows {
      var lab = try Self.lab(Craft.template(row.kind, ipv6: row.ipv6, options: Self.options(row.options)))
      for ipv6 in [false, true] {
        #expect(try lab.one(Self.frame(row.mtu, ipv6: ipv6), port: Lab.tenant).outcome == .forward)
        let out = lab.send(Self.frame(row.mtu + 1, ipv6: ipv6), port: Lab.tenant)
        #expect(out.count == 2 && out.first?.drop == .tooBig)
        let answer = try #require(out.last)
        #expect(answer.outcome == .forward && answer.port == Lab.tenant)
        #expect(Craft.get16(answer.bytes, ipv6 ? 60 : 40) == row.mtu)
        #expect(answer.bytes[ipv6 ? 54 : 34] == (ipv6 ? 2 : 3))
      }
      #expect(lab.path.drops[.tooBig] == 2)
      #expect(lab.path.statistics.answers == 2)
    }
  }

  @Test("GRE and GRE with a key around IP: 1476 and 1472 (D7)")
  func gre() throws {
    for (flags, mtu) in [(0, 1476), (0x2000, 1472)] {
      var overlay = Lab.overlay(mtu: 9000)
      overlay.encapsulations[1] = Craft.template(.gre, proto: 0x0800, greFlags: flags)
      var lab = try Lab(overlay)
      try lab.rule(1, port: Lab.tenant, [.rawDecap(index: 5), .rawEncap(index: 1), .portID(Lab.uplink)])
      #expect(try lab.one(Self.frame(mtu), port: Lab.tenant).outcome == .forward)
      #expect(lab.send(Self.frame(mtu + 1), port: Lab.tenant).first?.drop == .tooBig)
    }
  }

  @Test(
    "A packet without DF is cut before encapsulation: each piece fits, has the same entropy, and is whole inside (S1)")
  func fragments() throws {
    for kind in [TunnelKind.geneve, .vxlan, .gre] {
      for ipv6 in [false, true] {
        for df in EncapsulationPolicy.DF.allCases {
          var policy = EncapsulationPolicy()
          policy.df = df
          var lab = try Self.lab(
            Craft.template(kind, ipv6: ipv6, greFlags: 0xa000, policy: policy), uplinkMTU: 600)
          let index: UInt16 = kind == .geneve ? 1 : kind == .vxlan ? 2 : 3
          try lab.rule(2, port: Lab.uplink, [.rawDecap(index: index), .portID(Lab.tenant)])
          let frame = Self.frame(1400, df: false)
          let out = lab.send(frame, port: Lab.tenant)
          #expect(out.count == 3 || out.count == 4)
          var ports: Set<Int> = []
          var ids: Set<Int> = []
          var payload: [UInt8] = []
          for (place, piece) in out.enumerated() {
            #expect(piece.outcome == .forward && piece.bytes.count - 14 <= 600)
            if kind != .gre { ports.insert(Craft.get16(piece.bytes, ipv6 ? 54 : 34)) }
            if !ipv6 { ids.insert(Craft.get16(piece.bytes, 18)) }
            EncapsulationTests.check(piece.bytes, ipv6: ipv6, udp: kind != .gre, summed: kind != .gre)
            let inner = try lab.one(piece.bytes, port: Lab.uplink)
            #expect(inner.outcome == .forward)
            #expect(slowSum(inner.bytes[14..<34]) == 0xffff)
            let isLast = place == out.count - 1
            #expect(Craft.get16(inner.bytes, 20) == (isLast ? 0 : 0x2000) | payload.count / 8)
            payload += inner.bytes[34...]
          }
          #expect(payload.elementsEqual(frame[34...]))
          #expect(ports.count <= 1)
          if !ipv6 { #expect(ids.count == (df == .set ? 1 : out.count)) }
          #expect(lab.book.counts(of: 1)?.frames == 1)
          #expect(lab.path.buffersAvailable == 256)
        }
      }
    }
  }

  @Test("Answers are limited per tenant, and what is suppressed is counted (S1)")
  func rate() throws {
    var lab = try Self.lab(Craft.template(.vxlan))
    for _ in 0..<30 { _ = lab.send(Self.frame(1460), port: Lab.tenant) }
    #expect(lab.path.statistics.answers == 10)
    #expect(lab.path.statistics.answersSuppressed == 20)
    lab.now += 1_000_000_000
    #expect(lab.send(Self.frame(1460), port: Lab.tenant).count == 2)
  }

  @Test("A plain frame longer than its port's MTU is dropped by name; padding and tags do not count (S2)")
  func portMTU() throws {
    var lab = try Lab(Lab.overlay(mtu: 1000))
    try lab.rule(1, port: Lab.uplink, [.portID(Lab.tenant)])
    #expect(try lab.one(Self.frame(1000), port: Lab.uplink).outcome == .forward)
    #expect(try lab.one(Self.frame(1000) + [0, 0, 0, 0], port: Lab.uplink).outcome == .forward)
    #expect(try lab.one(Self.frame(1001), port: Lab.uplink).drop == .exceedsPortMTU)
    let tagged = Craft.ethernet(0x9999, [UInt8](repeating: 0, count: 1000), tags: [(0x8100, 3)])
    #expect(try lab.one(tagged, port: Lab.uplink).outcome == .forward)
    #expect(try lab.one(tagged + [0], port: Lab.uplink).drop == .exceedsPortMTU)
  }

  @Test(
    "A frame that owes segmentation is measured by its segments, and cut inside its tunnel before a port that cannot")
  func segmentation() throws {
    for carries in [false, true] {
      var lab = try Self.lab(Craft.template(.geneve, options: Self.options(8)))
      if carries {
        lab.path.setCarried([.checksum, .tcpSegmentation, .tunnelSegmentation, .outerUDPChecksum], port: Lab.uplink)
      }
      let frame = Craft.tenant(tcp: true, payload: 4000)
      let owe: (Int) -> (inout Frame) -> Void = { size in
        { (frame: inout Frame) in
          frame.owed = [.checksum, .tcpSegmentation]
          frame.checksumStart = 34
          frame.checksumOffset = 16
          frame.segmentSize = UInt16(size)
          frame.segmentHeaderLength = 54
        }
      }
      let out = lab.send(frame, port: Lab.tenant, owe(1000))
      if carries {
        #expect(out.count == 1)
        #expect(out.first?.frame.owed == [.checksum, .tcpSegmentation, .tunnelSegmentation, .outerUDPChecksum])
        #expect(out.first?.frame.checksumStart == 34 + 58)
      } else {
        #expect(out.count == 4)
        for piece in out {
          EncapsulationTests.check(piece.bytes, ipv6: false, udp: true, summed: true)
          #expect(RewritingTests.isRight(Array(piece.bytes[58...])))
        }
      }
      #expect(lab.send(frame, port: Lab.tenant, owe(1403)).first?.drop == .tooBig)
    }
  }

  @Test("An owed checksum is paid before a port that cannot, and the outer checksum is the finished frame's (B1, B2)")
  func localChecksum() throws {
    for carries in [false, true] {
      var lab = try Self.lab(Craft.template(.vxlan, sourcePort: 50000))
      let frame = Craft.tenant(tcp: true, payload: 333)
      let finished = try lab.one(frame, port: Lab.tenant).bytes
      if carries { lab.path.setCarried(.checksum, port: Lab.uplink) }
      var owing = frame
      Craft.put(&owing, 50, Int(Craft.pseudo4(0xc0a8_0105, 0xc0a8_0206, 6, frame.count - 34)))
      var out = try lab.one(owing, port: Lab.tenant) {
        $0.owed = .checksum
        $0.checksumStart = 34
        $0.checksumOffset = 16
      }
      #expect(out.frame.owed == (carries ? .checksum : []))
      Craft.put(&out.bytes, 100, Craft.get16(finished, 100))
      #expect(out.bytes == finished)
    }
  }

  @Test("A debt that cannot be paid is dropped by name (B1)")
  func malformed() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.portID(Lab.other)])
    for (start, offset) in [(34, 7), (500, 6)] as [(Int, UInt8)] {
      let out = try lab.one(Craft.tenant(), port: Lab.tenant) {
        $0.owed = .checksum
        $0.checksumStart = start
        $0.checksumOffset = offset
      }
      #expect(out.drop == .malformedDebt)
    }
  }

  @Test("What was paid between two encapsulations is not paid again when the packet is cut (S1, B1)")
  func paidBetween() throws {
    var overlay = Lab.overlay(mtu: 9000)
    var policy = EncapsulationPolicy()
    policy.udpChecksum = .off
    overlay.encapsulations = [1: Craft.template(.geneve, policy: policy), 2: Craft.template(.vxlan, policy: policy)]
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .rawEncap(index: 2), .portID(Lab.uplink)])
    let whole = Craft.tenant(tcp: true, payload: 1600, df: false)
    var owing = whole
    let pseudo = Craft.pseudo4(0xc0a8_0105, 0xc0a8_0206, 6, whole.count - 34)
    Craft.put(&owing, 50, Int(pseudo & 0xffff))
    let out = lab.send(owing, port: Lab.tenant) {
      $0.owed = .checksum
      $0.checksumStart = 34
      $0.checksumOffset = 16
    }
    #expect(out.count == 2 && out.allSatisfy { $0.outcome == .forward && $0.frame.owed.isEmpty })
    // Behind two outer headers of 50 bytes stand Ethernet and IPv4.
    #expect(out.flatMap { $0.bytes[134...] } == Array(whole[34...]))
  }
}
