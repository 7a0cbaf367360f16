#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One zeroed piece of private memory of fixed size; pages cost nothing until they are touched.
///
/// For stores that are laid out once and never grow. The windows it gives are valid as long as it lives.
@safe
public struct Region: ~Copyable {
  /// Bytes of the region, a multiple of 64.
  public let count: Int
  // Owned from init to deinit.
  private let base: UnsafeMutableRawPointer

  /// Maps `bytes` (rounded up to 64, at least 64, at most 2^40).
  ///
  /// - Throws: ``ArenaError/noMemory(bytes:errno:)`` when the system does not give them.
  public init(bytes: Int) throws(ArenaError) {
    guard bytes >= 0, bytes <= 1 << 40 else { throw .noMemory(bytes: bytes, errno: EINVAL) }
    let rounded = max(64, (bytes + 63) & ~63)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let map = unsafe mmap(nil, rounded, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let map = unsafe map, unsafe map != MAP_FAILED else { throw .noMemory(bytes: rounded, errno: errno) }
    count = rounded
    unsafe base = map
  }

  deinit { unsafe _ = munmap(base, count) }

  /// All of it.
  public var bytes: Bytes { unsafe Bytes(base: base, count: count) }
}
