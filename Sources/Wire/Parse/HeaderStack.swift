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

  @inlinable @inline(__always)
  init() {
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
    _ bytes: RawSpan, options: ParseOptions, startsAtIP: Bool = false
  ) throws(ParseDrop) -> HeaderStack {
    var stack = HeaderStack()
    // The closure cannot throw typed errors across `withUnsafeBytes` without boxing, so it answers with a code.
    let drop = unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return startsAtIP ? 0 : ParseDrop.runt.rawValue }
      return unsafe stack.fill(Unchecked(base), count: buffer.count, options: options, startsAtIP: startsAtIP)
    }
    if let drop = ParseDrop(rawValue: drop) { throw drop }
    return stack
  }

  /// 0, or the raw value of a ``ParseDrop``.
  @inlinable
  mutating func fill(_ bytes: Unchecked, count: Int, options: ParseOptions, startsAtIP: Bool) -> UInt8 {
    let end = min(count, 0xffff)
    if startsAtIP {
      guard end > 0 else { return 0 }
      let type: UInt16 =
        switch unsafe bytes.u8(0) >> 4 {
        case 4: 0x0800
        case 6: 0x86dd
        default: 0
        }
      unsafe outer.parseIP(bytes, type: type, start: 0, end: end)
    } else {
      guard end >= 14 else { return ParseDrop.runt.rawValue }
      unsafe outer.parseEthernet(bytes, start: 0, end: end)
    }
    if options.lookIntoTunnels {
      if outer.l4Kind == .udp {
        let port = unsafe bytes.u16(Int(outer.l4) &+ 2)
        if port == options.genevePort {
          unsafe parseGeneve(bytes, options: options)
        } else if port == options.vxlanPort {
          unsafe parseVXLAN(bytes, options: options)
        }
      } else if outer.l4Kind == .gre {
        unsafe parseGRE(bytes)
      }
    }
    // All offsets are even, so past 510 is a bit of 512 and up.
    return (outer.l3 | outer.l4 | innerStart | inner.l3 | inner.l4) >= 512 ? ParseDrop.headersTooLong.rawValue : 0
  }
}
