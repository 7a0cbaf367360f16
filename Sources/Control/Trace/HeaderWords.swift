public import Device
import Rules
public import Wire

/// A frame's headers in words, one a line, outermost first: for traces.
public struct HeaderWords: HeaderVisitor {
  private(set) var lines: [String] = []

  /// The headers of `bytes`; tunnels are looked into, on the ports of `endpoint`. What cannot be read is said in the last
  /// line, and how many bytes there are.
  public static func lines(_ bytes: [UInt8], startsAtIP: Bool = false, endpoint: EndpointPolicy) -> [String] {
    var words = HeaderWords()
    let options = ParseOptions(genevePort: endpoint.genevePort, vxlanPort: endpoint.vxlanPort)
    do throws(WireError) {
      try FrameWalk.walk(bytes.span.octets, options: options, startsAtIP: startsAtIP, visitor: &words)
    } catch { words.lines.append("unreadable: \(error)") }
    return words.lines
  }

  private mutating func add(_ name: String, _ place: HeaderPlace, _ rest: String) {
    lines.append((place.isInner ? "inner " : "") + name + (rest.isEmpty ? "" : " " + rest))
  }

  private static func hex(_ value: some BinaryInteger, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  /// Ethernet II.
  public mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace) {
    add(
      "eth", place,
      "src \(Address.text(mac: view.source)) dst \(Address.text(mac: view.destination)) type \(Self.hex(view.etherType, 4))"
    )
  }
  /// A VLAN tag.
  public mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace) {
    add("vlan", place, "id \(view.identifier) priority \(view.priority) type \(Self.hex(view.etherType, 4))")
  }
  /// ARP.
  public mutating func visit(_ view: borrowing ARPView, at place: HeaderPlace) {
    add("arp", place, "operation \(view.operation)")
  }
  /// IPv4.
  public mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace) {
    let fragment =
      view.isFragment
      ? " fragment \(view.fragmentOffset)\(view.moreFragments ? "+" : "")" : view.dontFragment ? " df" : ""
    add(
      "ipv4", place,
      "src \(Address.text(ipv4: view.source)) dst \(Address.text(ipv4: view.destination)) proto \(view.proto) ttl "
        + "\(view.timeToLive) tos \(Self.hex(view.dscp << 2 | view.ecn, 2)) length \(view.totalLength) id "
        + "\(view.identification)\(fragment) checksum \(view.hasValidChecksum ? "good" : "bad")")
  }
  /// IPv6.
  public mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace) {
    add(
      "ipv6", place,
      "src \(Address.text(ipv6: view.source)) dst \(Address.text(ipv6: view.destination)) next \(view.nextHeader) hop_limit "
        + "\(view.hopLimit) tc \(Self.hex(view.dscp << 2 | view.ecn, 2)) length \(view.payloadLength)")
  }
  /// An IPv6 extension header.
  public mutating func visit(_ view: borrowing IPv6ExtensionView, at place: HeaderPlace) {
    add("ipv6_extension", place, "kind \(view.kind) next \(view.nextHeader) length \(view.length)")
  }
  /// UDP.
  public mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace) {
    add(
      "udp", place,
      "src \(view.source) dst \(view.destination) length \(view.datagramLength) checksum \(Self.hex(view.checksum, 4))")
  }
  /// TCP.
  public mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace) {
    add(
      "tcp", place,
      "src \(view.source) dst \(view.destination) seq \(view.sequence) ack \(view.acknowledgement) flags "
        + "\(Self.hex(view.flags.rawValue, 3)) checksum \(Self.hex(view.checksum, 4))")
  }
  /// ICMP.
  public mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace) {
    add("icmp", place, "type \(view.type) code \(view.code)")
  }
  /// ICMPv6.
  public mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace) {
    add("icmp6", place, "type \(view.type) code \(view.code)")
  }
  /// ESP.
  public mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace) {
    add("esp", place, "spi \(Self.hex(view.spi, 8)) seq \(view.sequence)")
  }
  /// Geneve.
  public mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace) {
    var options = ""
    var list = view.optionList
    while let option = try? list.next() {
      options += " option \(Self.hex(option.optionClass, 4)):\(Self.hex(option.type, 2)):\(option.data.byteCount)"
    }
    add("geneve", place, "vni \(view.vni) type \(Self.hex(view.protocolType, 4))\(options)")
  }
  /// VXLAN.
  public mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace) {
    add("vxlan", place, "vni \(view.vni)")
  }
  /// GRE.
  public mutating func visit(_ view: borrowing GREView, at place: HeaderPlace) {
    let key = view.key.map { view.isNVGRE ? " vsid \($0 >> 8)" : " key \($0)" } ?? ""
    add(view.isNVGRE ? "nvgre" : "gre", place, "type \(Self.hex(view.protocolType, 4))\(key)")
  }
}
