public import CShim

extension FlatTable {
  /// Asks the cache for the line of the element at `index`; outside of the table it does nothing of use, and no harm.
  @inlinable @inline(__always)
  public func prefetch(_ index: Int) { unsafe dpu_prefetch(base + index) }
}
