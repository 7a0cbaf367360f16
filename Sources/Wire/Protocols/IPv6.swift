/// An IPv6 header and the packet it heads (RFC 8200).
@frozen
public struct IPv6View: ~Escapable {
  /// Bytes of the header without extensions.
  public static let length = 40
  /// From the header's first byte to the packet's end; padding behind it is cut off.
  @usableFromInline let bytes: RawSpan

  /// The packet at the start of `bytes`. Bytes behind its payload length are L2 padding.
  ///
  /// - Throws: when the version is not 6, or 40 bytes or the payload length do not fit.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.ipv6, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    let version = Int(bytes.u8(0) >> 4)
    guard version == 6 else {
      throw WireError(.ipv6, .version, .invalid, offset: offset, needed: 6, got: version)
    }
    let whole = Self.length + Int(bytes.u16(4))
    guard whole <= bytes.byteCount else {
      throw WireError(.ipv6, .length, .truncated, offset: offset, needed: whole, got: bytes.byteCount)
    }
    self.bytes = bytes.extracting(0..<whole)
  }

  /// Differentiated services code point, 6 bits.
  public var dscp: UInt8 { UInt8(truncatingIfNeeded: bytes.u16(0) >> 6) & 63 }
  /// Explicit congestion notification, 2 bits.
  public var ecn: UInt8 { UInt8(truncatingIfNeeded: bytes.u16(0) >> 4) & 3 }
  /// Flow label, 20 bits.
  public var flowLabel: UInt32 { bytes.u32(0) & 0xf_ffff }
  /// Bytes behind the header, extension headers included.
  public var payloadLength: Int { bytes.byteCount - Self.length }
  /// Type of what is behind the header, an extension header's type included.
  public var nextHeader: UInt8 { bytes.u8(6) }
  /// Hop limit.
  public var hopLimit: UInt8 { bytes.u8(7) }
  /// Source address.
  public var source: UInt128 { bytes.u128(8) }
  /// Destination address.
  public var destination: UInt128 { bytes.u128(24) }
  /// What is behind the header, padding excluded.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
  /// The sum of the pseudo-header for an upper layer of `length` bytes.
  public func pseudoHeader(proto: UInt8, length: Int) -> UInt16 {
    InternetChecksum.pseudoHeader(
      ipv6: source, destination, proto: proto, length: UInt32(truncatingIfNeeded: length))
  }
}

/// An IPv6 header as a value.
@frozen
public struct IPv6Header: WireValue {
  /// The layer.
  public static let layer = WireLayer.ipv6
  /// Differentiated services code point, 6 bits.
  public var dscp: UInt8 = 0
  /// Explicit congestion notification, 2 bits.
  public var ecn: UInt8 = 0
  /// Flow label, 20 bits.
  public var flowLabel: UInt32 = 0
  /// Bytes behind the header.
  public var payloadLength: UInt16 = 0
  /// Type of what is behind the header.
  public var nextHeader: UInt8
  /// Hop limit.
  public var hopLimit: UInt8 = 64
  /// Source address.
  public var source: UInt128
  /// Destination address.
  public var destination: UInt128

  /// A header without payload.
  public init(source: UInt128, destination: UInt128, nextHeader: UInt8) {
    self.source = source
    self.destination = destination
    self.nextHeader = nextHeader
  }

  /// The header at the start of `bytes`, which must hold the whole packet.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try IPv6View(bytes, offset: offset)
    self.init(source: view.source, destination: view.destination, nextHeader: view.nextHeader)
    dscp = view.dscp
    ecn = view.ecn
    flowLabel = view.flowLabel
    payloadLength = UInt16(view.payloadLength)
    hopLimit = view.hopLimit
  }

  /// 40.
  public var wireLength: Int { IPv6View.length }

  /// DSCP has 6 bits, ECN 2, the flow label 20.
  public func validate() throws(WireError) {
    try Self.bound(.trafficClass, at: 0, dscp, largest: 63)
    try Self.bound(.trafficClass, at: 0, ecn, largest: 3)
    try Self.bound(.flowLabel, at: 0, flowLabel, largest: 0xf_ffff)
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put32(6 << 28 | UInt32(dscp) << 22 | UInt32(ecn) << 20 | flowLabel)
    output.put16(payloadLength)
    output.put8(nextHeader)
    output.put8(hopLimit)
    output.put128(source)
    output.put128(destination)
  }
}
