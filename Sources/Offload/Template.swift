public import Device
public import Rules

// What a planner reads from and repairs in a header template before a device sees it.
extension Encapsulation {
  /// Whether the parts are where the value says, and the bytes are those of such headers.
  var isSound: Bool {
    guard header.count >= 14 else { return false }
    guard kind != .none else { return l3 == 0 && l4 == 0 }
    guard l3 >= 14, l4 >= l3 + (isIPv6 ? 40 : 20), l4 + tunnelHeaderLength <= header.count else { return false }
    guard header[l3] >> 4 == (isIPv6 ? 6 : 4) else { return false }
    guard isIPv6 || (Int(header[l3] & 15) * 4 == l4 - l3) else { return false }
    return kind != .geneve || optionBytes & 3 == 0 && optionBytes <= 252
  }

  /// UDP header and tunnel header, or GRE's fixed part.
  private var tunnelHeaderLength: Int {
    switch kind {
    case .none: 0
    case .geneve, .vxlan: 16
    case .gre: 4
    case .nvgre: 8
    }
  }

  /// Whether there is a UDP header.
  var hasUDP: Bool { kind == .geneve || kind == .vxlan }
  /// TTL or hop limit; 0 when there is no IP header.
  var timeToLive: UInt8 {
    let offset = l3 + (isIPv6 ? 7 : 8)
    return l3 > 0 && offset < header.count ? header[offset] : 0
  }
  /// The template's own ECN bits; 0 when there is no IP header.
  var ecn: UInt8 {
    guard l3 > 0, l3 + 1 < header.count else { return 0 }
    return isIPv6 ? header[l3 + 1] >> 4 & 3 : header[l3 + 1] & 3
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
    if policy.ttl == .fixed, timeToLive == 0 { copy.header[l3 + (isIPv6 ? 7 : 8)] = 64 }
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
