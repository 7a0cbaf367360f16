import Datapath
import Device
import Rules
import Testing

@Suite struct DecapsulationTests {
  static let inner = Craft.tenant()

  /// A lab that takes the tunnel of decapsulation `index` off everything that comes from the uplink.
  static func lab(_ index: UInt16, _ change: (inout Overlay) -> Void = { _ in }) throws -> Lab {
    var overlay = Lab.overlay()
    change(&overlay)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.uplink, [.rawDecap(index: index), .portID(Lab.tenant)])
    return lab
  }

  static func drop(_ index: UInt16, _ frame: [UInt8], _ change: (inout Overlay) -> Void = { _ in }) throws
    -> DropReason?
  {
    var lab = try lab(index, change)
    let out = try lab.one(frame, port: Lab.uplink)
    if let reason = out.drop {
      #expect(lab.path.drops[reason] == 1)
      #expect(out.bytes == frame, "a dropped frame is as it came")
    }
    return out.drop
  }

  @Test("Geneve of another version than 0 is dropped (D1)")
  func geneveVersion() throws {
    #expect(try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, version: 1))) == .geneveVersion)
  }

  @Test("Geneve with the O bit is a control packet and never forwarded (D1)")
  func control() throws {
    #expect(try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, flags: 0x80))) == .geneveControl)
  }

  @Test("Geneve option lengths that do not add up to OptLen are dropped (D1)")
  func optionSum() throws {
    // One option of two words of data in a list of two words.
    let options: [UInt8] = [1, 2, 3, 2, 0, 0, 0, 0]
    #expect(try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, options: options))) == .geneveOptions)
  }

  @Test("Geneve options that reach past the datagram are dropped (D1)")
  func optionOverrun() throws {
    #expect(try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, [], words: 63))) == .tunnelTruncated)
  }

  @Test("A critical option without the C bit is dropped under its own name (D1)")
  func criticalBit() throws {
    let options: [UInt8] = [1, 2, 0x83, 0]
    #expect(
      try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, options: options))) == .geneveCriticalBit)
  }

  @Test("An unknown critical option is dropped, a known one and an unknown other one are not (D1)")
  func criticalOption() throws {
    let options: [UInt8] = [1, 2, 0x83, 0]
    let frame = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, options: options, flags: 0x40))
    #expect(try Self.drop(1, frame) == .geneveCriticalOption)
    #expect(try Self.drop(1, frame) { $0.endpoint.knownCriticalOptions = [0x0102_83] } == nil)
    let harmless = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, options: [1, 2, 3, 0]))
    #expect(try Self.drop(1, harmless) == nil)
  }

  @Test("Reserved bits of Geneve and VXLAN are ignored on receipt (D1, D4)")
  func reserved() throws {
    var geneve = Craft.geneve(5, Self.inner, flags: 0x3f)
    geneve[7] = 0xff
    var lab = try Self.lab(1)
    #expect(try lab.one(Craft.underlayUDP(6081, geneve), port: Lab.uplink).bytes == Self.inner)
    var vxlan = Craft.vxlan(5, Self.inner, flags: 0xff)
    (vxlan[1], vxlan[2], vxlan[3], vxlan[7]) = (1, 2, 3, 4)
    var other = try Self.lab(2)
    #expect(try other.one(Craft.underlayUDP(4789, vxlan), port: Lab.uplink).bytes == Self.inner)
  }

  @Test("What is inside a tunnel is Ethernet, IPv4 or IPv6, and long enough (D1)")
  func insides() throws {
    #expect(
      try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, Self.inner, proto: 0x8847))) == .tunnelProtocol)
    #expect(try Self.drop(1, Craft.underlayUDP(6081, Craft.geneve(5, [1, 2, 3]))) == .innerTruncated)
    #expect(try Self.drop(1, Craft.underlayUDP(6081, [0, 0, 0, 0])) == .tunnelTruncated)
    #expect(try Self.drop(2, Craft.underlayUDP(4789, Craft.vxlan(5, [1, 2, 3]))) == .innerTruncated)
    #expect(try Self.drop(2, Craft.underlayUDP(4789, [8, 0, 0, 0])) == .tunnelTruncated)
    #expect(try Self.drop(3, Craft.underlayGRE(Craft.gre(0, 0x8847, Self.inner))) == .tunnelProtocol)
    #expect(try Self.drop(3, Craft.underlayGRE(Craft.gre(0x2000, 0x6558, []))) == .tunnelTruncated)
  }

  @Test("VXLAN without the I flag has no valid VNI and is dropped (D4)")
  func vxlanFlag() throws {
    #expect(try Self.drop(2, Craft.underlayUDP(4789, Craft.vxlan(5, Self.inner, flags: 0))) == .vxlanNoVNI)
  }

  @Test("A VLAN tag inside VXLAN is dropped unless configured (D4)")
  func vxlanVLAN() throws {
    let tagged = Craft.tenant(tags: [(0x8100, 7)])
    let frame = Craft.underlayUDP(4789, Craft.vxlan(5, tagged))
    #expect(try Self.drop(2, frame) == .vxlanInnerVLAN)
    #expect(try Self.drop(2, frame) { $0.endpoint.acceptsVXLANInnerVLAN = true } == nil)
  }

  @Test("GRE with reserved bits or a version is dropped (D4)", arguments: [0x4000, 0x0800, 0x0008, 0x0001, 0x0007])
  func greReserved(_ flags: Int) throws {
    #expect(try Self.drop(3, Craft.underlayGRE(Craft.gre(flags, 0x6558, Self.inner))) == .greReserved)
  }

  @Test("A GRE checksum is accepted when right and dropped when wrong (D4)")
  func greChecksum() throws {
    #expect(try Self.drop(3, Craft.underlayGRE(Craft.gre(0x8000, 0x6558, Self.inner))) == nil)
    #expect(try Self.drop(3, Craft.underlayGRE(Craft.gre(0x8000, 0x6558, Self.inner, sum: .wrong))) == .greChecksum)
  }

  @Test("GRE's key and sequence number are read past, the key is kept with the frame (D4)")
  func greKey() throws {
    var lab = try Self.lab(3)
    let out = try lab.one(
      Craft.underlayGRE(Craft.gre(0xb000, 0x6558, Self.inner, key: 0xdead_beef)), port: Lab.uplink)
    #expect(out.bytes == Self.inner)
    #expect(out.frame.tunnelKey == 0xdead_beef)
  }

  @Test("NVGRE asked for takes nothing else; its VSID is kept without the flow id (D4)")
  func nvgre() throws {
    var lab = try Self.lab(4)
    let out = try lab.one(
      Craft.underlayGRE(Craft.gre(0x2000, 0x6558, Self.inner, key: 0x123456_42)), port: Lab.uplink)
    #expect(out.bytes == Self.inner)
    #expect(out.frame.tunnelKey == 0x123456)
    #expect(
      try Self.drop(4, Craft.underlayGRE(Craft.gre(0x3000, 0x6558, Self.inner, key: 0x123456_42)))
        == .decapsulateMismatch)
  }

  @Test("NVGRE's reserved VSIDs and an inner VLAN tag are dropped (D4)")
  func nvgreRules() throws {
    for vsid in [0, 0xfff, 0xff_ffff] as [UInt32] {
      #expect(
        try Self.drop(4, Craft.underlayGRE(Craft.gre(0x2000, 0x6558, Self.inner, key: vsid << 8))) == .nvgreReservedVSID
      )
    }
    #expect(try Self.drop(4, Craft.underlayGRE(Craft.gre(0x2000, 0x6558, Self.inner, key: 0x1000 << 8))) == nil)
    let tagged = Craft.tenant(tags: [(0x8100, 7)])
    #expect(try Self.drop(4, Craft.underlayGRE(Craft.gre(0x2000, 0x6558, tagged, key: 0x1000 << 8))) == .nvgreInnerVLAN)
  }

  @Test("A rule that asks for another tunnel than there is drops the frame")
  func mismatch() throws {
    let geneve = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner))
    #expect(try Self.drop(2, geneve) == .decapsulateMismatch)
    #expect(try Self.drop(3, geneve) == .decapsulateMismatch)
    #expect(try Self.drop(1, Self.inner) == .decapsulateMismatch)
  }

  @Test(
    "A non-zero outer UDP checksum is verified, over IPv4 and IPv6, and bad ones dropped (D1, D2)",
    arguments: [
      false, true,
    ])
  func udpChecksum(_ ipv6: Bool) throws {
    let body = Craft.geneve(5, Self.inner)
    #expect(try Self.drop(1, Craft.underlayUDP(6081, body, ipv6: ipv6, sum: .right)) == nil)
    #expect(try Self.drop(1, Craft.underlayUDP(6081, body, ipv6: ipv6, sum: .wrong)) == .outerUDPChecksum)
  }

  @Test("A zero UDP checksum is accepted over IPv4, and over IPv6 only where asked for (D2)")
  func zeroChecksum() throws {
    let body = Craft.geneve(5, Self.inner)
    #expect(try Self.drop(1, Craft.underlayUDP(6081, body, sum: .zero)) == nil)
    let frame = Craft.underlayUDP(6081, body, ipv6: true, sum: .zero)
    #expect(try Self.drop(1, frame) == .zeroUDPChecksumIPv6)
    #expect(try Self.drop(1, frame) { $0.endpoint.acceptsZeroUDPChecksumIPv6 = true } == nil)
    let checked = Craft.underlayUDP(6081, body, ipv6: true, sum: .wrong)
    #expect(
      try Self.drop(1, checked) { $0.endpoint.acceptsZeroUDPChecksumIPv6 = true } == .outerUDPChecksum,
      "a port that takes zero still verifies what is not zero")
  }

  @Test("An outer IPv4 header checksum that is wrong is dropped (D1)")
  func ipv4Checksum() throws {
    let frame = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner), ipSum: .wrong)
    #expect(try Self.drop(1, frame) == .outerIPv4Checksum)
  }

  @Test("A UDP length that is not the IP payload's is dropped (D1)")
  func udpLength() throws {
    let datagram = Craft.udp(50000, 6081, Craft.geneve(5, Self.inner), pseudo: { _ in 0 }, sum: .zero)
    let frame = Craft.ethernet(
      0x0800, Craft.ipv4(17, datagram + [0, 0], source: Craft.remote4, destination: Craft.local4))
    #expect(try Self.drop(1, frame) == .outerUDPLength)
  }

  @Test("What a device knows of checksums is believed: good is not summed again, bad is the drop")
  func known() throws {
    let wrong = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner), sum: .wrong, ipSum: .wrong)
    var lab = try Self.lab(1)
    let good = try lab.one(wrong, port: Lab.uplink) {
      $0.steps = .verifyChecksum
      $0.checksums[.outerL3] = .good
      $0.checksums[.outerL4] = .good
    }
    #expect(good.bytes == Self.inner)
    let right = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner), sum: .right)
    #expect(try lab.one(right, port: Lab.uplink) { $0.checksums[.outerL3] = .bad }.drop == .outerIPv4Checksum)
    #expect(try lab.one(right, port: Lab.uplink) { $0.checksums[.outerL4] = .bad }.drop == .outerUDPChecksum)
  }

  @Test("L2 padding behind the outer packet does not become part of the inner frame (D2)")
  func padding() throws {
    var lab = try Self.lab(1)
    let short = Craft.ethernet(0x0806, [UInt8](repeating: 1, count: 4))
    let out = try lab.one(
      Craft.underlayUDP(6081, Craft.geneve(5, short)) + [9, 9, 9, 9, 9, 9, 9, 9], port: Lab.uplink)
    #expect(out.bytes == short)
  }

  @Test("What a tenant sends is never looked into: its Geneve is carried like anything else (D1, tenant isolation)")
  func tenantIsolation() throws {
    var lab = try Lab()
    try lab.rule(1, port: Lab.tenant, [.rawDecap(index: 1), .portID(Lab.other)])
    let tunnel = Craft.underlayUDP(6081, Craft.geneve(5, Self.inner))
    #expect(try lab.one(tunnel, port: Lab.tenant).drop == .decapsulateMismatch)
    var other = try Lab()
    try other.rule(1, port: Lab.tenant, [.portID(Lab.other)], pattern: [.geneve(.init())])
    try other.rule(2, port: Lab.tenant, [.portID(Lab.host)], priority: 1)
    #expect(try other.one(tunnel, port: Lab.tenant).port == Lab.host)
  }

  @Test("A frame that was decapsulated is not decapsulated again, and its tunnel items match no more (A2)")
  func twice() throws {
    var lab = try Lab()
    let nested = Craft.underlayUDP(6081, Craft.geneve(5, Craft.underlayUDP(6081, Craft.geneve(6, Self.inner))))
    try lab.rule(1, port: Lab.uplink, [.rawDecap(index: 1), .rawDecap(index: 1), .portID(Lab.tenant)])
    #expect(try lab.one(nested, port: Lab.uplink).drop == .decapsulateMismatch)
  }

  @Test("A tunnel of IP leaves a frame without Ethernet, which needs an encapsulation before a port (D4)")
  func innerIP() throws {
    let packet = Array(Self.inner[14...])
    let frame = Craft.underlayUDP(6081, Craft.geneve(5, packet, proto: 0x0800))
    var lab = try Self.lab(1)
    #expect(try lab.one(frame, port: Lab.uplink).drop == .missingEthernet)
    var overlay = Lab.overlay()
    overlay.encapsulations[9] = Craft.template(.none)
    var other = try Lab(overlay)
    try other.rule(1, port: Lab.uplink, [.rawDecap(index: 1), .rawEncap(index: 9), .portID(Lab.tenant)])
    #expect(try other.one(frame, port: Lab.uplink).bytes == Craft.ethernet(0x0800, packet))
  }

  @Test("raw_decap of Ethernet takes tags too and needs IP behind it (D4)")
  func ethernet() throws {
    var overlay = Lab.overlay()
    overlay.encapsulations[9] = Craft.template(.none)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.rawDecap(index: 5), .rawEncap(index: 9), .portID(Lab.other)])
    let tagged = Craft.tenant(ipv6: true, tags: [(0x88a8, 5), (0x8100, 6)])
    #expect(
      try lab.one(tagged, port: Lab.tenant).bytes == Craft.ethernet(0x86dd, Array(Craft.tenant(ipv6: true)[14...])))
    #expect(try lab.one(Craft.ethernet(0x0806, [1, 2]), port: Lab.tenant).drop == .missingEthernet)
  }
}
