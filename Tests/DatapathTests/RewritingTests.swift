import Datapath
import Device
import Rules
import Testing
import Wire

@Suite struct RewritingTests {
  /// Recomputes what is right in an Ethernet frame with IP and TCP or UDP: the oracle.
  static func isRight(_ bytes: [UInt8]) -> Bool {
    var l3 = 14
    while [0x8100, 0x88a8].contains(Craft.get16(bytes, l3 - 2)) { l3 += 4 }
    let ipv6 = Craft.get16(bytes, l3 - 2) == 0x86dd
    let l4 = l3 + (ipv6 ? 40 : 20)
    let proto = ipv6 ? bytes[l3 + 6] : bytes[l3 + 9]
    if !ipv6, slowSum(bytes[l3..<l4]) != 0xffff { return false }
    let addresses = ipv6 ? bytes[l3 + 8..<l3 + 40] : bytes[l3 + 12..<l3 + 20]
    let pseudo = slowSum(be16(Int(proto)) + be16(bytes.count - l4), slowSum(addresses))
    return slowSum(bytes[l4...], pseudo) == 0xffff
  }

  static let fields: [(SetField, ipv6: Bool)] = [
    (.ipv4Source(0x0102_0304), false), (.ipv4Destination(0xffff_ffff), false), (.ipv4Source(0), false),
    (.ipv6Source(UInt128(0x1111) << 100 | 0xffff), true), (.ipv6Destination(0), true), (.l4Source(0), false),
    (.l4Destination(0xffff), false), (.l4Source(4444), true), (.ttl(7), false), (.ttl(7), true),
    (.ipv4DSCP(0x2e), false), (.ipv6DSCP(0x2e), true), (.macSource(0x0a0b_0c0d_0e0f), false),
    (.macDestination(0x0a0b_0c0d_0e0f), true),
  ]

  @Test("After any field was set, every checksum that covers it is what full recomputation gives (D6, RFC 1624)")
  func checksums() throws {
    for (field, ipv6) in Self.fields {
      var lab = try Lab()
      try lab.rule(1, port: Lab.tenant, [.set(field), .portID(Lab.other)])
      for tcp in [false, true] {
        for seed in 0..<20 as Range<UInt8> {
          for tags in [[], [(0x8100, 5)]] as [[(tpid: Int, tci: Int)]] {
            let frame = Craft.tenant(ipv6: ipv6, tcp: tcp, payload: 1 + Int(seed), tos: seed, tags: tags, seed: seed)
            let out = try lab.one(frame, port: Lab.tenant)
            #expect(out.bytes != frame && out.bytes.count == frame.count)
            #expect(Self.isRight(out.bytes), "\(field) \(tcp) \(seed)")
          }
        }
      }
    }
  }

  @Test("The field that was set has its value, and nothing else but checksums changed")
  func values() throws {
    let expected: [(SetField, Int, [UInt8])] = [
      (.macDestination(0x0102_0304_0506), 0, [1, 2, 3, 4, 5, 6]),
      (.macSource(0x0102_0304_0506), 6, [1, 2, 3, 4, 5, 6]),
      (.ipv4Source(0x0102_0304), 26, [1, 2, 3, 4]), (.ipv4Destination(0x0102_0304), 30, [1, 2, 3, 4]),
      (.ttl(9), 22, [9]), (.ipv4DSCP(0x2e), 15, [0xb9]), (.l4Source(0x0102), 34, [1, 2]),
      (.l4Destination(0x0102), 36, [1, 2]),
    ]
    for (field, at, value) in expected {
      var lab = try Lab()
      try lab.rule(1, port: Lab.tenant, [.set(field), .portID(Lab.other)])
      let frame = Craft.tenant(tos: 1)
      var out = try lab.one(frame, port: Lab.tenant).bytes
      #expect(Array(out[at..<at + value.count]) == value)
      for checksum in [24, 25, 40, 41] { out[checksum] = frame[checksum] }
      out.replaceSubrange(at..<at + value.count, with: frame[at..<at + value.count])
      #expect(out == frame)
    }
  }

  @Test("A UDP checksum of 0 stays 0 and is never updated, over IPv4 and IPv6 (D6)")
  func zeroStaysZero() throws {
    for ipv6 in [false, true] {
      var lab = try Lab()
      let field: SetField = ipv6 ? .ipv6Source(7) : .ipv4Source(7)
      try lab.rule(1, port: Lab.tenant, [.set(field), .set(.l4Source(1)), .portID(Lab.other)])
      var frame = Craft.tenant(ipv6: ipv6)
      Craft.put(&frame, ipv6 ? 60 : 40, 0)
      #expect(Craft.get16(try lab.one(frame, port: Lab.tenant).bytes, ipv6 ? 60 : 40) == 0)
    }
  }

