/// A window on a frame's bytes: a base and a count, every access checked against the count.
///
/// The window does not own its memory. It is valid as long as the frame it was taken from keeps its buffer, that is
/// until the frame's token goes back to its owner. Multi-byte values are big-endian, as on the wire.
///
/// An access past `count` is a bug of the caller, who knows the lengths, and traps; lengths that come from a frame are
/// compared with `count` before they are used.
@safe @frozen
public struct Bytes: @unchecked Sendable {
  // The one reason for `unsafe` in this file: the arena or the peer's ring owns the memory, not Swift. The oracle is
  // BytesTests, which runs every accessor against [UInt8].
  @usableFromInline let base: UnsafeMutableRawPointer
  /// How many bytes the window shows.
  public let count: Int

  /// A window on `count` bytes at `base`; `base` must stay mapped and writable while the window is used.
  @unsafe @inlinable
  public init(base: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    unsafe self.base = base
    self.count = count
  }

  @inline(__always) @usableFromInline
  func check(_ offset: Int, _ width: Int) {
    precondition(offset >= 0 && offset &+ width <= count, "access outside of a frame's bytes")
  }

  /// The byte at `offset`.
  @inlinable
  public subscript(offset: Int) -> UInt8 {
    @inline(__always) get {
      check(offset, 1)
      return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
    }
    @inline(__always) nonmutating set {
      check(offset, 1)
      unsafe base.storeBytes(of: newValue, toByteOffset: offset, as: UInt8.self)
    }
  }

  /// The big-endian integer of `T`'s width at `offset`.
  @inlinable @inline(__always)
  public func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as: T.Type = T.self) -> T {
    check(offset, MemoryLayout<T>.size)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: T.self).bigEndian
  }

  /// Writes `value` big-endian at `offset`.
  @inlinable @inline(__always)
  public func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    check(offset, MemoryLayout<T>.size)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
  }

  /// The big-endian 16-bit value at `offset`.
  @inlinable @inline(__always)
  public func u16(_ offset: Int) -> UInt16 { load(offset) }

  /// The big-endian 32-bit value at `offset`.
  @inlinable @inline(__always)
  public func u32(_ offset: Int) -> UInt32 { load(offset) }

  /// The window from `start` on, `count` bytes long.
  @inlinable @inline(__always)
  public func slice(_ start: Int, count: Int) -> Bytes {
    precondition(count >= 0)
    check(start, count)
    return unsafe Bytes(base: base + start, count: count)
  }

  /// The window from `start` to the end.
  @inlinable @inline(__always)
  public func from(_ start: Int) -> Bytes { slice(start, count: count - start) }

  /// Copies all of `source` to `offset`; the two may overlap.
  @inlinable
  public func copy(_ source: Bytes, at offset: Int) {
    check(offset, source.count)
    unsafe (base + offset).copyMemory(from: source.base, byteCount: source.count)
  }

  /// Copies all of `source` to `offset`.
  @inlinable
  public func copy(_ source: [UInt8], at offset: Int) {
    check(offset, source.count)
    unsafe source.withUnsafeBytes { from in
      guard let start = from.baseAddress else { return }
      unsafe (base + offset).copyMemory(from: start, byteCount: from.count)
    }
  }

  /// Writes `byte` `count` times from `offset` on.
  @inlinable
  public func fill(_ byte: UInt8, at offset: Int, count: Int) {
    check(offset, count)
    unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: byte, count: count)
  }

  /// The bytes as an array of their own.
  @inlinable
  public func array() -> [UInt8] {
    unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: count))
  }

  /// A read-only span of the window, for parsers; it must not outlive the frame's buffer.
  @inlinable
  public var span: RawSpan {
    @_lifetime(borrow self)
    @inline(__always)
    get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The base, for kernels that were handed the whole window and checked its count.
  @unsafe @inlinable
  public var unsafeBase: UnsafeMutableRawPointer { unsafe base }
}

extension Bytes {
  /// Copies all of `source`, a multiple of 32 bytes, to `offset` with wide loads and stores and no call. The two must
  /// not overlap. Another length is the caller's bug and traps.
  @inlinable @inline(__always)
  public func copyBlocks(_ source: Bytes, at offset: Int) {
    precondition(source.count & 31 == 0)
    check(offset, source.count)
    let target = unsafe base + offset
    var at = 0
    while at < source.count {
      let low = unsafe source.base.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
      let high = unsafe source.base.loadUnaligned(fromByteOffset: at &+ 16, as: SIMD2<UInt64>.self)
      unsafe target.storeBytes(of: low, toByteOffset: at, as: SIMD2<UInt64>.self)
      unsafe target.storeBytes(of: high, toByteOffset: at &+ 16, as: SIMD2<UInt64>.self)
      at &+= 32
    }
  }
}
