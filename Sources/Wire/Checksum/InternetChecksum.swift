/// The Internet checksum (RFC 1071), its incremental update (RFC 1624) and what tunnels need of it.
///
/// Sums are ones-complement sums of big-endian 16-bit words, folded to 16 bits and **not** complemented. A checksum
/// field holds the complement of such a sum. 0x0000 and 0xffff are the two zeros: a sum over bytes of which one is not
/// zero is never 0x0000.
public enum InternetChecksum {
  /// The sum over all of `bytes`; an odd last byte counts as a word with zero behind it.
  @inlinable @inline(__always)
  public static func sum(_ bytes: RawSpan) -> UInt16 {
    unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return 0 }
      return unsafe ByteSum.sum(base, count: buffer.count)
    }
  }

  /// The sum over `count` bytes at `base`, for kernels that checked the length.
  @unsafe @inlinable @inline(__always)
  public static func sum(_ base: UnsafeRawPointer, count: Int) -> UInt16 {
    unsafe ByteSum.sum(base, count: count)
  }

  /// `sum` with its carries added in, down to 16 bits. 0 only for 0.
  @inlinable @inline(__always)
  public static func fold(_ sum: UInt64) -> UInt16 {
    // A value and itself with its halves swapped: the upper half of their sum is both halves with the end-around carry.
    let wide = UInt32(truncatingIfNeeded: (sum &+ (sum << 32 | sum >> 32)) >> 32)
    return UInt16(truncatingIfNeeded: (wide &+ (wide << 16 | wide >> 16)) >> 16)
  }

  /// The ones-complement sum of two sums.
  @inlinable @inline(__always)
  public static func add(_ left: UInt16, _ right: UInt16) -> UInt16 {
    let sum = UInt32(left) &+ UInt32(right)
    return UInt16(truncatingIfNeeded: (sum & 0xffff) &+ (sum >> 16))
  }

  /// `left` followed by `right`, where `left` covers `leftCount` bytes: behind an odd count the bytes of `right` stand
  /// in the other halves of the words (RFC 1071 section 2.B).
  @inlinable @inline(__always)
  public static func combine(_ left: UInt16, _ right: UInt16, leftCount: Int) -> UInt16 {
    add(left, leftCount & 1 == 0 ? right : right.byteSwapped)
  }

  /// What goes into a checksum field: the complement of `sum`.
  @inlinable @inline(__always)
  public static func finish(_ sum: UInt16) -> UInt16 { ~sum }

  /// What goes into a UDP checksum field: the complement of `sum`, and 0xffff for 0, which would mean "none" (RFC 768).
  @inlinable @inline(__always)
  public static func finishUDP(_ sum: UInt16) -> UInt16 {
    let field = ~sum
    return field == 0 ? 0xffff : field
  }

  /// Whether the sum over a region, its checksum field included, says that the checksum is right.
  @inlinable @inline(__always)
  public static func isValid(_ sum: UInt16) -> Bool { sum == 0xffff }

  /// The checksum over `bytes` whose field is zero or left out.
  @inlinable @inline(__always)
  public static func checksum(_ bytes: RawSpan) -> UInt16 { finish(sum(bytes)) }
}

/// Incremental update, RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
extension InternetChecksum {
  /// The checksum field after a 16-bit word it covers went from `old` to `new`.
  ///
  /// For a UDP checksum over IPv4 the caller leaves a field of 0 alone and sends a result of 0 as 0xffff:
  /// ``updateUDP(_:old:new:)``.
  @inlinable @inline(__always)
  public static func update16(_ field: UInt16, old: UInt16, new: UInt16) -> UInt16 {
    ~fold(UInt64(~field) &+ UInt64(~old) &+ UInt64(new))
  }

  /// The checksum field after a 32-bit value at an even offset went from `old` to `new`.
  @inlinable @inline(__always)
  public static func update32(_ field: UInt16, old: UInt32, new: UInt32) -> UInt16 {
    ~fold(UInt64(~field) &+ UInt64(~old) &+ UInt64(new))
  }

  /// The checksum field after a region at an even offset whose sum was `old` got the sum `new`.
  ///
  /// For a region of another length too: what counts is the sums.
  @inlinable @inline(__always)
  public static func update(_ field: UInt16, oldSum: UInt16, newSum: UInt16) -> UInt16 {
    update16(field, old: oldSum, new: newSum)
  }

