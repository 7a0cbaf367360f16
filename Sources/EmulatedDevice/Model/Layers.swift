import Memory

/// What stands behind an IP header.
enum Transport: UInt8 {
  case none = 0, udp, tcp, icmp, icmp6, gre, esp
}

/// The headers of one level, outer or inner, as SPECIFICATION.md P2–P6 finds them. Offsets count from the frame's
/// first byte; −1 means that the header is not there.
struct Layers {
  /// Ethernet header.
  var l2 = -1
  /// VLAN tags read, 0…2.
  var tags = 0
  /// The type behind the last tag.
  var type: UInt16 = 0
  /// IP header.
  var l3 = -1
  /// Whether it is version 6.
  var isIPv6 = false
  /// Where the IP packet ends; what lies behind is padding.
  var l3End = 0
  /// The protocol behind the extension headers, when they could be walked.
  var proto: UInt8 = 0
  var hasProto = false
  /// RFC 791 or RFC 8200 fragment, first ones included, atomic ones not.
  var isFragment = false
  /// An IPv6 fragment header is there, atomic or not.
  var hasFragmentHeader = false
  /// Next header of the first IPv6 fragment header.
  var fragmentNext: UInt8 = 0
  /// Where the pseudo-header of a sender has its destination: of a packet with stations before it, the last one's
  /// (RFC 8200 section 8.1).
  var finalDestination = 0
  /// Authentication header among the extension headers.
  var hasAuthentication = false
  /// Transport, GRE or ESP header.
  var l4 = -1
  var transport = Transport.none
  /// Where the UDP datagram ends by its own length; else the packet's end.
  var l4End = 0
  /// Where the bytes of this level end.
  var end = 0

  /// Offset of the TCI of tag `index`.
  func tci(_ index: Int) -> Int { l2 + 14 + 4 * index }
  /// Bytes of the Ethernet header with its tags.
  var ethernetLength: Int { 14 + 4 * tags }

  static func isTPID(_ type: UInt16) -> Bool { type == 0x8100 || type == 0x88a8 || type == 0x9100 }

  /// P2: from an Ethernet header of which 14 bytes are there.
  static func fromEthernet(_ bytes: Bytes, at start: Int, end: Int) -> Layers {
    var layers = Layers()
    layers.l2 = start
    layers.end = end
    layers.type = bytes.u16(start + 12)
    var at = start + 14
    while isTPID(layers.type), layers.tags < 2 {
      guard at + 4 <= end else { return layers }
      layers.type = bytes.u16(at + 2)
      layers.tags += 1
      at += 4
    }
    layers.readIP(bytes, at: at, type: layers.type)
    return layers
  }

  /// From an IP header, for tunnels that carry IP.
  static func fromIP(_ bytes: Bytes, at start: Int, end: Int, type: UInt16) -> Layers {
    var layers = Layers()
    layers.end = end
    layers.type = type
    layers.readIP(bytes, at: start, type: type)
    return layers
  }

  private mutating func readIP(_ bytes: Bytes, at: Int, type: UInt16) {
    if type == 0x0800 { readIPv4(bytes, at: at) }
    if type == 0x86dd { readIPv6(bytes, at: at) }
  }

  /// P3 and RFC 791 section 3.1.
  private mutating func readIPv4(_ bytes: Bytes, at: Int) {
    let available = end - at
    guard available >= 20, bytes[at] >> 4 == 4 else { return }
    let header = Int(bytes[at] & 15) * 4
    let total = Int(bytes.u16(at + 2))
    guard header >= 20, header <= available, header <= total, total <= available else { return }
    l3 = at
    l3End = at + total
    finalDestination = at + 16
    proto = bytes[at + 9]
    hasProto = true
    isFragment = bytes.u16(at + 6) & 0x3fff != 0
    if !isFragment { readTransport(bytes, at: at + header) }
  }

  /// P3, P4 and RFC 8200 section 4.
  private mutating func readIPv6(_ bytes: Bytes, at: Int) {
    let available = end - at
    guard available >= 40, bytes[at] >> 4 == 6 else { return }
    let payload = Int(bytes.u16(at + 4))
    guard payload <= available - 40 else { return }
    l3 = at
    isIPv6 = true
    l3End = at + 40 + payload
    finalDestination = at + 24
    var next = bytes[at + 6]
    var here = at + 40
    var walked = 0
    while next == 0 || next == 43 || next == 60 || next == 51 || next == 44 {
      guard walked < 8, here + 8 <= l3End else { return }
      walked += 1
      let words = Int(bytes[here + 1])
      let length = next == 44 ? 8 : next == 51 ? (words + 2) * 4 : (words + 1) * 8
      guard here + length <= l3End else { return }
      if next == 51 { hasAuthentication = true }
      if next == 43, length >= 24, bytes[here + 3] > 0 {
        // A segment routing header (type 4) lists its stations backwards (RFC 8754 section 2).
        finalDestination = bytes[here + 2] == 4 ? here + 8 : here + length - 16
      }
      if next == 44 {
        let place = bytes.u16(here + 2)
        if !hasFragmentHeader { fragmentNext = bytes[here] }
        hasFragmentHeader = true
        if place & 0xfff9 != 0 { isFragment = true }
        if place & 0xfff8 != 0 {
          // Behind a later fragment's header lies the middle of something.
          proto = bytes[here]
          hasProto = true
          return
        }
      }
      next = bytes[here]
      here += length
    }
    proto = next
    hasProto = true
    if !isFragment { readTransport(bytes, at: here) }
  }

  /// P6.
  private mutating func readTransport(_ bytes: Bytes, at: Int) {
    let left = l3End - at
    switch proto {
    case 17 where left >= 8:
      let length = Int(bytes.u16(at + 4))
      guard length >= 8, length <= left else { return }
      found(.udp, at: at, end: at + length)
    case 6 where left >= 20:
      let header = Int(bytes[at + 12] >> 4) * 4
      guard header >= 20, header <= left else { return }
      found(.tcp, at: at, end: l3End)
    case 1 where left >= 8 && !isIPv6: found(.icmp, at: at, end: l3End)
    case 58 where left >= 8 && isIPv6: found(.icmp6, at: at, end: l3End)
    case 47 where left >= 4: found(.gre, at: at, end: l3End)
    case 50 where left >= 8: found(.esp, at: at, end: l3End)
    default: return
    }
  }

  private mutating func found(_ kind: Transport, at: Int, end: Int) {
    transport = kind
    l4 = at
    l4End = end
  }
}
