import Wire

/// `properties wire-emit [--seed N] [--count M]`: M random frames written by Wire's values, each a line of JSON with its
/// hex and, under tshark's names, what was put into its fields, outermost first. For oracles.
func wireEmit(_ words: [String]) -> Int32 {
  var seed: UInt64 = 1
  var count = 100
  var rest = words[...]
  while let word = rest.popFirst() {
    switch (word, rest.popFirst()) {
    case ("--seed", let text?) where UInt64(text) != nil: seed = UInt64(text) ?? 1
    case ("--count", let text?) where Int(text) != nil: count = Int(text) ?? 0
    default:
      print("usage: properties wire-emit [--seed N] [--count M]")
      return 64
    }
  }
  var random = SplitMix(seed: seed)
  for number in 0..<count {
    var builder = FrameBuilder(random: random)
    do {
      let frame = try builder.frame()
      random = builder.random
      let fields = builder.fields.map { name, values in
        "\"\(name)\":[" + values.map { "\($0)" }.joined(separator: ",") + "]"
      }
      print("{\"hex\":\"\(hexText(frame))\",\"fields\":{" + fields.sorted().joined(separator: ",") + "}}")
    } catch {
      print("frame \(number) of seed \(seed) was not written: \(error)")
      return 1
    }
  }
  return 0
}

