public import Device
public import Memory

/// The buffers of a live port: many for frames of usual size, a few for those that come as large as 65,535 bytes. Both
/// have room in front for every outer header of this project.
public struct FramePool: ~Copyable {
  /// Bytes of frame in a small buffer.
  public static let smallLength = 2048
  /// Bytes of frame in a large buffer.
  public static let largeLength = 65536
  /// Set in the token of a large buffer.
  @usableFromInline static let largeBit: UInt32 = 1 << 23

  private var small: FrameArena
  private var large: FrameArena
  /// The top byte of the tokens.
  public let owner: UInt8

  /// - Parameters:
  ///   - small: how many small buffers, 1…2^22.
  ///   - large: how many large ones, 1…2^16; memory is paid for when it is touched first.
  /// - Throws: ``Memory/ArenaError``.
  public init(small: Int, large: Int, owner: UInt8) throws(ArenaError) {
    let room = FrameArena.defaultHeadroom
    self.init(
      try FrameArena(capacity: small, bufferSize: Self.smallLength + room),
      try FrameArena(capacity: large, bufferSize: Self.largeLength + room), owner)
  }

  private init(_ small: consuming FrameArena, _ large: consuming FrameArena, _ owner: UInt8) {
    self.small = small
    self.large = large
    self.owner = owner
  }

  /// Small buffers that are free.
  public var smallAvailable: Int { small.available }
  /// Large buffers that are free.
  public var largeAvailable: Int { large.available }

  /// The token of a small buffer, or nil when all are out.
  public mutating func takeSmall() -> UInt32? {
    guard let index = small.take() else { return nil }
    return UInt32(owner) << 24 | index
  }

  /// The token of a large buffer, or nil when all are out.
  public mutating func takeLarge() -> UInt32? {
    guard let index = large.take() else { return nil }
    return UInt32(owner) << 24 | Self.largeBit | index
  }

  /// Gives a buffer back. Tokens of other owners are let alone.
  public mutating func give(_ token: UInt32) {
    guard UInt8(truncatingIfNeeded: token >> 24) == owner else { return }
    let index = token & (Self.largeBit - 1)
    if token & Self.largeBit == 0 { small.give(index) } else { large.give(index) }
  }

  /// The whole buffer, room in front included.
  public func buffer(_ token: UInt32) -> Bytes {
    let index = token & (Self.largeBit - 1)
    return token & Self.largeBit == 0 ? small.buffer(index) : large.buffer(index)
  }

  /// The frame of `length` bytes in the buffer of this token, behind the room in front.
  public func frame(_ token: UInt32, length: Int) -> Frame {
    Frame(buffer: buffer(token), headroom: FrameArena.defaultHeadroom, length: length, token: token)
  }
}
