import Datapath
import Device
import Rules
import Testing

@Suite struct TunnelECNTests {
  /// RFC 6040 figure 4 as it is printed; rows Not-ECT, ECT(0), ECT(1), CE inside, columns the same outside; nil drops.
  static let figure4: [(inner: UInt8, results: [(outer: UInt8, result: UInt8?)])] = [
    (0, [(0, 0), (2, 0), (1, 0), (3, nil)]), (2, [(0, 2), (2, 2), (1, 1), (3, 3)]),
    (1, [(0, 1), (2, 1), (1, 1), (3, 3)]), (3, [(0, 3), (2, 3), (1, 3), (3, 3)]),
  ]

  @Test(
    "RFC 6040 figure 4 holds for every pair of codepoints, inside and outside IPv4 and IPv6 (D3)",
    arguments: [
      (false, false), (false, true), (true, false), (true, true),
    ])
  func table(_ outerIPv6: Bool, _ innerIPv6: Bool) throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.rawDecap(index: 1), .portID(Lab.tenant)])
    for row in Self.figure4 {
      for (outer, result) in row.results {
        let inner = Craft.tenant(ipv6: innerIPv6, tos: 0x48 | row.inner)
        let out = try lab.one(
          Craft.underlayUDP(
            6081, Craft.geneve(5, inner), ipv6: outerIPv6, tos: 0xa0 | outer, sum: .right), port: Lab.uplink)
        if let result {
          #expect(out.outcome == .forward)
          #expect(out.bytes == Craft.tenant(ipv6: innerIPv6, tos: 0x48 | result), "\(row.inner) in \(outer)")
        } else {
          #expect(out.drop == .ecnNotCapable)
        }
      }
    }
  }

  @Test("An inner frame without IP keeps its bytes whatever the outer ECN says, CE included (D3)")
  func nonIP() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.rawDecap(index: 1), .portID(Lab.tenant)])
    let arp = Craft.ethernet(0x0806, [UInt8](repeating: 3, count: 28))
    let out = try lab.one(Craft.underlayUDP(6081, Craft.geneve(5, arp), tos: 3), port: Lab.uplink)
    #expect(out.bytes == arp)
  }

  @Test("An inner IPv4 header checksum that was wrong is still wrong after its ECN changed (D3, RFC 1624)")
  func wrongStaysWrong() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.rawDecap(index: 1), .portID(Lab.tenant)])
    var inner = Craft.tenant(tos: 2)
    inner[24] ^= 0x40
    let out = try lab.one(Craft.underlayUDP(6081, Craft.geneve(5, inner), tos: 3), port: Lab.uplink)
    #expect(out.bytes[15] & 3 == 3)
    #expect(slowSum(out.bytes[14..<34]) != 0xffff)
  }

  @Test(
    "Encapsulation copies ECN in normal mode and leaves it 0 where that is asked for (D3)", arguments: [false, true])
  func ingress(_ ipv6: Bool) throws {
    for ecn in EncapsulationPolicy.ECN.allCases {
      var policy = EncapsulationPolicy()
      policy.ecn = ecn
      var overlay = Lab.overlay()
      overlay.encapsulations[1] = Craft.template(.geneve, ipv6: ipv6, tos: 0x2b, policy: policy)
      var lab = try Lab(overlay)
      try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .portID(Lab.uplink)])
      for inner in 0..<4 as Range<UInt8> {
        for innerIPv6 in [false, true] {
          let out = try lab.one(Craft.tenant(ipv6: innerIPv6, tos: 0x80 | inner), port: Lab.tenant)
          let tos = ipv6 ? Craft.get16(out.bytes, 14) >> 4 & 0xff : Int(out.bytes[15])
          #expect(tos == 0x28 | (ecn == .copy ? Int(inner) : 0))
        }
      }
    }
  }
}
