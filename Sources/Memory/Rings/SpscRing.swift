public import Synchronization

/// A queue of plain values from one thread to one other. Each end is an owner of its own; the memory goes when both are gone.
///
///     let ring = SpscRing<UInt64>(capacity: 1024)
///     var producer = ring.producer     // to one thread
///     var consumer = ring.consumer     // to the other
///
/// The indices lie on cache lines of their own, run freely through 32 bits, and each end keeps the last index it saw of
/// the other, so that a burst costs one acquire at most and one release.
@frozen
public struct SpscRing<Element: BitwiseCopyable>: ~Copyable {
  /// The end that writes.
  public var producer: SpscProducer<Element>
  /// The end that reads.
  public var consumer: SpscConsumer<Element>

  /// A ring for at least `capacity` values (rounded up to a power of two, at most 2^24), empty.
  ///
  /// - Parameter start: where the indices begin; tests choose it near the end of 32 bits.
  @inlinable
  public init(capacity: Int, start: UInt32 = 0) {
    precondition(capacity > 0 && capacity <= 1 << 24)
    var size = 1
    while size < capacity { size <<= 1 }
    let memory = SpscMemory<Element>(size: size, start: start)
    producer = SpscProducer(memory, start)
    consumer = SpscConsumer(memory, start)
  }
}

/// The memory of a ring: the writer's index, the reader's, and the values.
@safe @usableFromInline
final class SpscMemory<Element: BitwiseCopyable>: @unchecked Sendable {
  // Owned from init to deinit. Two lines an index: the neighbour line is fetched along with it.
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let elements: UnsafeMutablePointer<Element>
  @usableFromInline let size: Int
  @usableFromInline static var headRoom: Int { 256 }

  @usableFromInline
  init(size: Int, start: UInt32) {
    let bytes = Self.headRoom + size * MemoryLayout<Element>.stride
    unsafe base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 128)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    unsafe elements = (base + Self.headRoom).assumingMemoryBound(to: Element.self)
    self.size = size
    unsafe (base + 0).initializeMemory(as: Atomic<UInt32>.self, to: Atomic(start))
    unsafe (base + 128).initializeMemory(as: Atomic<UInt32>.self, to: Atomic(start))
  }

  deinit { unsafe base.deallocate() }
}

extension UnsafeMutableRawPointer {
  @unsafe @inlinable @inline(__always)
  func initializeMemory(as: Atomic<UInt32>.Type, to value: consuming Atomic<UInt32>) {
    unsafe bindMemory(to: Atomic<UInt32>.self, capacity: 1).initialize(to: value)
  }
}

/// The writing end of a ``SpscRing``. One thread owns it.
@safe @frozen
public struct SpscProducer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
  // Keeps the memory alive and is not looked at; the pointers below are into it.
  @usableFromInline let memory: SpscMemory<Element>
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let elements: UnsafeMutablePointer<Element>
  @usableFromInline let mask: UInt32
  @usableFromInline var next: UInt32
  @usableFromInline var seen: UInt32

  @usableFromInline
  init(_ memory: SpscMemory<Element>, _ start: UInt32) {
    self.memory = memory
    unsafe base = memory.base
    unsafe elements = memory.elements
    mask = UInt32(memory.size - 1)
    next = start
    seen = start
  }

  /// Values that the ring holds at most.
  @inlinable public var capacity: Int { Int(mask) + 1 }

  /// Writes as many of `values`, from the first on, as there is room for.
  ///
  /// - Returns: how many were written.
  @inlinable
  public mutating func push(_ values: Span<Element>) -> Int {
    let wanted = UInt32(truncatingIfNeeded: min(values.count, Int(mask) &+ 1))
    var room = mask &+ 1 &- (next &- seen)
    if room < wanted {
      seen = unsafe (base + 128).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
      room = mask &+ 1 &- (next &- seen)
    }
    let count = Int(min(wanted, room))
    guard count > 0 else { return 0 }
    let at = Int(next & mask)
    let first = min(count, Int(mask) &+ 1 &- at)
    unsafe values.withUnsafeBufferPointer { source in
      guard let from = source.baseAddress else { return }
      unsafe (elements + at).update(from: from, count: first)
      if first < count { unsafe elements.update(from: from + first, count: count &- first) }
    }
    next &+= UInt32(truncatingIfNeeded: count)
    unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(next, ordering: .releasing)
    return count
  }

  /// Writes one value.
  ///
  /// - Returns: false when the ring is full.
  @inlinable
  public mutating func push(_ value: Element) -> Bool {
    if next &- seen > mask {
      seen = unsafe (base + 128).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
      if next &- seen > mask { return false }
    }
    unsafe (elements + Int(next & mask)).initialize(to: value)
    next &+= 1
    unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(next, ordering: .releasing)
    return true
  }
}

/// The reading end of a ``SpscRing``. One thread owns it.
@safe @frozen
public struct SpscConsumer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
  @usableFromInline let memory: SpscMemory<Element>
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let elements: UnsafeMutablePointer<Element>
  @usableFromInline let mask: UInt32
  @usableFromInline var next: UInt32
  @usableFromInline var seen: UInt32

  @usableFromInline
  init(_ memory: SpscMemory<Element>, _ start: UInt32) {
    self.memory = memory
    unsafe base = memory.base
    unsafe elements = memory.elements
    mask = UInt32(memory.size - 1)
    next = start
    seen = start
  }

  /// Moves the oldest values to the beginning of `target`, as many as there are and fit.
  ///
  /// - Returns: how many came.
  @inlinable
  public mutating func pop(into target: inout MutableSpan<Element>) -> Int {
    let wanted = UInt32(truncatingIfNeeded: min(target.count, Int(mask) &+ 1))
    var there = seen &- next
    if there < wanted {
      seen = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
      there = seen &- next
    }
    let count = Int(min(wanted, there))
    guard count > 0 else { return 0 }
    let at = Int(next & mask)
    let first = min(count, Int(mask) &+ 1 &- at)
    unsafe target.withUnsafeMutableBufferPointer { room in
      guard let to = room.baseAddress else { return }
      unsafe to.update(from: elements + at, count: first)
      if first < count { unsafe (to + first).update(from: elements, count: count &- first) }
    }
    next &+= UInt32(truncatingIfNeeded: count)
    unsafe (base + 128).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(next, ordering: .releasing)
    return count
  }

  /// Takes the oldest value, or nil when there is none.
  @inlinable
  public mutating func pop() -> Element? {
    if seen == next {
      seen = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
      if seen == next { return nil }
    }
    let value = unsafe elements[Int(next & mask)]
    next &+= 1
    unsafe (base + 128).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(next, ordering: .releasing)
    return value
  }

  /// Whether nothing is there now.
  @inlinable
  public mutating func isEmpty() -> Bool {
    if seen != next { return false }
    seen = unsafe base.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
    return seen == next
  }
}
