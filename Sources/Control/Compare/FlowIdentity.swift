/// The identity of the flow inside a tunnel, for "one flow, one port".
enum FlowIdentity {
  /// Addresses, protocol and (when it is no fragment) ports of a frame that begins with Ethernet or IP; nil when it is
  /// not IP.
  static func of(_ frame: [UInt8]) -> [UInt8]? {
    guard let at = packet(in: frame) else { return nil }
    if frame[at] >> 4 == 4, at + 20 <= frame.count {
      let header = Int(frame[at] & 15) * 4
      let end = at + Int(word(frame, at + 2))
      guard header >= 20, at + header <= end, end <= frame.count else { return nil }
      let key = Array(frame[at + 12..<at + 20]) + [frame[at + 9]]
      if word(frame, at + 6) & 0x3fff != 0 { return key }
      return ports(frame, frame[at + 9], at: at + header, end: end).map { key + $0 }
    }
    if frame[at] >> 4 == 6, at + 44 <= frame.count {
      // Behind extension headers may be ports, or the rest of a fragment.
      let end = at + 40 + Int(word(frame, at + 4))
      guard ![0, 43, 44, 51, 60].contains(frame[at + 6]), end <= frame.count else { return nil }
      let key = Array(frame[at + 8..<at + 40]) + [frame[at + 6]]
      return ports(frame, frame[at + 6], at: at + 40, end: end).map { key + $0 }
    }
    return nil
  }

  /// The ports of a TCP or UDP header, none of other protocols; nil when the header is not sound (P6), so that the frame
  /// is in no flow that another is in.
  private static func ports(_ frame: [UInt8], _ proto: UInt8, at: Int, end: Int) -> [UInt8]? {
    switch proto {
    case 6:
      guard at + 20 <= end else { return nil }
      let header = Int(frame[at + 12] >> 4) * 4
      guard header >= 20, at + header <= end else { return nil }
    case 17:
      guard at + 8 <= end, word(frame, at + 4) >= 8, at + Int(word(frame, at + 4)) <= end else { return nil }
    default: return []
    }
    return Array(frame[at..<at + 4])
  }

  /// Where the IP packet begins in a frame that begins with Ethernet or IP; nil when there is none.
  static func packet(in frame: [UInt8]) -> Int? {
    guard frame.count > 1 else { return nil }
    var at = 0
    // A frame that begins with IP begins with 0x4N or 0x60: Ethernet addresses of this project begin with 0 or 1.
    if frame[0] >> 4 != 4 && frame[0] >> 4 != 6 || looksLikeEthernet(frame) {
      at = 12
      // A third tag hides the packet (SPECIFICATION.md, P2).
      while at < 20, at + 4 <= frame.count, [0x8100, 0x88a8, 0x9100].contains(word(frame, at)) { at += 4 }
      at += 2
      guard at < frame.count, word(frame, at - 2) == (frame[at] >> 4 == 4 ? 0x0800 : 0x86dd) else { return nil }
    }
    guard at + 20 <= frame.count, frame[at] >> 4 == 4 || frame[at] >> 4 == 6 else { return nil }
    return at
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> UInt16 {
    at + 1 < bytes.count ? UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) : 0
  }

  private static func looksLikeEthernet(_ bytes: [UInt8]) -> Bool {
    [0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100].contains(word(bytes, 12))
  }
}
