import Device
import EmulatedDevice
import Rules
import Testing

/// Every frame that the device does not carry out fully comes up exactly as it came, and is not counted.
@Suite("Passed up as it came") struct PassUpTests {
  /// Sends a frame at a device that removes, puts on and sends out; expects it back untouched, for that cause.
  private func expectUp(
    _ frame: [UInt8], _ actions: [Action], cause: String, port: UInt16 = 0, overlay: Overlay = Vectors.overlay(),
    location: SourceLocation = #_sourceLocation, _ change: (inout Abilities) -> Void = { _ in }
  ) throws {
    var abilities = everything()
    change(&abilities)
    var bench = try Bench(overlay, abilities)
    let rule = try bench.add([.anyEth], [.count(id: 0), .set(.macSource(9))] + actions)
    let out = bench.receive(frame, port: port)
    #expect(out.count == 1 && out.first?.bytes == frame, sourceLocation: location)
    #expect(out.first?.frame.outcome == .up && out.first?.frame.rule == 0, sourceLocation: location)
    #expect(out.first?.port == port && out.first?.frame.token == 7, sourceLocation: location)
    #expect(try bench.device.query(rule, now: 0).frames == 0, sourceLocation: location)
    #expect(bench.device.statistics.causes.map(\.name) == [cause], sourceLocation: location)
  }

  private func changed(_ vector: [UInt8], _ at: Int, _ byte: UInt8) -> [UInt8] {
    var frame = vector
    frame[at] = byte
    return frame
  }

  /// Geneve without outer UDP checksum, so that a change inside is not a wrong one outside.
  private var geneve: [UInt8] {
    var frame = Vectors.geneve
    frame[40] = 0
    frame[41] = 0
    return frame
  }

  @Test(
    "An ICMP error for one of our endpoints is software's to hear, whatever rule matches; others are frames like any")
  func underlayErrors() throws {
    func icmp(_ type: UInt8, to last: UInt8) -> [UInt8] {
      // 203.0.113.9 to 198.51.100.x; nobody looks at the sums here.
      hex("020000000001 020000000002 0800 4500001c00004000 40010000 cb007109 c63364") + [last, type]
        + hex("04000000000578")
    }
    var overlay = Vectors.overlay()
    overlay.endpoint.ipv4 = [0xc633_6401]
    for type in UInt8(0)...255 {
      if [3, 4, 5, 11, 12].contains(type) {
        try expectUp(icmp(type, to: 1), [.representedPort(1)], cause: "underlay_error", overlay: overlay)
      }
      var bench = try Bench(overlay)
      try bench.add([.anyEth], [.representedPort(1)])
      let isError = [3, 4, 5, 11, 12].contains(type)
      #expect(bench.receive(icmp(type, to: 1), port: 0).first?.frame.outcome == (isError ? .up : .forward))
      #expect(bench.receive(icmp(type, to: 2), port: 0).first?.frame.outcome == .forward)
      #expect(bench.receive(icmp(type, to: 1), port: 2).first?.frame.outcome == .forward, "not from a tenant")
    }
  }

  @Test("Faults of a tunnel header, each under its name")
  func tunnelFaults() throws {
    let decap: [Action] = [.rawDecap(index: 1), .representedPort(1)]
    let faults: [(String, Int, UInt8)] = [
      ("geneve_version", 42, 0x42), ("tunnel_truncated", 42, 0x3f), ("geneve_options", 53, 0x02),
      ("geneve_options", 42, 0x01), ("geneve_control", 43, 0xc0), ("geneve_critical_bit", 43, 0),
      ("geneve_critical_option", 52, 0x81), ("tunnel_protocol", 44, 0x66),
    ]
    for (cause, at, byte) in faults { try expectUp(changed(geneve, at, byte), decap, cause: cause) }
    let vxlan: [Action] = [.vxlanDecap, .representedPort(1)]
    var zero = EndpointPolicy()
    zero.acceptsZeroUDPChecksumIPv6 = true
    var overlay = Vectors.overlay()
    overlay.endpoint = zero
    var frame = Vectors.vxlan6
    frame[60] = 0
    frame[61] = 0
    try expectUp(frame, vxlan, cause: "zero_udp_checksum_ipv6")
    try expectUp(changed(frame, 62, 0), vxlan, cause: "vxlan_no_vni", overlay: overlay)
    var tagged = frame
    tagged[82] = 0x81
    tagged[83] = 0
    try expectUp(tagged, vxlan, cause: "vxlan_inner_vlan", overlay: overlay)
    let gre: [Action] = [.rawDecap(index: 4), .representedPort(1)]
    try expectUp(changed(Vectors.gre, 34, 0xc0), gre, cause: "gre_reserved")
    try expectUp(changed(Vectors.gre, 35, 1), gre, cause: "gre_reserved")
    try expectUp(changed(Vectors.gre, 60, 1), gre, cause: "gre_checksum")
    let nvgre: [Action] = [.nvgreDecap, .representedPort(1)]
    try expectUp(changed(Vectors.nvgre, 39, 0x0f), nvgre, cause: "nvgre_reserved_vsid")
    var reserved = Vectors.nvgre
    reserved.replaceSubrange(38..<41, with: [0xff, 0xff, 0xff])
    try expectUp(reserved, nvgre, cause: "nvgre_reserved_vsid")
    var inner = Vectors.nvgre
    inner.replaceSubrange(54..<56, with: [0x81, 0])
    try expectUp(inner, nvgre, cause: "nvgre_inner_vlan")
    // Reserved bits make a fault of it, not another tunnel (P7).
    try expectUp(changed(Vectors.nvgre, 35, 8), nvgre, cause: "gre_reserved")
  }

