/// A VXLAN header, 8 bytes (RFC 7348 section 5).
@frozen
public struct VXLANView: ~Escapable {
  /// Bytes of the header.
  public static let length = 8
  @usableFromInline let bytes: RawSpan

  /// The header at the start of `bytes`, which end with the UDP payload.
  ///
  /// - Throws: when 8 bytes do not fit or the I flag is 0. Other flags and reserved fields are ignored.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.vxlan, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    guard bytes.u8(0) & 8 != 0 else {
      throw WireError(.vxlan, .flags, .invalid, offset: offset, needed: 8, got: Int(bytes.u8(0)))
    }
    self.bytes = bytes
  }

  /// Virtual network identifier, 24 bits.
  public var vni: UInt32 { bytes.u32(4) >> 8 }
  /// The inner Ethernet frame.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// A VXLAN header as a value; the I flag is always written.
@frozen
public struct VXLANHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.vxlan
  /// Virtual network identifier, 24 bits.
  public var vni: UInt32

  /// A header.
  public init(vni: UInt32) { self.vni = vni }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    self.init(vni: try VXLANView(bytes, offset: offset).vni)
  }

  /// 8.
  public var wireLength: Int { VXLANView.length }

  /// The VNI has 24 bits.
  public func validate() throws(WireError) {
    try Self.bound(.identifier, at: 4, vni, largest: 0xff_ffff)
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put32(0x0800_0000)
    output.put32(vni << 8)
  }
}
