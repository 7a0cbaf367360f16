import Device
import Memory

/// Receive: what the device says about checksums. It marks, and never repairs.
enum Knowledge {
  /// The state of all four layers, within the device's abilities. From a wire nothing is `partial`.
  static func of(
    _ bytes: Bytes, _ parsed: Parsed, _ abilities: FrameAbilities, fromWire: Bool
  ) -> ChecksumKnowledge {
    var known = ChecksumKnowledge()
    if abilities.contains(.rxOuterL3) { known[.outerL3] = header(bytes, parsed.outer) }
    if abilities.contains(.rxOuterL4) { known[.outerL4] = transport(bytes, parsed.outer, fromWire) }
    guard parsed.hasSoundTunnel else { return known }
    if abilities.contains(.rxInnerL3) { known[.innerL3] = header(bytes, parsed.inner) }
    if abilities.contains(.rxInnerL4) { known[.innerL4] = transport(bytes, parsed.inner, fromWire) }
    return known
  }

  /// RFC 791: the sum over a right IPv4 header is all ones. IPv6 has none to know.
  private static func header(_ bytes: Bytes, _ layers: Layers) -> ChecksumKnowledge.State {
    guard layers.l3 >= 0, !layers.isIPv6 else { return .unknown }
    let length = Int(bytes[layers.l3] & 15) * 4
    return Sum.fold(Sum.words(bytes, layers.l3, layers.l3 + length)) == 0xffff ? .good : .bad
  }

  /// TCP and UDP over the datagram's own length; a UDP checksum of 0 says nothing.
  private static func transport(_ bytes: Bytes, _ layers: Layers, _ fromWire: Bool) -> ChecksumKnowledge.State {
    guard layers.l4 >= 0 else { return .unknown }
    let proto: UInt8
    switch layers.transport {
    case .tcp: proto = 6
    case .udp:
      if bytes.u16(layers.l4 + 6) == 0 { return .unknown }
      proto = 17
    case .none, .icmp, .icmp6, .gre, .esp: return .unknown
    }
    let length = layers.l4End - layers.l4
    let pseudo = Sum.pseudoHeader(bytes, l3: layers.l3, isIPv6: layers.isIPv6, proto: proto, length: length)
    let sum = Sum.fold(pseudo &+ Sum.words(bytes, layers.l4, layers.l4End))
    if sum == 0xffff { return .good }
    // A field that holds the pseudo-header's sum and nothing more: somebody upstream owes the rest.
    let place = layers.l4 + (layers.transport == .tcp ? 16 : 6)
    return !fromWire && bytes.u16(place) == Sum.fold(pseudo) ? .partial : .bad
  }
}
