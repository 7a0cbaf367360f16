/// The kernel of the Internet checksum over memory: the ones-complement sum as RFC 1071 defines it.
///
/// Reason for `unsafe`: eight bytes and more a load. The oracle is `ChecksumTests`: a loop over [UInt8], word by word.
@usableFromInline
enum ByteSum {
  /// The sum of `count` bytes at `base` as big-endian 16-bit words, an odd last byte padded with zero behind it; folded
  /// to 16 bits, not complemented.
  @inlinable @inline(__always)
  static func sum(_ base: UnsafeRawPointer, count: Int) -> UInt16 {
    var at = 0
    var total: UInt64 = 0
    while at &+ 8 <= count {
      let word = unsafe base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      total = total &+ (word & 0xffff_ffff) &+ (word >> 32)
      at &+= 8
    }
    if at &+ 4 <= count {
      total = total &+ UInt64(unsafe base.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      at &+= 4
    }
    if at &+ 2 <= count {
      total = total &+ UInt64(unsafe base.loadUnaligned(fromByteOffset: at, as: UInt16.self))
      at &+= 2
    }
    if at < count {
      let last = UInt16(unsafe base.load(fromByteOffset: at, as: UInt8.self))
      total = total &+ UInt64(UInt16(bigEndian: last << 8))
    }
    // The sum is the same in either byte order but for a swap of the result (RFC 1071 section 2.B).
    return UInt16(bigEndian: InternetChecksum.fold(total))
  }
}
