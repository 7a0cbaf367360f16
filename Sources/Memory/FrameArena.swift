#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Frame buffers of one size in one mapping, handed out and taken back by index.
///
/// Every buffer has `headroom` bytes in front, so that the largest outer header of this project (Geneve with 252 bytes
/// of options over IPv6: 322 bytes) fits without a copy. One thread owns an arena.
@safe
public struct FrameArena: ~Copyable {
  /// Bytes kept free in front of a fresh frame: 384, six cache lines.
  public static let defaultHeadroom = 384

  /// Bytes of one buffer, headroom included; a multiple of 64.
  public let bufferSize: Int
  /// Bytes in front of a fresh frame.
  public let headroom: Int
  /// How many buffers the arena has.
  public let capacity: Int
  // Owned from init to deinit; offsets are checked against capacity before they are used.
  private let base: UnsafeMutableRawPointer
  // What the buffers lie in when the arena did not map them itself.
  private let region: SharedRegion?
  // A stack of the free buffers' indices: a table and not an array, so that taking and giving never counts references.
  private var free: FlatTable<UInt32>
  /// How many buffers are free now.
  public private(set) var available: Int

  /// Maps `capacity` buffers of `bufferSize` bytes (rounded up to 64).
  ///
  /// - Throws: ``ArenaError/noMemory(bytes:errno:)`` when the system has no memory for it.
  public init(
    capacity: Int, bufferSize: Int = 2048, headroom: Int = FrameArena.defaultHeadroom
  ) throws(ArenaError) {
    guard capacity > 0, capacity <= 1 << 24, bufferSize > headroom, bufferSize <= 1 << 17 else {
      throw .badGeometry(capacity: capacity, bufferSize: bufferSize, headroom: headroom)
    }
    let rounded = (bufferSize + 63) & ~63
    let bytes = rounded * capacity
    let map = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let map = unsafe map, unsafe map != MAP_FAILED else { throw .noMemory(bytes: bytes, errno: errno) }
    self.bufferSize = rounded
    self.headroom = headroom
    self.capacity = capacity
    unsafe base = map
    region = nil
    free = Self.all(capacity)
    available = capacity
  }

  /// `capacity` buffers of `bufferSize` bytes (a multiple of 64) in `region`, from `offset` (a multiple of 64) on. The
  /// other side sees the bytes; which buffers are free is this side's own knowledge.
  ///
  /// - Throws: ``ArenaError/badGeometry(capacity:bufferSize:headroom:)`` when they do not fit.
  public init(
    in region: SharedRegion, offset: Int, capacity: Int, bufferSize: Int = 2048,
    headroom: Int = FrameArena.defaultHeadroom
  ) throws(ArenaError) {
    guard capacity > 0, capacity <= 1 << 24, bufferSize > headroom, bufferSize <= 1 << 17, headroom >= 0,
      bufferSize & 63 == 0, offset >= 0, offset & 63 == 0, offset <= region.count,
      capacity * bufferSize <= region.count - offset
    else { throw .badGeometry(capacity: capacity, bufferSize: bufferSize, headroom: headroom) }
    self.bufferSize = bufferSize
    self.headroom = headroom
    self.capacity = capacity
    unsafe base = region.shared.unsafeBase + offset
    self.region = region
    free = Self.all(capacity)
    available = capacity
  }

  private static func all(_ capacity: Int) -> FlatTable<UInt32> {
    var free = FlatTable<UInt32>(repeating: 0, count: capacity)
    for index in 0..<capacity { free[index] = UInt32(capacity - 1 - index) }
    return free
  }

  deinit { if region == nil { unsafe _ = munmap(base, bufferSize * capacity) } }

  /// Takes a buffer, or nil when all are out.
  public mutating func take() -> UInt32? {
    guard available > 0 else { return nil }
    available &-= 1
    return free[available]
  }

  /// Gives a buffer back. `index` must be one that ``take()`` gave and that was not given back since.
  public mutating func give(_ index: UInt32) {
    precondition(Int(index) < capacity && available < capacity)
    free[available] = index
    available &+= 1
  }

  /// The whole buffer `index`, headroom included.
  public func buffer(_ index: UInt32) -> Bytes {
    precondition(Int(index) < capacity)
    return unsafe Bytes(base: base + Int(index) * bufferSize, count: bufferSize)
  }
}

/// Why an arena could not be made.
public enum ArenaError: Error, Equatable, CustomStringConvertible {
  /// The system had no `bytes` bytes; `errno` is its answer.
  case noMemory(bytes: Int, errno: Int32)
  /// A capacity of 1…16 Mi, a buffer size over the headroom and of at most 128 KiB is asked for.
  case badGeometry(capacity: Int, bufferSize: Int, headroom: Int)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .noMemory(let bytes, let errno): "no memory for a frame arena of \(bytes) bytes (errno \(errno))"
    case .badGeometry(let capacity, let bufferSize, let headroom):
      "a frame arena of \(capacity) buffers of \(bufferSize) bytes with \(headroom) of headroom is not possible"
    }
  }
}
