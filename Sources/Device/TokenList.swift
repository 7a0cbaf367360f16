public import Memory

/// Tokens of buffers on their way back to their owners.
@frozen
public struct TokenList: ~Copyable {
  @usableFromInline var tokens: FlatTable<UInt32>
  @usableFromInline var used = 0

  /// Room for `capacity` tokens; that of a burst is ``FrameBurst/capacity``.
  public init(capacity: Int = 1024) { tokens = FlatTable(repeating: 0, count: max(1, capacity)) }

  /// Tokens in it.
  @inlinable public var count: Int { used }
  /// How many more fit.
  @inlinable public var room: Int { tokens.count &- used }

  /// Adds a token; false when there is no room.
  @inlinable
  public mutating func append(_ token: UInt32) -> Bool {
    guard used < tokens.count else { return false }
    tokens[used] = token
    used &+= 1
    return true
  }

  /// The token at `index`, 0..<``count``; outside it is the caller's bug.
  @inlinable
  public subscript(index: Int) -> UInt32 { tokens[index] }

  /// Forgets them.
  @inlinable
  public mutating func removeAll() { used = 0 }
}
