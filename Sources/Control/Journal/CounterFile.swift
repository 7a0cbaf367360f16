#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Counters that go on when the process is started again: a sparse file, a place for each rule, port and drop reason.
///
/// The daemon writes what changed several times a second and all of it when it ends in order. README.md in this folder is
/// the format; a file of another layout is begun anew.
public final class CounterFile {
  /// The bytes of the header: magic, version, and a hash of the layout.
  static let headerSize = 4096
  static let magic: [UInt8] = Array("DPUCNTR\n".utf8)
  static let layout = "rules 16777216 x (frames, bytes); ports 65536 x 6; drops 256; u64 little-endian"
  static let portWords = 6
  static let rules = 1 << 24

  private let path: String
  private let file: FileDescriptor
  /// Whether the file held counters of this layout.
  public let goesOn: Bool

  /// Opens or makes the file.
  ///
  /// - Throws: ``SystemError``.
  public init(path: String) throws(SystemError) {
    self.path = path
    file = try SystemCalls.open(path, O_RDWR | O_CREAT)
    var header = ByteWriter(bytes: Self.magic)
    header.word(1)
    header.word(CRC32C.sum(Array(Self.layout.utf8)[...]))
    header.bytes += Array(Self.layout.utf8)
    let found = try SystemCalls.read(file.number, header.bytes.count, at: 0, place: path)
    goesOn = found == header.bytes
    if !goesOn {
      ftruncate(file.number, 0)
      try SystemCalls.write(file.number, header.bytes[...], at: 0, place: path)
    }
  }

  private static var portsAt: Int { headerSize + rules * 16 }
  private static var dropsAt: Int { portsAt + 65536 * portWords * 8 }

  private func words(_ count: Int, at offset: Int) -> [UInt64] {
    guard let bytes = try? SystemCalls.read(file.number, count * 8, at: offset, place: path) else { return [] }
    return stride(from: 0, to: bytes.count / 8 * 8, by: 8).map { start in
      (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }
  }

  private func write(_ words: [UInt64], at offset: Int) throws(SystemError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(words.count * 8)
    for word in words { for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))) } }
    try SystemCalls.write(file.number, bytes[...], at: offset, place: path)
  }

  /// Frames and bytes of the rules from `first` on.
  public func rules(from first: UInt32, count: Int) -> [(frames: UInt64, bytes: UInt64)] {
    let found = words(count * 2, at: Self.headerSize + Int(first) * 16)
    return (0..<count).map { $0 * 2 + 1 < found.count ? (found[$0 * 2], found[$0 * 2 + 1]) : (0, 0) }
  }

  /// Writes frames and bytes of the rules from `first` on.
  public func setRules(from first: UInt32, _ counts: [(frames: UInt64, bytes: UInt64)]) throws(SystemError) {
    try write(counts.flatMap { [$0.frames, $0.bytes] }, at: Self.headerSize + Int(first) * 16)
  }

  /// The words of a port: frames and bytes received, frames and bytes sent, missed, starved.
  public func port(_ id: UInt16) -> [UInt64] {
    let found = words(Self.portWords, at: Self.portsAt + Int(id) * Self.portWords * 8)
    return found + [UInt64](repeating: 0, count: Self.portWords - found.count)
  }

  /// Writes the words of a port.
  public func setPort(_ id: UInt16, _ words: [UInt64]) throws(SystemError) {
    try write(Array(words.prefix(Self.portWords)), at: Self.portsAt + Int(id) * Self.portWords * 8)
  }

  /// Dropped frames by the number of the reason.
  public var drops: [UInt64] {
    let found = words(256, at: Self.dropsAt)
    return found + [UInt64](repeating: 0, count: 256 - found.count)
  }

  /// Writes dropped frames by the number of the reason.
  public func setDrops(_ counts: [UInt64]) throws(SystemError) {
    try write(Array(counts.prefix(256)), at: Self.dropsAt)
  }
}
