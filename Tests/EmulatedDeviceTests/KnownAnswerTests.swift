import Device
import EmulatedDevice
import Rules
import Testing

/// The device against frames that scapy built.
@Suite("Known answers") struct KnownAnswerTests {
  static let tunnels: [(name: String, frame: [UInt8], inner: [UInt8], index: UInt16, key: UInt32)] = [
    ("geneve", Vectors.geneve, Vectors.inner, 1, 0x123456), ("vxlan", Vectors.vxlan6, Vectors.inner6, 2, 0x77),
    ("nvgre", Vectors.nvgre, Vectors.inner, 3, 0x5000),
  ]

  @Test("A tunnel's frame comes out as the inner frame, with the tunnel's key", arguments: 0..<3)
  func decapsulates(_ which: Int) throws {
    let tunnel = Self.tunnels[which]
    var bench = try Bench(Vectors.overlay())
    let rule = try bench.add([.anyEth], [.count(id: 0), .rawDecap(index: tunnel.index), .representedPort(1)])
    let out = bench.receive(tunnel.frame, port: 0)
    try #require(out.count == 1)
    #expect(out[0].bytes == tunnel.inner)
    #expect(out[0].port == 1 && out[0].frame.outcome == .forward && out[0].frame.tunnelKey == tunnel.key)
    #expect(out[0].frame.token == 7 && out[0].frame.rule == rule)
    let reading = try bench.device.query(rule, now: 0)
    #expect(reading.frames == 1 && reading.bytes == UInt64(tunnel.frame.count))
  }

  @Test("A frame put into a tunnel is scapy's frame to the last byte", arguments: 0..<3)
  func encapsulates(_ which: Int) throws {
    let tunnel = Self.tunnels[which]
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.rawEncap(index: tunnel.index), .representedPort(0)])
    for headroom in [512, 16] {
      let out = bench.receive(tunnel.inner, port: 1, headroom: headroom)
      try #require(out.count == 1)
      #expect(out[0].bytes == tunnel.frame, "\(tunnel.name) with \(headroom) bytes of headroom")
      #expect(out[0].port == 0 && out[0].frame.outcome == .forward && out[0].frame.token == 7)
    }
  }

  @Test("IP inside GRE with a checksum goes in and comes out through an Ethernet header of its own")
  func ipInGRE() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth, .anyIPv4, .anyGRE], [.rawDecap(index: 4), .rawEncap(index: 5), .representedPort(1)])
    try bench.add([.anyEth, .anyIPv4, .anyTCP], [.rawDecap(index: 5), .rawEncap(index: 4), .representedPort(0)])
    let out = bench.receive(Vectors.gre, port: 0)
    try #require(out.count == 1)
    #expect(out[0].bytes == Vectors.outerEthernet + [8, 0] + Vectors.inner.dropFirst(14))
    // The vector's outer ECN is 0, the template copies ECT(0) from inside: TOS, header checksum differ by 2.
    let back = bench.receive(Vectors.inner, port: 1)
    try #require(back.count == 1)
    var wanted = Vectors.gre
    wanted[15] = 2
    wanted[25] -= 2
    #expect(back[0].bytes == wanted)
  }
}
