/// Says whether a frame's own checksums are right, with the generator's arithmetic and nobody else's parser.
enum ChecksumJudge {
  /// False when the IPv4 header checksum, or the TCP, UDP or ICMP checksum of a packet that is no fragment, is wrong.
  /// What it does not understand is right.
  static func isRight(_ frame: [UInt8]) -> Bool {
    guard let at = FlowIdentity.packet(in: frame) else { return true }
    if frame[at] >> 4 == 4 {
      let header = Int(frame[at] & 15) * 4, total = word(frame, at + 2)
      guard header >= 20, total >= header, at + total <= frame.count else { return true }
      guard sum(Array(frame[at..<at + header])) == 0xffff else { return false }
      guard word(frame, at + 6) & 0x3fff == 0 else { return true }
      return isRight(
        Array(frame[at + header..<at + total]), proto: frame[at + 9], addresses: frame[at + 12..<at + 20])
    }
    guard at + 40 <= frame.count else { return true }
    let length = word(frame, at + 4)
    guard at + 40 + length <= frame.count else { return true }
    return isRight(
      Array(frame[at + 40..<at + 40 + length]), proto: frame[at + 6], addresses: frame[at + 8..<at + 40])
  }

  private static func isRight(_ body: [UInt8], proto: UInt8, addresses: ArraySlice<UInt8>) -> Bool {
    // ICMP is IPv4's and ICMPv6 is IPv6's (P6); the other way round they are bytes like any.
    let isIPv6 = addresses.count == 32
    switch proto {
    case 1 where !isIPv6: return body.count < 8 || sum(body) == 0xffff
    case 6 where body.count >= 20, 58 where isIPv6 && body.count >= 8: break
    case 17 where body.count >= 8:
      guard word(body, 6) != 0, word(body, 4) == body.count else { return true }
    default: return true
    }
    return sum(Array(addresses) + be(UInt32(body.count)) + [0, 0, 0, proto] + body) == 0xffff
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
}
