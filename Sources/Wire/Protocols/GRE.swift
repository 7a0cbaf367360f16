/// A GRE header with its optional fields, and what it carries (RFC 2784, RFC 2890).
@frozen
public struct GREView: ~Escapable {
  @usableFromInline let bytes: RawSpan

  /// The header at the start of `bytes`, which end with the IP packet.
  ///
  /// - Throws: when 4 bytes or the announced fields do not fit, or a reserved bit or a version is set. The checksum is
  ///   not looked at: ``hasValidChecksum``.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= 4 else {
      throw WireError(.gre, .header, .truncated, offset: offset, needed: 4, got: bytes.byteCount)
    }
    let flags = bytes.u16(0)
    guard flags & 0x4ff8 == 0 else {
      throw WireError(.gre, .reserved, .invalid, offset: offset, needed: 0, got: Int(flags & 0x4ff8))
    }
    guard flags & 7 == 0 else {
      throw WireError(.gre, .version, .invalid, offset: offset, needed: 0, got: Int(flags & 7))
    }
    let header = Self.length(flags)
    guard header <= bytes.byteCount else {
      throw WireError(.gre, .flags, .truncated, offset: offset, needed: header, got: bytes.byteCount)
    }
    self.bytes = bytes
  }

  static func length(_ flags: UInt16) -> Int { 4 + (flags & 0xb000).nonzeroBitCount * 4 }

  private var flags: UInt16 { bytes.u16(0) }
  /// Bytes of the header, 4…16.
  public var headerLength: Int { Self.length(flags) }
  /// What is inside, as an EtherType.
  public var protocolType: UInt16 { bytes.u16(2) }
  /// The checksum field, when C is set.
  public var checksum: UInt16? { flags & 0x8000 == 0 ? nil : bytes.u16(4) }
  /// The key, when K is set.
  public var key: UInt32? { flags & 0x2000 == 0 ? nil : bytes.u32(flags & 0x8000 == 0 ? 4 : 8) }
  /// The sequence number, when S is set.
  public var sequence: UInt32? { flags & 0x1000 == 0 ? nil : bytes.u32(headerLength - 4) }
  /// No checksum, or a right one over header and payload.
  public var hasValidChecksum: Bool {
    flags & 0x8000 == 0 || InternetChecksum.isValid(InternetChecksum.sum(bytes))
  }
  /// K without C and S, and Ethernet inside: the header is NVGRE's too (RFC 7637 section 3.2).
  public var isNVGRE: Bool { flags == 0x2000 && protocolType == 0x6558 }
  /// What is inside.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(headerLength) } }
}

/// A GRE header as a value.
@frozen
public struct GREHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.gre
  /// What is inside, as an EtherType.
  public var protocolType: UInt16
  /// The checksum field; nil is no C.
  public var checksum: UInt16?
  /// The key; nil is no K.
  public var key: UInt32?
  /// The sequence number; nil is no S.
  public var sequence: UInt32?

  /// A header.
  public init(protocolType: UInt16, checksum: UInt16? = nil, key: UInt32? = nil, sequence: UInt32? = nil) {
    self.protocolType = protocolType
    self.checksum = checksum
    self.key = key
    self.sequence = sequence
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try GREView(bytes, offset: offset)
    self.init(
      protocolType: view.protocolType, checksum: view.checksum, key: view.key, sequence: view.sequence)
  }

  private var flags: UInt16 {
    (checksum == nil ? 0 : 0x8000) | (key == nil ? 0 : 0x2000) | (sequence == nil ? 0 : 0x1000)
  }

  /// 4…16.
  public var wireLength: Int { GREView.length(flags) }

  /// Every value fits.
  public func validate() throws(WireError) {}

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(flags)
    output.put16(protocolType)
    if let checksum { output.put32(UInt32(checksum) << 16) }
    if let key { output.put32(key) }
    if let sequence { output.put32(sequence) }
  }

  /// Sets ``checksum`` to what header and `payload` ask for (C is set by it).
  public mutating func fillChecksum(over payload: RawSpan) throws(WireError) {
    checksum = 0
    let header = try wireBytes()
    let sum = InternetChecksum.combine(
      InternetChecksum.sum(header.span.octets), InternetChecksum.sum(payload), leftCount: header.count)
    checksum = InternetChecksum.finish(sum)
  }
}
