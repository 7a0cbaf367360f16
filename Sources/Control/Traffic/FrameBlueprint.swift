import Rules

/// A frame to be built, layer by layer. The generator's own words: neither side's parser or builder is used, so that a
/// mistake there does not hide itself.
struct FrameBlueprint {
  enum L3 { case none, ipv4, ipv6 }
  enum L4 { case none, udp, tcp, icmp, icmp6, esp }

  /// One level of headers.
  struct Level {
    var hasEthernet = true
    var dst: UInt64 = 0x02_00_00_00_00_02
    var src: UInt64 = 0x02_00_00_00_00_01
    var typeOverride: UInt16?
    var tags: [(tpid: UInt16, tci: UInt16)] = []
    var l3 = L3.ipv4
    var tos: UInt8 = 0
    var ttl: UInt8 = 64
    var id: UInt16 = 0
    var fragment: UInt16 = 0x4000
    var options: [UInt8] = []
    var flow: UInt32 = 0
    /// IPv6 extension headers, each complete but for its first byte (next header).
    var extensions: [(type: UInt8, bytes: [UInt8])] = []
    var protoOverride: UInt8?
    var src128: UInt128 = 0
    var dst128: UInt128 = 0
    var l4 = L4.none
    var srcPort: UInt16 = 0
    var dstPort: UInt16 = 0
    var tcpFlags: UInt8 = 0x10
    var icmp: (type: UInt8, code: UInt8) = (8, 0)
    var spi: UInt32 = 0
    var sequence: UInt32 = 1
    var zeroUDPChecksum = false
    /// What the checksums should come out as, where there are bits that can be chosen for it: the last words of the
    /// payload, the IPv4 identification.
    var wantedTransportChecksum: UInt16?
    var wantedHeaderChecksum: UInt16?
  }

  /// What is between the levels.
  struct Tunnel {
    var kind = TunnelKind.geneve
    var flags: UInt8 = 0
    var version: UInt8 = 0
    var vni: UInt32 = 0
    var proto: UInt16 = 0x6558
    var options: [UInt8] = []
    var hasChecksum = false
    var hasKey = false
    var hasSequence = false
    var reserved: UInt16 = 0
    var flowID: UInt8 = 0
  }

  /// A header byte that a sender made wrong before it made the checksums over it, so that nothing else gives it away.
  struct Lie {
    enum Header: CaseIterable {
      case outerEthernet, outerIP, outerTransport, tunnel, innerEthernet, innerIP, innerTransport
    }
    enum Change { case flip(UInt8), add(UInt8), set(UInt8) }
    var header: Header
    /// Which of the header's bytes, modulo their number.
    var at: Int
    var change: Change
  }

  var outer = Level()
  var tunnel: Tunnel?
  var inner = Level()
  var payload: [UInt8] = []
  /// Bytes behind the packets, as short frames have them, inside the tunnel and outside.
  var innerPadding = 0
  var padding = 0
  /// What the tunnel carries is cut to this many bytes.
  var cutsInner: Int?
  var lies: [Lie] = []

  /// The frame's bytes; lengths are right but for lies, and checksums over lies too.
  func bytes() -> [UInt8] {
    let filler = [UInt8](repeating: 0, count: padding)
    guard let tunnel else { return wrap(outer, around: payload, carries: nil, isInner: false) + filler }
    var inside = wrap(inner, around: payload, carries: nil, isInner: true)
    inside += [UInt8](repeating: 0, count: innerPadding)
    if let cutsInner { inside.removeLast(max(0, inside.count - cutsInner)) }
    return wrap(outer, around: header(tunnel, around: inside) + inside, carries: tunnel.kind, isInner: false) + filler
  }

  /// The lies about one header, which begins `bytes` and is `count` long.
  private func tell(_ header: Lie.Header, _ bytes: inout [UInt8], count: Int) {
    for lie in lies where lie.header == header && count > 0 {
      let at = lie.at % count
      switch lie.change {
      case .flip(let bits): bytes[at] ^= bits
      case .add(let number): bytes[at] &+= number
      case .set(let value): bytes[at] = value
      }
    }
  }

  private func header(_ tunnel: Tunnel, around inside: [UInt8]) -> [UInt8] {
    var out = fields(of: tunnel)
    tell(.tunnel, &out, count: out.count)
    if tunnel.hasChecksum, tunnel.kind == .gre { set(&out, 4, ~sum(out + inside)) }
    return out
  }

