public import Memory

/// One frame, or one piece of a frame, on its way into or out of a ring.
@frozen
public struct NetFrame: BitwiseCopyable, Sendable {
  /// The whole buffer that the piece lies in.
  public var buffer: Bytes
  /// Where in ``buffer`` the piece begins.
  public var start: UInt32
  /// Bytes of the piece.
  public var length: UInt32
  /// The owner's token of the buffer: who made the record knows what it means.
  public var token: UInt32
  /// Whether the frame goes on in the next record of the burst. Frames that come out of a ring are whole.
  public var continues: Bool
  /// What the frame owes; of the first piece.
  public var header: NetHeader

  /// A frame of `length` bytes from `start` on in `buffer`. A place outside of the buffer is the caller's bug and traps.
  @inlinable
  public init(
    buffer: Bytes, start: Int, length: Int, token: UInt32, header: NetHeader = NetHeader(), continues: Bool = false
  ) {
    precondition(start >= 0 && length >= 0 && start &+ length <= buffer.count && length <= Int(UInt32.max))
    self.buffer = buffer
    self.start = UInt32(truncatingIfNeeded: start)
    self.length = UInt32(truncatingIfNeeded: length)
    self.token = token
    self.header = header
    self.continues = continues
  }

  /// The piece's bytes.
  @inlinable public var bytes: Bytes { buffer.slice(Int(start), count: Int(length)) }
}

/// Frames that go into or come out of a ring together, in order.
@frozen
public struct NetBurst: ~Copyable {
  @usableFromInline var frames: FlatTable<NetFrame>
  @usableFromInline var used = 0

  /// An empty burst with room for `capacity` records, 1…1024.
  @inlinable
  public init(capacity: Int = 32) {
    precondition(capacity > 0 && capacity <= 1024)
    frames = FlatTable(repeating: NetFrame(buffer: Self.nothing, start: 0, length: 0, token: 0), count: capacity)
  }

  @usableFromInline static var nothing: Bytes {
    // No byte of it is ever looked at: its count is 0.
    guard let base = unsafe UnsafeMutableRawPointer(bitPattern: 64) else { preconditionFailure("64 is not null") }
    return unsafe Bytes(base: base, count: 0)
  }

  /// Records in it.
  @inlinable public var count: Int { used }
  /// Records that still fit.
  @inlinable public var room: Int { frames.count &- used }

  /// Adds a record.
  ///
  /// - Returns: false when the burst is full.
  @inlinable @discardableResult
  public mutating func append(_ frame: NetFrame) -> Bool {
    guard used < frames.count else { return false }
    frames[used] = frame
    used &+= 1
    return true
  }

  /// Forgets all records; their buffers are whose they were.
  @inlinable public mutating func removeAll() { used = 0 }

  /// Forgets the records from `count` on.
  @inlinable
  public mutating func truncate(_ count: Int) {
    precondition(count >= 0 && count <= used)
    used = count
  }

  /// The record at `index`; an index outside of 0..<``count`` is the caller's bug and traps.
  @inlinable
  public subscript(index: Int) -> NetFrame {
    @inline(__always) get {
      precondition(index < used)
      return frames[index]
    }
    @inline(__always) set {
      precondition(index < used)
      frames[index] = newValue
    }
  }
}

/// The buffers that frames are copied into at the door: small ones for what fits the MTU, and a few for frames that
/// are still to be segmented.
public struct NetBuffers: ~Copyable {
  /// Buffers of ordinary frames.
  public var small: FrameArena
  /// Buffers of frames that do not fit those.
  public var large: FrameArena
  /// Set in the token of a large buffer.
  public static var largeBit: UInt32 { 1 << 23 }

  /// From two arenas of at most 2^22 buffers each.
  public init(small: consuming FrameArena, large: consuming FrameArena) {
    precondition(small.capacity <= 1 << 22 && large.capacity <= 1 << 22)
    self.small = small
    self.large = large
  }

  /// `frames` buffers for frames of up to 1664 bytes, and `segmented` for those of up to 65,600.
  ///
  /// - Throws: ``ArenaError``.
  public init(frames: Int, segmented: Int = 16) throws(ArenaError) {
    self.init(
      small: try FrameArena(capacity: frames, bufferSize: 2048),
      large: try FrameArena(capacity: segmented, bufferSize: 65_600 + FrameArena.defaultHeadroom))
  }

  /// Bytes of the longest frame that a buffer holds.
  @inline(__always)
  public var longest: Int { large.bufferSize &- large.headroom }

  /// A buffer for a frame of `length` bytes, or nil when none is free now.
  @inline(__always)
  public mutating func take(length: Int) -> UInt32? {
    if length <= small.bufferSize &- small.headroom { return small.take() }
    guard length <= longest, let index = large.take() else { return nil }
    return index | Self.largeBit
  }

  /// Gives a buffer back that ``take(length:)`` gave.
  @inline(__always)
  public mutating func give(_ token: UInt32) {
    if token & Self.largeBit == 0 { small.give(token) } else { large.give(token & ~Self.largeBit) }
  }

  /// The buffer of a token.
  @inline(__always)
  public func buffer(_ token: UInt32) -> Bytes {
    token & Self.largeBit == 0 ? small.buffer(token) : large.buffer(token & ~Self.largeBit)
  }

  /// Room in front of a frame in the buffer of a token.
  @inline(__always)
  public func headroom(_ token: UInt32) -> Int {
    token & Self.largeBit == 0 ? small.headroom : large.headroom
  }
}
