import Datapath
import Device
import Rules
import Testing

@Suite struct EncapsulationTests {
  static func lab(_ encapsulation: Encapsulation, mtu: UInt16 = 1500) throws -> Lab {
    var overlay = Lab.overlay(mtu: 9000, uplinkMTU: mtu)
    overlay.encapsulations[1] = encapsulation
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .portID(Lab.uplink)])
    for (id, kind) in [(10, 1), (11, 2), (12, 4), (13, 3)] as [(UInt32, UInt16)] {
      let item: Item =
        kind == 1 ? .geneve(.init()) : kind == 2 ? .vxlan(.init()) : kind == 4 ? .nvgre(.init()) : .gre(.init())
      try lab.rule(id, port: Lab.uplink, [.rawDecap(index: kind), .portID(Lab.tenant)], pattern: [item], priority: id)
    }
    return lab
  }

  /// Looks at everything in an outer header that a receiver may check.
  static func check(_ bytes: [UInt8], ipv6: Bool, udp: Bool, summed: Bool) {
    let end = bytes.count
    if ipv6 {
      #expect(Craft.get16(bytes, 18) == end - 54)
      #expect(Craft.get16(bytes, 14) & 0xf == 0xa && Craft.get16(bytes, 16) == 0xbcde, "flow label is the template's")
    } else {
      #expect(Craft.get16(bytes, 16) == end - 14)
      #expect(slowSum(bytes[14..<34]) == 0xffff)
    }
    guard udp else { return }
    let l4 = ipv6 ? 54 : 34
    #expect(Craft.get16(bytes, l4 + 4) == end - l4)
    if summed {
      let pseudo =
        ipv6
        ? Craft.pseudo6(Craft.local6, Craft.remote6, 17, end - l4)
        : Craft.pseudo4(Craft.local4, Craft.remote4, 17, end - l4)
      #expect(slowSum(bytes[l4...], pseudo) == 0xffff)
      #expect(Craft.get16(bytes, l4 + 6) != 0)
    } else {
      #expect(Craft.get16(bytes, l4 + 6) == 0)
    }
  }

  @Test("Decapsulating what was encapsulated gives the frame back, for random frames and every tunnel")
  func inverse() throws {
    var generator = SeededGenerator(state: 7)
    for kind in [TunnelKind.geneve, .vxlan, .gre, .nvgre] {
      for ipv6 in [false, true] {
        for round in 0..<60 {
          var policy = EncapsulationPolicy()
          policy.udpChecksum = ipv6 || Bool.random(using: &generator) ? .on : .off
          policy.ecn = .copy
          policy.df = EncapsulationPolicy.DF.allCases[round % 3]
          policy.dscp = Bool.random(using: &generator) ? .copy : .fixed
          policy.ttl = Bool.random(using: &generator) ? .copy : .fixed
          let words = Int.random(in: 0...5, using: &generator)
          let options: [UInt8] =
            kind == .geneve && words > 0 ? [1, 2, 3, UInt8(words - 1)] + generator.bytes((words - 1) * 4) : []
          let flags = kind == .gre ? [0, 0x2000, 0x8000, 0xa000][round % 4] : 0x2000
          var lab = try Self.lab(
            Craft.template(kind, ipv6: ipv6, options: options, greFlags: flags, policy: policy), mtu: 9000)
          let frame =
            round % 7 == 0
            ? Craft.ethernet(0x0806, generator.bytes(.random(in: 0...60, using: &generator)))
            : Craft.tenant(
              ipv6: Bool.random(using: &generator), tcp: Bool.random(using: &generator),
              payload: .random(in: 0...300, using: &generator), tos: UInt8.random(in: 0...255, using: &generator),
              ttl: UInt8.random(in: 1...255, using: &generator), df: Bool.random(using: &generator),
              seed: UInt8.random(in: 0...255, using: &generator))
          let out = try lab.one(frame, port: Lab.tenant, headroom: round % 5 == 0 ? 0 : 512)
          #expect(out.outcome == .forward)
          let udp = kind == .geneve || kind == .vxlan
          Self.check(out.bytes, ipv6: ipv6, udp: udp, summed: policy.udpChecksum == .on)
          let back = try lab.one(out.bytes, port: Lab.uplink)
          #expect(back.outcome == .forward && back.bytes == frame, "\(kind) \(ipv6) \(round)")
        }
      }
    }
  }

  @Test("A computed UDP checksum of 0 is sent as 0xffff (D2)")
  func zeroBecomesOnes() throws {
    // The destination MAC of an inner frame without IP is free: choose it so that the sum is all ones.
    var lab = try Self.lab(Craft.template(.vxlan, sourcePort: 50000))
    let frame = Craft.ethernet(0x0806, [0, 0])
    let first = try lab.one(frame, port: Lab.tenant).bytes
    let field = Craft.get16(first, 40)
    var chosen = frame
    Craft.put(&chosen, 14, field)
    let out = try lab.one(chosen, port: Lab.tenant).bytes
    #expect(Craft.get16(out, 40) == 0xffff)
    Self.check(out, ipv6: false, udp: true, summed: true)
  }

  @Test("The C bit is set exactly when an option is critical, OptLen is the options' length, reserved bits are 0 (D1)")
  func geneveHeader() throws {
    for critical in [false, true] {
      let options: [UInt8] = [1, 2, critical ? 0x83 : 3, 1, 0, 0, 0, 1]
      var template = Craft.template(.geneve, options: options, flags: 0x3f)
      template.header[42] = 0
      template.header[49] = 0xff
      var lab = try Self.lab(template)
      let out = try lab.one(Craft.tenant(), port: Lab.tenant).bytes
      #expect(out[42] == 2)
      #expect(out[43] == (critical ? 0x40 : 0))
      #expect(out[49] == 0)
      #expect(Array(out[50..<58]) == options)
    }
  }

  @Test("The longest Geneve header, 252 bytes of options over IPv6, goes in front without a copy (D1)")
  func longest() throws {
    let options = [UInt8](
      ([1, 2, 3, 31] as [UInt8]) + [UInt8](repeating: 7, count: 124) + [1, 2, 4, 30] + [UInt8](repeating: 8, count: 120)
    )
    var lab = try Self.lab(Craft.template(.geneve, ipv6: true, options: options))
    let frame = Craft.tenant()
    let out = try lab.one(frame, port: Lab.tenant, headroom: 384)
    #expect(out.bytes.count == frame.count + 322)
    #expect(lab.path.statistics.headroomCopies == 0)
    Self.check(out.bytes, ipv6: true, udp: true, summed: true)
  }

  @Test("Too little headroom costs one copy, which is counted, and gives the same bytes")
  func headroom() throws {
    var lab = try Self.lab(Craft.template(.geneve, sourcePort: 50000))
    let frame = Craft.tenant()
    let roomy = try lab.one(frame, port: Lab.tenant)
    for headroom in [0, 10, 48, 49, 50, 52, 63, 64] {
      let before = lab.path.statistics.headroomCopies
      let out = try lab.one(frame, port: Lab.tenant, headroom: headroom)
      #expect(out.bytes == roomy.bytes)
      #expect(lab.path.statistics.headroomCopies - before == (headroom < 50 ? 1 : 0))
    }
    #expect(lab.released.count == 4, "the first buffers are told to be free")
  }

  @Test("The outer source port is 49152…65535, one a flow, and differs between flows (D1, D4)")
  func entropy() throws {
    var lab = try Self.lab(Craft.template(.vxlan))
    var seen: Set<Int> = []
    for flow in 0..<64 {
      let first = try lab.one(Craft.tenant(ports: (1000 + flow, 80)), port: Lab.tenant).bytes
      let second = try lab.one(Craft.tenant(payload: 99, tos: 8, ports: (1000 + flow, 80)), port: Lab.tenant).bytes
      let port = Craft.get16(first, 34)
      #expect(port >= 49152)
      #expect(Craft.get16(second, 34) == port)
      seen.insert(port)
    }
    #expect(seen.count > 50)
  }

  @Test("Flows that differ in one address, one port or the protocol alone have different source ports, mostly")
  func everyPartOfTheFlow() throws {
    var lab = try Self.lab(Craft.template(.vxlan))
    func port(_ a: UInt32, _ b: UInt32, _ ports: (Int, Int), isTCP: Bool = false, isIPv6: Bool = false) throws -> Int {
      let proto: UInt8 = isTCP ? 6 : 17
      let (a6, b6) = (Craft.local6 & ~0xff | UInt128(a) << 64, Craft.remote6 & ~0xff | UInt128(b))
      let pseudo: (Int) -> UInt32 = {
        isIPv6 ? Craft.pseudo6(a6, b6, proto, $0) : Craft.pseudo4(a, b, proto, $0)
      }
      let l4 =
        isTCP ? Craft.tcp(ports.0, ports.1, [1], pseudo: pseudo) : Craft.udp(ports.0, ports.1, [1], pseudo: pseudo)
      let frame =
        isIPv6
        ? Craft.ethernet(0x86dd, Craft.ipv6(proto, l4, source: a6, destination: b6))
        : Craft.ethernet(0x0800, Craft.ipv4(proto, l4, source: a, destination: b))
      return Craft.get16(try lab.one(frame, port: Lab.tenant).bytes, 34)
    }
    for isIPv6 in [false, true] {
      for part in 0..<5 {
        var seen: Set<Int> = []
        for bit in 0..<16 {
          let change = UInt32(1) << UInt32(bit)
          let source = 0x0a00_0000 ^ (part == 0 ? change : 0), destination = 0x0b00_0000 ^ (part == 1 ? change : 0)
          let ports = (5000 ^ (part == 2 ? Int(change) : 0), 80 ^ (part == 3 ? Int(change) : 0))
          seen.insert(try port(source, destination, ports, isTCP: part == 4 && bit > 7, isIPv6: isIPv6))
        }
        #expect(part == 4 ? seen.count == 2 : seen.count > 12, "part \(part), IPv6 \(isIPv6): \(seen.count)")
      }
    }
  }

  @Test("All fragments of an inner packet have one entropy, the first one with its ports included")
  func fragmentEntropy() throws {
    var lab = try Self.lab(Craft.template(.vxlan))
    var ports: Set<Int> = []
    for fragment in [0x2000, 0x2001, 0x0005] {
      for data in [[UInt8](repeating: 1, count: 16), [UInt8](repeating: 9, count: 24)] {
        let frame = Craft.ethernet(0x0800, Craft.ipv4(17, data, df: false, id: 7, fragment: fragment))
        ports.insert(Craft.get16(try lab.one(frame, port: Lab.tenant).bytes, 34))
      }
    }
    #expect(ports.count == 1)
  }

  @Test("TTL, DSCP and DF follow their policies, and what is not IP gets 64, 0 and DF")
  func policies() throws {
    for ipv6 in [false, true] {
      for dscp in EncapsulationPolicy.DSCP.allCases {
        for ttl in EncapsulationPolicy.TTL.allCases {
          for df in EncapsulationPolicy.DF.allCases {
            var policy = EncapsulationPolicy()
            (policy.dscp, policy.ttl, policy.df) = (dscp, ttl, df)
            var lab = try Self.lab(Craft.template(.geneve, ipv6: ipv6, tos: 0x28, ttl: 0, policy: policy))
            for inner in [Craft.tenant(tos: 0xb9, ttl: 33, df: false), Craft.ethernet(0x0806, [0, 0])] {
              let isIP = inner[12] == 8 && inner[13] == 0
              let out = try lab.one(inner, port: Lab.tenant).bytes
              let tos = ipv6 ? Craft.get16(out, 14) >> 4 & 0xff : Int(out[15])
              #expect(tos & 0xfc == (dscp == .copy ? (isIP ? 0xb8 : 0) : 0x28))
              #expect(out[ipv6 ? 21 : 22] == (ttl == .copy && isIP ? 33 : 64))
              guard !ipv6 else { continue }
              let isSet = df == .set || df == .copy && !isIP
              #expect(Craft.get16(out, 20) == (isSet ? 0x4000 : 0))
              if isSet { #expect(Craft.get16(out, 18) == 0) }
            }
          }
        }
      }
    }
  }

  @Test("An encapsulation takes only what its tunnel's protocol says (E1)")
  func insides() throws {
    var lab = try Self.lab(Craft.template(.geneve, proto: 0x0800))
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).drop == .missingEthernet)
    var overlay = Lab.overlay()
    overlay.encapsulations[1] = Craft.template(.geneve, proto: 0x0800)
    overlay.encapsulations[2] = Craft.template(.geneve, proto: 0x6558)
    var other = try Lab(overlay)
    try other.rule(1, port: Lab.tenant, [.rawDecap(index: 5), .rawEncap(index: 1), .portID(Lab.uplink)])
    try other.rule(2, port: Lab.other, [.rawDecap(index: 5), .rawEncap(index: 2), .portID(Lab.uplink)])
    let frame = Craft.tenant()
    let out = try other.one(frame, port: Lab.tenant).bytes
    #expect(Array(out[50...]) == Array(frame[14...]))
    #expect(try other.one(Craft.tenant(ipv6: true), port: Lab.tenant).drop == .missingEthernet)
    #expect(try other.one(frame, port: Lab.other).drop == .missingEthernet)
  }

  @Test("A rule that names no encapsulation or no port drops by name")
  func missing() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 99), .portID(Lab.uplink)])
    try lab.rule(2, port: Lab.other, [.portID(77)])
    #expect(try lab.one(Craft.tenant(), port: Lab.tenant).drop == .noSuchEncapsulation)
    #expect(try lab.one(Craft.tenant(), port: Lab.other).drop == .noSuchPort)
  }

  @Test("What is known of a frame's checksums is known of the inner ones once it is encapsulated, on every way")
  func knowledge() throws {
    var plain = EncapsulationPolicy()
    plain.udpChecksum = .off
    for policy in [EncapsulationPolicy(), plain] {
      var overlay = Lab.overlay()
      overlay.encapsulations = [1: Craft.template(.geneve, policy: policy)]
      for program in [[Action.rawEncap(index: 1), .portID(Lab.uplink)], [.decTTL, .rawEncap(index: 1), .portID(0)]] {
        var lab = try Lab(overlay)
        try lab.rule(1, port: Lab.tenant, program)
        // The second time the flow is known.
        for _ in 0..<3 {
          let out = try lab.one(Craft.tenant(), port: Lab.tenant) {
            $0.checksums[.outerL3] = .good
            $0.checksums[.outerL4] = .bad
          }
          let known = out.frame.checksums
          #expect(known[.outerL3] == .unknown && known[.outerL4] == .unknown)
          #expect(known[.innerL3] == .good && known[.innerL4] == .bad)
        }
      }
    }
  }
}
