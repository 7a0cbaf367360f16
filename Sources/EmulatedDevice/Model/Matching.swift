import Memory
import Rules

/// The frame as a rule sees it at one moment of its way.
struct Sight {
  let bytes: Bytes
  let parsed: Parsed
  let inPort: UInt16

  /// M2–M5: reads a row's checks one by one. This decides; an index only proposes.
  func matches(_ program: Bytes) -> Bool {
    var at = 0
    while at < program.count {
      guard let check = Check(rawValue: program[at]) else { return false }
      let inner = program[at + 1] != 0
      if check == .geneveOption {
        guard hasOption(program, at + 2) else { return false }
      } else {
        guard let value = value(check, inner: inner) else { return false }
        switch check.width {
        case 1: guard UInt8(truncatingIfNeeded: value) & program[at + 3] == program[at + 2] else { return false }
        case 2:
          guard UInt16(truncatingIfNeeded: value) & program.u16(at + 4) == program.u16(at + 2) else { return false }
        case 4:
          guard UInt32(truncatingIfNeeded: value) & program.u32(at + 6) == program.u32(at + 2) else { return false }
        case 8: guard value & program.load(at + 10) == program.load(at + 2, as: UInt64.self) else { return false }
        default: break
        }
      }
      at += check.size(program, at)
    }
    return true
  }

  /// What the frame has where `check` looks; nil when the header is not there, any value for a header's presence.
  func value(_ check: Check, inner: Bool) -> UInt64? {
    let layers = inner ? parsed.inner : parsed.outer
    if inner, !parsed.hasSoundTunnel { return nil }
    switch check {
    case .never, .geneveOption: return nil
    case .inPort: return UInt64(inPort)
    case .hasEthernet, .macDestination, .macSource, .etherType, .hasVLAN, .hasTag1, .tci1, .type1, .hasTag2, .tci2,
      .type2:
      return ethernet(check, layers)
    case .hasIPv4, .ipv4TOS, .ipv4TTL, .ipv4Protocol, .ipv4Fragment, .ipv4Source, .ipv4Destination:
      return ipv4(check, layers)
    case .hasIPv6, .ipv6Class, .ipv6Flow, .ipv6Next, .ipv6Hop, .ipv6HasFragment, .ipv6SourceHigh, .ipv6SourceLow,
      .ipv6DestinationHigh, .ipv6DestinationLow:
      return ipv6(check, layers)
    case .hasUDP, .udpSource, .udpDestination, .hasTCP, .tcpSource, .tcpDestination, .tcpFlags, .hasICMP, .hasICMP6,
      .icmpType, .icmpCode, .hasESP, .espSPI:
      return transport(check, layers)
    case .hasGeneve, .geneveVNI, .geneveProtocol, .geneveOptionLength, .hasVXLAN, .vxlanVNI, .hasGRE, .greFlags,
      .greProtocol, .hasGREKey, .greKey, .hasNVGRE, .nvgreTNI, .nvgreFlow:
      return tunnel(check)
    }
  }

  private func ethernet(_ check: Check, _ layers: Layers) -> UInt64? {
    guard layers.l2 >= 0 else { return nil }
    switch check {
    case .macDestination: return bytes.load(layers.l2, as: UInt64.self) >> 16
    case .macSource: return bytes.load(layers.l2 + 4, as: UInt64.self) & 0xffff_ffff_ffff
    case .etherType: return UInt64(bytes.u16(layers.l2 + 12))
    case .hasVLAN: return layers.tags > 0 ? 1 : 0
    case .hasTag1: return layers.tags > 0 ? 0 : nil
    case .tci1: return layers.tags > 0 ? UInt64(bytes.u16(layers.tci(0))) : nil
    case .type1: return layers.tags > 0 ? UInt64(bytes.u16(layers.tci(0) + 2)) : nil
    case .hasTag2: return layers.tags > 1 ? 0 : nil
    case .tci2: return layers.tags > 1 ? UInt64(bytes.u16(layers.tci(1))) : nil
    case .type2: return layers.tags > 1 ? UInt64(bytes.u16(layers.tci(1) + 2)) : nil
    default: return 0
    }
  }

  private func ipv4(_ check: Check, _ layers: Layers) -> UInt64? {
    guard layers.l3 >= 0, !layers.isIPv6 else { return nil }
    switch check {
    case .ipv4TOS: return UInt64(bytes[layers.l3 + 1])
    case .ipv4TTL: return UInt64(bytes[layers.l3 + 8])
    case .ipv4Protocol: return UInt64(bytes[layers.l3 + 9])
    case .ipv4Fragment: return UInt64(bytes.u16(layers.l3 + 6))
    case .ipv4Source: return UInt64(bytes.u32(layers.l3 + 12))
    case .ipv4Destination: return UInt64(bytes.u32(layers.l3 + 16))
    default: return 0
    }
  }

