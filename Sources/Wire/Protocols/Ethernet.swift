/// An Ethernet II header, 14 bytes (IEEE 802.3 clause 3).
@frozen
public struct EthernetView: ~Escapable {
  /// Bytes of the header.
  public static let length = 14
  @usableFromInline let bytes: RawSpan

  /// The header at the start of `bytes`, which may go on behind it.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.ethernet, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    self.bytes = bytes
  }

  /// Destination address, 48 bits.
  public var destination: UInt64 { bytes.u48(0) }
  /// Source address, 48 bits.
  public var source: UInt64 { bytes.u48(6) }
  /// EtherType, or the first tag's TPID.
  public var etherType: UInt16 { bytes.u16(12) }
  /// What is behind the header.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// An Ethernet II header as a value.
@frozen
public struct EthernetHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.ethernet
  /// Destination address, 48 bits.
  public var destination: UInt64
  /// Source address, 48 bits.
  public var source: UInt64
  /// EtherType, or the first tag's TPID.
  public var etherType: UInt16

  /// A header.
  public init(destination: UInt64, source: UInt64, etherType: UInt16) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try EthernetView(bytes, offset: offset)
    self.init(destination: view.destination, source: view.source, etherType: view.etherType)
  }

  /// 14.
  public var wireLength: Int { EthernetView.length }

  /// Addresses have 48 bits.
  public func validate() throws(WireError) {
    try Self.bound(.address, at: 0, destination, largest: 0xffff_ffff_ffff)
    try Self.bound(.address, at: 6, source, largest: 0xffff_ffff_ffff)
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put48(destination)
    output.put48(source)
    output.put16(etherType)
  }
}
