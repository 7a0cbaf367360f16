import Wire

/// `properties wire-dissect [--at-ip]`: frames as hex on standard input, one a line; for each a line of JSON with every
/// header's fields as the views see them, what HeaderStack found, and what is wrong with it. For oracles.
func wireDissect(_ words: [String]) -> Int32 {
  guard words.isEmpty || words == ["--at-ip"] else {
    print("usage: properties wire-dissect [--at-ip] < frames.hex")
    return 64
  }
  var number = 0
  while let line = readLine() {
    number += 1
    guard let frame = hexBytes(line) else {
      print("line \(number): not hex digits in pairs")
      return 65
    }
    print(dissect(frame, startsAtIP: !words.isEmpty))
  }
  return 0
}

/// Bytes of hex digits; nil when they are not.
private func hexBytes(_ line: String) -> [UInt8]? {
  let digits = line.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
  guard digits.count == line.utf8.count, digits.count % 2 == 0 else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

private func dissect(_ frame: [UInt8], startsAtIP: Bool) -> String {
  let options = ParseOptions()
  var visitor = JSONVisitor()
  var parts: [String] = []
  do {
    try FrameWalk.walk(frame.span.octets, options: options, startsAtIP: startsAtIP, visitor: &visitor)
  } catch {
    parts.append("\"error\":\"\(error)\"")
  }
  do {
    let stack = try HeaderStack.parse(frame.span.octets, options: options, startsAtIP: startsAtIP)
    parts.append("\"stack\":" + json(stack))
  } catch {
    parts.append("\"drop\":\"\(error)\"")
  }
  return "{\"layers\":[" + visitor.layers.joined(separator: ",") + "]," + parts.joined(separator: ",") + "}"
}

private func json(_ stack: HeaderStack) -> String {
  func level(_ level: LayerStack) -> String {
    object([
      ("ether_type", level.etherType), ("l3", level.l3), ("l3_end", level.l3End), ("l4", level.l4),
      ("l3_kind", level.l3Kind.rawValue), ("l4_kind", level.l4Kind.rawValue), ("proto", level.ipProto),
      ("tags", level.vlanCount), ("fragment", level.isFragment ? 1 : 0),
    ])
  }
  return "{\"outer\":" + level(stack.outer) + ",\"inner\":" + level(stack.inner)
    + ",\"tunnel\":\"\(stack.tunnel)\",\"fault\":\"\(stack.fault)\",\"key\":\(stack.tunnelKey)"
    + ",\"inner_start\":\(stack.innerStart),\"options_length\":\(stack.optionsLength),\"nvgre\":\(stack.isNVGRE)}"
}

/// A JSON object of numbers.
func object(_ fields: [(String, any BinaryInteger)]) -> String {
  "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
}

/// Writes each header as a JSON object: layer, offset, inner, its fields as numbers.
private struct JSONVisitor: HeaderVisitor {
  var layers: [String] = []
  /// The sum of the last IP header's addresses, for the transport above it.
  private var addresses: UInt16 = 0

  private mutating func add(
    _ layer: String, _ place: HeaderPlace, _ fields: [(String, any BinaryInteger)], _ more: String = ""
  ) {
    let body = object([("offset", place.offset), ("inner", place.isInner ? 1 : 0)] + fields).dropLast()
    layers.append(String(body) + ",\"layer\":\"\(layer)\"" + more + "}")
  }

  private func pseudo(_ proto: UInt64, _ length: Int) -> UInt16 {
    InternetChecksum.fold(UInt64(addresses) + proto + UInt64(length))
  }

  private func flag(_ value: Bool) -> UInt8 { value ? 1 : 0 }

  private func text(_ bytes: RawSpan) -> String {
    var text = ""
    for index in bytes.byteOffsets {
      let byte = unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace) {
    add("ethernet", place, [("dst", view.destination), ("src", view.source), ("type", view.etherType)])
  }
  mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace) {
    add(
      "vlan", place,
      [
        ("prio", view.priority), ("dei", flag(view.dropEligible)), ("vlan", view.identifier), ("type", view.etherType),
      ])
  }
  mutating func visit(_ view: borrowing ARPView, at place: HeaderPlace) {
    add("arp", place, [("hwtype", view.hardwareType), ("ptype", view.protocolType), ("op", view.operation)])
  }
  mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace) {
    addresses = view.pseudoHeader(proto: 0, length: 0)
    add(
      "ipv4", place,
      [
        ("ihl", view.headerLength / 4), ("tos", view.dscp << 2 | view.ecn), ("len", view.totalLength),
        ("id", view.identification), ("df", flag(view.dontFragment)), ("mf", flag(view.moreFragments)),
        ("evil", flag(view.reservedFlag)), ("frag", view.fragmentOffset), ("ttl", view.timeToLive),
        ("proto", view.proto), ("chksum", view.checksum), ("src", view.source), ("dst", view.destination),
        ("good", flag(view.hasValidChecksum)),
      ], ",\"options\":\"\(text(view.options))\"")
  }
  mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace) {
    addresses = view.pseudoHeader(proto: 0, length: 0)
    add(
      "ipv6", place,
      [
        ("tc", view.dscp << 2 | view.ecn), ("fl", view.flowLabel), ("plen", view.payloadLength),
        ("nh", view.nextHeader), ("hlim", view.hopLimit), ("src", view.source), ("dst", view.destination),
      ])
  }
  mutating func visit(_ view: borrowing IPv6ExtensionView, at place: HeaderPlace) {
    add(
      "extension", place,
      [
        ("kind", view.kind), ("nh", view.nextHeader), ("length", view.length), ("frag", view.fragmentOffset),
        ("m", flag(view.moreFragments)), ("id", view.identification),
      ])
  }
  mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace) {
    add(
      "udp", place,
      [
        ("sport", view.source), ("dport", view.destination), ("len", view.datagramLength), ("chksum", view.checksum),
        ("good", flag(view.hasValidChecksum(pseudoHeader: pseudo(17, view.datagramLength)))),
      ])
  }
  mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace) {
    let length = view.headerLength + view.payload.byteCount
    add(
      "tcp", place,
      [
        ("sport", view.source), ("dport", view.destination), ("seq", view.sequence), ("ack", view.acknowledgement),
        ("dataofs", view.headerLength / 4), ("flags", view.flags.rawValue), ("window", view.window),
        ("chksum", view.checksum), ("urgptr", view.urgentPointer),
        ("good", flag(view.hasValidChecksum(pseudoHeader: pseudo(6, length)))),
      ], ",\"options\":\"\(text(view.options))\"")
  }
  mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace) {
    add(
      "icmp", place,
      [
        ("type", view.type), ("code", view.code), ("chksum", view.checksum), ("rest", view.rest),
        ("good", flag(view.hasValidChecksum)),
      ])
  }
  mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace) {
    let length = ICMPv6View.length + view.payload.byteCount
    add(
      "icmp6", place,
      [
        ("type", view.type), ("code", view.code), ("chksum", view.checksum), ("rest", view.rest),
        ("good", flag(view.hasValidChecksum(pseudoHeader: pseudo(58, length)))),
      ])
  }
  mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace) {
    add("esp", place, [("spi", view.spi), ("seq", view.sequence)])
  }
  mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace) {
    var options: [String] = []
    var list = view.optionList
    while let option = try? list.next() {
      options.append("[\(option.optionClass),\(option.type),\"\(text(option.data))\"]")
    }
    add(
      "geneve", place,
      [
        ("optionlen", (view.headerLength - 8) / 4), ("oam", flag(view.isControl)),
        ("critical", flag(view.hasCriticalOptions)), ("proto", view.protocolType), ("vni", view.vni),
      ], ",\"options\":[" + options.joined(separator: ",") + "]")
  }
  mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace) {
    add("vxlan", place, [("vni", view.vni)])
  }
  mutating func visit(_ view: borrowing GREView, at place: HeaderPlace) {
    add(
      "gre", place,
      [
        ("proto", view.protocolType), ("c", flag(view.checksum != nil)), ("k", flag(view.key != nil)),
        ("s", flag(view.sequence != nil)), ("chksum", view.checksum ?? 0), ("key", view.key ?? 0),
        ("seq", view.sequence ?? 0), ("good", flag(view.hasValidChecksum)), ("nvgre", flag(view.isNVGRE)),
      ])
  }
}
