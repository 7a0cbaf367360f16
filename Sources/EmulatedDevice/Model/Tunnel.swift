import Device
import Memory
import Rules

/// A tunnel header as P7 finds it: sound, or faulty with a reason.
struct Tunnel {
  var kind = TunnelKind.none
  /// The drop that the fault would be, or nil when the tunnel is sound.
  var fault: DropReason?
  /// The Geneve, VXLAN or GRE header.
  var header = -1
  /// Geneve: where the options begin and end.
  var options = 0
  var optionsEnd = 0
  /// What is inside, once the header's own structure is known; −1 before that.
  var inner = -1
  /// Where it ends.
  var end = 0
  /// EtherType of what is inside; VXLAN counts as 0x6558.
  var proto: UInt16 = 0x6558
  /// VNI, or the whole GRE key.
  var key: UInt32 = 0
  /// GRE that is NVGRE too, sound or not.
  var isNVGRE = false
  /// GRE with a key.
  var hasKey = false

  /// Finds the tunnel of a frame whose outer headers are `outer`; kind `none` when there is none.
  static func find(_ bytes: Bytes, _ outer: Layers, _ settings: Settings) -> Tunnel {
    var tunnel = Tunnel()
    guard outer.l4 >= 0 else { return tunnel }
    tunnel.end = outer.l4End
    if outer.transport == .gre {
      tunnel.kind = .gre
      tunnel.header = outer.l4
      tunnel.fault = tunnel.readGRE(bytes)
    } else if outer.transport == .udp {
      let port = bytes.u16(outer.l4 + 2)
      tunnel.header = outer.l4 + 8
      if port == settings.genevePort {
        tunnel.kind = .geneve
        tunnel.fault = tunnel.readGeneve(bytes, settings)
      } else if port == settings.vxlanPort {
        tunnel.kind = .vxlan
        tunnel.fault = tunnel.readVXLAN(bytes, settings)
      }
    }
    return tunnel
  }

  /// RFC 8926 section 3.4 and 3.5, in P7's order.
  private mutating func readGeneve(_ bytes: Bytes, _ settings: Settings) -> DropReason? {
    guard header + 8 <= end else { return .tunnelTruncated }
    let first = bytes[header]
    guard first >> 6 == 0 else { return .geneveVersion }
    options = header + 8
    optionsEnd = options + Int(first & 0x3f) * 4
    guard optionsEnd <= end else { return .tunnelTruncated }
    key = bytes.u32(header + 4) >> 8
    proto = bytes.u16(header + 2)
    inner = optionsEnd
    var anyCritical = false
    var unknownCritical = false
    var at = options
    while at < optionsEnd {
      guard at + 4 <= optionsEnd else { return .geneveOptions }
      let type = bytes[at + 2]
      if type & 0x80 != 0 {
        anyCritical = true
        let name = UInt32(bytes.u16(at)) << 8 | UInt32(type)
        if !settings.knowsCriticalOption(name) { unknownCritical = true }
      }
      at += 4 + Int(bytes[at + 3] & 0x1f) * 4
    }
    guard at == optionsEnd else { return .geneveOptions }
    let flags = bytes[header + 1]
    guard flags & 0x80 == 0 else { return .geneveControl }
    guard !anyCritical || flags & 0x40 != 0 else { return .geneveCriticalBit }
    guard !unknownCritical else { return .geneveCriticalOption }
    return checkInner()
  }

  /// RFC 7348 section 5.
  private mutating func readVXLAN(_ bytes: Bytes, _ settings: Settings) -> DropReason? {
    guard header + 8 <= end else { return .tunnelTruncated }
    inner = header + 8
    key = bytes.u32(header + 4) >> 8
    guard bytes[header] & 0x08 != 0 else { return .vxlanNoVNI }
    if let fault = checkInner() { return fault }
    if Layers.isTPID(bytes.u16(inner + 12)), !settings.acceptsVXLANInnerVLAN { return .vxlanInnerVLAN }
    return nil
  }

  /// RFC 2784 section 2, RFC 2890 section 2, RFC 7637 section 3.2.
  private mutating func readGRE(_ bytes: Bytes) -> DropReason? {
    let flags = bytes.u16(header)
    proto = bytes.u16(header + 2)
    isNVGRE = flags & 0xb000 == 0x2000 && proto == 0x6558
    guard flags & 0x4fff == 0 else { return .greReserved }
    var at = header + 4
    if flags & 0x8000 != 0 { at += 4 }
    let keyAt = at
    if flags & 0x2000 != 0 { at += 4 }
    if flags & 0x1000 != 0 { at += 4 }
    guard at <= end else { return .tunnelTruncated }
    inner = at
    if flags & 0x2000 != 0 {
      hasKey = true
      key = bytes.u32(keyAt)
    }
    if flags & 0x8000 != 0, Sum.fold(Sum.words(bytes, header, end)) != 0xffff { return .greChecksum }
    return checkInner()
  }

  private func checkInner() -> DropReason? {
    let least =
      switch proto {
      case 0x6558: 14
      case 0x0800: 20
      case 0x86dd: 40
      default: -1
      }
    if least < 0 { return .tunnelProtocol }
    return end - inner < least ? .innerTruncated : nil
  }

  /// Whether a rule that asks for `asked` means this tunnel (D1).
  func isAskedFor(_ asked: TunnelKind) -> Bool {
    switch asked {
    case .none: false
    case .nvgre: kind == .gre && isNVGRE
    case .geneve, .vxlan, .gre: kind == asked
    }
  }
}

/// Everything the parser found in a frame.
struct Parsed {
  var outer = Layers()
  /// Kind `none` when no tunnel was looked for or found.
  var tunnel = Tunnel()
  /// Inside a sound tunnel.
  var inner = Layers()
  /// P9: a header begins where the record cannot say it.
  var isTooLong = false

  var hasSoundTunnel: Bool { tunnel.kind != .none && tunnel.fault == nil }

  /// P2–P9 from a frame's first byte. `asEthernet` is false for a frame that begins with IP.
  static func read(_ bytes: Bytes, asEthernet: Bool, lookInside: Bool, _ settings: Settings) -> Parsed {
    var parsed = Parsed()
    if asEthernet {
      guard bytes.count >= 14 else { return parsed }
      parsed.outer = .fromEthernet(bytes, at: 0, end: bytes.count)
    } else if bytes.count > 0 {
      let type: UInt16 = bytes[0] >> 4 == 6 ? 0x86dd : 0x0800
      parsed.outer = .fromIP(bytes, at: 0, end: bytes.count, type: type)
    }
    if lookInside {
      parsed.tunnel = .find(bytes, parsed.outer, settings)
      if parsed.hasSoundTunnel { parsed.inner = inside(bytes, parsed.tunnel) }
    }
    let largest = max(parsed.outer.l3, parsed.outer.l4, parsed.hasSoundTunnel ? parsed.tunnel.inner : 0)
    parsed.isTooLong = max(largest, parsed.inner.l3, parsed.inner.l4) > Frame.largestOffset
    return parsed
  }

  /// P8.
  static func inside(_ bytes: Bytes, _ tunnel: Tunnel) -> Layers {
    tunnel.proto == 0x6558
      ? .fromEthernet(bytes, at: tunnel.inner, end: tunnel.end)
      : .fromIP(bytes, at: tunnel.inner, end: tunnel.end, type: tunnel.proto)
  }
}
