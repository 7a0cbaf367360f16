/// An NVGRE header, 8 bytes: GRE with a key of VSID and flow identifier (RFC 7637 section 3.2).
@frozen
public struct NVGREView: ~Escapable {
  /// Bytes of the header.
  public static let length = 8
  @usableFromInline let bytes: RawSpan

  /// The header at the start of `bytes`, which end with the IP packet.
  ///
  /// - Throws: when 8 bytes do not fit, the flags are not K alone, or the protocol is not 0x6558.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.nvgre, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    guard bytes.u16(0) == 0x2000 else {
      throw WireError(.nvgre, .flags, .invalid, offset: offset, needed: 0x2000, got: Int(bytes.u16(0)))
    }
    guard bytes.u16(2) == 0x6558 else {
      throw WireError(.nvgre, .proto, .invalid, offset: offset + 2, needed: 0x6558, got: Int(bytes.u16(2)))
    }
    self.bytes = bytes
  }

  /// Virtual subnet identifier, 24 bits.
  public var vsid: UInt32 { bytes.u32(4) >> 8 }
  /// Flow identifier.
  public var flowID: UInt8 { bytes.u8(7) }
  /// Below 0x1000 or 0xFFFFFF: identifiers that no tenant may use.
  public var hasReservedVSID: Bool { vsid < 0x1000 || vsid == 0xff_ffff }
  /// The inner Ethernet frame.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// An NVGRE header as a value.
@frozen
public struct NVGREHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.nvgre
  /// Virtual subnet identifier, 24 bits.
  public var vsid: UInt32
  /// Flow identifier.
  public var flowID: UInt8

  /// A header.
  public init(vsid: UInt32, flowID: UInt8 = 0) {
    self.vsid = vsid
    self.flowID = flowID
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try NVGREView(bytes, offset: offset)
    self.init(vsid: view.vsid, flowID: view.flowID)
  }

  /// 8.
  public var wireLength: Int { NVGREView.length }

  /// The VSID has 24 bits.
  public func validate() throws(WireError) {
    try Self.bound(.identifier, at: 4, vsid, largest: 0xff_ffff)
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put32(0x2000_6558)
    output.put32(vsid << 8 | UInt32(flowID))
  }
}
