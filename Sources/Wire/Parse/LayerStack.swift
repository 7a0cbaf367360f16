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
  // No padding: an empty record is a few wide stores.
  @usableFromInline var spare: UInt8

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
    spare = 0
  }

  /// 0x8100, 0x88a8 or 0x9100.
  @inlinable @inline(__always)
  static func isTag(_ type: UInt16) -> Bool { type == 0x8100 || type == 0x88a8 || type == 0x9100 }

  /// Hop-by-hop 0, routing 43, fragment 44, authentication 51, destination options 60: the headers that P4 walks.
  @inlinable @inline(__always)
  static func isExtension(_ proto: UInt8) -> Bool {
    proto <= 60 && (1 << UInt64(proto)) & (1 | 1 << 43 | 1 << 44 | 1 << 51 | 1 << 60 as UInt64) != 0
  }
}
