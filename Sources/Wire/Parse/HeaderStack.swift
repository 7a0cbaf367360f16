/// All headers of a frame as SPECIFICATION.md, P1–P9, finds them: outer level, tunnel, inner level.
///
/// Plain data. Offsets count from the frame's first byte and are at most 510, ends at most 65,535.
@frozen
public struct HeaderStack: Equatable, Sendable, BitwiseCopyable {
  /// The frame's own headers.
  public var outer: LayerStack
  /// What is inside a sound tunnel; empty without one.
  public var inner: LayerStack
  /// VNI of Geneve and VXLAN, key of GRE (all 32 bits); 0 without.
  public var tunnelKey: UInt32
  /// Offset of the Geneve, VXLAN or GRE header; 0 without a tunnel, or when the fault is that it is not there.
  public var tunnelOffset: UInt16
  /// Offset of what is inside; 0 unless the tunnel is sound.
  public var innerStart: UInt16
  /// The tunnel's protocol: 0x6558 (VXLAN always), 0x0800 or 0x86DD when sound.
  public var tunnelProtocol: UInt16
  /// Bytes of Geneve options, 0…252.
  public var optionsLength: UInt16
  /// Which tunnel.
  public var tunnel: TunnelHeaderKind
  /// What is wrong with it.
  public var fault: TunnelFault
  /// GRE that is also NVGRE: K, neither C nor S, protocol 0x6558.
  public var isNVGRE: Bool
  /// There is a key: always for sound Geneve and VXLAN, for GRE with K.
  public var hasKey: Bool

  /// No headers at all.
  @inlinable @inline(__always)
  public init() {
    outer = LayerStack()
    inner = LayerStack()
    tunnelKey = 0
    tunnelOffset = 0
    innerStart = 0
    tunnelProtocol = 0
    optionsLength = 0
    tunnel = .none
    fault = .none
    isNVGRE = false
    hasKey = false
  }

  /// There is a tunnel and nothing is wrong with it.
  @inlinable public var hasSoundTunnel: Bool { tunnel != .none && fault == .none }

  /// Parses a frame from its first byte. Bytes past 65,535 are not looked at.
  ///
  /// - Parameters:
  ///   - startsAtIP: the frame has no Ethernet header (it was taken out of a tunnel of IP); its type is then what the
  ///     version field says.
  /// - Throws: ``ParseDrop/runt`` for Ethernet of fewer than 14 bytes, ``ParseDrop/headersTooLong`` when a layer
  ///   begins past offset 510.
  @inlinable @inline(__always)
  public static func parse(
    _ bytes: RawSpan, options: borrowing ParseOptions, startsAtIP: Bool = false
  ) throws(ParseDrop) -> HeaderStack {
    var stack = HeaderStack()
    if let drop = stack.fill(bytes, options: options, startsAtIP: startsAtIP) { throw drop }
    return stack
  }

  /// As ``parse(_:options:startsAtIP:)``, written over what was here: no copy for who keeps stacks of a burst in a row.
  ///
  /// - Returns: nil, or why the frame is dropped; the record then means nothing.
  @inlinable @inline(__always)
  public mutating func reparse(
    _ bytes: RawSpan, options: borrowing ParseOptions, startsAtIP: Bool = false
  ) -> ParseDrop? {
    self = HeaderStack()
    return fill(bytes, options: options, startsAtIP: startsAtIP)
  }

  /// Parses into an empty record.
  @inlinable
  mutating func fill(_ span: RawSpan, options: borrowing ParseOptions, startsAtIP: Bool) -> ParseDrop? {
    let bytes = unsafe Unchecked(span)
    let end = min(span.byteCount, 0xffff)
    var at = 0
    if startsAtIP {
      guard end > 0 else { return nil }
      let version = unsafe bytes.u8(0) >> 4
      outer.etherType = version == 4 ? 0x0800 : version == 6 ? 0x86dd : 0
    } else {
      guard end >= 14 else { return .runt }
      at = unsafe outer.parseEthernet(bytes, start: 0, end: end)
    }
    let reach = unsafe outer.parseNetwork(bytes, start: 0, at: at, end: end)
    guard options.lookIntoTunnels else { return Self.recordable(reach.last) }
    let inside: TunnelInside
    if reach.kind == .udp {
      let port = unsafe bytes.u16(reach.last &+ 2)
      if port == options.genevePort {
        inside = unsafe parseGeneve(bytes, udp: reach.last, options: options)
      } else if port == options.vxlanPort {
        inside = unsafe parseVXLAN(bytes, udp: reach.last, options: options)
      } else {
        return Self.recordable(reach.last)
      }
    } else if reach.kind == .gre {
      inside = unsafe parseGRE(bytes, at: reach.last, end: Int(outer.l3End))
    } else {
      return Self.recordable(reach.last)
    }
    return unsafe parseInside(bytes, inside, outer: reach.last)
  }

  /// P7's last checks and P8: the inner frame, from Ethernet or from IP.
  @inlinable @inline(__always)
  mutating func parseInside(_ bytes: borrowing Unchecked, _ inside: TunnelInside, outer: Int) -> ParseDrop? {
    guard inside.fault == .none else {
      fault = inside.fault
      return Self.recordable(outer)
    }
    tunnelProtocol = inside.type
    inner.etherType = inside.type
    let room = inside.end &- inside.start
    var at = inside.start
    if inside.type == 0x6558 {
      guard room >= 14 else { return lack(.innerTruncated, outer) }
      at &+= unsafe inner.parseEthernet(bytes, start: at, end: inside.end)
    } else {
      guard inside.type == 0x0800 || inside.type == 0x86dd else { return lack(.tunnelProtocol, outer) }
      guard room >= (inside.type == 0x0800 ? 20 : 40) else { return lack(.innerTruncated, outer) }
    }
    innerStart = UInt16(truncatingIfNeeded: inside.start)
    return Self.recordable(unsafe inner.parseNetwork(bytes, start: inside.start, at: at, end: inside.end).last)
  }

  @inlinable @inline(__always)
  mutating func lack(_ found: TunnelFault, _ outer: Int) -> ParseDrop? {
    fault = found
    inner = LayerStack()
    return Self.recordable(outer)
  }

  /// P9 for the last layer recorded; those in front of it begin earlier.
  @inlinable @inline(__always)
  static func recordable(_ last: Int) -> ParseDrop? { last > 510 ? .headersTooLong : nil }
}
