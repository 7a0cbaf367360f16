// A record copied from memory to memory in wide pieces. Through a value the optimiser takes it apart, stores it in narrow
// parts and loads them wide, and such a load waits for the stores. Oracle: FlatTableTests.
extension FlatTable {
  /// Copies `source`'s element at `from` over the beginning of this table's element at `index`. An element that is larger
  /// than this table's, or not a multiple of 16 bytes, and an index out of range trap.
  @inlinable @inline(__always)
  public mutating func copyFront<Other: BitwiseCopyable>(
    at index: Int, from source: borrowing FlatTable<Other>, _ from: Int
  ) {
    precondition(index >= 0 && index < count && from >= 0 && from < source.count, "index outside of a flat table")
    precondition(MemoryLayout<Other>.size <= MemoryLayout<Element>.size && MemoryLayout<Other>.size & 15 == 0)
    let target = unsafe UnsafeMutableRawPointer(base + index)
    let origin = unsafe UnsafeRawPointer(source.base + from)
    var at = 0
    while at < MemoryLayout<Other>.size {
      let piece = unsafe origin.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
      unsafe target.storeBytes(of: piece, toByteOffset: at, as: SIMD2<UInt64>.self)
      at &+= 16
    }
  }
}
