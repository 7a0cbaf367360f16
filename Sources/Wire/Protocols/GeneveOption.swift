/// One Geneve option where it stands in a packet (RFC 8926 section 3.5).
@frozen
public struct GeneveOptionView: ~Escapable {
  @usableFromInline let bytes: RawSpan

  @_lifetime(copy bytes)
  init(whole bytes: RawSpan) { self.bytes = bytes }

  /// Option class.
  public var optionClass: UInt16 { bytes.u16(0) }
  /// Type with its critical bit.
  public var type: UInt8 { bytes.u8(2) }
  /// The type's top bit: who does not know the option must drop the packet.
  public var isCritical: Bool { type & 0x80 != 0 }
  /// The option's data, 0…124 bytes.
  public var data: RawSpan { @_lifetime(copy self) get { bytes.from(4) } }
  /// Class and type as one number, `class << 8 | type`.
  public var identity: UInt32 { bytes.u32(0) >> 8 }
}

/// A walk over Geneve options.
@frozen
public struct GeneveOptionList: ~Escapable {
  @usableFromInline let bytes: RawSpan
  @usableFromInline let offset: Int
  @usableFromInline var at = 0

  /// The options in `bytes`, header of the first one first.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) {
    self.bytes = bytes
    self.offset = offset
  }

  /// The next option; nil at the end.
  ///
  /// - Throws: when an option's header or data reach past the end.
  @_lifetime(copy self)
  public mutating func next() throws(WireError) -> GeneveOptionView? {
    let left = bytes.byteCount - at
    guard left > 0 else { return nil }
    guard left >= 4 else {
      throw WireError(.geneveOption, .header, .truncated, offset: offset + at, needed: 4, got: left)
    }
    let length = 4 + Int(bytes.u8(at + 3) & 31) * 4
    guard length <= left else {
      throw WireError(.geneveOption, .length, .truncated, offset: offset + at, needed: length, got: left)
    }
    let view = GeneveOptionView(whole: bytes.extracting(at..<at + length))
    at += length
    return view
  }
}

/// A Geneve option as a value: those of the registry typed, all others kept as they are.
public enum GeneveOption: Equatable, Sendable {
  /// OVN, class 0x0102 type 0x80 (critical), 4 bytes: logical ingress port (15 bits) and egress port (16 bits).
  case ovnPorts(ingress: UInt16, egress: UInt16)
  /// AWS Gateway Load Balancer, class 0x0108 type 1, 8 bytes: the VPC endpoint's identifier.
  case gwlbEndpoint(UInt64)
  /// AWS Gateway Load Balancer, class 0x0108 type 2, 8 bytes: the attachment's identifier.
  case gwlbAttachment(UInt64)
  /// AWS Gateway Load Balancer, class 0x0108 type 3, 4 bytes: the flow's cookie.
  case gwlbFlowCookie(UInt32)
  /// Cilium, class 0x014B type 0x81 (critical): data as it is; the load balancer's original address and port.
  case ciliumDSR(InlineBytes<124>)
  /// Any other, data as it is; the type with its critical bit.
  case other(optionClass: UInt16, type: UInt8, data: InlineBytes<124>)

  /// The option as the registry knows it. One of a known class and type whose length is not the registry's is
  /// ``other(optionClass:type:data:)``.
  public init(_ view: borrowing GeneveOptionView) {
    let data = view.data
    switch (view.identity, data.byteCount) {
    case (0x0102_80, 4) where data.u32(0) >> 31 == 0:
      self = .ovnPorts(ingress: data.u16(0), egress: data.u16(2))
    case (0x0108_01, 8): self = .gwlbEndpoint(UInt64(data.u32(0)) << 32 | UInt64(data.u32(4)))
    case (0x0108_02, 8): self = .gwlbAttachment(UInt64(data.u32(0)) << 32 | UInt64(data.u32(4)))
    case (0x0108_03, 4): self = .gwlbFlowCookie(data.u32(0))
    default:
      var kept = InlineBytes<124>()
      _ = kept.append(data)
      self =
        view.identity == 0x014b_81
        ? .ciliumDSR(kept) : .other(optionClass: view.optionClass, type: view.type, data: kept)
    }
  }

  /// Option class.
  public var optionClass: UInt16 {
    switch self {
    case .ovnPorts: 0x0102
    case .gwlbEndpoint, .gwlbAttachment, .gwlbFlowCookie: 0x0108
    case .ciliumDSR: 0x014b
    case .other(let optionClass, _, _): optionClass
    }
  }

  /// Type with its critical bit.
  public var type: UInt8 {
    switch self {
    case .ovnPorts: 0x80
    case .gwlbEndpoint: 1
    case .gwlbAttachment: 2
    case .gwlbFlowCookie: 3
    case .ciliumDSR: 0x81
    case .other(_, let type, _): type
    }
  }

  /// The type's top bit.
  public var isCritical: Bool { type & 0x80 != 0 }

  /// Bytes of data, 0…124.
  public var dataLength: Int {
    switch self {
    case .ovnPorts, .gwlbFlowCookie: 4
    case .gwlbEndpoint, .gwlbAttachment: 8
    case .ciliumDSR(let data): data.count
    case .other(_, _, let data): data.count
    }
  }
}

extension GeneveOption: WireValue {
  /// The layer.
  public static var layer: WireLayer { .geneveOption }

  /// The option at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    var list = GeneveOptionList(bytes, offset: offset)
    guard let view = try list.next() else {
      throw WireError(.geneveOption, .header, .truncated, offset: offset, needed: 4, got: 0)
    }
    self.init(view)
  }

  /// 4…128.
  public var wireLength: Int { 4 + dataLength }

  /// Data fills whole words; OVN's ingress port has 15 bits.
  public func validate() throws(WireError) {
    if case .ovnPorts(let ingress, _) = self { try Self.bound(.data, at: 4, ingress, largest: 0x7fff) }
    guard dataLength & 3 == 0 else {
      throw WireError(.geneveOption, .length, .invalid, offset: 3, needed: (dataLength + 3) & ~3, got: dataLength)
    }
  }

  /// Writes the option, its header first.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(optionClass)
    output.put8(type)
    output.put8(UInt8(dataLength / 4))
    switch self {
    case .ovnPorts(let ingress, let egress):
      output.put16(ingress)
      output.put16(egress)
    case .gwlbEndpoint(let value), .gwlbAttachment(let value):
      output.put32(UInt32(truncatingIfNeeded: value >> 32))
      output.put32(UInt32(truncatingIfNeeded: value))
    case .gwlbFlowCookie(let value): output.put32(value)
    // Two cases: Swift 6.3.1 crashes on one case with a shared binding of a value-generic type.
    case .ciliumDSR(let data): output.put(data.bytes)
    case .other(_, _, let data): output.put(data.bytes)
    }
  }
}
