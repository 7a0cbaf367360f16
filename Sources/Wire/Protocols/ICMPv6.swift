/// The first 8 bytes of an ICMPv6 message (RFC 4443).
@frozen
public struct ICMPv6View: ~Escapable {
  /// Bytes that every message has here: type, code, checksum and the word behind them.
  public static let length = 8
  @usableFromInline let bytes: RawSpan

  /// The message at the start of `bytes`, which end with the IP packet.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.icmp6, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    self.bytes = bytes
  }

  /// Type.
  public var type: UInt8 { bytes.u8(0) }
  /// Code.
  public var code: UInt8 { bytes.u8(1) }
  /// The checksum field.
  public var checksum: UInt16 { bytes.u16(2) }
  /// The word behind the checksum: identifier and sequence of an echo, MTU of type 2.
  public var rest: UInt32 { bytes.u32(4) }
  /// Whether the checksum over the message is right under the pseudo-header's sum.
  public func hasValidChecksum(pseudoHeader: UInt16) -> Bool {
    InternetChecksum.isValid(InternetChecksum.add(InternetChecksum.sum(bytes), pseudoHeader))
  }
  /// What is behind the 8 bytes.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// The first 8 bytes of an ICMPv6 message as a value.
@frozen
public struct ICMPv6Header: WireValue {
  /// The layer.
  public static let layer = WireLayer.icmp6
  /// Type.
  public var type: UInt8
  /// Code.
  public var code: UInt8
  /// The checksum field.
  public var checksum: UInt16
  /// The word behind the checksum.
  public var rest: UInt32

  /// A header.
  public init(type: UInt8, code: UInt8, checksum: UInt16 = 0, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.rest = rest
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try ICMPv6View(bytes, offset: offset)
    self.init(type: view.type, code: view.code, checksum: view.checksum, rest: view.rest)
  }

  /// 8.
  public var wireLength: Int { ICMPv6View.length }

  /// Every value fits.
  public func validate() throws(WireError) {}

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put8(type)
    output.put8(code)
    output.put16(checksum)
    output.put32(rest)
  }
}