  @Test("A UDP checksum that becomes 0 by an update is sent as 0xffff (D6)")
  func zeroBecomesOnes() throws {
    let frame = Craft.tenant()
    let field = Craft.get16(frame, 40)
    // Eqn 3 with m = 1111, m' so that the result is 0: m' = m + HC.
    let sum = 1111 + field
    let port = sum > 0xffff ? sum - 0xffff : sum
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.set(.l4Source(UInt16(port))), .portID(Lab.other)])
    let out = try lab.one(frame, port: Lab.tenant).bytes
    #expect(Craft.get16(out, 40) == 0xffff)
    #expect(Self.isRight(out))
  }

  @Test("RFC 1624's vector: HC 0xDD2F, m 0x5555, m' 0x3285 gives 0x0000 (D6)")
  func vector() {
    #expect(InternetChecksum.update16(0xdd2f, old: 0x5555, new: 0x3285) == 0)
  }

  @Test("An owed checksum holds the pseudo-header's sum: addresses change it, ports do not (D6)")
  func owed() throws {
    for tcp in [false, true] {
      let frame = Craft.tenant(tcp: tcp)
      let at = 34 + (tcp ? 16 : 6)
      var owing = frame
      let proto: UInt8 = tcp ? 6 : 17
      Craft.put(&owing, at, Int(Craft.pseudo4(0xc0a8_0105, 0xc0a8_0206, proto, frame.count - 34)))
      var lab = try Lab()
      try lab.rule(
        1, port: Lab.tenant, [.set(.ipv4Source(0x0102_0304)), .set(.l4Source(99)), .portID(Lab.other)])
      let owe: (inout Frame) -> Void = {
        $0.owed = .checksum
        $0.checksumStart = 34
        $0.checksumOffset = tcp ? 16 : 6
      }
      let paid = try lab.one(owing, port: Lab.tenant, owe)
      #expect(Self.isRight(paid.bytes))
      #expect(paid.bytes == (try lab.one(frame, port: Lab.tenant).bytes))
      lab.path.setCarried(.checksum, port: Lab.other)
      let carried = try lab.one(owing, port: Lab.tenant, owe)
      #expect(carried.frame.owed == .checksum)
      #expect(Craft.get16(carried.bytes, at) == Int(Craft.pseudo4(0x0102_0304, 0xc0a8_0206, proto, frame.count - 34)))
    }
  }

  @Test("Rewriting a fragment touches L3 alone")
  func fragments() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.set(.ipv4Source(1)), .set(.l4Source(9)), .portID(Lab.other)])
    let frame = Craft.ethernet(0x0800, Craft.ipv4(17, [UInt8](repeating: 5, count: 16), df: false, fragment: 0x2000))
    let out = try lab.one(frame, port: Lab.tenant).bytes
    #expect(out[34...].elementsEqual(frame[34...]))
    #expect(slowSum(out[14..<34]) == 0xffff)
  }

  @Test("A field of a header that is not there changes nothing")
  func absent() throws {
    var lab = try Lab()
    try lab.rule(
      1, port: Lab.tenant,
      [
        .set(.ipv4Source(1)), .set(.ipv6Source(1)), .set(.l4Source(1)), .set(.ttl(3)), .set(.ipv4DSCP(3)),
        .set(.ipv6DSCP(3)), .set(.vlanID(3)), .set(.vlanPriority(3)), .decTTL, .popVLAN, .portID(Lab.other),
      ])
    let frame = Craft.ethernet(0x0806, [UInt8](repeating: 5, count: 28))
    #expect(try lab.one(frame, port: Lab.tenant).bytes == frame)
  }

  @Test("TTL and hop limit count down, and a frame with 1 or 0 is dropped")
  func ttl() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.decTTL, .portID(Lab.other)])
    for ipv6 in [false, true] {
      for ttl in [0, 1, 2, 255] as [UInt8] {
        let out = try lab.one(Craft.tenant(ipv6: ipv6, ttl: ttl), port: Lab.tenant)
        if ttl < 2 {
          #expect(out.drop == .ttlExpired)
        } else {
          #expect(out.bytes == Craft.tenant(ipv6: ipv6, ttl: ttl - 1))
        }
      }
    }
  }

  @Test("A tag pushed and set is there, and popping it gives the frame back")
  func tags() throws {
    for headroom in [0, 512] {
      var lab = try Lab()
      try lab.rule(
        1, port: Lab.tenant,
        [.pushVLAN(etherType: 0x88a8), .set(.vlanID(0x123)), .set(.vlanPriority(5)), .portID(Lab.other)])
      try lab.rule(2, port: Lab.other, [.popVLAN, .portID(Lab.tenant)])
      let frame = Craft.tenant()
      let out = try lab.one(frame, port: Lab.tenant, headroom: headroom)
      #expect(out.bytes == Craft.tenant(tags: [(0x88a8, 0xa123)]))
      #expect(try lab.one(out.bytes, port: Lab.other).bytes == frame)
      #expect(try lab.one(frame, port: Lab.other).bytes == frame)
    }
  }
}
