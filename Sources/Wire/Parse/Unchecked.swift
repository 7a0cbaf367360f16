/// Big-endian loads without bounds checks: the hot parser's only way to a frame's bytes.
///
/// Reason for `unsafe`: a checked `RawSpan` costs the parser a tenth of its speed. Every caller compares offset and
/// width with the length first; `HeaderStackTests` holds it against a parser over `[UInt8]`, libFuzzer against the views.
@unsafe @frozen @usableFromInline
struct Unchecked: ~Escapable {
  @usableFromInline let bytes: RawSpan

  @_lifetime(copy bytes)
  @inlinable @inline(__always)
  init(_ bytes: RawSpan) { unsafe self.bytes = bytes }

  @inlinable @inline(__always)
  func u8(_ offset: Int) -> UInt8 { unsafe bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) }

  @inlinable @inline(__always)
  func u16(_ offset: Int) -> UInt16 {
    unsafe UInt16(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
  }

  @inlinable @inline(__always)
  func u32(_ offset: Int) -> UInt32 {
    unsafe UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }
}
