public import Memory

/// What came of a burst: frames with outcome and port, of another count than went in, and buffers that are free again.
///
/// Every frame that went in is either one of the emissions (with its own token) or its token is in the release list.
/// Frames that were made on the way carry tokens of the data path's arena.
@frozen
public struct EmissionBurst: ~Copyable {
  @usableFromInline var emissions: FlatTable<Emission>
  @usableFromInline var tokens: FlatTable<UInt32>
  @usableFromInline var used = 0
  @usableFromInline var tokensUsed = 0

  /// Room for `capacity` emissions and as many releases: a burst, its segments and the number of buffers in the data
  /// path's arena are always enough.
  public init(capacity: Int = 1024) {
    emissions = FlatTable(repeating: Emission(frame: Frame(), port: 0), count: capacity)
    tokens = FlatTable(repeating: 0, count: capacity)
  }

  /// Emissions in it.
  @inlinable public var count: Int { used }
  /// Tokens to release in it.
  @inlinable public var releaseCount: Int { tokensUsed }
  /// How many emissions fit.
  public var capacity: Int { emissions.count }

  /// Adds an emission; false when there is no room.
  @inlinable @inline(__always)
  public mutating func append(_ emission: Emission) -> Bool {
    guard used < emissions.count else { return false }
    emissions[used] = emission
    used &+= 1
    return true
  }

  /// Adds an emission of the frame at `index` of `burst` at `port`, without a mark; false when there is no room.
  ///
  /// The record goes from memory to memory; a copy of it that is changed first costs more than all else.
  @inlinable @inline(__always)
  public mutating func append(_ burst: borrowing FrameBurst, _ index: Int, port: UInt16) -> Bool {
    guard used < emissions.count else { return false }
    emissions.copyFront(at: used, from: burst.frames, index)
    emissions[used].port = port
    emissions[used].mark = 0
    used &+= 1
    return true
  }

  /// How many emissions more there is room for.
  @inlinable public var room: Int { emissions.count &- used }

  /// Where the next ``room`` emissions go, for a loop that writes them whole and then says so by ``wrote(_:)``.
  @unsafe @inlinable @inline(__always)
  public mutating func next() -> UnsafeMutablePointer<Emission> {
    unsafe UnsafeMutablePointer(mutating: emissions.place(used).assumingMemoryBound(to: Emission.self))
  }

  /// `count` emissions were written at ``next()``; more than there was ``room`` for is the caller's bug and traps.
  @inlinable @inline(__always)
  public mutating func wrote(_ count: Int) {
    precondition(count >= 0 && count <= room)
    used &+= count
  }

  /// Adds a token whose buffer is free again; false when there is no room.
  @inlinable @inline(__always)
  public mutating func release(_ token: UInt32) -> Bool {
    guard tokensUsed < tokens.count else { return false }
    tokens[tokensUsed] = token
    tokensUsed &+= 1
    return true
  }

  /// The emission at `index`, 0..<``count``; outside it is the caller's bug.
  @inlinable
  public subscript(index: Int) -> Emission {
    @inline(__always) _read { yield emissions[index] }
    @inline(__always) _modify { yield &emissions[index] }
  }

  /// The token at `index` of the release list, 0..<``releaseCount``.
  @inlinable
  public func released(_ index: Int) -> UInt32 { tokens[index] }

  /// Forgets all emissions but the first `count`; more than there are is the caller's bug and traps.
  public mutating func keepFirst(_ count: Int) {
    precondition(count >= 0 && count <= used)
    used = count
  }

  /// Forgets everything. The buffers are whose they were.
  public mutating func removeAll() {
    used = 0
    tokensUsed = 0
  }
}