private func hexText(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// Writes a frame from the inside out and notes its fields from the outside in.
private struct FrameBuilder {
  var random: SplitMix
  /// tshark's name to the values in the order in which tshark shows them.
  var fields: [String: [UInt128]] = [:]

  init(random: SplitMix) { self.random = random }

  private mutating func note(_ values: [(String, any BinaryInteger)]) {
    for (name, value) in values { fields[name, default: []].append(UInt128(truncatingIfNeeded: value)) }
  }
  /// For headers that are noted only when what is inside of them has been written.
  private mutating func noteInFront(_ values: [(String, any BinaryInteger)]) {
    for (name, value) in values { fields[name, default: []].insert(UInt128(truncatingIfNeeded: value), at: 0) }
  }
  private mutating func number<T: FixedWidthInteger>(_ bits: Int = T.bitWidth) -> T {
    let value = T(truncatingIfNeeded: UInt128(random.next()) << 64 | UInt128(random.next()))
    return bits == T.bitWidth ? value : value & ((1 << T(bits)) - 1)
  }

  mutating func frame() throws(WireError) -> [UInt8] {
    let tunnel = random.below(4)
    let six = random.chance(1, of: 2)
    // Headers in front are noted first and written with lengths known once what they carry is.
    var head = try ethernet(type: six ? 0x86dd : 0x0800)
    let proto: UInt8 = tunnel < 2 ? 17 : 47
    let network = networkHeader(six: six, proto: proto)
    switch tunnel {
    case 0: head += try seal(network, try udp(network, port: 6081, try geneve()))
    case 1:
      let header = VXLANHeader(vni: number(24))
      note([("vxlan.vni", header.vni)])
      head += try seal(network, try udp(network, port: 4789, try header.wireBytes() + inner(ethernet: true)))
    case 2:
      let header = NVGREHeader(vsid: number(24), flowID: number())
      note([("gre.key", header.vsid << 8 | UInt32(header.flowID)), ("gre.proto", 0x6558)])
      head += try seal(network, try header.wireBytes() + inner(ethernet: true))
    default: head += try seal(network, try gre())
    }
    return head
  }

  private mutating func ethernet(type: UInt16) throws(WireError) -> [UInt8] {
    let tags = max(0, random.below(5) - 2)
    let tpids: [UInt16] = (0..<tags).map { _ in [0x8100, 0x88a8][random.below(2)] }
    // Unicast: a group bit in a source address is no fault of the frame's, but tshark says something about it.
    let header = EthernetHeader(
      destination: number(40), source: number(40), etherType: tpids.first ?? type)
    note([("eth.dst", header.destination), ("eth.src", header.source), ("eth.type", header.etherType)])
    var bytes = try header.wireBytes()
    for index in 0..<tags {
      let tag = VLANTag(
        priority: number(3), dropEligible: random.chance(1, of: 2), identifier: number(12),
        etherType: index + 1 < tags ? tpids[index + 1] : type)
      // tshark has other names for the fields of a tag whose TPID is 0x88a8, and none for the type behind it.
      let name = tpids[index] == 0x88a8 ? "ieee8021ad" : "vlan"
      let identifier = tpids == [0x88a8, 0x88a8] ? [".svid", ".cvid"][index] : ".id"
      note([
        (name + ".priority", tag.priority), (name + ".dei", tag.dropEligible ? 1 : 0),
        (name + identifier, tag.identifier),
      ])
      if tpids[index] == 0x8100 { note([("vlan.etype", tag.etherType)]) }
      bytes += try tag.wireBytes()
    }
    return bytes
  }

  private enum Network {
    case four(IPv4Header)
    case six(IPv6Header, proto: UInt8, extensions: [IPv6ExtensionHeader])
  }

  private mutating func networkHeader(six: Bool, proto: UInt8) -> Network {
    if six {
      var header = IPv6Header(source: number(), destination: number(), nextHeader: proto)
      header.dscp = number(6)
      header.ecn = number(2)
      header.flowLabel = number(20)
      header.hopLimit = number()
      var extensions: [IPv6ExtensionHeader] = []
      if random.chance(1, of: 3) {
        // PadN of all the body: a destination options header that every dissector takes.
        let size = random.below(3) * 8 + 4
        extensions.append(
          IPv6ExtensionHeader(
            kind: 60, nextHeader: proto, body: [1, UInt8(size)] + [UInt8](repeating: 0, count: size)))
        header.nextHeader = 60
      }
      return .six(header, proto: proto, extensions: extensions)
    }
    var header = IPv4Header(source: number(), destination: number(), proto: proto)
    header.dscp = number(6)
    header.ecn = number(2)
    header.identification = number()
    header.dontFragment = random.chance(1, of: 2)
    header.timeToLive = number()
    for _ in 0..<random.below(3) * 4 { _ = header.options.append(1) }
    return .four(header)
  }

  /// The header in front of `payload`, noted now that its lengths are known.
  private mutating func seal(_ network: Network, _ payload: [UInt8]) throws(WireError) -> [UInt8] {
    switch network {
    case .four(var header):
      header.totalLength = UInt16(header.wireLength + payload.count)
      try header.fillChecksum()
      noteInFront([
        ("ip.dsfield.dscp", header.dscp), ("ip.dsfield.ecn", header.ecn), ("ip.len", header.totalLength),
        ("ip.id", header.identification), ("ip.flags.df", header.dontFragment ? 1 : 0), ("ip.ttl", header.timeToLive),
        ("ip.proto", header.proto), ("ip.src", header.source), ("ip.dst", header.destination),
        ("ip.hdr_len", header.wireLength), ("ip.checksum.status", 1),
      ])
      return try header.wireBytes() + payload
    case .six(var header, _, let extensions):
      var chain: [UInt8] = []
      for part in extensions { chain += try part.wireBytes() }
      header.payloadLength = UInt16(chain.count + payload.count)
      noteInFront([
        ("ipv6.tclass.dscp", header.dscp), ("ipv6.tclass.ecn", header.ecn), ("ipv6.flow", header.flowLabel),
        ("ipv6.plen", header.payloadLength), ("ipv6.nxt", header.nextHeader), ("ipv6.hlim", header.hopLimit),
        ("ipv6.src", header.source), ("ipv6.dst", header.destination),
      ])
      return try header.wireBytes() + chain + payload
    }
  }

  private func pseudo(_ network: Network, _ proto: UInt8, _ length: Int) -> UInt16 {
    switch network {
    case .four(let header):
      InternetChecksum.pseudoHeader(ipv4: header.source, header.destination, proto: proto, length: UInt32(length))
    case .six(let header, _, _):
      InternetChecksum.pseudoHeader(ipv6: header.source, header.destination, proto: proto, length: UInt32(length))
    }
  }

  private mutating func udp(_ network: Network, port: UInt16, _ payload: [UInt8]) throws(WireError) -> [UInt8] {
    var header = UDPHeader(source: 0xc000 | number(14), destination: port, length: UInt16(8 + payload.count))
    let none = random.chance(1, of: 4)
    if !none {
      let sum = InternetChecksum.add(
        InternetChecksum.sum((try header.wireBytes() + payload).span.octets),
        pseudo(network, 17, Int(header.length)))
      header.checksum = InternetChecksum.finishUDP(sum)
    }
    // tshark: 1 good; zero is 3, not there, over IPv4, and 4, illegal, over IPv6 (which RFC 6935 allows on request).
    let zero = if case .four = network { 3 } else { 4 }
    note([
      ("udp.srcport", header.source), ("udp.dstport", port), ("udp.length", header.length),
      ("udp.checksum", header.checksum), ("udp.checksum.status", none ? zero : 1),
    ])
    return try header.wireBytes() + payload
  }

  private mutating func geneve() throws(WireError) -> [UInt8] {
    var header = GeneveHeader(vni: number(24))
    let kinds: [UInt16] = [0x6558, 0x0800, 0x86dd]
    header.protocolType = kinds[random.below(3)]
    // Of classes that tshark has no table for, so that it shows their data as they are.
    var left = random.below(64)
    while left > 0 {
      let words = min(left - 1, random.below(32))
      var data = InlineBytes<124>()
      for byte in random.bytes(words * 4) { _ = data.append(byte) }
      let option = GeneveOption.other(optionClass: 0x0200 | number(8), type: number(), data: data)
      try header.append(option)
      note([
        ("geneve.option.class", option.optionClass), ("geneve.option.type", option.type),
        ("geneve.option.length", option.wireLength),
      ])
      left -= words + 1
    }
    // Under the same name tshark shows the header's own option length first.
    noteInFront([("geneve.option.length", header.options.count)])
    note([
      ("geneve.vni", header.vni), ("geneve.proto_type", header.protocolType),
      ("geneve.flags.critical", header.hasCriticalOptions ? 1 : 0), ("geneve.flags.oam", 0),
    ])
    return try header.wireBytes() + payload(header.protocolType)
  }

  private mutating func gre() throws(WireError) -> [UInt8] {
    let kinds: [UInt16] = [0x6558, 0x0800, 0x86dd]
    var header = GREHeader(protocolType: kinds[random.below(3)])
    if random.chance(1, of: 2) { header.key = number() }
    if random.chance(1, of: 2) { header.sequence = number() }
    note([("gre.proto", header.protocolType)])
    if let key = header.key { note([("gre.key", key)]) }
    if let sequence = header.sequence { note([("gre.sequence_number", sequence)]) }
    let inside = try payload(header.protocolType)
    if random.chance(1, of: 2) {
      try header.fillChecksum(over: inside.span.octets)
      note([("gre.checksum", header.checksum ?? 0), ("gre.checksum.status", 1)])
    }
    return try header.wireBytes() + inside
  }

  private mutating func payload(_ type: UInt16) throws(WireError) -> [UInt8] {
    try inner(ethernet: type == 0x6558, six: type == 0x86dd)
  }

  private mutating func inner(ethernet withEthernet: Bool, six: Bool? = nil) throws(WireError) -> [UInt8] {
    let six = withEthernet ? random.chance(1, of: 2) : six ?? false
    let front = withEthernet ? try ethernet(type: six ? 0x86dd : 0x0800) : []
    let network = networkHeader(six: six, proto: 6)
    var tcp = TCPHeader(source: 1024 | number(9), destination: 2048 | number(9))
    tcp.sequence = number()
    tcp.acknowledgement = number()
    tcp.flags = TCPFlags(rawValue: number(9))
    tcp.window = number()
    tcp.urgentPointer = number()
    for _ in 0..<random.below(4) * 4 { _ = tcp.options.append(1) }
    let data = random.bytes(random.below(90))
    let bytes = try tcp.wireBytes() + data
    tcp.checksum = InternetChecksum.finish(
      InternetChecksum.add(InternetChecksum.sum(bytes.span.octets), pseudo(network, 6, bytes.count)))
    note([
      ("tcp.srcport", tcp.source), ("tcp.dstport", tcp.destination), ("tcp.seq_raw", tcp.sequence),
      ("tcp.hdr_len", tcp.wireLength), ("tcp.flags", tcp.flags.rawValue), ("tcp.window_size_value", tcp.window),
      ("tcp.urgent_pointer", tcp.urgentPointer), ("tcp.checksum", tcp.checksum), ("tcp.checksum.status", 1),
      ("tcp.ack_raw", tcp.acknowledgement),
    ])
    return front + (try seal(network, try tcp.wireBytes() + data))
  }
}
