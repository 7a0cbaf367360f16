#if canImport(CShim)
  internal import CShim
#endif

/// The kernel of the Internet checksum over memory: the ones-complement sum as RFC 1071 defines it.
///
/// Reason for `unsafe`: eight bytes and more a load. The oracle is `ChecksumTests`: a loop over [UInt8], word by word.
@usableFromInline
enum ByteSum {
  /// From how many bytes on the wide kernel pays for its call.
  @usableFromInline static let wideFrom = 256

  /// The sum of `count` bytes at `base` as big-endian 16-bit words, an odd last byte padded with zero behind it; folded
  /// to 16 bits, not complemented.
  @inlinable @inline(__always)
  static func sum(_ base: UnsafeRawPointer, count: Int) -> UInt16 {
    // The sum is the same in either byte order but for a swap of the result (RFC 1071 section 2.B).
    let native = count >= wideFrom ? unsafe long(base, count: count) : unsafe short(base, from: 0, count: count)
    return UInt16(bigEndian: InternetChecksum.fold(native))
  }

  /// The words of `from..<count`, not folded, in the machine's byte order. Inlined: for a count that is known when
  /// compiling nothing is left but loads and adds.
  @inlinable @inline(__always)
  static func short(_ base: UnsafeRawPointer, from: Int, count: Int) -> UInt64 {
    var at = from
    var total: UInt64 = 0
    if count &- at >= 32 {
      var even = SIMD2<UInt64>(repeating: 0)
      var odd = SIMD2<UInt64>(repeating: 0)
      let low = SIMD2<UInt64>(repeating: 0xffff_ffff)
      repeat {
        let first = unsafe base.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
        let second = unsafe base.loadUnaligned(fromByteOffset: at &+ 16, as: SIMD2<UInt64>.self)
        even &+= (first & low) &+ (first &>> 32)
        odd &+= (second & low) &+ (second &>> 32)
        at &+= 32
      } while count &- at >= 32
      even &+= odd
      total = even[0] &+ even[1]
    }
    while count &- at >= 8 {
      let word = unsafe base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      total = total &+ (word & 0xffff_ffff) &+ (word >> 32)
      at &+= 8
    }
    if count & 4 != 0 {
      total = total &+ UInt64(unsafe base.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      at &+= 4
    }
    if count & 2 != 0 {
      total = total &+ UInt64(unsafe base.loadUnaligned(fromByteOffset: at, as: UInt16.self))
      at &+= 2
    }
    if count & 1 != 0 {
      total = total &+ UInt64(UInt16(littleEndian: UInt16(unsafe base.load(fromByteOffset: at, as: UInt8.self))))
    }
    return total
  }

  /// As ``short(_:from:count:)`` from 0 on, with the machine's widest registers.
  @usableFromInline @inline(never)
  static func long(_ base: UnsafeRawPointer, count: Int) -> UInt64 {
    #if canImport(CShim)
      if dpu_has_wide_sum() != 0 {
        let whole = count & ~31
        return unsafe dpu_wide_sum(base, whole) &+ short(base, from: whole, count: count)
      }
    #endif
    return unsafe short(base, from: 0, count: count)
  }
}
