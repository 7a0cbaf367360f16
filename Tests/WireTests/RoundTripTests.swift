import Testing
import Wire

/// Emits `value` into a buffer full of 0xa5 in front of `payload` bytes, and parses it back out of it.
private func roundTrip<V: WireValue>(_ value: V, payload: Int = 0, _ random: inout Seeded) throws {
  let front = Int.random(in: 0...9, using: &random)
  let length = value.wireLength
  var buffer = [UInt8](repeating: 0xa5, count: front + length + payload + 3)
  let end = try value.emit(into: &buffer, at: front)
  #expect(end == front + length)
  #expect(buffer.prefix(front).allSatisfy { $0 == 0xa5 } && buffer.suffix(payload + 3).allSatisfy { $0 == 0xa5 })
  let again = try V(parsing: buffer.span.octets.extracting(front..<end + payload))
  #expect(again == value)
  // Reserved bits are zero whatever was in the buffer: the bytes do not depend on it.
  let bytes = try value.wireBytes()
  #expect(Array(buffer[front..<end]) == bytes)
  // One byte short of room is an error that says so, and one byte short of a header never parses.
  if let short = #expect(
    throws: WireError.self,
    performing: {
      var small = [UInt8](repeating: 0, count: length - 1)
      _ = try value.emit(into: &small)
    })
  {
    #expect(short == WireError(V.layer, .header, .noRoom, offset: 0, needed: length, got: length - 1))
  }
  #expect(throws: WireError.self) { _ = try V(parsing: bytes.span.octets.extracting(0..<length - 1)) }
}

@Suite("Round trips: what is emitted parses to the same value")
struct RoundTripTests {
  private func run(_ seed: UInt64, _ body: (inout Seeded) throws -> Void) rethrows {
    var random = Seeded(seed)
    for _ in 0..<300 { try body(&random) }
  }
  private func any<T: FixedWidthInteger>(_ random: inout Seeded, bits: Int = T.bitWidth) -> T {
    let value = T.random(in: .min ... .max, using: &random)
    // Corners more often than chance has them.
    let corner = [value, value, value, 0, ~0].randomElement(using: &random) ?? value
    return bits == T.bitWidth ? corner : corner & ((1 << T(bits)) - 1)
  }

  @Test("Ethernet and VLAN") func link() throws {
    try run(1) {
      try roundTrip(
        EthernetHeader(destination: any(&$0, bits: 48), source: any(&$0, bits: 48), etherType: any(&$0)), &$0)
      try roundTrip(
        VLANTag(
          priority: any(&$0, bits: 3), dropEligible: Bool.random(using: &$0), identifier: any(&$0, bits: 12),
          etherType: any(&$0)), &$0)
    }
  }

  @Test("ARP") func arp() throws {
    try run(2) {
      try roundTrip(
        ARPPacket(
          operation: any(&$0), senderMAC: any(&$0, bits: 48), senderIP: any(&$0), targetMAC: any(&$0, bits: 48),
          targetIP: any(&$0)), &$0)
    }
  }

  @Test("IPv4 with 0 to 40 bytes of options") func ipv4() throws {
    try run(3) { random in
      var header = IPv4Header(source: any(&random), destination: any(&random), proto: any(&random))
      header.dscp = any(&random, bits: 6)
      header.ecn = any(&random, bits: 2)
      header.identification = any(&random)
      header.dontFragment = Bool.random(using: &random)
      header.moreFragments = Bool.random(using: &random)
      header.fragmentOffset = any(&random, bits: 13)
      header.timeToLive = any(&random)
      header.options = try #require(InlineBytes(random.bytes(Int.random(in: 0...10, using: &random) * 4)))
      let payload = Int.random(in: 0...40, using: &random)
      header.totalLength = UInt16(header.wireLength + payload)
      try header.fillChecksum()
      try roundTrip(header, payload: payload, &random)
      let bytes = try header.wireBytes()
      #expect(InternetChecksum.isValid(bytes.sum()))
    }
  }

