public import CShim
public import Synchronization

/// How the tables' shared words are read and written.
///
/// The algorithms of the tables are generic over it: ``Machine`` is the processor's atomics; the model in
/// `properties classifier-model` is one that lets the other side take a step before each access, so that the code that
/// is stepped through is the code that runs.
public protocol SharedWords {
  /// A load that later accesses do not pass.
  func acquire32(_ place: UnsafeRawPointer) -> UInt32
  /// A load that later accesses do not pass.
  func acquire64(_ place: UnsafeRawPointer) -> UInt64
  /// Which of the eight 16-bit lanes of the 16 bytes at `place` equal `tag`, bit i for lane i; later accesses do not
  /// pass the load.
  func match(_ place: UnsafeRawPointer, tag: UInt16) -> UInt32
  /// A store that earlier accesses do not pass.
  func release32(_ place: UnsafeMutableRawPointer, _ value: UInt32)
  /// A store that earlier accesses do not pass.
  func release64(_ place: UnsafeMutableRawPointer, _ value: UInt64)
  /// A load in the one order that all agree on.
  func ordered64(_ place: UnsafeRawPointer) -> UInt64
  /// A store in the one order that all agree on.
  func order64(_ place: UnsafeMutableRawPointer, _ value: UInt64)
}

/// The processor's atomics.
@frozen
public struct Machine: SharedWords, Sendable {
  /// The only one.
  @inlinable public init() {}

  /// Which of the eight 16-bit lanes at `place` equal `tag`.
  @inlinable @inline(__always)
  public func match(_ place: UnsafeRawPointer, tag: UInt16) -> UInt32 { unsafe dpu_match16x8_shared(place, tag) }

  // The words lie in memory that the tables own and that is aligned to their size; Atomic<UIntN> has that layout.
  /// A load that later accesses do not pass.
  @inlinable @inline(__always)
  public func acquire32(_ place: UnsafeRawPointer) -> UInt32 {
    unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
  }

  /// A load that later accesses do not pass.
  @inlinable @inline(__always)
  public func acquire64(_ place: UnsafeRawPointer) -> UInt64 {
    unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
  }

  /// A store that earlier accesses do not pass.
  @inlinable @inline(__always)
  public func release32(_ place: UnsafeMutableRawPointer, _ value: UInt32) {
    unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(value, ordering: .releasing)
  }

  /// A store that earlier accesses do not pass.
  @inlinable @inline(__always)
  public func release64(_ place: UnsafeMutableRawPointer, _ value: UInt64) {
    unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .releasing)
  }

  /// A load in the one order that all agree on.
  @inlinable @inline(__always)
  public func ordered64(_ place: UnsafeRawPointer) -> UInt64 {
    unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .sequentiallyConsistent)
  }

  /// A store in the one order that all agree on.
  @inlinable @inline(__always)
  public func order64(_ place: UnsafeMutableRawPointer, _ value: UInt64) {
    unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .sequentiallyConsistent)
  }
}
