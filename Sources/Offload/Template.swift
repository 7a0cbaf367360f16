public import Device
public import Rules

// What a planner reads from and repairs in a header template before a device sees it.
extension Encapsulation {
  /// Whether the parts are where the value says, and the bytes are those of such headers.
  var isSound: Bool {
    guard 14...416 ~= header.count else { return false }
    var end = 14
    while end < 22, [0x8100, 0x88a8, 0x9100].contains(word(end - 2)), end + 4 <= header.count { end += 4 }
    guard kind != .none else { return header.count == end }
    guard l3 == end, header.count >= l3 + (isIPv6 ? 40 : 20), word(l3 - 2) == (isIPv6 ? 0x86dd : 0x0800) else {
      return false
    }
    let length = isIPv6 ? 40 : Int(header[l3] & 15) * 4
    guard header[l3] >> 4 == (isIPv6 ? 6 : 4), length >= 20, l4 == l3 + length else { return false }
    guard header[l3 + (isIPv6 ? 6 : 9)] == (hasUDP ? 17 : 47), l4 + tunnelHeaderLength <= header.count else {
      return false
    }
    switch kind {
    case .none: return true
    case .geneve: return header[l4 + 8] >> 6 == 0 && isProtocol(l4 + 10) && optionsAddUp
    case .vxlan: return header.count == l4 + 16
    case .gre, .nvgre:
      let flags = word(l4)
      let parts = (flags & 0xb000).nonzeroBitCount
      guard flags & 0x4fff == 0, header.count == l4 + 4 + parts * 4, isProtocol(l4 + 2) else { return false }
      return kind == .gre || flags == 0x2000 && word(l4 + 2) == 0x6558
    }
  }

  private func word(_ at: Int) -> UInt16 { UInt16(header[at]) << 8 | UInt16(header[at + 1]) }
  private func isProtocol(_ at: Int) -> Bool { [0x6558, 0x0800, 0x86dd].contains(word(at)) }

  private var optionsAddUp: Bool {
    var offset = l4 + 16
    while offset + 4 <= header.count { offset += 4 + Int(header[offset + 3] & 0x1f) * 4 }
    return offset == header.count && optionBytes <= 252
  }

  /// The ECN bits of the template's IP header.
  var ecn: UInt8 {
    guard l3 > 0, l3 + 1 < header.count else { return 0 }
    return isIPv6 ? header[l3 + 1] >> 4 & 3 : header[l3 + 1] & 3
  }

  /// UDP header and tunnel header, or GRE's fixed part.
  private var tunnelHeaderLength: Int {
    switch kind {
    case .none: 0
    case .geneve, .vxlan: 16
    case .gre, .nvgre: 4
    }
  }

  /// Whether there is a UDP header.
  var hasUDP: Bool { kind == .geneve || kind == .vxlan }
  /// TTL or hop limit; 0 when there is no IP header.
  var timeToLive: UInt8 {
    let offset = l3 + (isIPv6 ? 7 : 8)
    return l3 > 0 && offset < header.count ? header[offset] : 0
  }
  /// The UDP source port; 0 lets the device choose.
  var sourcePort: UInt16 {
    hasUDP && l4 + 1 < header.count ? UInt16(header[l4]) << 8 | UInt16(header[l4 + 1]) : 0
  }
  /// Bytes behind the Geneve header.
  var optionBytes: Int { kind == .geneve ? max(0, header.count - l4 - 16) : 0 }
  /// The option length that the Geneve header announces, in words; nil for other headers.
  var announcedOptionWords: Int? {
    kind == .geneve && l4 + 8 < header.count ? Int(header[l4 + 8] & 0x3f) : nil
  }

  /// The template as a device is given it: what testpmd leaves 0 is filled in (E2: TTL 64; E4: option length, C).
  public func repairedForDevice() -> Encapsulation {
    guard isSound, kind != .none else { return self }
    var copy = self
    if timeToLive == 0 { copy.header[l3 + (isIPv6 ? 7 : 8)] = 64 }
    if kind == .geneve {
      copy.header[l4 + 8] = header[l4 + 8] & 0xc0 | UInt8(truncatingIfNeeded: optionBytes / 4)
      if hasCriticalOption { copy.header[l4 + 9] |= 0x40 }
    }
    if kind == .vxlan { copy.header[l4 + 8] |= 0x08 }
    return copy
  }

  private var hasCriticalOption: Bool {
    var offset = l4 + 16
    while offset + 4 <= header.count {
      if header[offset + 2] & 0x80 != 0 { return true }
      offset += 4 + Int(header[offset + 3] & 0x1f) * 4
    }
    return false
  }
}

extension Overlay {
  /// The overlay as a device is given it: every template repaired (``Rules/Encapsulation/repairedForDevice()``).
  public func repairedForDevice() -> Overlay {
    var copy = self
    copy.encapsulations = encapsulations.mapValues { $0.repairedForDevice() }
    return copy
  }
}
