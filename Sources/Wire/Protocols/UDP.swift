/// A UDP header and its datagram, 8 bytes and the payload (RFC 768).
@frozen
public struct UDPView: ~Escapable {
  /// Bytes of the header.
  public static let length = 8
  /// From the header's first byte to the datagram's end.
  @usableFromInline let bytes: RawSpan
  /// Bytes that IP has for the datagram; ``datagramLength`` may be less.
  public let available: Int

  /// The datagram at the start of `bytes`, which end with the IP packet.
  ///
  /// - Throws: when 8 bytes do not fit, or the length is below 8 or more than there is.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.udp, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    let length = Int(bytes.u16(4))
    guard length >= Self.length else {
      throw WireError(.udp, .length, .invalid, offset: offset + 4, needed: Self.length, got: length)
    }
    guard length <= bytes.byteCount else {
      throw WireError(.udp, .length, .truncated, offset: offset, needed: length, got: bytes.byteCount)
    }
    available = bytes.byteCount
    self.bytes = bytes.extracting(0..<length)
  }

  /// Source port.
  public var source: UInt16 { bytes.u16(0) }
  /// Destination port.
  public var destination: UInt16 { bytes.u16(2) }
  /// Bytes of header and payload, as the length field says.
  public var datagramLength: Int { bytes.byteCount }
  /// The checksum field; 0 is "none".
  public var checksum: UInt16 { bytes.u16(6) }
  /// Whether the checksum is right under the pseudo-header's sum; a field of 0 is not.
  public func hasValidChecksum(pseudoHeader: UInt16) -> Bool {
    checksum != 0
      && InternetChecksum.isValid(InternetChecksum.add(InternetChecksum.sum(bytes), pseudoHeader))
  }
  /// What is behind the header, to the datagram's end.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// A UDP header as a value.
@frozen
public struct UDPHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.udp
  /// Source port.
  public var source: UInt16
  /// Destination port.
  public var destination: UInt16
  /// Bytes of header and payload, at least 8.
  public var length: UInt16
  /// The checksum field.
  public var checksum: UInt16

  /// A header.
  public init(source: UInt16, destination: UInt16, length: UInt16 = 8, checksum: UInt16 = 0) {
    self.source = source
    self.destination = destination
    self.length = length
    self.checksum = checksum
  }

  /// The header at the start of `bytes`, which must hold the whole datagram.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try UDPView(bytes, offset: offset)
    self.init(
      source: view.source, destination: view.destination, length: UInt16(view.datagramLength), checksum: view.checksum)
  }

  /// 8.
  public var wireLength: Int { UDPView.length }

  /// The length counts the header.
  public func validate() throws(WireError) {
    guard length >= 8 else {
      throw WireError(.udp, .length, .invalid, offset: 4, needed: 8, got: Int(length))
    }
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(source)
    output.put16(destination)
    output.put16(length)
    output.put16(checksum)
  }
}
