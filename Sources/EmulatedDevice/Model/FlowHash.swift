import Memory

/// The device's hash of a flow: FNV-1a, 32 bits, over the bytes of addresses, protocol and ports as they stand on the
/// wire. Fragments are hashed without ports and, over IPv6, with the fragment header's next header; non-IP frames over
/// their Ethernet addresses and type. The datasheet gives vectors.
enum FlowHash {
  static func of(_ bytes: Bytes, _ layers: Layers) -> UInt32 {
    var hash: UInt32 = 2_166_136_261
    if layers.l3 >= 0 {
      let (from, count) = layers.isIPv6 ? (layers.l3 + 8, 32) : (layers.l3 + 12, 8)
      add(&hash, bytes, from, count)
      add(&hash, layers.isIPv6 && layers.isFragment ? layers.fragmentNext : layers.proto)
      if layers.transport == .tcp || layers.transport == .udp { add(&hash, bytes, layers.l4, 4) }
    } else if layers.l2 >= 0 {
      add(&hash, bytes, layers.l2, 14)
    } else {
      add(&hash, bytes, 0, min(bytes.count, 20))
    }
    return hash
  }

  /// E3: the UDP source port of that hash, 49152…65535.
  static func port(_ hash: UInt32) -> UInt16 {
    0xc000 | UInt16(truncatingIfNeeded: hash ^ hash >> 14 ^ hash >> 28) & 0x3fff
  }

  private static func add(_ hash: inout UInt32, _ byte: UInt8) { hash = (hash ^ UInt32(byte)) &* 16_777_619 }

  private static func add(_ hash: inout UInt32, _ bytes: Bytes, _ from: Int, _ count: Int) {
    var at = from
    while at < from + count {
      add(&hash, bytes[at])
      at += 1
    }
  }
}
