import Device
import Memory
import Rules

/// D1–D4.
extension Work {
  /// Removes a tunnel of the kind that the rule asks for.
  mutating func decapsulate(
    _ asked: TunnelKind, abilities: FrameAbilities, _ settings: Settings
  ) throws(Exception) {
    let tunnel = parsed.tunnel
    guard tunnel.kind != .none, tunnel.isAskedFor(asked) else { throw .drop(.decapsulateMismatch) }
    if let fault = tunnel.fault { throw .drop(fault) }
    try checkOuter(abilities, settings)
    if asked == .nvgre {
      let vsid = tunnel.key >> 8
      guard vsid >= 0x1000, vsid != 0xff_ffff else { throw .drop(.nvgreReservedVSID) }
      guard !Layers.isTPID(bytes.u16(tunnel.inner + 12)) else { throw .drop(.nvgreInnerVLAN) }
    }
    try combineECN(abilities)
    hasEthernet = tunnel.proto == 0x6558
    tunnelKey = asked == .nvgre ? tunnel.key >> 8 : tunnel.key
    end = start + tunnel.end
    start += tunnel.inner
    looksInside = false
    steps.insert(.decapsulate)
    checksums.moveInnerOut()
    parse(settings)
  }

  /// D1: the outer headers' own checks. What the device cannot check it does not remove.
  private func checkOuter(_ abilities: FrameAbilities, _ settings: Settings) throws(Exception) {
    let outer = parsed.outer
    if !outer.isIPv6 {
      guard abilities.contains(.rxOuterL3) else { throw .ability }
      guard checksums[.outerL3] == .good else { throw .drop(.outerIPv4Checksum) }
    }
    guard outer.transport == .udp else { return }
    guard outer.l4End == outer.l3End else { throw .drop(.outerUDPLength) }
    if bytes.u16(outer.l4 + 6) == 0 {
      guard !outer.isIPv6 || settings.acceptsZeroUDPChecksumIPv6 else { throw .drop(.zeroUDPChecksumIPv6) }
    } else {
      guard abilities.contains(.rxOuterL4) else { throw .ability }
      guard checksums[.outerL4] == .good else { throw .drop(.outerUDPChecksum) }
    }
  }

  /// D3: RFC 6040 section 4.2.
  private mutating func combineECN(_ abilities: FrameAbilities) throws(Exception) {
    let outer = trafficClass(l3: parsed.outer.l3, isIPv6: parsed.outer.isIPv6) & 3
    guard outer != 0 else { return }
    guard abilities.contains(.ecnDecap) else { throw .ability }
    let l3 = parsed.inner.l3
    guard l3 >= 0 else { return }
    let isIPv6 = parsed.inner.isIPv6
    let all = trafficClass(l3: l3, isIPv6: isIPv6)
    let inner = all & 3
    let result: UInt8
    switch (inner, outer) {
    case (0, 3): throw .drop(.ecnNotCapable)
    case (2, 1): result = 1
    case (1, 3), (2, 3): result = 3
    default: result = inner
    }
    if result != inner { setClass(all & 0xfc | result, l3: l3, isIPv6: isIPv6) }
  }

  /// D4: Ethernet and its tags go, when IP is behind them.
  mutating func removeEthernet(_ settings: Settings) throws(Exception) {
    guard hasEthernet, parsed.outer.l3 >= 0 else { throw .drop(.missingEthernet) }
    start += parsed.outer.l3
    hasEthernet = false
    steps.insert(.rewrite)
    parse(settings)
  }
}

extension ChecksumKnowledge {
  /// After a decapsulation what was inside is outside.
  mutating func moveInnerOut() { rawValue >>= 4 }
  /// After an encapsulation what was outside is inside; nobody looked at the new headers.
  mutating func moveOuterIn() { rawValue <<= 4 }
}
