import Device
import EmulatedDevice
import Rules
import Testing

@Suite("What actions do") struct ActionTests {
  private func after(_ frame: [UInt8], _ actions: [Action], port: UInt16 = 1) throws -> [UInt8] {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], actions + [.representedPort(2)])
    let out = try #require(bench.receive(frame, port: port).first)
    #expect(out.frame.outcome == .forward)
    return out.bytes
  }

  @Test("Rewritten fields hold the value, and right checksums stay right, wrong ones wrong")
  func rewriting() throws {
    let four: [(SetField, Range<Int>, [UInt8])] = [
      (.macDestination(0x0123_4567_89ab), 0..<6, [1, 0x23, 0x45, 0x67, 0x89, 0xab]),
      (.macSource(0x0123_4567_89ab), 6..<12, [1, 0x23, 0x45, 0x67, 0x89, 0xab]),
      (.ipv4Source(0xc0a8_0001), 26..<30, [0xc0, 0xa8, 0, 1]),
      (.ipv4Destination(0xffff_ffff), 30..<34, [255, 255, 255, 255]),
      (.l4Source(0xffff), 34..<36, [255, 255]), (.l4Destination(0), 36..<38, [0, 0]), (.ttl(0), 22..<23, [0]),
      (.ipv4DSCP(46), 15..<16, [46 << 2 | 2]),
    ]
    for (field, place, value) in four {
      let out = try after(Vectors.inner, [.set(field)])
      var wanted = Vectors.inner
      wanted.replaceSubrange(place, with: value)
      for at in [24, 25, 50, 51] { wanted[at] = out[at] }
      #expect(out == wanted && Oracle.isRight(out, l3: 14, l4: 34), "\(field)")
      var wrong = Vectors.inner
      wrong[50] ^= 0x55
      #expect(!Oracle.isRight(try after(wrong, [.set(field)]), l3: 14, l4: 34))
    }
    let address = UInt128(0xfd00_0000_0000_0000) << 64 | 0xffff
    let six: [(SetField, Range<Int>, [UInt8])] = [
      (.ipv6Source(address), 22..<38, [0xfd] + [UInt8](repeating: 0, count: 13) + [255, 255]),
      (.ipv6Destination(address), 38..<54, [0xfd] + [UInt8](repeating: 0, count: 13) + [255, 255]),
      (.l4Source(9), 54..<56, [0, 9]), (.ttl(7), 21..<22, [7]), (.ipv6DSCP(46), 14..<16, [0x6b, 0x90]),
    ]
    for (field, place, value) in six {
      let out = try after(Vectors.inner6, [.set(field)])
      var wanted = Vectors.inner6
      wanted.replaceSubrange(place, with: value)
      for at in [60, 61] { wanted[at] = out[at] }
      #expect(out == wanted && Oracle.isRight(out, l3: 14, l4: 54), "\(field)")
    }
    // A header that is not there: nothing.
    #expect(
      try after(Vectors.inner6, [.set(.ipv4Source(1)), .set(.ipv4DSCP(1)), .popVLAN, .set(.vlanID(1))])
        == Vectors.inner6)
    #expect(try after(Vectors.inner, [.set(.ipv6Source(1)), .set(.ipv6DSCP(1))]) == Vectors.inner)
  }

  @Test("A UDP checksum of 0 stays 0; one that becomes 0 is sent as all ones")
  func zeroUDP() throws {
    var none = Vectors.inner6
    none[60] = 0
    none[61] = 0
    #expect(try Array(after(none, [.set(.l4Source(77))])[60...61]) == [0, 0])
    // 0x4166 with source port 5: a port higher by 0x4166 brings the checksum to 0.
    let out = try after(Vectors.inner6, [.set(.l4Source(5 + 0x4166))])
    #expect(Array(out[60...61]) == [255, 255] && Oracle.isRight(out, l3: 14, l4: 54))
  }

  @Test("Fragments have no ports to set, and their addresses change under the IP checksum alone")
  func fragments() throws {
    var fragment = Vectors.inner
    fragment[20] = 0x20
    fragment[24] -= 0x20
    let out = try after(fragment, [.set(.l4Source(9)), .set(.ipv4Source(0x0a00_0009))])
    var wanted = fragment
    wanted[29] = 9
    wanted[25] -= 8
    #expect(out == wanted)
  }

  @Test("Tags are put on, changed and taken off at the outermost place")
  func tags() throws {
    let tagged = try after(Vectors.inner, [.pushVLAN(etherType: 0x88a8), .set(.vlanID(0xabc)), .set(.vlanPriority(5))])
    #expect(tagged == Array(Vectors.inner.prefix(12)) + [0x88, 0xa8, 0xaa, 0xbc] + Vectors.inner.dropFirst(12))
    let twice = try after(tagged, [.pushVLAN(etherType: 0x8100), .popVLAN, .decTTL])
    #expect(twice[26] == 62 && twice[12...15] == [0x88, 0xa8, 0xaa, 0xbc])
    #expect(try after(tagged, [.popVLAN]) == Vectors.inner)
    // Behind a third tag nothing is IP: the TTL stays.
    let three = try after(tagged, [.pushVLAN(etherType: 0x8100), .pushVLAN(etherType: 0x8100), .decTTL])
    #expect(three[34] == 63)
  }

  static let ecn = (0..<16).map { (inner: UInt8($0 >> 2), outer: UInt8($0 & 3)) }

  @Test("RFC 6040's table, over IPv4 and IPv6, with the inner checksum kept", arguments: ecn.indices)
  func ecnTable(_ index: Int) throws {
    let (inner, outer) = Self.ecn[index]
    let table: [[UInt8?]] = [[0, 0, 0, nil], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]]
    let wanted = table[Int(inner)][Int(outer)]
    // Not-ECT, ECT(1), ECT(0), CE are 0, 1, 2, 3. The vectors have 2 outside and inside over IPv4.
    var frame = Vectors.nvgre
    frame[15] = outer
    frame[25] = frame[25] &+ 2 &- outer
    frame[57] = inner
    frame[67] = frame[67] &+ 2 &- inner
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyEth], [.nvgreDecap, .representedPort(1)])
    var out = try #require(bench.receive(frame, port: 0).first)
    #expect(out.frame.outcome == (wanted == nil ? .up : .forward))
    if let wanted { #expect(out.bytes[15] == wanted && Oracle.isRight(out.bytes, l3: 14, l4: 34)) }
    // IPv6 outside and inside; no checksum outside.
    var overlay = Vectors.overlay()
    overlay.endpoint.acceptsZeroUDPChecksumIPv6 = true
    bench = try Bench(overlay)
    try bench.add([.anyEth], [.vxlanDecap, .representedPort(1)])
    frame = Vectors.vxlan6
    frame[60] = 0
    frame[61] = 0
    frame[15] = outer << 4
    frame[85] = inner << 4
    out = try #require(bench.receive(frame, port: 0).first)
    #expect(out.frame.outcome == (wanted == nil ? .up : .forward))
    if let wanted { #expect(out.bytes[15] == wanted << 4) }
  }

  @Test("Policies fill ECN, DSCP, TTL, DF and the UDP checksum, for IP and for other frames")
  func policies() throws {
    var policy = EncapsulationPolicy()
    policy.ecn = .zero
    policy.dscp = .copy
    policy.ttl = .copy
    policy.df = .copy
    policy.udpChecksum = .off
    var overlay = Vectors.overlay()
    overlay.encapsulations[1] = Vectors.template(Vectors.geneve, 58, .geneve, policy: policy)
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    var frame = Vectors.inner
    frame[15] = 46 << 2 | 1
    let out = try #require(bench.receive(frame, port: 1).first).bytes
    #expect(out[15] == 46 << 2 && out[22] == 63 && out[20] == 0 && out[40...41] == [0, 0])
    #expect(Oracle.sum(out[14..<34]) == 0xffff)
    frame[20] = 0x40
    let whole = try #require(bench.receive(frame, port: 1).first).bytes
    #expect(whole[20] == 0x40 && whole[18...19] == [0, 0])
    let arp = Array(Vectors.inner.prefix(12)) + [8, 6] + [UInt8](repeating: 0, count: 28)
    let other = try #require(bench.receive(arp, port: 1).first).bytes
    #expect(other[15] == 0 && other[22] == 64 && other[20] == 0x40)
  }

  @Test("DF is copied from the packet's own bit and from no other")
  func dontFragment() throws {
    var policy = EncapsulationPolicy()
    policy.df = .copy
    var overlay = Vectors.overlay()
    overlay.encapsulations[1] = Vectors.template(Vectors.geneve, 58, .geneve, policy: policy)
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    for bits in UInt8(0)..<8 {
      var frame = Vectors.inner
      frame[20] = bits << 5
      let out = try #require(bench.receive(frame, port: 1).first).bytes
      #expect(out[20] == (bits & 2 != 0 ? 0x40 : 0), "the bits \(bits)")
    }
  }

  @Test("An outer UDP checksum that comes out as 0 is sent as all ones", arguments: [false, true])
  func zeroOuter(isIPv6: Bool) throws {
    var policy = EncapsulationPolicy()
    policy.udpChecksum = .on
    var overlay = Vectors.overlay()
    let place = isIPv6 ? 60 : 40
    overlay.encapsulations[1] =
      isIPv6
      ? Vectors.template(Vectors.vxlan6, 70, .vxlan, isIPv6: true, policy: policy)
      : Vectors.template(Vectors.geneve, 58, .geneve, policy: policy)
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    // Nobody knows this protocol: its last word is free to make the sum come out at every value around zero.
    var frame = Array(Vectors.inner.prefix(12)) + [0x88, 0xb5, 0, 0]
    let first = try #require(bench.receive(frame, port: 1).first).bytes
    let sum = Oracle.u16(first, place)
    for difference in [-2, -1, 0, 1, 2] {
      let word = (sum + difference) % 0xffff
      frame[14] = UInt8(word >> 8)
      frame[15] = UInt8(word & 255)
      let out = try #require(bench.receive(frame, port: 1).first).bytes
      #expect(Oracle.u16(out, place) != 0 && Oracle.isRight(out, l3: 14, l4: place - 6))
      if difference == 0 { #expect(Oracle.u16(out, place) == 0xffff) }
    }
  }

  @Test("Entropy: one port of 49152–65535 for a flow and its fragments, many for many flows")
  func entropy() throws {
    var overlay = Vectors.overlay()
    overlay.encapsulations[1] = Vectors.template(Vectors.geneve, 58, .geneve, port: 0)
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    func port(_ frame: [UInt8]) throws -> Int {
      Oracle.u16(try #require(bench.receive(frame, port: 1).first).bytes, 34)
    }
    var ports: Set<Int> = []
    for source in 0..<200 {
      var frame = Vectors.inner
      frame[34] = UInt8(source)
      let chosen = try port(frame)
      frame[38] = 99
      #expect(try port(frame) == chosen && chosen >= 0xc000)
      ports.insert(chosen)
    }
    #expect(ports.count > 180)
    var fragments: Set<Int> = []
    for place in [0x20, 0x21, 0x01] {
      var frame = Vectors.inner
      frame[20] = UInt8(place)
      frame[34] = UInt8(place)
      fragments.insert(try port(frame))
    }
    #expect(fragments.count == 1)
    // The datasheet's vectors.
    #expect(try port(Vectors.inner) == 64950)
    #expect(try port(Vectors.inner6) == 58660)
  }

  @Test("Checksums are marked good or bad within the abilities, and never repaired")
  func knowledge() throws {
    var bench = try Bench(Vectors.overlay())
    let marks = try #require(bench.receive(Vectors.geneve, port: 0).first).frame
    for layer in ChecksumKnowledge.Layer.allCases { #expect(marks.checksums[layer] == .good) }
    #expect(
      marks.outerL3 == 14 && marks.outerL4 == 34 && marks.innerL2 == 58 && marks.innerL3 == 72 && marks.innerL4 == 92)
    let places: [(ChecksumKnowledge.Layer, Int, FrameAbilities)] = [
      (.outerL3, 24, .rxOuterL3), (.outerL4, 40, .rxOuterL4), (.innerL3, 82, .rxInnerL3), (.innerL4, 108, .rxInnerL4),
    ]
    for (layer, at, ability) in places {
      var frame = Vectors.geneve
      frame[at] ^= 1
      let out = try #require(bench.receive(frame, port: 0).first)
      #expect(out.bytes == frame && out.frame.checksums[layer] == .bad)
      var abilities = everything()
      abilities.frame.remove(ability)
      var poorer = try Bench(Vectors.overlay(), abilities)
      #expect(poorer.receive(frame, port: 0).first?.frame.checksums[layer] == .unknown)
    }
    // A tenant's frame whose field holds the pseudo-header's sum.
    var partial = Vectors.inner
    let sum = Oracle.pseudo(partial, l3: 14, l4: 34)
    partial[50] = UInt8(sum >> 8)
    partial[51] = UInt8(sum & 255)
    #expect(bench.receive(partial, port: 1).first?.frame.checksums[.outerL4] == .partial)
    #expect(bench.receive(partial, port: 0).first?.frame.checksums[.outerL4] == .bad)
  }

  @Test("What is known goes out and in with the tunnel, and an Ethernet header alone is no tunnel")
  func knowledgeMoves() throws {
    var bench = try Bench(Vectors.overlay())
    try bench.add([.anyGeneve], [.rawDecap(index: 1), .representedPort(1)])
    try bench.add([.anyGRE], [.rawDecap(index: 4), .rawEncap(index: 5), .representedPort(1)])
    try bench.add([.anyTCP], [.rawEncap(index: 1), .representedPort(0)], priority: 1)
    for (frame, port) in [(Vectors.geneve, UInt16(0)), (Vectors.gre, 0)] {
      let out = try #require(bench.receive(frame, port: port).first).frame
      #expect(out.outcome == .forward && out.checksums[.outerL3] == .good && out.checksums[.outerL4] == .good)
      #expect(out.checksums[.innerL3] == .unknown && out.checksums[.innerL4] == .unknown)
    }
    let out = try #require(bench.receive(Vectors.inner, port: 1).first).frame
    #expect(out.outcome == .forward && out.checksums[.innerL3] == .good && out.checksums[.innerL4] == .good)
    #expect(out.checksums[.outerL3] == .unknown && out.checksums[.outerL4] == .unknown)
  }
}
