import Device
import Memory
import Rules
import Wire

/// What an ICMP error quotes, when the error is sound and the quote can be of a tunnel packet that left here
/// (SPECIFICATION.md, I2; RFC 6936 section 4, requirement 6). Whether it is, ``HeaderTemplate`` says.
struct QuotedPacket: BitwiseCopyable {
  /// Where the quoted IP header and what follows it are.
  let l3: Int
  let l4: Int
  let isIPv6: Bool
  /// The quoted packet's whole length.
  let length: Int
  /// The MTU of an error that is about size (ICMP type 3 code 4, ICMPv6 type 2); nil for all others.
  let mtu: Int?

  /// Whether the packet of these layers is an ICMP error (RFC 1122 section 3.2.2, RFC 4443 section 2.1).
  @inline(__always)
  static func isError(_ bytes: Bytes, _ layers: LayerStack) -> Bool {
    let type = bytes[Int(layers.l4)]
    return switch layers.l4Kind {
    case .icmp: type == 3 || type == 4 || type == 5 || type == 11 || type == 12
    case .icmp6: type < 128
    default: false
    }
  }

  /// Nil when the error or what it quotes is not sound.
  init?(_ bytes: Bytes, _ layers: LayerStack) {
    let outer = Int(layers.l3), icmp = Int(layers.l4), end = Int(layers.l3End)
    guard Self.isRight(bytes, outer, icmp, end, isIPv6: layers.l3Kind == .ipv6) else { return nil }
    isIPv6 = layers.l3Kind == .ipv6
    l3 = icmp &+ 8
    let header = isIPv6 ? 40 : 20
    guard l3 &+ header &+ 8 <= end, bytes[l3] >> 4 == (isIPv6 ? 6 : 4) else { return nil }
    let source = isIPv6 ? 8 : 12, address = isIPv6 ? 16 : 4
    // We sent it: from the address that the error came to.
    for at in 0..<address {
      guard bytes[l3 &+ source &+ at] == bytes[outer &+ source &+ address &+ at] else { return nil }
    }
    if isIPv6 {
      length = 40 &+ Int(bytes.u16(l3 &+ 4))
      l4 = l3 &+ 40
      mtu = bytes[icmp] == 2 ? Int(bytes.u32(icmp &+ 4)) : nil
    } else {
      // No options and no fragment but a first one: nothing else leaves here.
      guard bytes[l3] == 0x45, bytes.u16(l3 &+ 6) & 0x1fff == 0 else { return nil }
      length = Int(bytes.u16(l3 &+ 2))
      l4 = l3 &+ 20
      let isSize = bytes[icmp] == 3 && bytes[icmp &+ 1] == 4
      // Who may cut a packet does not say that it was too big.
      guard !isSize || bytes[l3 &+ 6] & 0x40 != 0 else { return nil }
      mtu = isSize ? Int(bytes.u16(icmp &+ 6)) : nil
    }
    // What was not longer was not too long.
    if let mtu, length <= mtu { return nil }
  }

  private static func isRight(_ bytes: Bytes, _ l3: Int, _ icmp: Int, _ end: Int, isIPv6: Bool) -> Bool {
    let message = InternetChecksum.sum(bytes.slice(icmp, count: end &- icmp).span)
    guard isIPv6 else {
      return Decapsulator.isIPv4HeaderValid(bytes, l3) && InternetChecksum.isValid(message)
    }
    let addresses = InternetChecksum.sum(bytes.slice(l3 &+ 8, count: 32).span)
    return InternetChecksum.isValid(
      InternetChecksum.fold(UInt64(addresses) &+ UInt64(message) &+ UInt64(end &- icmp) &+ 58))
  }
}

extension TemplateStore {
  /// Whether a quoted packet can have got its headers from the template at `place`: addresses, protocol and ports.
  func isQuoted(_ quote: QuotedPacket, _ bytes: Bytes, template place: Int) -> Bool {
    let template = templates[place]
    guard template.kind != .none, template.isIPv6 == quote.isIPv6 else { return false }
    let header = tail(template.slot, count: Int(template.length))
    let l3 = Int(template.l3), l4 = Int(template.l4)
    let addresses = quote.isIPv6 ? 8..<40 : 12..<20
    for at in addresses where header[l3 &+ at] != bytes[quote.l3 &+ at] { return false }
    let proto = quote.isIPv6 ? 6 : 9
    guard header[l3 &+ proto] == bytes[quote.l3 &+ proto] else { return false }
    guard template.hasUDP else { return header.u32(l4) == bytes.u32(quote.l4) }
    let port = bytes.u16(quote.l4)
    return header.u16(l4 &+ 2) == bytes.u16(quote.l4 &+ 2)
      && (template.sourcePort == 0 ? port >= 0xc000 : port == template.sourcePort)
  }
}

extension LayerStack {
  /// Whether the frame has to be looked at before any rule is, at an uplink: M7, I1.
  @inline(__always)
  var isFragmentOrICMP: Bool { isFragment || l4Kind == .icmp || l4Kind == .icmp6 }
}