  @Test("IPv6, its fragment header and its other extension headers") func ipv6() throws {
    try run(4) { random in
      var header = IPv6Header(source: any(&random), destination: any(&random), nextHeader: any(&random))
      header.dscp = any(&random, bits: 6)
      header.ecn = any(&random, bits: 2)
      header.flowLabel = any(&random, bits: 20)
      header.hopLimit = any(&random)
      header.payloadLength = UInt16.random(in: 0...60, using: &random)
      try roundTrip(header, payload: Int(header.payloadLength), &random)
      try roundTrip(
        IPv6FragmentHeader(
          nextHeader: any(&random), fragmentOffset: any(&random, bits: 13), moreFragments: Bool.random(using: &random),
          identification: any(&random)), &random)
      let kind: UInt8 = try #require([0, 43, 51, 60].randomElement(using: &random))
      let units = Int(any(&random) as UInt8)
      let size = kind == 51 ? (units + 2) * 4 - 2 : units * 8 + 6
      let wide = IPv6ExtensionHeader(kind: kind, nextHeader: any(&random), body: random.bytes(size))
      let bytes = try wide.wireBytes()
      let again = try IPv6ExtensionHeader(parsing: (bytes + [1, 2]).span.octets, kind: kind)
      #expect(again == wide)
      #expect(throws: WireError.self) {
        _ = try IPv6ExtensionHeader(parsing: bytes.span.octets.extracting(0..<bytes.count - 1), kind: kind)
      }
    }
  }

  @Test("UDP, TCP with options, ICMP, ICMPv6 and ESP") func transport() throws {
    try run(5) { random in
      let payload = Int.random(in: 0...40, using: &random)
      try roundTrip(
        UDPHeader(
          source: any(&random), destination: any(&random), length: UInt16(8 + payload), checksum: any(&random)),
        payload: payload, &random)
      var tcp = TCPHeader(source: any(&random), destination: any(&random))
      tcp.sequence = any(&random)
      tcp.acknowledgement = any(&random)
      tcp.flags = TCPFlags(rawValue: any(&random, bits: 9))
      tcp.window = any(&random)
      tcp.checksum = any(&random)
      tcp.urgentPointer = any(&random)
      tcp.options = try #require(InlineBytes(random.bytes(Int.random(in: 0...10, using: &random) * 4)))
      try roundTrip(tcp, &random)
      try roundTrip(
        ICMPHeader(type: any(&random), code: any(&random), checksum: any(&random), rest: any(&random)), &random)
      try roundTrip(
        ICMPv6Header(type: any(&random), code: any(&random), checksum: any(&random), rest: any(&random)), &random)
      try roundTrip(ESPHeader(spi: any(&random) | 1, sequence: any(&random)), &random)
    }
  }

  @Test("Geneve with any options: the registry's typed, unknown ones kept as they are") func geneve() throws {
    try run(6) { random in
      var header = GeneveHeader(vni: any(&random, bits: 24))
      header.isControl = Bool.random(using: &random)
      header.protocolType = any(&random)
      var written: [GeneveOption] = []
      var full = false
      while !full, Int.random(in: 0...4, using: &random) != 0 {
        let data = try #require(InlineBytes<124>(random.bytes(Int.random(in: 0...31, using: &random) * 4)))
        // 0x0200 and up are nobody's here; the registry's classes are tried with their own types below.
        let options: [GeneveOption] = [
          .ovnPorts(ingress: any(&random, bits: 15), egress: any(&random)), .gwlbEndpoint(any(&random)),
          .gwlbAttachment(any(&random)), .gwlbFlowCookie(any(&random)), .ciliumDSR(data),
          .other(optionClass: any(&random) | 0x0200, type: any(&random), data: data),
        ]
        let option = try #require(options.randomElement(using: &random))
        try roundTrip(option, &random)
        full = header.options.count + option.wireLength > 252
        if full {
          #expect(throws: WireError.self) { try header.append(option) }
        } else {
          try header.append(option)
          written.append(option)
        }
      }
      #expect(header.hasCriticalOptions == written.contains { $0.isCritical })
      try roundTrip(header, &random)
      let bytes = try header.wireBytes()
      #expect(try options(bytes) == written)
    }
  }

  private func options(_ bytes: [UInt8]) throws(WireError) -> [GeneveOption] {
    var list = try GeneveView(bytes.span.octets).optionList
    var found: [GeneveOption] = []
    while let option = try list.next() { found.append(GeneveOption(option)) }
    return found
  }

  @Test("A known option of another length than the registry's is kept as it is") func lengths() throws {
    for (identity, right) in [(0x0102_80, 4), (0x0108_01, 8), (0x0108_02, 8), (0x0108_03, 4)] {
      for words in 0...31 where words * 4 != right {
        let bytes = [1, UInt8(identity >> 8 & 255), UInt8(identity & 255), UInt8(words)]
        let data = [UInt8](repeating: 0x11, count: words * 4)
        let option = try GeneveOption(parsing: (bytes + data).span.octets)
        guard case .other(_, _, let kept) = option else {
          Issue.record("\(option) for \(words) words")
          continue
        }
        #expect(kept == InlineBytes(data))
        #expect(try option.wireBytes() == bytes + data)
      }
    }
  }

  @Test("VXLAN, GRE with every combination of fields, NVGRE") func tunnels() throws {
    try run(7) { random in
      try roundTrip(VXLANHeader(vni: any(&random, bits: 24)), &random)
      try roundTrip(NVGREHeader(vsid: any(&random, bits: 24), flowID: any(&random)), &random)
      for flags in 0..<8 {
        try roundTrip(
          GREHeader(
            protocolType: any(&random), checksum: flags & 1 == 0 ? nil : any(&random),
            key: flags & 2 == 0 ? nil : any(&random), sequence: flags & 4 == 0 ? nil : any(&random)), &random)
        var header = GREHeader(
          protocolType: any(&random), key: flags & 2 == 0 ? nil : any(&random),
          sequence: flags & 4 == 0 ? nil : any(&random))
        let payload = random.bytes(Int.random(in: 0...65, using: &random))
        try header.fillChecksum(over: payload.span.octets)
        let whole = try header.wireBytes() + payload
        #expect(InternetChecksum.isValid(whole.sum()))
      }
    }
  }
}
