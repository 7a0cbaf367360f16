#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The C peers (`Tools/Benchmarks/Peers/*.c`) as `Tools/bench` left them in one shared library for each compiler:
/// `libpeers.so` by gcc, `libpeers-clang.so` by clang (those that need no DPDK), both with `-O3 -march=native`.
///
/// They are loaded and not linked, because SwiftPM builds C with clang and the comparison is with gcc.
@safe struct Peers {
  // A handle of dlopen, never closed: the functions are called until the process ends.
  private let handle: UnsafeMutableRawPointer

  /// Loads `library` from the folder that `DPU_PEERS` names, or from `.build-bench`; nil when it is not there.
  init?(_ library: String = "libpeers.so") {
    let folder = unsafe getenv("DPU_PEERS").map { unsafe String(cString: $0) } ?? ".build-bench"
    let path = folder + "/" + library
    guard let handle = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else { return nil }
    unsafe self.handle = handle
  }

  /// The function `name` as a `@convention(c)` function type; nil when the library has none of that name. The type
  /// must be the C function's.
  func function<F>(_ name: String, as: F.Type) -> F? {
    guard let symbol = unsafe dlsym(handle, name) else { return nil }
    return unsafe unsafeBitCast(symbol, to: F.self)
  }
}
