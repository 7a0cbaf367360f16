/// One level of headers, outer or inner (SPECIFICATION.md, P2–P6). Offsets count from the frame's first byte; 0 is
/// "not there" for all but the outer ``l2``.
@frozen
public struct LayerStack: Equatable, Sendable, BitwiseCopyable {
  /// The type behind the last tag read; for a level that starts with IP its type; 0 without either.
  public var etherType: UInt16
  /// The two bytes at offset 12 of the Ethernet header, a TPID included; 0 without Ethernet.
  public var firstType: UInt16
  /// Offset of the Ethernet header, or of the IP header when there is no Ethernet.
  public var l2: UInt16
  /// Offset of the IP header.
  public var l3: UInt16
  /// End of the IP packet, L2 padding excluded; 0 without L3.
  public var l3End: UInt16
  /// Offset of the transport, GRE or ESP header.
  public var l4: UInt16
  /// Which L3.
  public var l3Kind: NetworkKind
  /// Which L4.
  public var l4Kind: TransportKind
  /// The upper-layer protocol: IPv4's, or IPv6's behind the extension headers; of a later fragment the fragment
  /// header's next header; of a chain that does not fit the type of the header that does not.
  public var ipProto: UInt8
  /// Tags read: 0…2.
  public var vlanCount: UInt8
  /// The level starts with Ethernet.
  public var hasEthernet: Bool
  /// A fragment, first ones included (P5); it has no L4.
  public var isFragment: Bool
  /// An IPv6 fragment header was walked, atomic fragments included.
  public var hasFragmentHeader: Bool

  /// Nothing there.
  @inlinable @inline(__always)
  public init() {
    etherType = 0
    firstType = 0
    l2 = 0
    l3 = 0
    l3End = 0
    l4 = 0
    l3Kind = .none
    l4Kind = .none
    ipProto = 0
    vlanCount = 0
    hasEthernet = false
    isFragment = false
    hasFragmentHeader = false
  }

  /// 0x8100, 0x88a8 or 0x9100.
  @inlinable @inline(__always)
  static func isTag(_ type: UInt16) -> Bool { type == 0x8100 || type == 0x88a8 || type == 0x9100 }

  /// Parses Ethernet at `start`; the caller has seen that 14 bytes fit before `end`.
  @inlinable @inline(__always)
  mutating func parseEthernet(_ bytes: Unchecked, start: Int, end: Int) {
    var type = unsafe bytes.u16(start &+ 12)
    var at = start &+ 14
    firstType = type
    l2 = UInt16(truncatingIfNeeded: start)
    hasEthernet = true
    while Self.isTag(type), vlanCount < 2, at &+ 4 <= end {
      type = unsafe bytes.u16(at &+ 2)
      at &+= 4
      vlanCount &+= 1
    }
    etherType = type
    unsafe parseNetwork(bytes, type: type, at: at, end: end)
  }

  /// Parses what begins with IP at `start`.
  @inlinable @inline(__always)
  mutating func parseIP(_ bytes: Unchecked, type: UInt16, start: Int, end: Int) {
    etherType = type
    l2 = UInt16(truncatingIfNeeded: start)
    unsafe parseNetwork(bytes, type: type, at: start, end: end)
  }

  @inlinable @inline(__always)
  mutating func parseNetwork(_ bytes: Unchecked, type: UInt16, at: Int, end: Int) {
    if type == 0x0800 {
      unsafe parseIPv4(bytes, at: at, end: end)
    } else if type == 0x86dd {
      unsafe parseIPv6(bytes, at: at, end: end)
    }
  }

