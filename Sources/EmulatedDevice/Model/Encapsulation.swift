import Device
import Memory
import Rules

/// E1–E4.
extension Work {
  /// Puts a template's headers in front and fills in what depends on the frame. `identification` is the device's
  /// running IPv4 identification.
  mutating func encapsulate(
    _ entry: Templates.Entry, identification: UInt16, _ settings: Settings
  ) throws(Exception) {
    let carried = parsed.outer
    let header = entry.header
    try checkStart(entry)
    guard start >= header.count, length + header.count <= 65_535 else { throw .drop(.tooBig) }
    // What outer fields are copied from, read before the header covers nothing of it.
    let inside = bytes
    let hasIP = carried.l3 >= 0
    let innerClass = hasIP ? trafficClass(l3: carried.l3, isIPv6: carried.isIPv6) : 0
    let innerTTL: UInt8 = hasIP ? inside[carried.l3 + (carried.isIPv6 ? 7 : 8)] : 64
    let innerDF = hasIP && !carried.isIPv6 ? inside.u16(carried.l3 + 6) & 0x4000 != 0 : true
    let entropy = FlowHash.port(FlowHash.of(inside, carried))

    start -= header.count
    bytes.copy(header, at: 0)
    if entry.kind == .none {
      bytes.store(UInt16(carried.isIPv6 ? 0x86dd : 0x0800), at: header.count - 2)
      steps.insert(.rewrite)
    } else {
      checksums.moveOuterIn()
      if entry.l4 > 0 { fixTunnel(entry) }
      let dscp = entry.copiesDSCP ? innerClass & 0xfc : templateClass(entry) & 0xfc
      let ecn = entry.copiesECN ? innerClass & 3 : 0
      let ttl = entry.copiesTTL ? innerTTL : templateTTL(entry)
      let hasDF =
        switch entry.df {
        case .set: true
        case .clear: false
        case .copy: innerDF
        }
      if entry.isIPv6 {
        fixIPv6(entry, trafficClass: dscp | ecn, hop: ttl)
      } else {
        fixIPv4(entry, tos: dscp | ecn, ttl: ttl, hasDF: hasDF, identification: identification)
      }
      if entry.kind == .geneve || entry.kind == .vxlan { fixUDP(entry, entropy: entropy) }
      steps.insert(.encapsulate)
    }
    hasEthernet = true
    looksInside = false
    parse(settings)
  }

  /// E1.
  private func checkStart(_ entry: Templates.Entry) throws(Exception) {
    let wanted: UInt16 =
      switch entry.kind {
      case .vxlan: 0x6558
      case .geneve: entry.header.u16(entry.l4 + 10)
      case .gre, .nvgre: entry.header.u16(entry.l4 + 2)
      case .none: 0
      }
    let startsWithIP = !hasEthernet && parsed.outer.l3 == 0
    let fits =
      switch wanted {
      case 0x6558: hasEthernet
      case 0x0800: startsWithIP && !parsed.outer.isIPv6
      case 0x86dd: startsWithIP && parsed.outer.isIPv6
      default: entry.kind == .none && startsWithIP
      }
    guard fits else { throw .drop(.missingEthernet) }
  }

  private func templateClass(_ entry: Templates.Entry) -> UInt8 {
    entry.isIPv6 ? UInt8(truncatingIfNeeded: entry.header.u16(entry.l3) >> 4) : entry.header[entry.l3 + 1]
  }

  private func templateTTL(_ entry: Templates.Entry) -> UInt8 {
    let ttl = entry.isIPv6 ? entry.header[entry.l3 + 7] : entry.header[entry.l3 + 8]
    return ttl == 0 ? 64 : ttl
  }

  /// E4.
  private func fixTunnel(_ entry: Templates.Entry) {
    switch entry.kind {
    case .geneve:
      let geneve = entry.l4 + 8
      bytes[geneve] = UInt8(truncatingIfNeeded: (entry.count - geneve - 8) / 4)
      var critical: UInt8 = 0
      var at = geneve + 8
      while at + 4 <= entry.count {
        if bytes[at + 2] & 0x80 != 0 { critical = 0x40 }
        at += 4 + Int(bytes[at + 3] & 0x1f) * 4
      }
      bytes[geneve + 1] = bytes[geneve + 1] & 0x80 | critical
    case .vxlan: bytes[entry.l4 + 8] |= 0x08
    case .gre, .nvgre:
      guard bytes.u16(entry.l4) & 0x8000 != 0 else { return }
      bytes.store(UInt16(0), at: entry.l4 + 4)
      bytes.store(~Sum.fold(Sum.words(bytes, entry.l4, bytes.count)), at: entry.l4 + 4)
    case .none: return
    }
  }

  private func fixIPv4(_ entry: Templates.Entry, tos: UInt8, ttl: UInt8, hasDF: Bool, identification: UInt16) {
    let l3 = entry.l3
    bytes[l3 + 1] = tos
    bytes.store(UInt16(truncatingIfNeeded: bytes.count - l3), at: l3 + 2)
    bytes.store(hasDF ? 0 : identification, at: l3 + 4)
    bytes.store(UInt16(hasDF ? 0x4000 : 0), at: l3 + 6)
    bytes[l3 + 8] = ttl
    bytes.store(UInt16(0), at: l3 + 10)
    bytes.store(~Sum.fold(Sum.words(bytes, l3, entry.l4)), at: l3 + 10)
  }

  private func fixIPv6(_ entry: Templates.Entry, trafficClass: UInt8, hop: UInt8) {
    let l3 = entry.l3
    bytes.store(bytes.u16(l3) & 0xf00f | UInt16(trafficClass) << 4, at: l3)
    bytes.store(UInt16(truncatingIfNeeded: bytes.count - l3 - 40), at: l3 + 4)
    bytes[l3 + 7] = hop
  }

  /// E3.
  private func fixUDP(_ entry: Templates.Entry, entropy: UInt16) {
    let l4 = entry.l4
    if bytes.u16(l4) == 0 { bytes.store(entropy, at: l4) }
    let length = bytes.count - l4
    bytes.store(UInt16(truncatingIfNeeded: length), at: l4 + 4)
    bytes.store(UInt16(0), at: l4 + 6)
    guard entry.hasUDPChecksum else { return }
    let pseudo = Sum.pseudoHeader(bytes, l3: entry.l3, isIPv6: entry.isIPv6, proto: 17, length: length)
    let sum = ~Sum.fold(pseudo &+ Sum.words(bytes, l4, bytes.count))
    bytes.store(sum == 0 ? 0xffff : sum, at: l4 + 6)
  }
}