  private func ipv6(_ check: Check, _ layers: Layers) -> UInt64? {
    guard layers.l3 >= 0, layers.isIPv6 else { return nil }
    switch check {
    case .ipv6Class: return UInt64(bytes.u16(layers.l3) >> 4 & 0xff)
    case .ipv6Flow: return UInt64(bytes.u32(layers.l3) & 0xf_ffff)
    case .ipv6Next: return UInt64(bytes[layers.l3 + 6])
    case .ipv6Hop: return UInt64(bytes[layers.l3 + 7])
    case .ipv6HasFragment: return layers.hasFragmentHeader ? 1 : 0
    case .ipv6SourceHigh: return bytes.load(layers.l3 + 8)
    case .ipv6SourceLow: return bytes.load(layers.l3 + 16)
    case .ipv6DestinationHigh: return bytes.load(layers.l3 + 24)
    case .ipv6DestinationLow: return bytes.load(layers.l3 + 32)
    default: return 0
    }
  }

  private func transport(_ check: Check, _ layers: Layers) -> UInt64? {
    guard layers.l4 >= 0 else { return nil }
    let kind = layers.transport
    let l4 = layers.l4
    switch check {
    case .hasUDP: return kind == .udp ? 0 : nil
    case .udpSource: return kind == .udp ? UInt64(bytes.u16(l4)) : nil
    case .udpDestination: return kind == .udp ? UInt64(bytes.u16(l4 + 2)) : nil
    case .hasTCP: return kind == .tcp ? 0 : nil
    case .tcpSource: return kind == .tcp ? UInt64(bytes.u16(l4)) : nil
    case .tcpDestination: return kind == .tcp ? UInt64(bytes.u16(l4 + 2)) : nil
    case .tcpFlags: return kind == .tcp ? UInt64(bytes[l4 + 13]) : nil
    case .hasICMP: return kind == .icmp ? 0 : nil
    case .hasICMP6: return kind == .icmp6 ? 0 : nil
    case .icmpType: return kind == .icmp || kind == .icmp6 ? UInt64(bytes[l4]) : nil
    case .icmpCode: return kind == .icmp || kind == .icmp6 ? UInt64(bytes[l4 + 1]) : nil
    case .hasESP: return kind == .esp ? 0 : nil
    case .espSPI: return kind == .esp ? UInt64(bytes.u32(l4)) : nil
    default: return nil
    }
  }

  private func tunnel(_ check: Check) -> UInt64? {
    guard parsed.hasSoundTunnel else { return nil }
    let tunnel = parsed.tunnel
    switch check {
    case .hasGeneve: return tunnel.kind == .geneve ? 0 : nil
    case .geneveVNI: return tunnel.kind == .geneve ? UInt64(tunnel.key) : nil
    case .geneveProtocol: return tunnel.kind == .geneve ? UInt64(tunnel.proto) : nil
    case .geneveOptionLength:
      return tunnel.kind == .geneve ? UInt64(bytes[tunnel.header] & 0x3f) : nil
    case .hasVXLAN: return tunnel.kind == .vxlan ? 0 : nil
    case .vxlanVNI: return tunnel.kind == .vxlan ? UInt64(tunnel.key) : nil
    case .hasGRE: return tunnel.kind == .gre ? 0 : nil
    case .greFlags: return tunnel.kind == .gre ? UInt64(bytes.u16(tunnel.header)) : nil
    case .greProtocol: return tunnel.kind == .gre ? UInt64(tunnel.proto) : nil
    case .hasGREKey: return tunnel.kind == .gre && tunnel.hasKey ? 0 : nil
    case .greKey: return tunnel.kind == .gre && tunnel.hasKey ? UInt64(tunnel.key) : nil
    case .hasNVGRE: return tunnel.isNVGRE ? 0 : nil
    case .nvgreTNI: return tunnel.isNVGRE ? UInt64(tunnel.key >> 8) : nil
    case .nvgreFlow: return tunnel.isNVGRE ? UInt64(tunnel.key & 0xff) : nil
    default: return nil
    }
  }

  /// M4: some option has that class, type and length, and its data under the mask.
  private func hasOption(_ program: Bytes, _ at: Int) -> Bool {
    guard parsed.hasSoundTunnel, parsed.tunnel.kind == .geneve else { return false }
    let name = program.u16(at)
    let type = program[at + 2]
    let length = Int(program[at + 3])
    let words = Int(program[at + 4])
    var option = parsed.tunnel.options
    while option < parsed.tunnel.optionsEnd {
      let here = Int(bytes[option + 3] & 0x1f)
      if bytes.u16(option) == name, bytes[option + 2] == type, here == length {
        var same = true
        var word = 0
        while word < words {
          let wanted = program.u32(at + 5 + 4 * word)
          let mask = program.u32(at + 5 + 4 * (words + word))
          if bytes.u32(option + 4 + 4 * word) & mask != wanted { same = false }
          word += 1
        }
        if same { return true }
      }
      option += 4 + 4 * here
    }
    return false
  }
}
