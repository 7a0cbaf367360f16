/// P7: the three tunnels, each check in the specification's order, and P8: what is inside a sound one.
extension HeaderStack {
  @inlinable @inline(__always)
  mutating func parseGeneve(_ bytes: Unchecked, options: ParseOptions) {
    tunnel = .geneve
    let udp = Int(outer.l4)
    let at = udp &+ 8
    let end = udp &+ Int(unsafe bytes.u16(udp &+ 4))
    guard end &- at >= 8 else { return fault = .tunnelTruncated }
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    let head = unsafe bytes.u32(at)
    guard head >> 30 == 0 else { return fault = .geneveVersion }
    let length = Int(head >> 24) &* 4
    guard length <= end &- at &- 8 else { return fault = .tunnelTruncated }
    if length != 0 {
      let found = unsafe walkOptions(bytes, at: at &+ 8, length: length, head: head, options: options)
      guard found == .none else { return fault = found }
    } else if head & 0x80_0000 != 0 {
      return fault = .geneveControl
    }
    optionsLength = UInt16(truncatingIfNeeded: length)
    tunnelProtocol = UInt16(truncatingIfNeeded: head)
    tunnelKey = unsafe bytes.u32(at &+ 4) >> 8
    hasKey = true
    unsafe parseInner(bytes, at: at &+ 8 &+ length, end: end)
  }

  /// Options add up, then the O bit, then critical options without the C bit, then unknown critical ones.
  @inlinable @inline(__always)
  func walkOptions(
    _ bytes: Unchecked, at start: Int, length: Int, head: UInt32, options: ParseOptions
  ) -> TunnelFault {
    var at = start
    let end = start &+ length
    var anyCritical: UInt32 = 0
    repeat {
      // Lengths are whole words, so four bytes are there while at < end.
      let option = unsafe bytes.u32(at)
      anyCritical |= option
      at &+= 4 &+ Int(option & 31) &* 4
    } while at < end
    guard at == end else { return .geneveOptions }
    guard head & 0x80_0000 == 0 else { return .geneveControl }
    guard anyCritical & 0x8000 != 0 else { return .none }
    guard head & 0x40_0000 != 0 else { return .geneveCriticalBit }
    return unsafe knowsCriticalOptions(bytes, at: start, end: end, options: options) ? .none : .geneveCriticalOption
  }

  @usableFromInline @inline(never)
  func knowsCriticalOptions(_ bytes: Unchecked, at start: Int, end: Int, options: ParseOptions) -> Bool {
    var at = start
    while at < end {
      let option = unsafe bytes.u32(at)
      if option & 0x8000 != 0, !options.knows(option >> 8) { return false }
      at &+= 4 &+ Int(option & 31) &* 4
    }
    return true
  }

  @inlinable @inline(__always)
  mutating func parseVXLAN(_ bytes: Unchecked, options: ParseOptions) {
    tunnel = .vxlan
    let udp = Int(outer.l4)
    let at = udp &+ 8
    let end = udp &+ Int(unsafe bytes.u16(udp &+ 4))
    guard end &- at >= 8 else { return fault = .tunnelTruncated }
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    guard unsafe bytes.u8(at) & 8 != 0 else { return fault = .vxlanNoVNI }
    guard end &- at >= 22 else { return fault = .innerTruncated }
    if !options.acceptsVXLANInnerVLAN, LayerStack.isTag(unsafe bytes.u16(at &+ 20)) {
      return fault = .vxlanInnerVLAN
    }
    tunnelKey = unsafe bytes.u32(at &+ 4) >> 8
    hasKey = true
    tunnelProtocol = 0x6558
    unsafe parseInner(bytes, at: at &+ 8, end: end)
  }

  @usableFromInline @inline(never)
  mutating func parseGRE(_ bytes: Unchecked) {
    tunnel = .gre
    let at = Int(outer.l4)
    let end = Int(outer.l3End)
    tunnelOffset = UInt16(truncatingIfNeeded: at)
    let head = unsafe bytes.u32(at)
    guard head & 0x4fff_0000 == 0 else { return fault = .greReserved }
    let flags = head >> 28
    let length = 4 &+ (flags & 0b1011).nonzeroBitCount &* 4
    guard length <= end &- at else { return fault = .tunnelTruncated }
    if flags & 8 != 0 {
      let sum = unsafe InternetChecksum.sum(bytes.base + at, count: end &- at)
      guard InternetChecksum.isValid(sum) else { return fault = .greChecksum }
    }
    tunnelProtocol = UInt16(truncatingIfNeeded: head)
    if flags & 2 != 0 {
      hasKey = true
      tunnelKey = unsafe bytes.u32(at &+ 4 &+ Int(flags & 8) >> 1)
    }
    unsafe parseInner(bytes, at: at &+ length, end: end)
    isNVGRE = fault == .none && flags == 2 && tunnelProtocol == 0x6558
  }

  /// The inner frame, from Ethernet or from IP as ``tunnelProtocol`` says.
  @inlinable @inline(__always)
  mutating func parseInner(_ bytes: Unchecked, at: Int, end: Int) {
    let room = end &- at
    switch tunnelProtocol {
    case 0x6558:
      guard room >= 14 else { return fault = .innerTruncated }
      unsafe inner.parseEthernet(bytes, start: at, end: end)
    case 0x0800:
      guard room >= 20 else { return fault = .innerTruncated }
      unsafe inner.parseIP(bytes, type: 0x0800, start: at, end: end)
    case 0x86dd:
      guard room >= 40 else { return fault = .innerTruncated }
      unsafe inner.parseIP(bytes, type: 0x86dd, start: at, end: end)
    default:
      return fault = .tunnelProtocol
    }
    innerStart = UInt16(truncatingIfNeeded: at)
  }
}
