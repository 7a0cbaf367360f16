import Memory

/// The Internet checksum as RFC 1071 and RFC 1624 define it, a word at a time. Nothing here is clever.
enum Sum {
  /// The plain sum of the 16-bit words in `from..<to`, an odd last byte padded with zero (RFC 1071 section 4.1).
  static func words(_ bytes: Bytes, _ from: Int, _ to: Int) -> UInt64 {
    var sum: UInt64 = 0
    var at = from
    while at + 1 < to {
      sum &+= UInt64(bytes.u16(at))
      at += 2
    }
    if at < to { sum &+= UInt64(bytes[at]) << 8 }
    return sum
  }

  /// The ones-complement sum: carries added back until none is left.
  static func fold(_ sum: UInt64) -> UInt16 {
    var sum = sum
    while sum > 0xffff { sum = (sum & 0xffff) &+ (sum >> 16) }
    return UInt16(truncatingIfNeeded: sum)
  }

  /// The sum of the pseudo-header of the packet at `l3` (RFC 768, RFC 9293, RFC 8200 section 8.1).
  static func pseudoHeader(_ bytes: Bytes, l3: Int, isIPv6: Bool, proto: UInt8, length: Int) -> UInt64 {
    let addresses = isIPv6 ? words(bytes, l3 + 8, l3 + 40) : words(bytes, l3 + 12, l3 + 20)
    return addresses &+ UInt64(proto) &+ UInt64(length >> 16) &+ UInt64(length & 0xffff)
  }

  /// The same for a packet that leaves: its destination is the final one.
  static func sentPseudoHeader(_ bytes: Bytes, _ layers: Layers, proto: UInt8, length: Int) -> UInt64 {
    let size = layers.isIPv6 ? 16 : 4
    let source = layers.isIPv6 ? layers.l3 + 8 : layers.l3 + 12
    let final = layers.finalDestination
    return words(bytes, source, source + size) &+ words(bytes, final, final + size) &+ UInt64(proto)
      &+ UInt64(length >> 16) &+ UInt64(length & 0xffff)
  }

  /// RFC 1624 equation 3: the checksum `old` after the 16-bit word `was` became `now`.
  static func updated(_ old: UInt16, was: UInt16, now: UInt16) -> UInt16 {
    ~fold(UInt64(~old) &+ UInt64(~was) &+ UInt64(now))
  }
}
