import Memory

/// One IP packet's headers in a frame (SPECIFICATION.md, P3–P6). Offsets count from the frame's first byte.
///
/// Packed by hand into two words: a layer is looked at field by field right after it was made, and fields of a byte that
/// are read back as a part of a wider one stall the core.
struct NetworkLayer: BitwiseCopyable {
  private var places: UInt64 = 0
  private var kind: UInt64 = 0

  @inline(__always)
  private func field(_ word: UInt64, _ shift: UInt64) -> Int { Int(truncatingIfNeeded: word >> shift & 0xffff) }
  @inline(__always)
  private func with(_ word: UInt64, _ shift: UInt64, _ value: Int) -> UInt64 {
    word & ~(0xffff << shift) | UInt64(truncatingIfNeeded: value & 0xffff) << shift
  }
  @inline(__always)
  private func flag(_ bit: UInt64) -> Bool { kind >> bit & 1 != 0 }
  @inline(__always)
  private func with(_ bit: UInt64, _ value: Bool) -> UInt64 { kind & ~(1 << bit) | (value ? 1 : 0) << bit }

  /// The IP header.
  private(set) var l3: Int {
    @inline(__always) get { field(places, 0) }
    @inline(__always) set { places = with(places, 0, newValue) }
  }
  /// Behind the IP packet's last byte; what follows is padding. Never 0.
  private(set) var end: Int {
    @inline(__always) get { field(places, 16) }
    @inline(__always) set { places = with(places, 16, newValue) }
  }
  /// The transport header; 0 when there is none to be found (a later fragment, a chain that does not fit).
  private(set) var l4: Int {
    @inline(__always) get { field(places, 32) }
    @inline(__always) set { places = with(places, 32, newValue) }
  }
  /// Offset of IPv6's fragment header, the last one when all are atomic; 0 without.
  private(set) var fragmentHeader: Int {
    @inline(__always) get { field(places, 48) }
    @inline(__always) set { places = with(places, 48, newValue) }
  }
  /// Offset of the byte that holds the type of the header at `l4` (for IPv6 fragments: of the fragment header).
  private(set) var typeField: Int {
    @inline(__always) get { field(kind, 0) }
    @inline(__always) set { kind = with(kind, 0, newValue) }
  }
  /// Where the destination of the pseudo-header is (RFC 8200 section 8.1).
  private(set) var finalDestination: Int {
    @inline(__always) get { field(kind, 16) }
    @inline(__always) set { kind = with(kind, 16, newValue) }
  }
  /// IPv4's protocol, or the type behind IPv6's extension headers.
  private(set) var proto: UInt8 {
    @inline(__always) get { UInt8(truncatingIfNeeded: kind >> 32) }
    @inline(__always) set { kind = kind & ~(0xff << 32) | UInt64(newValue) << 32 }
  }
  private(set) var isIPv6: Bool {
    @inline(__always) get { flag(40) }
    @inline(__always) set { kind = with(40, newValue) }
  }
  /// First fragments included.
  private(set) var isFragment: Bool {
    @inline(__always) get { flag(41) }
    @inline(__always) set { kind = with(41, newValue) }
  }
  /// A fragment other than the first: no transport header is in it.
  private(set) var isLaterFragment: Bool {
    @inline(__always) get { flag(42) }
    @inline(__always) set { kind = with(42, newValue) }
  }
  /// An authentication header covers what follows.
  private(set) var isAuthenticated: Bool {
    @inline(__always) get { flag(43) }
    @inline(__always) set { kind = with(43, newValue) }
  }
  /// There is a packet: false only for ``init()``.
  var isThere: Bool { end > 0 }

  /// No packet.
  init() {}

  /// The IP packet that begins at `at`, which must end at `limit` or before; nil when there is none.
  init?(_ bytes: Bytes, at: Int, limit: Int) {
    guard at >= 0, limit <= 0xffff, limit &- at >= 20 else { return nil }
    l3 = at
    switch bytes[at] >> 4 {
    case 4:
      let header = Int(bytes[at] & 15) &* 4
      let total = Int(bytes.u16(at &+ 2))
      guard header >= 20, header <= total, total <= limit &- at else { return nil }
      end = at &+ total
      proto = bytes[at &+ 9]
      typeField = at &+ 9
      let fragment = bytes.u16(at &+ 6)
      isFragment = fragment & 0x3fff != 0
      isLaterFragment = fragment & 0x1fff != 0
      finalDestination = at &+ 16
      if !isLaterFragment { l4 = at &+ header }
    case 6:
      let payload = limit &- at >= 40 ? Int(bytes.u16(at &+ 4)) : Int.max
      guard payload <= limit &- at &- 40 else { return nil }
      isIPv6 = true
      end = at &+ 40 &+ payload
      proto = bytes[at &+ 6]
      typeField = at &+ 6
      finalDestination = at &+ 24
      walkExtensions(bytes)
    default: return nil
    }
  }

  /// At most eight extension headers (P4). Sets `l4` when it comes to one that is none of them.
  private mutating func walkExtensions(_ bytes: Bytes) {
    var at = l3 &+ 40
    for _ in 0...8 {
      guard proto == 0 || proto == 43 || proto == 44 || proto == 51 || proto == 60 else {
        l4 = at
        return
      }
      guard end &- at >= 8 else { return }
      let units = Int(bytes[at &+ 1])
      let length = proto == 44 ? 8 : proto == 51 ? (units &+ 2) &* 4 : (units &+ 1) &* 8
      guard length <= end &- at else { return }
      switch proto {
      case 43: routing(bytes, at, length)
      case 51: isAuthenticated = true
      case 44:
        if !isFragment { fragmentHeader = at }
        let field = bytes.u16(at &+ 2)
        if field & 0xfff9 != 0 { isFragment = true }
        if field & 0xfff8 != 0 {
          isLaterFragment = true
          proto = bytes[at]
          return
        }
      default: break
      }
      proto = bytes[at]
      if !isFragment { typeField = at }
      at &+= length
    }
  }

  /// The final destination of a routing header with segments left: a segment list's first entry (RFC 8754), else the
  /// last address.
  private mutating func routing(_ bytes: Bytes, _ at: Int, _ length: Int) {
    guard bytes[at &+ 3] != 0, length >= 24 else { return }
    finalDestination = bytes[at &+ 2] == 4 ? at &+ 8 : at &+ length &- 16
  }

  /// Bytes from the IP header's start to the packet's end.
  var length: Int { end &- l3 }
}
