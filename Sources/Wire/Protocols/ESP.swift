/// An ESP header, 8 bytes: what is readable in front of the encrypted part (RFC 4303 section 2).
@frozen
public struct ESPView: ~Escapable {
  /// Bytes of the header.
  public static let length = 8
  @usableFromInline let bytes: RawSpan

  /// The header at the start of `bytes`, which end with the IP packet.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.esp, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    self.bytes = bytes
  }

  /// Security parameters index; 0 is never on the wire, 1…255 are reserved.
  public var spi: UInt32 { bytes.u32(0) }
  /// Low 32 bits of the sequence number.
  public var sequence: UInt32 { bytes.u32(4) }
  /// IV, encrypted part and ICV.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// An ESP header as a value.
@frozen
public struct ESPHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.esp
  /// Security parameters index.
  public var spi: UInt32
  /// Low 32 bits of the sequence number.
  public var sequence: UInt32

  /// A header.
  public init(spi: UInt32, sequence: UInt32) {
    self.spi = spi
    self.sequence = sequence
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try ESPView(bytes, offset: offset)
    self.init(spi: view.spi, sequence: view.sequence)
  }

  /// 8.
  public var wireLength: Int { ESPView.length }

  /// SPI 0 must not be sent.
  public func validate() throws(WireError) {
    guard spi != 0 else { throw WireError(.esp, .identifier, .invalid, offset: 0, needed: 1, got: 0) }
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put32(spi)
    output.put32(sequence)
  }
}
