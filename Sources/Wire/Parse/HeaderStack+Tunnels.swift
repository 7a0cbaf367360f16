/// What a tunnel's header says: where its inside is, or what is wrong.
@frozen @usableFromInline
struct TunnelInside {
  @usableFromInline var start: Int
  @usableFromInline var end: Int
  @usableFromInline var type: UInt16
  @usableFromInline var fault: TunnelFault

  @inlinable @inline(__always)
  init(start: Int, end: Int, type: UInt16) {
    self.start = start
    self.end = end
    self.type = type
    fault = .none
  }

  @inlinable @inline(__always)
  init(fault: TunnelFault) {
    start = 0
    end = 0
    type = 0
    self.fault = fault
  }
}

// P7: the three tunnels, each check in the specification's order.
extension HeaderStack {
  /// The Geneve header behind the UDP header at `udp`.
  @inlinable @inline(__always)
  mutating func parseGeneve(_ bytes: borrowing Unchecked, udp: Int, options: borrowing ParseOptions) -> TunnelInside {
    tunnel = .geneve
    let at = udp &+ 8
    let end = udp &+ Int(unsafe bytes.u16(udp &+ 4))
    guard end &- at >= 8 else { return TunnelInside(fault: .tunnelTruncated) }
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    let head = unsafe bytes.u32(at)
    guard head >> 30 == 0 else { return TunnelInside(fault: .geneveVersion) }
    let length = Int(head >> 24) &* 4
    guard length <= end &- at &- 8 else { return TunnelInside(fault: .tunnelTruncated) }
    if length != 0 {
      let found = unsafe Self.walkOptions(bytes, at: at &+ 8, length: length, head: head, options: options)
      guard found == .none else { return TunnelInside(fault: found) }
    } else if head & 0x80_0000 != 0 {
      return TunnelInside(fault: .geneveControl)
    }
    optionsLength = UInt16(truncatingIfNeeded: length)
    tunnelKey = unsafe bytes.u32(at &+ 4) >> 8
    hasKey = true
    return TunnelInside(start: at &+ 8 &+ length, end: end, type: UInt16(truncatingIfNeeded: head))
  }

  /// Options add up, then the O bit, then critical options without the C bit, then unknown critical ones.
  @inlinable @inline(__always)
  static func walkOptions(
    _ bytes: borrowing Unchecked, at start: Int, length: Int, head: UInt32, options: borrowing ParseOptions
  ) -> TunnelFault {
    var at = start
    let end = start &+ length
    var any: UInt32 = 0
    repeat {
      // Lengths are whole words, so four bytes are there while at < end.
      let option = unsafe bytes.u32(at)
      any |= option
      at &+= 4 &+ Int(option & 31) &* 4
    } while at < end
    guard at == end else { return .geneveOptions }
    guard head & 0x80_0000 == 0 else { return .geneveControl }
    guard any & 0x8000 != 0 else { return .none }
    guard head & 0x40_0000 != 0 else { return .geneveCriticalBit }
    at = start
    repeat {
      let option = unsafe bytes.u32(at)
      if option & 0x8000 != 0, !options.knows(option >> 8) { return .geneveCriticalOption }
      at &+= 4 &+ Int(option & 31) &* 4
    } while at < end
    return .none
  }

  /// The VXLAN header behind the UDP header at `udp`.
  @inlinable @inline(__always)
  mutating func parseVXLAN(_ bytes: borrowing Unchecked, udp: Int, options: borrowing ParseOptions) -> TunnelInside {
    tunnel = .vxlan
    let at = udp &+ 8
    let end = udp &+ Int(unsafe bytes.u16(udp &+ 4))
    guard end &- at >= 8 else { return TunnelInside(fault: .tunnelTruncated) }
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    guard unsafe bytes.u8(at) & 8 != 0 else { return TunnelInside(fault: .vxlanNoVNI) }
    guard end &- at >= 22 else { return TunnelInside(fault: .innerTruncated) }
    if !options.acceptsVXLANInnerVLAN, LayerStack.isTag(unsafe bytes.u16(at &+ 20)) {
      return TunnelInside(fault: .vxlanInnerVLAN)
    }
    tunnelKey = unsafe bytes.u32(at &+ 4) >> 8
    hasKey = true
    return TunnelInside(start: at &+ 8, end: end, type: 0x6558)
  }

  /// The GRE header at `at` of an IP packet that ends at `end`.
  @usableFromInline @inline(never)
  mutating func parseGRE(_ bytes: borrowing Unchecked, at: Int, end: Int) -> TunnelInside {
    tunnel = .gre
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    let head = unsafe bytes.u32(at)
    guard head & 0x4fff_0000 == 0 else { return TunnelInside(fault: .greReserved) }
    let flags = head >> 28
    // C, K and S announce four bytes each.
    let optional = Int(flags >> 3 &+ (flags >> 1 & 1) &+ (flags & 1))
    let length = 4 &+ optional &* 4
    guard length <= end &- at else { return TunnelInside(fault: .tunnelTruncated) }
    if flags & 8 != 0 {
      let sum = unsafe InternetChecksum.sum(bytes.bytes.extracting(unchecked: at..<end))
      guard InternetChecksum.isValid(sum) else { return TunnelInside(fault: .greChecksum) }
    }
    let type = UInt16(truncatingIfNeeded: head)
    if flags & 2 != 0 {
      hasKey = true
      tunnelKey = unsafe bytes.u32(at &+ 4 &+ Int(flags & 8) >> 1)
      isNVGRE = flags == 2 && type == 0x6558
    }
    return TunnelInside(start: at &+ length, end: end, type: type)
  }
}
