public import Memory

/// Frames that are worked on together: at most ``capacity``, in order of arrival.
@frozen
public struct FrameBurst: ~Copyable {
  /// Frames of one burst at most: 32, the depth of the data path's prefetching.
  public static let capacity = 32

  @usableFromInline var frames: FlatTable<Frame>
  @usableFromInline var used = 0

  /// An empty burst.
  public init() { frames = FlatTable(repeating: Frame(), count: Self.capacity) }

  /// Frames in it, 0…``capacity``.
  @inlinable public var count: Int { used }
  /// Whether no frame fits.
  @inlinable public var isFull: Bool { used == Self.capacity }

  /// Adds a frame; false when the burst is full.
  @inlinable
  public mutating func append(_ frame: Frame) -> Bool {
    guard used < Self.capacity else { return false }
    frames[used] = frame
    used &+= 1
    return true
  }

  /// Forgets all frames. Their buffers are whose they were.
  public mutating func removeAll() { used = 0 }

  /// Forgets all frames but the first `count`; more than there are is the caller's bug and traps.
  public mutating func keepFirst(_ count: Int) {
    precondition(count >= 0 && count <= used)
    used = count
  }

  /// The frame at `index`; an index outside of 0..<``capacity`` is the caller's bug and traps.
  @inlinable
  public subscript(index: Int) -> Frame {
    @inline(__always) _read { yield frames[index] }
    @inline(__always) _modify { yield &frames[index] }
  }
}
