/// An ARP packet of any hardware and protocol (RFC 826).
@frozen
public struct ARPView: ~Escapable {
  @usableFromInline let bytes: RawSpan

  /// The packet at the start of `bytes`, its four addresses included.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= 8 else {
      throw WireError(.arp, .header, .truncated, offset: offset, needed: 8, got: bytes.byteCount)
    }
    let whole = 8 + 2 * (Int(bytes.u8(4)) + Int(bytes.u8(5)))
    guard bytes.byteCount >= whole else {
      throw WireError(.arp, .addressLength, .truncated, offset: offset, needed: whole, got: bytes.byteCount)
    }
    self.bytes = bytes.extracting(0..<whole)
  }

  /// Hardware type; 1 is Ethernet.
  public var hardwareType: UInt16 { bytes.u16(0) }
  /// Protocol type; 0x0800 is IPv4.
  public var protocolType: UInt16 { bytes.u16(2) }
  /// Bytes of a hardware address.
  public var hardwareLength: Int { Int(bytes.u8(4)) }
  /// Bytes of a protocol address.
  public var protocolLength: Int { Int(bytes.u8(5)) }
  /// 1 request, 2 reply.
  public var operation: UInt16 { bytes.u16(6) }
  /// Sender's hardware address.
  public var senderHardware: RawSpan { @_lifetime(copy self) get { address(8, hardwareLength) } }
  /// Sender's protocol address.
  public var senderProtocol: RawSpan {
    @_lifetime(copy self) get { address(8 + hardwareLength, protocolLength) }
  }
  /// Target's hardware address.
  public var targetHardware: RawSpan {
    @_lifetime(copy self) get { address(8 + hardwareLength + protocolLength, hardwareLength) }
  }
  /// Target's protocol address.
  public var targetProtocol: RawSpan {
    @_lifetime(copy self) get { address(8 + 2 * hardwareLength + protocolLength, protocolLength) }
  }

  @_lifetime(copy self)
  private func address(_ start: Int, _ count: Int) -> RawSpan { bytes.extracting(start..<start + count) }
}

/// An ARP packet of Ethernet and IPv4 as a value, 28 bytes.
@frozen
public struct ARPPacket: WireValue {
  /// The layer.
  public static let layer = WireLayer.arp
  /// 1 request, 2 reply.
  public var operation: UInt16
  /// Sender's MAC address, 48 bits.
  public var senderMAC: UInt64
  /// Sender's IPv4 address.
  public var senderIP: UInt32
  /// Target's MAC address, 48 bits.
  public var targetMAC: UInt64
  /// Target's IPv4 address.
  public var targetIP: UInt32

  /// A packet.
  public init(operation: UInt16, senderMAC: UInt64, senderIP: UInt32, targetMAC: UInt64, targetIP: UInt32) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderIP = senderIP
    self.targetMAC = targetMAC
    self.targetIP = targetIP
  }

  /// The packet at the start of `bytes`; other hardware than Ethernet and other protocols than IPv4 are errors.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try ARPView(bytes, offset: offset)
    try Self.expect(.hardwareType, view.hardwareType, 1, at: offset)
    try Self.expect(.proto, view.protocolType, 0x0800, at: offset + 2)
    try Self.expect(.addressLength, UInt16(view.hardwareLength), 6, at: offset + 4)
    try Self.expect(.addressLength, UInt16(view.protocolLength), 4, at: offset + 5)
    self.init(
      operation: view.operation, senderMAC: bytes.u48(8), senderIP: bytes.u32(14), targetMAC: bytes.u48(18),
      targetIP: bytes.u32(24))
  }

  /// 28.
  public var wireLength: Int { 28 }

  /// MAC addresses have 48 bits.
  public func validate() throws(WireError) {
    try Self.bound(.address, at: 8, senderMAC, largest: 0xffff_ffff_ffff)
    try Self.bound(.address, at: 18, targetMAC, largest: 0xffff_ffff_ffff)
  }

  /// Writes the packet.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(1)
    output.put16(0x0800)
    output.put8(6)
    output.put8(4)
    output.put16(operation)
    output.put48(senderMAC)
    output.put32(senderIP)
    output.put48(targetMAC)
    output.put32(targetIP)
  }

  private static func expect(_ field: WireField, _ found: UInt16, _ wanted: UInt16, at: Int) throws(WireError) {
    guard found != wanted else { return }
    throw WireError(.arp, field, .invalid, offset: at, needed: Int(wanted), got: Int(found))
  }
}
