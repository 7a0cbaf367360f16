import CShim

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Memory that another process may map too: a sealed memory file of our own, or a part of one that a peer handed over.
///
/// What lies in it holds it by reference and names places by offset, never by address. A peer may cut its file short
/// while we look: the access then finds zeros instead of ending the process (SIGBUS), and ``isLost`` says so from
/// then on. Whoever works on a peer's memory asks after each burst, and cuts the peer off.
@safe
public final class SharedRegion: @unchecked Sendable {
  /// Which pages are wanted.
  public enum Pages: Sendable {
    /// The system's small pages.
    case small
    /// 2 MiB pages when the system has any free, small ones else; ``SharedRegion/pagesNote`` says which came and why.
    case hugeIfAny
  }

  /// Bytes that may be used.
  public let count: Int
  /// The memory file, to be handed to a peer.
  public let descriptor: OwnedDescriptor
  /// Where the region begins in its file.
  public let fileOffset: UInt64
  /// Bytes of one page.
  public let pageSize: Int
  /// Why the pages are small although huge ones were wanted; nil when all is as it was wanted.
  public let pagesNote: String?
  /// Whether nobody can cut the file short any more.
  public let isSealed: Bool
  // The mapping: owned from init to deinit. It may begin before the region, at a page's border.
  private let map: UnsafeMutableRawPointer
  private let mapped: Int
  private let base: UnsafeMutableRawPointer
  private let guardNumber: Int32

  static let hugePage: UInt64 = 2 << 20
  static let largest: UInt64 = 1 << 46

  /// A new region of zeros.
  ///
  /// - Parameters:
  ///   - bytes: its size, 1…2^46, rounded up to whole pages.
  ///   - pages: which pages are wanted.
  ///   - name: what /proc shows it as.
  ///   - populate: whether all pages are asked for at once, so that no access waits for one later.
  public convenience init(
    bytes: Int, pages: Pages = .small, name: String = "dpu", populate: Bool = false
  ) throws(SharedMemoryError) {
    guard bytes > 0, UInt64(bytes) <= Self.largest else { throw .badSize(bytes: UInt64(clamping: bytes)) }
    var note: String?
    if case .hugeIfAny = pages {
      let rounded = (UInt64(bytes) + Self.hugePage - 1) & ~(Self.hugePage - 1)
      do {
        try self.init(file: Self.file(name, rounded, huge: Self.hugePage), 0, rounded, note: nil, populate)
        return
      } catch {
        note = "no 2 MiB pages (\(error)); small pages are used"
      }
    }
    let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
    let rounded = (UInt64(bytes) + page - 1) & ~(page - 1)
    try self.init(file: Self.file(name, rounded, huge: 0), 0, rounded, note: note, populate)
  }

  /// The part of a peer's memory file that begins at `offset` and has `bytes` bytes.
  ///
  /// - Throws: ``SharedMemoryError/fileTooShort(needed:bytes:)`` and the others when it is not to be had.
  public convenience init(
    peer descriptor: OwnedDescriptor, offset: UInt64, bytes: UInt64
  ) throws(SharedMemoryError) {
    try self.init(file: descriptor, offset, bytes, note: nil, false)
  }

  /// A file at `path` that outlives the process, made where there is none; its first `bytes` bytes.
  public convenience init(path: String, bytes: Int) throws(SharedMemoryError) {
    guard bytes > 0, UInt64(bytes) <= Self.largest else { throw .badSize(bytes: UInt64(clamping: bytes)) }
    let number = unsafe dpu_kept_file(path, UInt64(bytes))
    guard number >= 0 else { throw .system("open '\(path)'", errno: -number) }
    try self.init(file: OwnedDescriptor(owning: number), 0, UInt64(bytes), note: nil, false)
  }

  private static func file(_ name: String, _ bytes: UInt64, huge: UInt64) throws(SharedMemoryError) -> OwnedDescriptor {
    let number = unsafe dpu_memory_file(name, bytes, huge)
    guard number >= 0 else { throw .system("memfd_create", errno: -number) }
    return OwnedDescriptor(owning: number)
  }

  private init(
    file: OwnedDescriptor, _ offset: UInt64, _ bytes: UInt64, note: String?, _ populate: Bool
  ) throws(SharedMemoryError) {
    guard bytes > 0, bytes <= Self.largest, offset <= Self.largest else { throw .badSize(bytes: bytes) }
    var size: UInt64 = 0
    var page: UInt64 = 0
    var sealed: Int32 = 0
    let answer = unsafe dpu_file_facts(file.number, &size, &page, &sealed)
    guard answer == 0 else { throw .system("fstat", errno: -answer) }
    guard page > 0, page & (page - 1) == 0 else { throw .notAMemoryFile }
    guard size >= offset + bytes else { throw .fileTooShort(needed: offset + bytes, bytes: size) }
    let start = offset & ~(page - 1)
    let end = (offset + bytes + page - 1) & ~(page - 1)
    var error: Int32 = 0
    guard let map = unsafe dpu_map_shared(file.number, start, end - start, populate ? 1 : 0, &error) else {
      throw .system("mmap", errno: error)
    }
    let number = unsafe dpu_guard_add(map, Int(end - start))
    guard number >= 0 else {
      unsafe _ = munmap(map, Int(end - start))
      throw .tooManyRegions
    }
    unsafe self.map = map
    mapped = Int(end - start)
    unsafe base = map + Int(offset - start)
    guardNumber = number
    count = Int(bytes)
    descriptor = file
    fileOffset = offset
    pageSize = Int(page)
    pagesNote = note
    isSealed = sealed != 0
  }

  deinit {
    dpu_guard_remove(guardNumber)
    unsafe _ = munmap(map, mapped)
  }

  /// Whether the memory turned out to be cut short: what is read from it since is zeros.
  public var isLost: Bool { dpu_guard_is_lost(guardNumber) != 0 }

  /// How many regions of this process were lost so far. A change tells that one of them was; nothing else costs a
  /// poll thread more than this one load.
  public static var losses: UInt64 { dpu_guards_lost() }

  /// All of it, for words that the other side may change at any time. Valid as long as the region lives.
  public var shared: SharedBytes { unsafe SharedBytes(base: base, count: count) }

  /// All of it as a frame's window. Only for parts that nobody else writes now. Valid as long as the region lives.
  public var bytes: Bytes { unsafe Bytes(base: base, count: count) }
}
