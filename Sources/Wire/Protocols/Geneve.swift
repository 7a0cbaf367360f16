/// A Geneve header with its options, and what it carries (RFC 8926 section 3.4).
@frozen
public struct GeneveView: ~Escapable {
  @usableFromInline let bytes: RawSpan
  @usableFromInline let offset: Int

  /// The header at the start of `bytes`, which end with the UDP payload.
  ///
  /// - Throws: when 8 bytes or the options do not fit, the version is not 0, or options do not end at OptLen.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= 8 else {
      throw WireError(.geneve, .header, .truncated, offset: offset, needed: 8, got: bytes.byteCount)
    }
    let first = Int(bytes.u8(0))
    guard first >> 6 == 0 else {
      throw WireError(.geneve, .version, .invalid, offset: offset, needed: 0, got: first >> 6)
    }
    let header = 8 + (first & 63) * 4
    guard header <= bytes.byteCount else {
      throw WireError(.geneve, .options, .truncated, offset: offset, needed: header, got: bytes.byteCount)
    }
    self.bytes = bytes
    self.offset = offset
    var options = GeneveOptionList(bytes.extracting(8..<header), offset: offset + 8)
    while try options.next() != nil {}
  }

  /// Bytes of header and options, 8…260.
  public var headerLength: Int { 8 + Int(bytes.u8(0) & 63) * 4 }
  /// The O bit: a control packet.
  public var isControl: Bool { bytes.u8(1) & 0x80 != 0 }
  /// The C bit: some option is critical.
  public var hasCriticalOptions: Bool { bytes.u8(1) & 0x40 != 0 }
  /// What is inside: 0x6558 Ethernet, 0x0800 IPv4, 0x86DD IPv6.
  public var protocolType: UInt16 { bytes.u16(2) }
  /// Virtual network identifier, 24 bits.
  public var vni: UInt32 { bytes.u32(4) >> 8 }
  /// The options' bytes, 0…252.
  public var options: RawSpan { @_lifetime(copy self) get { bytes.extracting(8..<headerLength) } }
  /// A walk over the options, which were seen to add up.
  public var optionList: GeneveOptionList {
    @_lifetime(copy self) get { GeneveOptionList(options, offset: offset + 8) }
  }
  /// What is inside.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(headerLength) } }
}

/// A Geneve header as a value.
@frozen
public struct GeneveHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.geneve
  /// The O bit: a control packet.
  public var isControl = false
  /// The C bit. ``emit(into:)`` refuses a critical option without it.
  public var hasCriticalOptions = false
  /// What is inside: 0x6558 Ethernet, 0x0800 IPv4, 0x86DD IPv6.
  public var protocolType: UInt16 = 0x6558
  /// Virtual network identifier, 24 bits.
  public var vni: UInt32
  /// The options' bytes, each with its header: build them with ``append(_:)``.
  public var options = InlineBytes<252>()

  /// A header without options that carries Ethernet.
  public init(vni: UInt32) { self.vni = vni }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try GeneveView(bytes, offset: offset)
    self.init(vni: view.vni)
    isControl = view.isControl
    hasCriticalOptions = view.hasCriticalOptions
    protocolType = view.protocolType
    _ = options.append(view.options)
  }

  /// Adds an option and sets the C bit when it is critical.
  ///
  /// - Throws: when its fields do not fit, or less than its length is left of 252 bytes.
  public mutating func append(_ option: GeneveOption) throws(WireError) {
    let bytes = try option.wireBytes()
    guard options.append(bytes.span.octets) else {
      throw WireError(
        .geneve, .options, .noRoom, offset: 8 + options.count, needed: bytes.count, got: 252 - options.count)
    }
    if option.isCritical { hasCriticalOptions = true }
  }

  /// 8…260.
  public var wireLength: Int { 8 + options.count }

  /// The VNI has 24 bits, options add up, and a critical one has the C bit.
  public func validate() throws(WireError) {
    try Self.bound(.identifier, at: 4, vni, largest: 0xff_ffff)
    guard options.count & 3 == 0 else {
      throw WireError(.geneve, .options, .invalid, offset: 8, needed: (options.count + 3) & ~3, got: options.count)
    }
    var list = GeneveOptionList(options.bytes, offset: 8)
    while let option = try list.next() {
      if option.isCritical, !hasCriticalOptions {
        throw WireError(.geneve, .flags, .invalid, offset: 1, needed: 1, got: 0)
      }
    }
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put8(UInt8(options.count / 4))
    output.put8((isControl ? 0x80 : 0) | (hasCriticalOptions ? 0x40 : 0))
    output.put16(protocolType)
    output.put32(vni << 8)
    output.put(options.bytes)
  }
}