  private func fields(of tunnel: Tunnel) -> [UInt8] {
    switch tunnel.kind {
    case .none: return []
    case .geneve:
      let words = UInt8(truncatingIfNeeded: tunnel.options.count / 4) & 0x3f
      return [tunnel.version << 6 | words, tunnel.flags] + be(tunnel.proto) + be(tunnel.vni << 8) + tunnel.options
    case .vxlan: return [0x08 ^ tunnel.flags, 0, 0, 0] + be(tunnel.vni << 8)
    case .gre, .nvgre:
      let isNVGRE = tunnel.kind == .nvgre
      let hasKey = isNVGRE || tunnel.hasKey
      var flags = tunnel.reserved | UInt16(tunnel.version)
      if tunnel.hasChecksum { flags |= 0x8000 }
      if hasKey { flags |= 0x2000 }
      if tunnel.hasSequence { flags |= 0x1000 }
      var out = be(flags) + be(tunnel.proto)
      if tunnel.hasChecksum { out += [0, 0, 0, 0] }
      if hasKey { out += be(isNVGRE ? tunnel.vni << 8 | UInt32(tunnel.flowID) : tunnel.vni) }
      if tunnel.hasSequence { out += be(UInt32(7)) }
      return out
    }
  }

  /// What the word at `at` must be for the sum to become `new`.
  private static func word(_ bytes: [UInt8], _ at: Int, from old: UInt16, to new: UInt16) -> UInt16 {
    sum(be(UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])) + be(~old) + be(new))
  }

  private func wrap(
    _ level: Level, around payload: [UInt8], carries tunnel: TunnelKind?, isInner: Bool
  ) -> [UInt8] {
    var body = transport(level, around: payload, carries: tunnel, isInner: isInner)
    body = network(level, around: body, proto: level.protoOverride ?? Self.proto(level, tunnel), isInner: isInner)
    guard level.hasEthernet else { return body }
    var type: UInt16 = level.l3 == .ipv4 ? 0x0800 : level.l3 == .ipv6 ? 0x86dd : 0x88b5
    if let given = level.typeOverride { type = given }
    var out = be48(level.dst) + be48(level.src)
    for tag in level.tags { out += be(tag.tpid) + be(tag.tci) }
    out += be(type)
    tell(isInner ? .innerEthernet : .outerEthernet, &out, count: out.count)
    return out + body
  }

  private static func proto(_ level: Level, _ tunnel: TunnelKind?) -> UInt8 {
    switch tunnel {
    case .geneve, .vxlan: return 17
    case .gre, .nvgre: return 47
    default: break
    }
    switch level.l4 {
    case .none: return 253
    case .udp: return 17
    case .tcp: return 6
    case .icmp: return 1
    case .icmp6: return 58
    case .esp: return 50
    }
  }

  private func transport(
    _ level: Level, around payload: [UInt8], carries tunnel: TunnelKind?, isInner: Bool
  ) -> [UInt8] {
    let header = isInner ? Lie.Header.innerTransport : .outerTransport
    var l4 = level.l4
    if tunnel == .geneve || tunnel == .vxlan { l4 = .udp }
    if tunnel == .gre || tunnel == .nvgre { return payload }
    var out: [UInt8]
    let place: Int
    switch l4 {
    case .none: return payload
    case .esp:
      out = be(level.spi) + be(level.sequence) + payload
      tell(header, &out, count: 8)
      return out
    case .udp:
      let length = UInt16(truncatingIfNeeded: 8 + payload.count)
      out = be(level.srcPort) + be(level.dstPort) + be(length) + [0, 0] + payload
      tell(header, &out, count: 6)
      if level.zeroUDPChecksum { return out }
      place = 6
    case .tcp:
      out = be(level.srcPort) + be(level.dstPort) + be(level.sequence) + be(UInt32(1)) + [0x50, level.tcpFlags]
      out += be(UInt16(65535)) + [0, 0, 0, 0] + payload
      tell(header, &out, count: 16)
      place = 16
    case .icmp, .icmp6:
      out = [level.icmp.type, level.icmp.code, 0, 0] + be(UInt32(0x0001_0001)) + payload
      tell(header, &out, count: 2)
      place = 2
    }
    guard level.fragment & 0x3fff == 0 || level.l3 == .ipv6 else { return out }
    // A datagram ends where its own length says.
    var summed = out
    if l4 == .udp { summed.removeLast(max(0, out.count - (Int(out[4]) << 8 | Int(out[5])))) }
    var check = sum(summed)
    if l4 != .icmp {
      let number: UInt8 = l4 == .udp ? 17 : l4 == .tcp ? 6 : 58
      var pseudo: [UInt8] = level.l3 == .ipv6 ? be128(level.src128) + be128(level.dst128) : []
      if level.l3 == .ipv4 {
        pseudo = be(UInt32(truncatingIfNeeded: level.src128)) + be(UInt32(truncatingIfNeeded: level.dst128))
      }
      check = sum(pseudo + be(UInt32(summed.count)) + [0, 0, 0, number] + summed)
    }
    let chosen = summed.count & ~1 - 2
    // A length that lies may end before the payload does.
    let isFree = chosen >= out.count - payload.count && (tunnel == nil || innerPadding > 2)
    if let wanted = level.wantedTransportChecksum, isFree {
      set(&out, chosen, Self.word(out, chosen, from: check, to: ~wanted))
      check = ~wanted
    }
    set(&out, place, ~check == 0 && l4 == .udp ? 0xffff : ~check)
    return out
  }

  private func network(_ level: Level, around body: [UInt8], proto: UInt8, isInner: Bool) -> [UInt8] {
    let header = isInner ? Lie.Header.innerIP : .outerIP
    switch level.l3 {
    case .none: return body
    case .ipv4:
      let options = level.options + Array(repeating: 0, count: (4 - level.options.count % 4) % 4)
      let length = UInt16(truncatingIfNeeded: 20 + options.count + body.count)
      var out: [UInt8] = [0x45 + UInt8(options.count / 4), level.tos] + be(length) + be(level.id)
      out += be(level.fragment) + [level.ttl, proto, 0, 0]
      out += be(UInt32(truncatingIfNeeded: level.src128)) + be(UInt32(truncatingIfNeeded: level.dst128)) + options
      tell(header, &out, count: out.count)
      set(&out, 10, 0)
      var check = sum(Array((out + body).prefix(max(20, Int(out[0] & 15) * 4))))
      if let wanted = level.wantedHeaderChecksum {
        set(&out, 4, Self.word(out, 4, from: check, to: ~wanted))
        check = ~wanted
      }
      set(&out, 10, ~check)
      return out + body
    case .ipv6:
      var chain: [UInt8] = []
      for (i, header) in level.extensions.enumerated() {
        let next = i + 1 < level.extensions.count ? level.extensions[i + 1].type : proto
        chain += [next] + header.bytes
      }
      let word = UInt32(6) << 28 | UInt32(level.tos) << 20 | level.flow & 0xfffff
      var out = be(word) + be(UInt16(truncatingIfNeeded: chain.count + body.count))
      out += [level.extensions.first?.type ?? proto, level.ttl] + be128(level.src128) + be128(level.dst128) + chain
      tell(header, &out, count: out.count)
      return out + body
    }
  }
}

/// The folded ones-complement sum of big-endian words (RFC 1071), an odd byte padded with zero.
func sum(_ bytes: [UInt8]) -> UInt16 { sum(bytes[...]) }

/// The same over a part.
func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
  let span = bytes.span
  var total: UInt64 = 0
  var i = 0
  while i + 1 < span.count {
    total += UInt64(span[i]) << 8 | UInt64(span[i + 1])
    i += 2
  }
  if i < span.count { total += UInt64(span[i]) << 8 }
  while total > 0xffff { total = total & 0xffff + total >> 16 }
  return UInt16(total)
}

func be(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
func be(_ value: UInt32) -> [UInt8] { be(UInt16(value >> 16)) + be(UInt16(value & 0xffff)) }
func be48(_ value: UInt64) -> [UInt8] { be(UInt16(value >> 32 & 0xffff)) + be(UInt32(value & 0xffff_ffff)) }
func be128(_ value: UInt128) -> [UInt8] { (0..<16).map { UInt8(truncatingIfNeeded: value >> (120 - 8 * UInt128($0))) } }
func set(_ bytes: inout [UInt8], _ offset: Int, _ value: UInt16) {
  bytes[offset] = UInt8(value >> 8)
  bytes[offset + 1] = UInt8(value & 255)
}
