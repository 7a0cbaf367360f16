/// CRC-32C (Castagnoli, RFC 3385), reflected, eight bytes a step.
enum CRC32C {
  // Tables for eight bytes at once: entry 256·n + b is the sum of byte b followed by n zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var sum = UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
      tables[byte] = sum
    }
    for byte in 256..<8 * 256 { tables[byte] = tables[byte - 256] >> 8 ^ tables[Int(tables[byte - 256] & 0xff)] }
    return tables
  }()

  /// The sum over `bytes`, going on from `start`.
  static func sum(_ bytes: ArraySlice<UInt8>, after start: UInt32 = 0) -> UInt32 {
    let tables = tables
    var sum = ~start
    var at = bytes.startIndex
    while bytes.endIndex - at >= 8 {
      var word: UInt64 = 0
      for index in 0..<8 { word |= UInt64(bytes[at + index]) << UInt64(8 * index) }
      word ^= UInt64(sum)
      sum = 0
      for index in 0..<8 {
        sum ^= tables[(7 - index) * 256 + Int(word >> UInt64(8 * index) & 0xff)]
      }
      at += 8
    }
    while at < bytes.endIndex {
      sum = sum >> 8 ^ tables[Int((sum ^ UInt32(bytes[at])) & 0xff)]
      at += 1
    }
    return ~sum
  }
}
