public import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A value that one thread works with, burst by burst, and another takes away or replaces: a queue whose ring may be stopped, whose
/// memory may be unmapped, by what comes over a control socket.
///
/// The worker enters with ``withValue(_:)``, which costs one locked instruction, takes no lock and never waits: when the cell is
/// closed it gets nothing. The controller closes, waits until the worker is outside of its burst, and changes the value.
@safe
public final class GatedCell<Value: ~Copyable>: @unchecked Sendable {
  // The value exists while `isFull`; only the controller changes that, with the gate closed and the worker outside.
  @usableFromInline let place: UnsafeMutablePointer<Value>
  private var isFull = false
  @usableFromInline let inside = Atomic<UInt32>(0)
  @usableFromInline let open = Atomic<UInt32>(0)

  /// An empty cell, closed.
  public init() { unsafe place = UnsafeMutablePointer<Value>.allocate(capacity: 1) }

  deinit {
    if isFull { unsafe place.deinitialize(count: 1) }
    unsafe place.deallocate()
  }

  /// The worker's burst: runs `body` on the value.
  ///
  /// - Returns: what `body` gave, or nil when the cell is closed. One thread only.
  @inlinable @inline(__always)
  public func withValue<Result>(_ body: (inout Value) -> Result) -> Result? {
    // The worker is seen inside before it looks whether it may be: the controller does it the other way round.
    _ = inside.exchange(1, ordering: .sequentiallyConsistent)
    guard open.load(ordering: .sequentiallyConsistent) != 0 else {
      inside.store(0, ordering: .releasing)
      return nil
    }
    let result = unsafe body(&place[0])
    inside.store(0, ordering: .releasing)
    return result
  }

  /// Whether the worker gets in.
  public var isOpen: Bool { open.load(ordering: .acquiring) != 0 }

  /// The controller's change: closes, waits for the end of the worker's burst, and runs `body` on the value if there is
  /// one. Stays closed until ``reopen()``. Not to be called from inside of ``withValue(_:)``.
  @discardableResult
  public func close<Result>(_ body: (inout Value) -> Result) -> Result? {
    close()
    guard isFull else { return nil }
    return unsafe body(&place[0])
  }

  /// Closes, and waits for the end of the worker's burst.
  public func close() {
    _ = open.exchange(0, ordering: .sequentiallyConsistent)
    var rounds = 0
    while inside.load(ordering: .sequentiallyConsistent) != 0 {
      rounds += 1
      if rounds > 64 { sched_yield() }
    }
  }

  /// Lets the worker in again, if there is a value.
  public func reopen() {
    guard isFull else { return }
    open.store(1, ordering: .sequentiallyConsistent)
  }

  /// Puts a value in the place of the one there was, and opens.
  public func fill(_ value: consuming Value) {
    empty()
    unsafe place.initialize(to: value)
    isFull = true
    reopen()
  }

  /// Closes, and destroys the value if there is one.
  public func empty() {
    close()
    guard isFull else { return }
    isFull = false
    unsafe place.deinitialize(count: 1)
  }
}
