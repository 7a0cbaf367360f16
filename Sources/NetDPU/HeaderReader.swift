import Memory
import Offload
import Rules

/// What the bytes of raw_encap and raw_decap are: Ethernet and tags alone, or a tunnel's headers.
struct HeaderReader {
  /// Bytes of Ethernet and its tags.
  private(set) var l3 = 14
  /// Where UDP or GRE begins; 0 when the bytes end before.
  private(set) var l4 = 0
  private(set) var isIPv6 = false
  /// What the bytes say; nil when UDP's destination port says nothing.
  private(set) var kind: TunnelKind? = TunnelKind.none
  /// UDP's destination port; nil without UDP.
  private(set) var udpPort: UInt16?

  /// The longest header that is looked at.
  static let longest = 416
  private static let genevePort: UInt16 = 6081
  private static let vxlanPort: UInt16 = 4789

  /// Finds the layers, or says in words where the bytes stop making sense.
  init(_ bytes: Bytes) throws(HeaderError) {
    guard bytes.count >= 14 else { throw HeaderError("\(bytes.count) bytes are no Ethernet header") }
    guard bytes.count <= Self.longest else {
      throw HeaderError("\(bytes.count) bytes of header, at most \(Self.longest) are understood")
    }
    var tags = 0
    while tags < 2, [0x8100, 0x88a8, 0x9100].contains(bytes.u16(l3 - 2)), l3 + 4 <= bytes.count {
      l3 += 4
      tags += 1
    }
    guard bytes.count > l3 else { return }
    let proto: UInt8
    switch bytes.u16(l3 - 2) {
    case 0x0800:
      guard bytes.count >= l3 + 20 else { throw HeaderError("the IPv4 header is cut off at byte \(bytes.count)") }
      let length = Int(bytes[l3] & 15) * 4
      guard bytes[l3] >> 4 == 4, length >= 20 else {
        throw HeaderError("byte \(l3) is 0x\(String(bytes[l3], radix: 16)): expected an IPv4 version and length")
      }
      l4 = l3 + length
      proto = bytes[l3 + 9]
    case 0x86dd:
      guard bytes.count >= l3 + 40 else { throw HeaderError("the IPv6 header is cut off at byte \(bytes.count)") }
      isIPv6 = true
      l4 = l3 + 40
      proto = bytes[l3 + 6]
    default:
      throw HeaderError(
        "EtherType 0x\(String(bytes.u16(l3 - 2), radix: 16)) at byte \(l3 - 2) is neither IPv4 nor IPv6")
    }
    try readTransport(bytes, proto)
  }

  private mutating func readTransport(_ bytes: Bytes, _ proto: UInt8) throws(HeaderError) {
    switch proto {
    case 17:
      guard bytes.count >= l4 + 8 else { throw HeaderError("the UDP header is cut off at byte \(bytes.count)") }
      let port = bytes.u16(l4 + 2)
      udpPort = port
      kind = port == Self.genevePort ? .geneve : port == Self.vxlanPort ? .vxlan : nil
    case 47:
      guard bytes.count >= l4 + 4 else { throw HeaderError("the GRE header is cut off at byte \(bytes.count)") }
      kind = bytes.u16(l4) == 0x2000 && bytes.u16(l4 + 2) == 0x6558 ? .nvgre : .gre
    default: throw HeaderError("IP protocol \(proto) carries no tunnel: expected 17 (UDP) or 47 (GRE)")
    }
  }

  /// raw_encap's bytes as a template, with what a driver repairs (TTL 0, lengths, flags) repaired.
  static func encapsulation(_ bytes: Bytes, prefersGRE: Bool) throws(HeaderError) -> Encapsulation {
    let header = try HeaderReader(bytes)
    guard var kind = header.kind else {
      throw HeaderError("UDP destination port \(header.udpPort ?? 0): write 6081 (Geneve) or 4789 (VXLAN)")
    }
    if kind == .nvgre, prefersGRE { kind = .gre }
    var policy = EncapsulationPolicy()
    policy.ecn = .zero
    guard kind != .none else {
      return Encapsulation(header: bytes.array(), kind: .none, l3: 0, l4: 0, isIPv6: false, policy: policy)
    }
    let l3 = header.l3
    let trafficClass = header.isIPv6 ? UInt8(truncatingIfNeeded: bytes.u16(l3) >> 4) : bytes[l3 + 1]
    guard trafficClass & 3 == 0 else {
      throw HeaderError(
        "the ECN bits at byte \(header.isIPv6 ? l3 : l3 + 1) are not 0: the device writes them, and writes 0")
    }
    policy.df = header.isIPv6 || bytes.u16(l3 + 6) & 0x4000 != 0 ? .set : .clear
    if kind == .geneve || kind == .vxlan { policy.udpChecksum = bytes.u16(header.l4 + 6) != 0 ? .on : .off }
    var whole = bytes.array()
    // testpmd and flow-perf leave the tunnel's protocol 0 and mean Ethernet.
    let proto = kind == .geneve ? header.l4 + 10 : header.l4 + 2
    if kind != .vxlan, proto + 2 <= whole.count, bytes.u16(proto) == 0 {
      (whole[proto], whole[proto + 1]) = (0x65, 0x58)
    }
    return Encapsulation(
      header: whole, kind: kind, l3: l3, l4: header.l4, isIPv6: header.isIPv6, policy: policy
    ).repairedForDevice()
  }

  /// What raw_decap removes. `tunnel` is what the rule matches: it says what UDP without a port does not.
  static func decapsulation(_ bytes: Bytes?, size: Int, tunnel: TunnelKind) throws(HeaderError) -> Decapsulation {
    guard let bytes else {
      // Without data only the size speaks, as with the mlx5 driver: an Ethernet header, or more than one.
      guard size > 22 else { return .ethernet }
      guard tunnel != .none else {
        throw HeaderError("no data, and the pattern has no tunnel item that says what to remove")
      }
      return .tunnel(tunnel)
    }
    let header = try HeaderReader(bytes)
    switch header.kind {
    case TunnelKind.none?: return .ethernet
    case .nvgre?, .gre?: return .tunnel(tunnel == .gre || tunnel == .nvgre ? tunnel : header.kind ?? .gre)
    case let kind?: return .tunnel(kind)
    case nil:
      guard tunnel == .geneve || tunnel == .vxlan else {
        throw HeaderError(
          "UDP destination port \(header.udpPort ?? 0) and no tunnel item in the pattern: which tunnel is it?")
      }
      return .tunnel(tunnel)
    }
  }
}

/// What is wrong with header bytes, without a full stop.
struct HeaderError: Error, Equatable {
  let sentence: String
  init(_ sentence: String) { self.sentence = sentence }
}
