#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A zeroed mapping of memory. Pages come when they are touched, so that a table made for many rules costs what it
/// holds; huge pages are asked for.
@safe
final class Region {
  /// The first byte; page-aligned.
  let base: UnsafeMutableRawPointer
  /// Bytes.
  let size: Int

  /// Maps `bytes` bytes.
  init(bytes: Int) throws(ClassifierError) {
    let size = max(4096, (bytes + 4095) & ~4095)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let map = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let map = unsafe map, unsafe map != MAP_FAILED else { throw .noMemory(bytes: size) }
    // Only advice: without huge pages it works as well, more slowly.
    if size >= 1 << 21 { unsafe _ = madvise(map, size, MADV_HUGEPAGE) }
    unsafe base = unsafe map
    self.size = size
  }

  deinit { unsafe _ = munmap(base, size) }
}
