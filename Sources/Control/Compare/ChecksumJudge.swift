import Device

/// Says whether a frame's own checksums are right, with the generator's arithmetic and nobody else's parser.
enum ChecksumJudge {
  /// False when the IPv4 header checksum, or the TCP, UDP or ICMP checksum of a packet that is no fragment, is wrong.
  /// What it does not understand is right.
  static func isRight(_ frame: [UInt8]) -> Bool {
    guard let at = FlowIdentity.packet(in: frame) else { return true }
    return isHeaderRight(frame, at) != false && isTransportRight(frame, at, also: [1, 58]) != false
  }

  /// What is said to be known of the checksums of a frame that begins with Ethernet or IP and is not so; nil when
  /// everything is. `inner` is where the frame inside begins, when there is one.
  static func lie(_ known: ChecksumKnowledge, _ frame: [UInt8], inner: Int?) -> String? {
    func check(_ layer: ChecksumKnowledge.Layer, _ isRight: Bool?) -> String? {
      switch known[layer] {
      case .good where isRight == false: "\(layer) is said to be good and is not"
      case .bad where isRight == true: "\(layer) is said to be bad and is not"
      default: nil
      }
    }
    let outer = FlowIdentity.packet(in: frame)
    if let found = check(.outerL3, outer.flatMap { isHeaderRight(frame, $0) }) { return found }
    if let found = check(.outerL4, outer.flatMap { isTransportKnown(frame, $0) }) { return found }
    guard let inner, inner < frame.count else { return nil }
    let inside = Array(frame[inner...])
    let packet = FlowIdentity.packet(in: inside)
    return check(.innerL3, packet.flatMap { isHeaderRight(inside, $0) })
      ?? check(.innerL4, packet.flatMap { isTransportKnown(inside, $0) })
  }

  /// As ``isTransportRight(_:_:also:)``; a UDP checksum of "none" is not right, and not wrong.
  private static func isTransportKnown(_ frame: [UInt8], _ at: Int) -> Bool? {
    let isIPv4 = frame[at] >> 4 == 4
    let body = at + (isIPv4 ? Int(frame[at] & 15) * 4 : 40)
    let isNone =
      body + 8 <= frame.count && frame[at + (isIPv4 ? 9 : 6)] == 17 && word(frame, body + 6) == 0
      && (!isIPv4 || word(frame, at + 6) & 0x3fff == 0)
    return isNone ? false : isTransportRight(frame, at)
  }

  /// Whether the header checksum of the IPv4 packet at `at` is right; nil when there is none.
  private static func isHeaderRight(_ frame: [UInt8], _ at: Int) -> Bool? {
    guard frame[at] >> 4 == 4 else { return nil }
    let header = Int(frame[at] & 15) * 4, total = word(frame, at + 2)
    guard header >= 20, total >= header, at + total <= frame.count else { return nil }
    return sum(frame[at..<at + header]) == 0xffff
  }

  /// Whether the TCP or UDP checksum of the packet at `at`, or one of the protocols in `also`, is right; nil when there is
  /// none, or a fragment or extension headers are in the way.
  private static func isTransportRight(_ frame: [UInt8], _ at: Int, also: Set<UInt8> = []) -> Bool? {
    let isIPv6 = frame[at] >> 4 == 6
    if isIPv6, at + 40 > frame.count { return nil }
    let header = isIPv6 ? 40 : Int(frame[at] & 15) * 4
    let end = at + (isIPv6 ? 40 + word(frame, at + 4) : word(frame, at + 2))
    guard header >= 20, at + header <= end, end <= frame.count else { return nil }
    if !isIPv6, word(frame, at + 6) & 0x3fff != 0 { return nil }
    let proto = frame[at + (isIPv6 ? 6 : 9)], body = frame[at + header..<end], start = body.startIndex
    // ICMP is IPv4's and ICMPv6 is IPv6's (P6); the other way round they are bytes like any.
    switch proto {
    case 1 where !isIPv6 && also.contains(1) && body.count >= 8: return sum(body) == 0xffff
    case 58 where isIPv6 && also.contains(58) && body.count >= 8: break
    case 6 where body.count >= 20: break
    case 17 where body.count >= 8:
      guard word(frame, start + 6) != 0, word(frame, start + 4) == body.count else { return nil }
    default: return nil
    }
    let addresses = isIPv6 ? frame[at + 8..<at + 40] : frame[at + 12..<at + 20]
    let pseudo = sum(Array(addresses) + be(UInt32(body.count)) + [0, 0, 0, proto])
    return sum(be(pseudo) + be(sum(body))) == 0xffff
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
}
