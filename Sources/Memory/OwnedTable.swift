/// A list of values that cannot be copied, each at a fixed place until the list goes: ports, queues. It grows by
/// ``append(_:)`` up to its capacity and is changed in place, without reference counting or checks of exclusive access at
/// run time.
@safe @frozen
public struct OwnedTable<Element: ~Copyable>: ~Copyable {
  // Owned from init to deinit; places below `count` are initialised. The oracle is OwnedTableTests.
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// How many elements fit.
  public let capacity: Int
  /// How many elements there are.
  public private(set) var count = 0

  /// An empty list with room for `capacity` elements; a negative capacity is the caller's bug and traps.
  public init(capacity: Int) {
    precondition(capacity >= 0)
    unsafe base = .allocate(capacity: max(1, capacity))
    self.capacity = capacity
  }

  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  /// Adds an element; its index. More than ``capacity`` is the caller's bug and traps.
  @discardableResult
  public mutating func append(_ element: consuming Element) -> Int {
    precondition(count < capacity, "an owned table is full")
    unsafe (base + count).initialize(to: element)
    count += 1
    return count - 1
  }

  /// Takes an element out; the last one takes its place. An index outside of 0..<count is the caller's bug and traps.
  public mutating func remove(at index: Int) -> Element {
    precondition(index >= 0 && index < count, "index outside of an owned table")
    count -= 1
    let element = unsafe (base + index).move()
    if index < count { unsafe (base + index).moveInitialize(from: base + count, count: 1) }
    return element
  }

  /// The element at `index`; an index outside of 0..<count is the caller's bug and traps.
  @inlinable
  public subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "index outside of an owned table")
      return unsafe UnsafePointer(base + index)
    }
    @inline(__always) unsafeMutableAddress {
      precondition(index >= 0 && index < count, "index outside of an owned table")
      return unsafe base + index
    }
  }
}
