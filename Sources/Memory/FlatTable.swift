/// A fixed number of plain values in one allocation: the table of a hot loop. No reference counting, no copy-on-write,
/// every access checked against the count, which never changes.
@safe @frozen
public struct FlatTable<Element: BitwiseCopyable>: ~Copyable {
  // Owned from init to deinit. The oracle is FlatTableTests, which runs a table against an array.
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// How many elements there are.
  public let count: Int

  /// `count` copies of `value`; the memory is aligned to a cache line. Huge pages are asked for a large table.
  ///
  /// A negative count is the caller's bug and traps.
  @inlinable
  public init(repeating value: Element, count: Int) {
    precondition(count >= 0)
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: HugePages.alignment(bytes))
    unsafe HugePages.advise(memory, bytes)
    unsafe base = memory.bindMemory(to: Element.self, capacity: max(1, count))
    unsafe base.initialize(repeating: value, count: count)
    self.count = count
  }

  @inlinable
  deinit { unsafe UnsafeMutableRawPointer(base).deallocate() }

  /// The element at `index`; an index outside of 0..<count is the caller's bug and traps.
  @inlinable
  public subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "index outside of a flat table")
      return unsafe UnsafePointer(base + index)
    }
    @inline(__always) unsafeMutableAddress {
      precondition(index >= 0 && index < count, "index outside of a flat table")
      return unsafe base + index
    }
  }

  /// Where the element at `index` is, for a prefetch; an index out of range gives a place that is not read.
  @unsafe @inlinable @inline(__always)
  public func place(_ index: Int) -> UnsafeRawPointer { unsafe UnsafeRawPointer(base + index) }

  /// A table of `count` elements that begins with this one's; the rest is `value`.
  @inlinable
  public consuming func resized(to count: Int, filling value: Element) -> FlatTable<Element> {
    let larger = FlatTable(repeating: value, count: count)
    unsafe larger.base.update(from: base, count: min(count, self.count))
    return larger
  }
}

extension FlatTable {
  /// All elements, read only.
  @inlinable
  public var span: Span<Element> {
    @_lifetime(borrow self)
    @inline(__always)
    get {
      let span = unsafe Span(_unsafeStart: UnsafePointer(base), count: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// All elements, to be filled.
  @inlinable
  public var mutableSpan: MutableSpan<Element> {
    @_lifetime(&self)
    @inline(__always)
    mutating get {
      let span = unsafe MutableSpan(_unsafeStart: base, count: count)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }
}

extension FlatTable: @unchecked Sendable where Element: Sendable {}
