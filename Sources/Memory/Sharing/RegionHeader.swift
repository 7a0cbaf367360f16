/// What stands at the beginning of a region whose state outlives a process: who wrote it, in which version, and the hash of the
/// layout behind it. 64 bytes; everything behind is found by offsets.
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 8 | magic, `DPUSHARE` in ASCII, written last: a region without it was never finished |
/// | 8 | 4 | kind: what the region is for, a number of the room that owns the layout |
/// | 12 | 4 | version of that layout |
/// | 16 | 8 | layout hash (FNV-1a, 64 bits) of the layout's description |
/// | 24 | 8 | bytes of the region in use, this header included |
/// | 32 | 8 | generation: counts the times the region was taken over |
/// | 40 | 24 | zeros |
///
/// All values little-endian.
public struct RegionHeader: Equatable, Sendable {
  /// Bytes of the header.
  public static let size = 64
  static let magic: UInt64 = 0x4552_4148_5355_5044

  /// What the region is for.
  public var kind: UInt32
  /// The layout's version.
  public var version: UInt32
  /// The layout's hash, ``hash(of:)``.
  public var layout: UInt64
  /// Bytes in use, header included.
  public var bytes: UInt64

  /// A header of a region for `kind`, laid out as `layout` describes it (any text that changes when the layout does).
  public init(kind: UInt32, version: UInt32, layout: String, bytes: Int) {
    self.kind = kind
    self.version = version
    self.layout = Self.hash(of: layout)
    self.bytes = UInt64(bytes)
  }

  /// FNV-1a with 64 bits over the UTF-8 of `text`.
  public static func hash(of text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  /// Writes it at the beginning of `region`, magic last, so that it is there once everything behind it is.
  public func write(to region: SharedBytes) {
    precondition(region.count >= Self.size)
    region.store32(kind, at: 8)
    region.store32(version, at: 12)
    region.store64(layout, at: 16)
    region.store64(bytes, at: 24)
    region.store64(1, at: 32)
    for offset in stride(from: 40, to: Self.size, by: 8) { region.store64(0, at: offset) }
    region.release64(Self.magic, at: 0)
  }

  /// Checks that `region` was written with this header.
  ///
  /// - Returns: the generation, counted up: 2 at the first takeover.
  /// - Throws: ``SharedMemoryError/header(field:expected:found:)`` at the first field that differs.
  public func takeOver(_ region: SharedBytes) throws(SharedMemoryError) -> UInt64 {
    guard region.count >= Self.size else {
      throw .header(field: "size", expected: UInt64(Self.size), found: UInt64(region.count))
    }
    let fields: [(String, UInt64, UInt64)] = [
      ("magic", Self.magic, region.acquire64(0)),
      ("kind", UInt64(kind), UInt64(region.load32(8))),
      ("version", UInt64(version), UInt64(region.load32(12))),
      ("layout hash", layout, region.load64(16)),
      ("size in use", bytes, region.load64(24)),
    ]
    for (field, expected, found) in fields where expected != found {
      throw .header(field: field, expected: expected, found: found)
    }
    guard bytes <= UInt64(region.count) else {
      throw .header(field: "size", expected: bytes, found: UInt64(region.count))
    }
    let generation = region.load64(32) &+ 1
    region.release64(generation, at: 32)
    return generation
  }
}
