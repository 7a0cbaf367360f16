public import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A window on memory that another process or thread may write at any time.
///
/// Each word is read once, by an atomic load into a local, and never twice: between two reads the other side may have
/// changed it. Words are little-endian, as virtio's, and lie at multiples of their size. The window does not own its
/// memory. Offsets are the caller's own, checked numbers: one out of range, or not aligned, is the caller's bug and traps.
@safe @frozen
public struct SharedBytes: @unchecked Sendable, BitwiseCopyable {
  // The region owns the memory. The oracle is SharedBytesTests, which runs every accessor against [UInt8].
  @usableFromInline let base: UnsafeMutableRawPointer
  /// How many bytes the window shows.
  public let count: Int

  /// A window on `count` bytes at `base`, which is aligned to 16 and stays mapped while the window is used.
  @unsafe @inlinable
  public init(base: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    unsafe self.base = base
    self.count = count
  }

  @inline(__always) @usableFromInline
  func check(_ offset: Int, _ width: Int) {
    precondition(offset >= 0 && offset &+ width <= count && offset & (width &- 1) == 0, "outside of a shared window")
  }

  /// The byte at `offset`, relaxed.
  @inlinable @inline(__always)
  public func load8(_ offset: Int) -> UInt8 {
    check(offset, 1)
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .relaxed)
  }

  /// The 16-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func load16(_ offset: Int) -> UInt16 {
    check(offset, 2)
    let raw = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed)
    return UInt16(littleEndian: raw)
  }

  /// The 32-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func load32(_ offset: Int) -> UInt32 {
    check(offset, 4)
    let raw = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed)
    return UInt32(littleEndian: raw)
  }

  /// The 64-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func load64(_ offset: Int) -> UInt64 {
    check(offset, 8)
    let raw = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
    return UInt64(littleEndian: raw)
  }

  /// The 16-bit word at `offset`, and after it everything that the other side wrote before it.
  @inlinable @inline(__always)
  public func acquire16(_ offset: Int) -> UInt16 {
    check(offset, 2)
    let raw = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
    return UInt16(littleEndian: raw)
  }

  /// The 64-bit word at `offset`, and after it everything that the other side wrote before it.
  @inlinable @inline(__always)
  public func acquire64(_ offset: Int) -> UInt64 {
    check(offset, 8)
    let raw = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    return UInt64(littleEndian: raw)
  }

  /// Writes the byte at `offset`, relaxed.
  @inlinable @inline(__always)
  public func store8(_ value: UInt8, at offset: Int) {
    check(offset, 1)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(value, ordering: .relaxed)
  }

  /// Sets bits of the byte at `offset`, which others may set bits of too.
  @inlinable
  public func setBits8(_ bits: UInt8, at offset: Int) {
    check(offset, 1)
    unsafe _ = (base + offset).assumingMemoryBound(to: Atomic<UInt8>.self).pointee.bitwiseOr(
      bits, ordering: .releasing)
  }

  /// Writes the 16-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func store16(_ value: UInt16, at offset: Int) {
    check(offset, 2)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(
      value.littleEndian, ordering: .relaxed)
  }

  /// Writes the 32-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func store32(_ value: UInt32, at offset: Int) {
    check(offset, 4)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(
      value.littleEndian, ordering: .relaxed)
  }

  /// Writes the 64-bit word at `offset`, relaxed.
  @inlinable @inline(__always)
  public func store64(_ value: UInt64, at offset: Int) {
    check(offset, 8)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(
      value.littleEndian, ordering: .relaxed)
  }

  /// Writes the 16-bit word at `offset` after everything that was written before.
  @inlinable @inline(__always)
  public func release16(_ value: UInt16, at offset: Int) {
    check(offset, 2)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(
      value.littleEndian, ordering: .releasing)
  }

  /// Writes the 64-bit word at `offset` after everything that was written before.
  @inlinable @inline(__always)
  public func release64(_ value: UInt64, at offset: Int) {
    check(offset, 8)
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(
      value.littleEndian, ordering: .releasing)
  }

  /// The `count` bytes from `start` on, which is a multiple of 16.
  @inlinable
  public func slice(_ start: Int, count: Int) -> SharedBytes {
    precondition(start >= 0 && count >= 0 && start &+ count <= self.count && start & 15 == 0)
    return unsafe SharedBytes(base: base + start, count: count)
  }

  /// Copies `count` bytes at `offset` out to the beginning of `target`, once. What the other side writes meanwhile is
  /// in the copy or is not; the copy does not change any more.
  @inlinable
  public func copy(_ offset: Int, count: Int, to target: Bytes) {
    precondition(offset >= 0 && count >= 0 && offset &+ count <= self.count && count <= target.count)
    unsafe target.unsafeBase.copyMemory(from: base + offset, byteCount: count)
  }

  /// Copies all of `source` in at `offset`.
  @inlinable
  public func copy(_ source: Bytes, at offset: Int) {
    precondition(offset >= 0 && offset &+ source.count <= count)
    unsafe (base + offset).copyMemory(from: source.unsafeBase, byteCount: source.count)
  }

  /// The base, for rings that have checked the whole window.
  @unsafe @inlinable
  public var unsafeBase: UnsafeMutableRawPointer { unsafe base }
}
