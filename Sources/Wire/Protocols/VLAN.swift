/// An 802.1Q or 802.1ad tag behind its TPID: TCI and the next type, 4 bytes (IEEE 802.1Q clause 9.6).
@frozen
public struct VLANView: ~Escapable {
  /// Bytes of a tag.
  public static let length = 4
  @usableFromInline let bytes: RawSpan

  /// The tag whose TCI is at the start of `bytes`.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= Self.length else {
      throw WireError(.vlan, .header, .truncated, offset: offset, needed: Self.length, got: bytes.byteCount)
    }
    self.bytes = bytes
  }

  /// Whether `type` announces a tag: 0x8100, 0x88a8 or 0x9100.
  public static func isTag(_ type: UInt16) -> Bool { LayerStack.isTag(type) }

  /// Priority, drop eligibility and identifier as one word.
  public var tci: UInt16 { bytes.u16(0) }
  /// Priority code point, 0…7.
  public var priority: UInt8 { UInt8(truncatingIfNeeded: tci >> 13) }
  /// Drop eligible indicator.
  public var dropEligible: Bool { tci & 0x1000 != 0 }
  /// VLAN identifier, 0…4095.
  public var identifier: UInt16 { tci & 0xfff }
  /// The type behind the tag.
  public var etherType: UInt16 { bytes.u16(2) }
  /// What is behind the tag.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(Self.length) } }
}

/// A VLAN tag as a value.
@frozen
public struct VLANTag: WireValue {
  /// The layer.
  public static let layer = WireLayer.vlan
  /// Priority code point, 0…7.
  public var priority: UInt8
  /// Drop eligible indicator.
  public var dropEligible: Bool
  /// VLAN identifier, 0…4095.
  public var identifier: UInt16
  /// The type behind the tag.
  public var etherType: UInt16

  /// A tag.
  public init(priority: UInt8 = 0, dropEligible: Bool = false, identifier: UInt16, etherType: UInt16) {
    self.priority = priority
    self.dropEligible = dropEligible
    self.identifier = identifier
    self.etherType = etherType
  }

  /// The tag whose TCI is at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try VLANView(bytes, offset: offset)
    self.init(
      priority: view.priority, dropEligible: view.dropEligible, identifier: view.identifier, etherType: view.etherType)
  }

  /// 4.
  public var wireLength: Int { VLANView.length }

  /// Priority has 3 bits, the identifier 12.
  public func validate() throws(WireError) {
    try Self.bound(.tag, at: 0, priority, largest: 7)
    try Self.bound(.identifier, at: 0, identifier, largest: 0xfff)
  }

  /// Writes the tag.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(UInt16(priority) << 13 | (dropEligible ? 0x1000 : 0) | identifier)
    output.put16(etherType)
  }
}
