#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Advice to the kernel: large tables that are read at random want few pages. Without huge pages all works as well, more
/// slowly.
@usableFromInline
enum HugePages {
  /// Bytes of a huge page: 2 MiB.
  private static let size = 1 << 21

  /// How memory of `bytes` bytes should be aligned.
  @usableFromInline
  static func alignment(_ bytes: Int) -> Int { bytes >= size ? size : 64 }

  /// Asks for huge pages under the `bytes` bytes at `base`, when they are as large as one.
  @usableFromInline
  static func advise(_ base: UnsafeMutableRawPointer, _ bytes: Int) {
    #if canImport(Glibc)
      guard bytes >= size else { return }
      unsafe _ = madvise(base, bytes & ~(size - 1), MADV_HUGEPAGE)
    #endif
  }
}
