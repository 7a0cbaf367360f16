/// What a level's parse hands on in registers, so that nothing just stored is read back.
@frozen @usableFromInline
struct Reach {
  /// Offset of the last layer recorded.
  @usableFromInline var last: Int
  /// Which L4; `.none` when ``last`` is not an L4's.
  @usableFromInline var kind: TransportKind

  @inlinable @inline(__always)
  init(_ last: Int, _ kind: TransportKind = .none) {
    self.last = last
    self.kind = kind
  }
}

// Records are written field by field where they lie; locals carry what later steps need.
extension LayerStack {
  /// Reads the Ethernet header at `start` with its tags (P2); the caller has seen that 14 bytes fit before `end`.
  ///
  /// - Returns: how many bytes it has with its tags.
  @inlinable @inline(__always)
  mutating func parseEthernet(_ bytes: borrowing Unchecked, start: Int, end: Int) -> Int {
    let type = unsafe bytes.u16(start &+ 12)
    firstType = type
    hasEthernet = true
    etherType = type
    return Self.isTag(type) ? unsafe parseTags(bytes, type: type, start: start, end: end) : 14
  }

  /// At most two tags behind the header at `start`, and the type behind them. Not inlined: seldom on an underlay.
  @usableFromInline @inline(never)
  mutating func parseTags(_ bytes: borrowing Unchecked, type: UInt16, start: Int, end: Int) -> Int {
    var length = 14
    while vlanCount < 2, Self.isTag(etherType), start &+ length &+ 4 <= end {
      etherType = unsafe bytes.u16(start &+ length &+ 2)
      vlanCount &+= 1
      length &+= 4
    }
    return length
  }

  /// P3 to P6 at `at`, of a level that begins at `start` and whose type is known.
  @inlinable @inline(__always)
  mutating func parseNetwork(_ bytes: borrowing Unchecked, start: Int, at: Int, end: Int) -> Reach {
    l2 = UInt16(truncatingIfNeeded: start)
    let type = etherType
    let room = end &- at
    var next: Int
    let stop: Int
    var proto: UInt8
    if type == 0x0800 {
      guard room >= 20 else { return Reach(start) }
      let first = unsafe bytes.u8(at)
      let header = Int(first & 15) &* 4
      let total = Int(unsafe bytes.u16(at &+ 2))
      // Version 4 and IHL 5…15 in one comparison.
      guard first &- 0x45 <= 10, header <= total, total <= room else { return Reach(start) }
      next = at &+ header
      stop = at &+ total
      proto = unsafe bytes.u8(at &+ 9)
      l3Kind = .ipv4
      // MF or an offset.
      if unsafe bytes.u16(at &+ 6) & 0x3fff != 0 {
        isFragment = true
        next = -1
      }
    } else if type == 0x86dd {
      guard room >= 40, unsafe bytes.u8(at) >> 4 == 6 else { return Reach(start) }
      let payload = Int(unsafe bytes.u16(at &+ 4))
      guard payload <= room &- 40 else { return Reach(start) }
      next = at &+ 40
      stop = next &+ payload
      proto = unsafe bytes.u8(at &+ 6)
      l3Kind = .ipv6
      if Self.isExtension(proto) {
        let chain = unsafe Self.walkExtensions(bytes, proto: proto, at: next, end: stop)
        proto = chain.proto
        next = chain.next
        isFragment = chain.isFragment
        hasFragmentHeader = chain.hasFragmentHeader
      }
    } else {
      return Reach(start)
    }
    l3 = UInt16(truncatingIfNeeded: at)
    l3End = UInt16(truncatingIfNeeded: stop)
    ipProto = proto
    guard next >= 0 else { return Reach(at) }
    let kind = unsafe Self.transport(bytes, proto: proto, isIPv4: type == 0x0800, at: next, room: stop &- next)
    guard kind != .none else { return Reach(at) }
    l4 = UInt16(truncatingIfNeeded: next)
    l4Kind = kind
    return Reach(next, kind)
  }

  /// Where a chain of extension headers ends.
  @frozen @usableFromInline
  struct Chain {
    /// Offset behind the last header; -1 when there is no L4 behind it.
    @usableFromInline var next: Int
    @usableFromInline var proto: UInt8
    @usableFromInline var isFragment = false
    @usableFromInline var hasFragmentHeader = false

    @inlinable
    init(proto: UInt8, next: Int) {
      self.proto = proto
      self.next = next
    }
  }

  /// Walks at most eight extension headers from `at` (P4, P5).
  @usableFromInline @inline(never)
  static func walkExtensions(_ bytes: borrowing Unchecked, proto: UInt8, at: Int, end: Int) -> Chain {
    var chain = Chain(proto: proto, next: -1)
    var at = at
    var walked = 0
    while isExtension(chain.proto) {
      guard walked < 8, end &- at >= 8 else { return chain }
      let following = unsafe bytes.u8(at)
      let units = Int(unsafe bytes.u8(at &+ 1))
      let length =
        switch chain.proto {
        case 44: 8
        case 51: (units &+ 2) &* 4
        default: (units &+ 1) &* 8
        }
      guard length <= end &- at else { return chain }
      if chain.proto == 44 {
        chain.hasFragmentHeader = true
        let field = unsafe bytes.u16(at &+ 2)
        if field & 0xfff9 != 0 { chain.isFragment = true }
        if field & 0xfff8 != 0 {
          // A later fragment: what follows is not a header.
          chain.proto = following
          return chain
        }
      }
      chain.proto = following
      at &+= length
      walked &+= 1
    }
    if !chain.isFragment { chain.next = at }
    return chain
  }

  /// Which L4 is at `at` (P6), the frequent ones first.
  @inlinable @inline(__always)
  static func transport(
    _ bytes: borrowing Unchecked, proto: UInt8, isIPv4: Bool, at: Int, room: Int
  ) -> TransportKind {
    if proto == 17 {
      guard room >= 8 else { return .none }
      let length = Int(unsafe bytes.u16(at &+ 4))
      return length >= 8 && length <= room ? .udp : .none
    }
    if proto == 6 {
      guard room >= 20 else { return .none }
      let header = Int(unsafe bytes.u8(at &+ 12) >> 4) &* 4
      return header >= 20 && header <= room ? .tcp : .none
    }
    if proto == 1 { return room >= 8 && isIPv4 ? .icmp : .none }
    if proto == 58 { return room >= 8 && !isIPv4 ? .icmp6 : .none }
    if proto == 47 { return room >= 4 ? .gre : .none }
    return proto == 50 && room >= 8 ? .esp : .none
  }
}
