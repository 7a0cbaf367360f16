/// Walks the options of IPv4 (RFC 791 section 3.1) and TCP (RFC 9293 section 3.2): kind 0 ends the list, kind 1 is one
/// byte, all others have a length that counts kind and length too.
@frozen
public struct KindLengthOptions: ~Escapable {
  /// One option.
  @frozen
  public struct Option: Equatable, Sendable {
    /// Its kind; IPv4's with copy flag and class.
    public var kind: UInt8
    /// Where its data is in the options, kind and length not included; empty for kinds 0 and 1.
    public var data: Range<Int>
  }

  @usableFromInline let bytes: RawSpan
  @usableFromInline let layer: WireLayer
  @usableFromInline let offset: Int
  @usableFromInline var at = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, layer: WireLayer, offset: Int) {
    self.bytes = bytes
    self.layer = layer
    self.offset = offset
  }

  /// The next option, the end-of-list option included; nil at the end.
  ///
  /// - Throws: when a length is below 2 or reaches past the options.
  @_lifetime(self: copy self)
  public mutating func next() throws(WireError) -> Option? {
    guard at < bytes.byteCount else { return nil }
    let start = at
    let kind = bytes.u8(start)
    if kind == 0 {
      at = bytes.byteCount
      return Option(kind: 0, data: start + 1..<start + 1)
    }
    if kind == 1 {
      at += 1
      return Option(kind: 1, data: at..<at)
    }
    let left = bytes.byteCount - start
    guard left >= 2 else {
      throw WireError(layer, .option, .truncated, offset: offset + start, needed: 2, got: left)
    }
    let length = Int(bytes.u8(start + 1))
    guard length >= 2 else {
      throw WireError(layer, .option, .invalid, offset: offset + start + 1, needed: 2, got: length)
    }
    guard length <= left else {
      throw WireError(layer, .option, .truncated, offset: offset + start, needed: length, got: left)
    }
    at = start + length
    return Option(kind: kind, data: start + 2..<at)
  }
}
