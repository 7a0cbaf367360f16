/// Big-endian loads without bounds checks: the hot parser's only way to a frame's bytes.
///
/// Reason for `unsafe`: a checked `RawSpan` costs the parser a tenth of its speed. Every caller compares offset and
/// width with the length first; `HeaderStackTests` holds it against a parser over `[UInt8]`, libFuzzer against the views.
@unsafe @frozen @usableFromInline
struct Unchecked {
  @usableFromInline let base: UnsafeRawPointer

  @inlinable @inline(__always)
  init(_ base: UnsafeRawPointer) { unsafe self.base = unsafe base }

  @inlinable @inline(__always)
  func u8(_ offset: Int) -> UInt8 { unsafe base.load(fromByteOffset: offset, as: UInt8.self) }

  @inlinable @inline(__always)
  func u16(_ offset: Int) -> UInt16 {
    unsafe UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inlinable @inline(__always)
  func u32(_ offset: Int) -> UInt32 {
    unsafe UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}
