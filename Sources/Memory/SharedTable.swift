public import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A table of plain values that one thread writes and others read: at a fixed address, reserved in full and paid for page
/// by page as it is written, zero at first.
///
/// The writer fills an element before it publishes the index by other means (a release store that readers acquire), and
/// reuses it only after no reader can hold the index. The table itself orders nothing.
@safe
public final class SharedTable<Element: BitwiseCopyable>: @unchecked Sendable {
  // Owned from init to deinit; zero bytes must be a valid element, which holds for the plain structs in here.
  private let base: UnsafeMutableRawPointer
  private let bytes: Int
  /// How many elements are reserved.
  public let count: Int

  /// Reserves `count` elements. Zero bytes must be a valid value of the element.
  ///
  /// - Throws: ``ArenaError/noMemory(bytes:errno:)``.
  public init(count: Int) throws(ArenaError) {
    precondition(count > 0)
    let bytes = count * MemoryLayout<Element>.stride
    let map = unsafe mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let map = unsafe map, unsafe map != MAP_FAILED else { throw .noMemory(bytes: bytes, errno: errno) }
    unsafe base = map
    self.bytes = bytes
    self.count = count
  }

  deinit { unsafe _ = munmap(base, bytes) }

  /// The readers' window; valid as long as the table is kept alive.
  public var view: TableView<Element> {
    unsafe TableView(base: base.assumingMemoryBound(to: Element.self), count: count)
  }

  /// Writes an element that no reader looks at now.
  public func store(_ element: Element, at index: Int) {
    precondition(index >= 0 && index < count)
    unsafe base.storeBytes(of: element, toByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
  }
}

/// A reader's window on a ``SharedTable``: plain data, no reference. Every access is checked against the count.
@safe @frozen
public struct TableView<Element: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable {
  @usableFromInline let base: UnsafePointer<Element>
  /// How many elements are reserved.
  public let count: Int

  @usableFromInline
  init(base: UnsafeMutablePointer<Element>, count: Int) {
    unsafe self.base = UnsafePointer(base)
    self.count = count
  }

  /// The element at `index`; outside of 0..<count is the caller's bug and traps.
  @inlinable
  public subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "index outside of a shared table")
      return unsafe base + index
    }
  }
}

extension SharedTable where Element == UInt64 {
  /// Writes a word that readers may look at now; they see the old or the new one, and before a new one everything that
  /// was written before it.
  public func publish(_ word: UInt64, at index: Int) {
    precondition(index >= 0 && index < count)
    // Aligned 64-bit words; Atomic<UInt64> has their layout.
    unsafe (base + index * 8).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(word, ordering: .releasing)
  }
}

extension TableView where Element == UInt64 {
  /// The word at `index`, and everything that was written before it; 0 for an index outside of the table.
  @inlinable @inline(__always)
  public func acquire(_ index: Int) -> UInt64 {
    guard index >= 0 && index < count else { return 0 }
    let place = unsafe UnsafeRawPointer(base + index)
    return unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
  }
}