  @inlinable @inline(__always)
  mutating func parseIPv4(_ bytes: Unchecked, at: Int, end: Int) {
    let room = end &- at
    guard room >= 20 else { return }
    let first = unsafe bytes.u8(at)
    let header = Int(first & 15) &* 4
    let total = Int(unsafe bytes.u16(at &+ 2))
    // Version 4 and IHL 5…15 in one comparison.
    guard first &- 0x45 <= 10, header <= total, total <= room else { return }
    l3 = UInt16(truncatingIfNeeded: at)
    l3Kind = .ipv4
    l3End = UInt16(truncatingIfNeeded: at &+ total)
    ipProto = unsafe bytes.u8(at &+ 9)
    // MF or an offset.
    if unsafe bytes.u16(at &+ 6) & 0x3fff != 0 {
      isFragment = true
      return
    }
    unsafe parseTransport(bytes, at: at &+ header, end: at &+ total)
  }

  @inlinable @inline(__always)
  mutating func parseIPv6(_ bytes: Unchecked, at: Int, end: Int) {
    let room = end &- at
    guard room >= 40, unsafe bytes.u8(at) >> 4 == 6 else { return }
    let payload = Int(unsafe bytes.u16(at &+ 4))
    guard payload <= room &- 40 else { return }
    let stop = at &+ 40 &+ payload
    l3 = UInt16(truncatingIfNeeded: at)
    l3Kind = .ipv6
    l3End = UInt16(truncatingIfNeeded: stop)
    ipProto = unsafe bytes.u8(at &+ 6)
    var next = at &+ 40
    if Self.isExtension(ipProto) {
      guard unsafe walkExtensions(bytes, at: &next, end: stop) else { return }
    }
    unsafe parseTransport(bytes, at: next, end: stop)
  }

  /// Hop-by-hop 0, routing 43, fragment 44, authentication 51, destination options 60: the headers that P4 walks.
  @inlinable @inline(__always)
  static func isExtension(_ proto: UInt8) -> Bool {
    proto <= 60 && (1 << UInt64(proto)) & (1 | 1 << 43 | 1 << 44 | 1 << 51 | 1 << 60 as UInt64) != 0
  }

  /// Walks at most eight extension headers from `at`; false when there is no L4 behind them.
  @usableFromInline @inline(never)
  mutating func walkExtensions(_ bytes: Unchecked, at: inout Int, end: Int) -> Bool {
    var walked = 0
    while Self.isExtension(ipProto) {
      guard walked < 8, end &- at >= 8 else { return false }
      let next = unsafe bytes.u8(at)
      let units = Int(unsafe bytes.u8(at &+ 1))
      let length =
        switch ipProto {
        case 44: 8
        case 51: (units &+ 2) &* 4
        default: (units &+ 1) &* 8
        }
      guard length <= end &- at else { return false }
      if ipProto == 44 {
        hasFragmentHeader = true
        let field = unsafe bytes.u16(at &+ 2)
        if field & 0xfff9 != 0 { isFragment = true }
        if field & 0xfff8 != 0 {
          // A later fragment: what follows is not a header.
          ipProto = next
          return false
        }
      }
      ipProto = next
      at &+= length
      walked &+= 1
    }
    return !isFragment
  }

  @inlinable @inline(__always)
  mutating func parseTransport(_ bytes: Unchecked, at: Int, end: Int) {
    let room = end &- at
    let kind: TransportKind
    switch ipProto {
    case 17:
      guard room >= 8 else { return }
      let length = Int(unsafe bytes.u16(at &+ 4))
      guard length >= 8, length <= room else { return }
      kind = .udp
    case 6:
      guard room >= 20 else { return }
      let header = Int(unsafe bytes.u8(at &+ 12) >> 4) &* 4
      guard header >= 20, header <= room else { return }
      kind = .tcp
    case 1:
      guard room >= 8, l3Kind == .ipv4 else { return }
      kind = .icmp
    case 58:
      guard room >= 8, l3Kind == .ipv6 else { return }
      kind = .icmp6
    case 47:
      guard room >= 4 else { return }
      kind = .gre
    case 50:
      guard room >= 8 else { return }
      kind = .esp
    default:
      return
    }
    l4 = UInt16(truncatingIfNeeded: at)
    l4Kind = kind
  }
}
