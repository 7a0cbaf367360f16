import Memory
import Wire

/// Ones-complement sums over parts of a frame, on top of Wire's kernel. Sums are folded to 16 bits and not
/// complemented.
enum FrameSum {
  /// The sum of the bytes `start..<end`, the first of them being the high half of a word.
  @inline(__always)
  static func range(_ bytes: Bytes, _ start: Int, _ end: Int) -> UInt16 {
    InternetChecksum.sum(bytes.slice(start, count: end &- start).span)
  }

  /// `sum` with its carries added in.
  @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 { InternetChecksum.fold(sum) }

  /// The ones-complement sum of two.
  @inline(__always)
  static func add(_ left: UInt16, _ right: UInt16) -> UInt16 { InternetChecksum.add(left, right) }

  /// The sum of `start..<end` as part of a region that began at `origin`: at an odd distance its bytes stand in the
  /// other halves of the words (RFC 1071 section 2.B).
  @inline(__always)
  static func range(_ bytes: Bytes, _ start: Int, _ end: Int, from origin: Int) -> UInt16 {
    let sum = range(bytes, start, end)
    return (start &- origin) & 1 == 0 ? sum : sum.byteSwapped
  }

  /// The pseudo-header's sum for `layer` and an upper layer of `length` bytes (RFC 768, RFC 8200 section 8.1; behind a
  /// routing header with segments left, the final destination counts).
  @inline(__always)
  static func pseudoHeader(_ bytes: Bytes, _ layer: NetworkLayer, length: Int) -> UInt16 {
    let addresses: UInt16
    if layer.isIPv6 {
      let source = range(bytes, layer.l3 &+ 8, layer.l3 &+ 24)
      let final = layer.finalDestination
      addresses = add(source, range(bytes, final, final &+ 16))
    } else {
      addresses = range(bytes, layer.l3 &+ 12, layer.l3 &+ 20)
    }
    return fold(UInt64(addresses) &+ UInt64(layer.proto) &+ UInt64(length))
  }

  /// What goes into a UDP checksum field for `sum`: its complement, and 0xffff for 0 (RFC 768).
  @inline(__always)
  static func udpField(_ sum: UInt16) -> UInt16 { InternetChecksum.finishUDP(sum) }

  /// A checksum field after the sum of what it covers went from `old` to `new` (RFC 1624 equation 3): a wrong one
  /// stays wrong.
  @inline(__always)
  static func updated(_ field: UInt16, old: UInt16, new: UInt16) -> UInt16 {
    InternetChecksum.update(field, oldSum: old, newSum: new)
  }

  /// The sum of the IPv4 header at `l3` but for its checksum field.
  @inline(__always)
  static func ipv4Header(_ bytes: Bytes, _ l3: Int) -> UInt16 {
    let end = l3 &+ Int(bytes[l3] & 15) &* 4
    return add(range(bytes, l3, l3 &+ 10), range(bytes, l3 &+ 12, end))
  }

  /// Computes the IPv4 header checksum of the header at `l3`.
  @inline(__always)
  static func setIPv4Checksum(_ bytes: Bytes, _ l3: Int) {
    let header = Int(bytes[l3] & 15) &* 4
    bytes.store(UInt16(0), at: l3 &+ 10)
    bytes.store(~range(bytes, l3, l3 &+ header), at: l3 &+ 10)
  }
}
