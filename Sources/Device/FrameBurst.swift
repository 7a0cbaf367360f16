public import Memory

/// Frames that are worked on together: at most ``capacity``, in order of arrival.
@frozen
public struct FrameBurst: ~Copyable {
  /// Frames of one burst at most: 32, the depth of the data path's prefetching.
  public static let capacity = 32

  @usableFromInline var frames: FlatTable<Frame>
  @usableFromInline var used = 0
  /// Segments of chained frames in one burst at most.
  public static let segmentCapacity = 256
  @usableFromInline var segments: FlatTable<Frame>
  @usableFromInline var usedSegments = 0

  /// An empty burst.
  public init() {
    frames = FlatTable(repeating: Frame(), count: Self.capacity)
    segments = FlatTable(repeating: Frame(), count: Self.segmentCapacity)
  }

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

  /// Where the record at `index` is, for a loop that has looked at ``count``.
  @unsafe @inlinable @inline(__always)
  public func place(_ index: Int) -> UnsafePointer<Frame> {
    unsafe frames.place(index).assumingMemoryBound(to: Frame.self)
  }

  /// Segments behind the frames' first ones, 0…``segmentCapacity``.
  @inlinable public var segmentCount: Int { usedSegments }

  /// Adds a segment that is not a frame's first one, and gives what ``Device/Frame/next`` of the segment before it has to
  /// be; nil when there is no room. So the last segment of a frame is added first. Whoever takes the burst takes every
  /// segment's buffer, whether a frame names it or not.
  @inlinable
  public mutating func appendSegment(_ segment: Frame) -> UInt32? {
    guard usedSegments < Self.segmentCapacity else { return nil }
    segments[usedSegments] = segment
    usedSegments &+= 1
    return UInt32(truncatingIfNeeded: usedSegments)
  }

  /// The segment at `index`, 0..<``segmentCount``.
  @inlinable
  public func segment(_ index: Int) -> Frame { segments[index] }

  /// Forgets the segments: their buffers went another way.
  public mutating func removeSegments() { usedSegments = 0 }

  /// Forgets all frames and segments. Their buffers are whose they were.
  public mutating func removeAll() {
    used = 0
    usedSegments = 0
  }

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
