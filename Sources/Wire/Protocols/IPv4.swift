/// An IPv4 header with its options, and the packet it heads (RFC 791).
@frozen
public struct IPv4View: ~Escapable {
  /// From the header's first byte to the packet's end; padding behind it is cut off.
  @usableFromInline let bytes: RawSpan
  @usableFromInline let offset: Int

  /// The packet at the start of `bytes`. Bytes behind its total length are L2 padding.
  ///
  /// - Throws: when the version is not 4, or 20 bytes, the header or the total length do not fit.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    let room = bytes.byteCount
    guard room >= 20 else {
      throw WireError(.ipv4, .header, .truncated, offset: offset, needed: 20, got: room)
    }
    let first = Int(bytes.u8(0))
    guard first >> 4 == 4 else {
      throw WireError(.ipv4, .version, .invalid, offset: offset, needed: 4, got: first >> 4)
    }
    let header = (first & 15) * 4
    guard header >= 20 else {
      throw WireError(.ipv4, .headerLength, .invalid, offset: offset, needed: 20, got: header)
    }
    guard header <= room else {
      throw WireError(.ipv4, .headerLength, .truncated, offset: offset, needed: header, got: room)
    }
    let total = Int(bytes.u16(2))
    guard total >= header else {
      throw WireError(.ipv4, .totalLength, .invalid, offset: offset + 2, needed: header, got: total)
    }
    guard total <= room else {
      throw WireError(.ipv4, .totalLength, .truncated, offset: offset, needed: total, got: room)
    }
    self.bytes = bytes.extracting(0..<total)
    self.offset = offset
  }

  /// Bytes of the header, 20…60.
  public var headerLength: Int { Int(bytes.u8(0) & 15) * 4 }
  /// Differentiated services code point, 6 bits.
  public var dscp: UInt8 { bytes.u8(1) >> 2 }
  /// Explicit congestion notification, 2 bits.
  public var ecn: UInt8 { bytes.u8(1) & 3 }
  /// Bytes of header and payload.
  public var totalLength: Int { bytes.byteCount }
  /// Identification.
  public var identification: UInt16 { bytes.u16(4) }
  /// The bit in front of DF, which must be zero.
  public var reservedFlag: Bool { bytes.u8(6) & 0x80 != 0 }
  /// Don't fragment.
  public var dontFragment: Bool { bytes.u8(6) & 0x40 != 0 }
  /// More fragments.
  public var moreFragments: Bool { bytes.u8(6) & 0x20 != 0 }
  /// Offset of this fragment in units of 8 bytes, 0…8191.
  public var fragmentOffset: UInt16 { bytes.u16(6) & 0x1fff }
  /// MF or an offset.
  public var isFragment: Bool { bytes.u16(6) & 0x3fff != 0 }
  /// Time to live.
  public var timeToLive: UInt8 { bytes.u8(8) }
  /// Protocol of the payload.
  public var proto: UInt8 { bytes.u8(9) }
  /// The header checksum field.
  public var checksum: UInt16 { bytes.u16(10) }
  /// Whether the header checksum is right.
  public var hasValidChecksum: Bool { InternetChecksum.isValid(InternetChecksum.sum(header)) }
  /// Source address.
  public var source: UInt32 { bytes.u32(12) }
  /// Destination address.
  public var destination: UInt32 { bytes.u32(16) }
  /// The header's bytes, options included.
  public var header: RawSpan { @_lifetime(copy self) get { bytes.extracting(0..<headerLength) } }
  /// The options' bytes, 0…40.
  public var options: RawSpan { @_lifetime(copy self) get { bytes.extracting(20..<headerLength) } }
  /// A walk over the options.
  public var optionList: KindLengthOptions {
    @_lifetime(copy self) get { KindLengthOptions(options, layer: .ipv4, offset: offset + 20) }
  }
  /// What is behind the header, padding excluded.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(headerLength) } }
  /// The sum of the pseudo-header for an upper layer of `length` bytes.
  public func pseudoHeader(proto: UInt8, length: Int) -> UInt16 {
    InternetChecksum.pseudoHeader(
      ipv4: source, destination, proto: proto, length: UInt32(truncatingIfNeeded: length))
  }
}

/// An IPv4 header as a value.
@frozen
public struct IPv4Header: WireValue {
  /// The layer.
  public static let layer = WireLayer.ipv4
  /// Differentiated services code point, 6 bits.
  public var dscp: UInt8 = 0
  /// Explicit congestion notification, 2 bits.
  public var ecn: UInt8 = 0
  /// Bytes of header and payload.
  public var totalLength: UInt16 = 20
  /// Identification.
  public var identification: UInt16 = 0
  /// Don't fragment.
  public var dontFragment = false
  /// More fragments.
  public var moreFragments = false
  /// Offset of this fragment in units of 8 bytes, 0…8191.
  public var fragmentOffset: UInt16 = 0
  /// Time to live.
  public var timeToLive: UInt8 = 64
  /// Protocol of the payload.
  public var proto: UInt8
  /// The header checksum field; ``fillChecksum()`` computes it.
  public var checksum: UInt16 = 0
  /// Source address.
  public var source: UInt32
  /// Destination address.
  public var destination: UInt32
  /// The options, a multiple of 4 bytes.
  public var options = InlineBytes<40>()

  /// A header of 20 bytes without payload.
  public init(source: UInt32, destination: UInt32, proto: UInt8) {
    self.source = source
    self.destination = destination
    self.proto = proto
  }

  /// The header at the start of `bytes`, which must hold the whole packet.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try IPv4View(bytes, offset: offset)
    self.init(source: view.source, destination: view.destination, proto: view.proto)
    dscp = view.dscp
    ecn = view.ecn
    totalLength = UInt16(view.totalLength)
    identification = view.identification
    dontFragment = view.dontFragment
    moreFragments = view.moreFragments
    fragmentOffset = view.fragmentOffset
    timeToLive = view.timeToLive
    checksum = view.checksum
    _ = options.append(view.options)
  }

  /// 20…60.
  public var wireLength: Int { 20 + options.count }

  /// DSCP has 6 bits, ECN 2, the offset 13; options fill whole words; the total length holds the header.
  public func validate() throws(WireError) {
    try Self.bound(.trafficClass, at: 1, dscp, largest: 63)
    try Self.bound(.trafficClass, at: 1, ecn, largest: 3)
    try Self.bound(.fragmentOffset, at: 6, fragmentOffset, largest: 0x1fff)
    guard options.count & 3 == 0 else {
      throw WireError(.ipv4, .options, .invalid, offset: 20, needed: (options.count + 3) & ~3, got: options.count)
    }
    guard Int(totalLength) >= wireLength else {
      throw WireError(.ipv4, .totalLength, .invalid, offset: 2, needed: wireLength, got: Int(totalLength))
    }
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put8(0x40 | UInt8(wireLength / 4))
    output.put8(dscp << 2 | ecn)
    output.put16(totalLength)
    output.put16(identification)
    output.put16((dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | fragmentOffset)
    output.put8(timeToLive)
    output.put8(proto)
    output.put16(checksum)
    output.put32(source)
    output.put32(destination)
    output.put(options.bytes)
  }

  /// Sets ``checksum`` to what the header's other fields ask for.
  public mutating func fillChecksum() throws(WireError) {
    checksum = 0
    let bytes = try wireBytes()
    checksum = InternetChecksum.checksum(bytes.span.octets)
  }
}