  @Test("Outer checksums, lengths and ECN, and a tunnel of another kind")
  func outerFaults() throws {
    let decap: [Action] = [.rawDecap(index: 1), .representedPort(1)]
    try expectUp(changed(Vectors.geneve, 24, 0), decap, cause: "outer_ipv4_checksum")
    try expectUp(changed(Vectors.geneve, 40, 0), decap, cause: "outer_udp_checksum")
    try expectUp(changed(Vectors.geneve, 39, 0x5b), decap, cause: "outer_udp_length")
    try expectUp(Vectors.geneve, [.vxlanDecap, .representedPort(1)], cause: "decapsulate_mismatch")
    try expectUp(Vectors.gre, [.nvgreDecap, .representedPort(1)], cause: "decapsulate_mismatch")
    try expectUp(Vectors.inner, decap, cause: "decapsulate_mismatch")
    // A tenant's Geneve is payload.
    try expectUp(Vectors.geneve, decap, cause: "decapsulate_mismatch", port: 1)
    // CE outside, Not-ECT inside. The header checksum goes down by what TOS goes up.
    var frame = Vectors.nvgre
    frame[15] = 3
    frame[25] -= 1
    frame[57] = 0
    frame[67] += 2
    try expectUp(frame, [.nvgreDecap, .representedPort(1)], cause: "ecn_not_capable")
  }

