/// One IPv6 extension header (RFC 8200 section 4, RFC 4302): hop-by-hop, routing, fragment, authentication or
/// destination options.
@frozen
public struct IPv6ExtensionView: ~Escapable {
  /// Its type, as the header in front of it said.
  public let kind: UInt8
  /// From the header's first byte to the packet's end.
  @usableFromInline let bytes: RawSpan
  /// Bytes of the header, 8…2048.
  public let length: Int

  /// Whether `kind` is one of 0, 43, 44, 51, 60: the headers that are walked over.
  public static func isExtension(_ kind: UInt8) -> Bool { LayerStack.isExtension(kind) }

  /// The header of type `kind` at the start of `bytes`, which end with the packet.
  ///
  /// - Throws: when the type is not an extension header's, or it does not fit.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, kind: UInt8, offset: Int = 0) throws(WireError) {
    guard Self.isExtension(kind) else {
      throw WireError(.ipv6Extension, .proto, .invalid, offset: offset, needed: 0, got: Int(kind))
    }
    guard bytes.byteCount >= 8 else {
      throw WireError(.ipv6Extension, .header, .truncated, offset: offset, needed: 8, got: bytes.byteCount)
    }
    let length = Self.length(kind: kind, units: bytes.u8(1))
    guard length <= bytes.byteCount else {
      throw WireError(.ipv6Extension, .length, .truncated, offset: offset, needed: length, got: bytes.byteCount)
    }
    self.kind = kind
    self.bytes = bytes
    self.length = length
  }

  static func length(kind: UInt8, units: UInt8) -> Int {
    switch kind {
    case 44: 8
    case 51: (Int(units) + 2) * 4
    default: (Int(units) + 1) * 8
    }
  }

  /// Type of what is behind it.
  public var nextHeader: UInt8 { bytes.u8(0) }
  /// The bytes behind next header and length (a fragment header's reserved byte).
  public var body: RawSpan { @_lifetime(copy self) get { bytes.extracting(2..<length) } }
  /// What is behind the header.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(length) } }
  /// Of a fragment header: offset in units of 8 bytes, 0…8191; 0 for others.
  public var fragmentOffset: UInt16 { kind == 44 ? bytes.u16(2) >> 3 : 0 }
  /// Of a fragment header: more fragments; false for others.
  public var moreFragments: Bool { kind == 44 && bytes.u16(2) & 1 != 0 }
  /// Of a fragment header: identification; 0 for others.
  public var identification: UInt32 { kind == 44 ? bytes.u32(4) : 0 }
}

/// An IPv6 extension header other than fragment as a value.
@frozen
public struct IPv6ExtensionHeader: Equatable, Sendable {
  /// Its type: 0, 43, 51 or 60. The header in front carries it.
  public var kind: UInt8
  /// Type of what is behind it.
  public var nextHeader: UInt8
  /// The bytes behind the length field: a multiple of 8 plus 6, of 4 plus 2 for type 51 (and at least 6).
  public var body: [UInt8]

  /// A header.
  public init(kind: UInt8, nextHeader: UInt8, body: [UInt8]) {
    self.kind = kind
    self.nextHeader = nextHeader
    self.body = body
  }

  /// The header of type `kind` at the start of `bytes`.
  public init(parsing bytes: RawSpan, kind: UInt8, offset: Int = 0) throws(WireError) {
    let view = try IPv6ExtensionView(bytes, kind: kind, offset: offset)
    guard kind != 44 else {
      throw WireError(.ipv6Extension, .proto, .invalid, offset: offset, needed: 60, got: 44)
    }
    self.init(kind: kind, nextHeader: view.nextHeader, body: [])
    let body = view.body
    self.body.reserveCapacity(body.byteCount)
    for index in 0..<body.byteCount { self.body.append(body.u8(index)) }
  }

  /// The header's bytes.
  ///
  /// - Throws: when the body's length is not one that the length field can say.
  public func wireBytes() throws(WireError) -> [UInt8] {
    let length = body.count + 2
    let unit = kind == 51 ? 4 : 8
    let units = kind == 51 ? length / 4 - 2 : length / 8 - 1
    guard IPv6ExtensionView.isExtension(kind), kind != 44 else {
      throw WireError(.ipv6Extension, .proto, .invalid, offset: 0, needed: 60, got: Int(kind))
    }
    guard length % unit == 0, length >= 8 else {
      throw WireError(.ipv6Extension, .length, .invalid, offset: 1, needed: max(8, length / unit * unit), got: length)
    }
    guard units <= 255 else {
      throw WireError(.ipv6Extension, .length, .tooLarge, offset: 1, needed: 255, got: units)
    }
    return [nextHeader, UInt8(units)] + body
  }
}

/// An IPv6 fragment header as a value, 8 bytes (RFC 8200 section 4.5).
@frozen
public struct IPv6FragmentHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.ipv6Extension
  /// Type of what is behind it.
  public var nextHeader: UInt8
  /// Offset in units of 8 bytes, 0…8191.
  public var fragmentOffset: UInt16
  /// More fragments.
  public var moreFragments: Bool
  /// Identification.
  public var identification: UInt32

  /// A header.
  public init(nextHeader: UInt8, fragmentOffset: UInt16, moreFragments: Bool, identification: UInt32) {
    self.nextHeader = nextHeader
    self.fragmentOffset = fragmentOffset
    self.moreFragments = moreFragments
    self.identification = identification
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try IPv6ExtensionView(bytes, kind: 44, offset: offset)
    self.init(
      nextHeader: view.nextHeader, fragmentOffset: view.fragmentOffset, moreFragments: view.moreFragments,
      identification: view.identification)
  }

  /// 8.
  public var wireLength: Int { 8 }

  /// The offset has 13 bits.
  public func validate() throws(WireError) {
    try Self.bound(.fragmentOffset, at: 2, fragmentOffset, largest: 0x1fff)
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put8(nextHeader)
    output.put8(0)
    output.put16(fragmentOffset << 3 | (moreFragments ? 1 : 0))
    output.put32(identification)
  }
}