  /// The checksum field after the bytes `old` at `offset` of the covered region became `new`. An odd offset is allowed.
  @inlinable
  public static func update(_ field: UInt16, old: RawSpan, new: RawSpan, offset: Int = 0) -> UInt16 {
    let before = sum(old)
    let after = sum(new)
    return offset & 1 == 0
      ? update(field, oldSum: before, newSum: after)
      : update(field, oldSum: before.byteSwapped, newSum: after.byteSwapped)
  }

  /// As ``update16(_:old:new:)`` for a UDP checksum: 0 ("none") stays 0, a result of 0 becomes 0xffff.
  @inlinable @inline(__always)
  public static func updateUDP(_ field: UInt16, old: UInt16, new: UInt16) -> UInt16 {
    if field == 0 { return 0 }
    let updated = update16(field, old: old, new: new)
    return updated == 0 ? 0xffff : updated
  }

  /// As ``updateUDP(_:old:new:)`` for a field that holds a folded sum that is not complemented (an owed checksum).
  @inlinable @inline(__always)
  public static func updatePartial(_ field: UInt16, old: UInt16, new: UInt16) -> UInt16 {
    fold(UInt64(field) &+ UInt64(~old) &+ UInt64(new))
  }
}

/// Pseudo-headers and the outer checksum from the inner one.
extension InternetChecksum {
  /// The sum of IPv4's pseudo-header (RFC 768): addresses as numbers, protocol, and the upper layer's length in bytes.
  @inlinable @inline(__always)
  public static func pseudoHeader(ipv4 source: UInt32, _ destination: UInt32, proto: UInt8, length: UInt32) -> UInt16 {
    fold(UInt64(source) &+ UInt64(destination) &+ UInt64(proto) &+ UInt64(length))
  }

  /// The sum of IPv6's pseudo-header (RFC 8200 section 8.1).
  @inlinable @inline(__always)
  public static func pseudoHeader(
    ipv6 source: UInt128, _ destination: UInt128, proto: UInt8, length: UInt32
  ) -> UInt16 {
    let words = sum128(source) &+ sum128(destination)
    return fold(words &+ UInt64(proto) &+ UInt64(length))
  }

  /// The sum of the pseudo-header of the IP header at the start of `header` (20 bytes for IPv4, 40 for IPv6), for an
  /// upper layer of `length` bytes; nil when neither version is there or the header does not fit.
  @inlinable
  public static func pseudoHeader(of header: RawSpan, proto: UInt8, length: UInt32) -> UInt16? {
    guard header.byteCount >= 20 else { return nil }
    let version = header.unsafeLoadFirst() >> 4
    let addresses: UInt16
    switch version {
    case 4: addresses = sum(header.extracting(12..<20))
    case 6 where header.byteCount >= 40: addresses = sum(header.extracting(8..<40))
    default: return nil
    }
    return fold(UInt64(addresses) &+ UInt64(proto) &+ UInt64(length))
  }

  /// The sum of an inner packet from its checksum start to its end, once its owed checksum is paid, without reading the
  /// payload (local checksum offload): the finished region sums to the complement of what its checksum field holds
  /// now, the pseudo-header's sum.
  @inlinable @inline(__always)
  public static func finishedSum(owedField: UInt16) -> UInt16 { ~owedField }

  /// The outer UDP checksum field over an inner frame that owes its checksum.
  ///
  /// - Parameters:
  ///   - headers: the sum over everything from the outer UDP header (checksum 0) to the inner checksum start, which is
  ///     at an even distance.
  ///   - pseudo: the outer pseudo-header's sum.
  ///   - owedField: what the inner checksum field holds.
  @inlinable @inline(__always)
  public static func outerFromInner(headers: UInt16, pseudo: UInt16, owedField: UInt16) -> UInt16 {
    finishUDP(fold(UInt64(headers) &+ UInt64(pseudo) &+ UInt64(finishedSum(owedField: owedField))))
  }

  @inlinable @inline(__always)
  static func sum128(_ value: UInt128) -> UInt64 {
    let high = UInt64(truncatingIfNeeded: value >> 64)
    let low = UInt64(truncatingIfNeeded: value)
    return (high >> 32) &+ (high & 0xffff_ffff) &+ (low >> 32) &+ (low & 0xffff_ffff)
  }
}

extension RawSpan {
  /// The first byte; the caller has seen that there is one.
  @inlinable @inline(__always)
  func unsafeLoadFirst() -> UInt8 { unsafe unsafeLoad(fromByteOffset: 0, as: UInt8.self) }
}
