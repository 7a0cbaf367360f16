extension Span where Element == UInt8 {
  /// The same bytes as a raw span, which parsers take. Safe, as `bytes` is not in general: bytes have no padding.
  @inlinable
  public var octets: RawSpan {
    @_lifetime(copy self)
    @inline(__always)
    get { unsafe bytes }
  }
}

// Big-endian reads, each bounds-checked by the span. `unsafe` is only the span's name for "any type": integers have no
// invalid bits.
extension RawSpan {
  @inlinable @inline(__always)
  func u8(_ offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

  @inlinable @inline(__always)
  func u16(_ offset: Int) -> UInt16 {
    unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inlinable @inline(__always)
  func u32(_ offset: Int) -> UInt32 {
    unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inlinable @inline(__always)
  func u48(_ offset: Int) -> UInt64 { UInt64(u16(offset)) << 32 | UInt64(u32(offset &+ 2)) }

  @inlinable @inline(__always)
  func u128(_ offset: Int) -> UInt128 {
    unsafe UInt128(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt128.self))
  }

  /// The bytes from `start` to the end.
  @_lifetime(copy self)
  @inlinable @inline(__always)
  func from(_ start: Int) -> RawSpan { extracting(start..<byteCount) }
}

// Big-endian writes; the emitter has seen that there is room.
extension OutputRawSpan {
  @_lifetime(self: copy self)
  mutating func put8(_ value: UInt8) { append(value) }

  @_lifetime(self: copy self)
  mutating func put16(_ value: UInt16) { unsafe append(value.bigEndian, as: UInt16.self) }

  @_lifetime(self: copy self)
  mutating func put32(_ value: UInt32) { unsafe append(value.bigEndian, as: UInt32.self) }

  @_lifetime(self: copy self)
  mutating func put48(_ value: UInt64) {
    put16(UInt16(truncatingIfNeeded: value >> 32))
    put32(UInt32(truncatingIfNeeded: value))
  }

  @_lifetime(self: copy self)
  mutating func put128(_ value: UInt128) { unsafe append(value.bigEndian, as: UInt128.self) }

  @_lifetime(self: copy self)
  mutating func put(_ bytes: RawSpan) {
    for index in 0..<bytes.byteCount { append(bytes.u8(index)) }
  }
}