  @Test("The drop that is software's to name is told, and forgotten with the next frame")
  func foundDrop() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyGeneve], [.decTTL, .rawDecap(index: 1), .representedPort(1)])
    _ = bench.receive(changed(Vectors.geneve, 24, 0), port: 0)
    #expect(bench.device.foundDrop == .outerIPv4Checksum)
    _ = bench.receive(Vectors.inner, port: 0)
    #expect(bench.device.foundDrop == nil, "a miss is no drop of the device's")
    _ = bench.receive([1, 2, 3], port: 0)
    #expect(bench.device.foundDrop == .runt)
    _ = bench.receive(Vectors.geneve, port: 0)
    #expect(bench.device.foundDrop == nil)
  }

  @Test("What the device lacks an ability for, frame by frame")
  func abilities() throws {
    let decap: [Action] = [.rawDecap(index: 1), .representedPort(1)]
    try expectUp(Vectors.geneve, decap, cause: "ability") { $0.frame.remove(.ecnDecap) }
    try expectUp(Vectors.geneve, decap, cause: "ability") { $0.frame.remove(.rxOuterL3) }
    try expectUp(Vectors.geneve, decap, cause: "ability") { $0.frame.remove(.rxOuterL4) }
  }

  @Test("Fates and actions that end in another drop than the rule's")
  func fates() throws {
    try expectUp(Vectors.inner, [.representedPort(99)], cause: "no_such_port", port: 1)
    try expectUp(Vectors.inner, [.rawDecap(index: 5), .representedPort(2)], cause: "missing_ethernet", port: 1)
    try expectUp(Vectors.inner, [.rawDecap(index: 5), .queue(2)], cause: "missing_ethernet", port: 1)
    try expectUp(Vectors.inner, [.rawEncap(index: 4), .representedPort(0)], cause: "missing_ethernet", port: 1)
    try expectUp(Vectors.inner, [.rawEncap(index: 5), .representedPort(2)], cause: "missing_ethernet", port: 1)
    try expectUp(Vectors.inner, [.decTTL], cause: "no_fate", port: 1)
    for ttl: UInt8 in [0, 1] {
      try expectUp(changed(Vectors.inner, 22, ttl), [.decTTL, .representedPort(2)], cause: "ttl_expired", port: 1)
    }
    let long = TransmitTests.big(Array(Vectors.inner.prefix(54)), 1461, l3s: [14], udps: [])
    try expectUp(long, [.representedPort(1)], cause: "exceeds_port_mtu", port: 2)
    let longer = TransmitTests.big(Array(Vectors.inner.prefix(54)), 1600 - 44 - 54 + 1, l3s: [14], udps: [])
    try expectUp(longer, [.rawEncap(index: 1), .representedPort(0)], cause: "too_big", port: 2)
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    let fits = TransmitTests.big(Array(Vectors.inner.prefix(54)), 1600 - 44 - 54, l3s: [14], udps: [])
    #expect(bench.receive(fits, port: 2).first?.frame.outcome == .forward)
  }

  @Test("Runts, headers too far out, tunnel fragments, debts and half-done frames are not looked up")
  func before() throws {
    for length in 0..<14 {
      try expectUp(Array(Vectors.inner.prefix(length)), [.drop], cause: "runt", port: 1)
    }
    // IPv6 with destination options that push TCP past 510.
    var far = Array(Vectors.inner6.prefix(54)) + [6, 62] + [UInt8](repeating: 0, count: 502)
    far[20] = 60
    far += Array(Vectors.inner[34..<54])
    far[18] = UInt8((far.count - 54) >> 8)
    far[19] = UInt8((far.count - 54) & 255)
    try expectUp(far, [.drop], cause: "headers_too_long", port: 1)
    var overlay = Vectors.overlay()
    overlay.endpoint.ipv4 = [0xc000_0202]
    var fragment = Vectors.geneve
    fragment[20] = 0x20
    try expectUp(fragment, [.drop], cause: "outer_fragment", overlay: overlay)
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.drop])
    #expect(bench.receive(fragment, port: 1).first?.frame.outcome == .dropped(.rule), "a tenant's is none of ours")

    var frame = bench.frame(Vectors.inner)
    frame.owed = .checksum
    frame.checksumStart = 34
    frame.checksumOffset = 16
    var out = try #require(bench.receive(frame, port: 1).first)
    #expect(out.frame.outcome == .up && out.frame.owed == .checksum && out.frame.steps.isEmpty)
    frame = bench.frame(Vectors.inner)
    frame.steps = .match
    out = try #require(bench.receive(frame, port: 1).first)
    #expect(out.frame.outcome == .up && out.frame.steps == .match)
    frame = bench.frame(Vectors.inner)
    frame.next = 3
    out = try #require(bench.receive(frame, port: 1).first)
    #expect(out.frame.outcome == .up && out.frame.next == 3)
  }

  @Test("Every truncation of a tunnel's frame: never a trap, and untouched unless it is carried out")
  func truncations() throws {
    for (vector, index) in [(Vectors.geneve, 1), (Vectors.vxlan6, 2), (Vectors.nvgre, 3), (Vectors.gre, 4)] {
      var bench = try Bench(Vectors.overlay())
      try bench.add([.anyEth], [.rawDecap(index: UInt16(index)), .drop])
      for length in 0..<vector.count {
        let cut = Array(vector.prefix(length))
        let out = try #require(bench.receive(cut, port: 0).first)
        #expect(out.bytes == cut && out.frame.outcome == .up, "\(index) cut at \(length)")
      }
      #expect(bench.receive(vector, port: 0).first?.frame.outcome == .dropped(.rule))
    }
  }

  @Test("Every value of every byte of the headers: never a trap, never half a change")
  func everyByte() throws {
    for (vector, index, headers) in [
      (geneve, 1, 112), (Vectors.vxlan6, 2, 132), (Vectors.nvgre, 3, 96), (Vectors.gre, 4, 82),
    ] {
      var bench = try Bench(Vectors.overlay())
      try bench.add([.anyEth], [.rawDecap(index: UInt16(index)), .decTTL, .rawEncap(index: 1), .representedPort(0)])
      for at in 0..<headers {
        for value in 0...255 {
          var frame = vector
          frame[at] = UInt8(value)
          let out = bench.receive(frame, port: 0)
          #expect(out.count == 1)
          if out.first?.frame.outcome == .up, out.first?.bytes != frame {
            Issue.record("byte \(at) = \(value) of \(index): came up changed")
          }
        }
      }
    }
  }
}
