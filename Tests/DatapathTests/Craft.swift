import Rules

/// Packets made the plain way, with no code of the runtime's: the tests' idea of what the bytes are.
enum Craft {
  enum Sum { case right, zero, wrong }

  static func ethernet(
    _ type: Int, _ payload: [UInt8], tags: [(tpid: Int, tci: Int)] = [], destination: [UInt8] = [2, 0, 0, 0, 0, 9],
    source: [UInt8] = [2, 0, 0, 0, 0, 1]
  ) -> [UInt8] {
    destination + source + tags.flatMap { be16($0.tpid) + be16($0.tci) } + be16(type) + payload
  }

  static func ipv4(
    _ proto: UInt8, _ payload: [UInt8], source: UInt32 = 0x0a00_0001, destination: UInt32 = 0x0a00_0002,
    tos: UInt8 = 0, ttl: UInt8 = 64, df: Bool = true, id: Int = 0, fragment: Int = 0, options: [UInt8] = [],
    sum: Sum = .right
  ) -> [UInt8] {
    var header: [UInt8] = [0x45 + UInt8(options.count / 4), tos] + be16(20 + options.count + payload.count)
    header += be16(id) + be16((df ? 0x4000 : 0) | fragment) + [ttl, proto, 0, 0] + be32(source) + be32(destination)
    header += options
    put(&header, 10, field(slowSum(header), sum))
    return header + payload
  }

  static func ipv6(
    _ proto: UInt8, _ payload: [UInt8], source: UInt128 = 0xfd00 << 112 | 1, destination: UInt128 = 0xfd00 << 112 | 2,
    trafficClass: UInt8 = 0, hop: UInt8 = 64, flow: UInt32 = 0
  ) -> [UInt8] {
    be32(6 << 28 | UInt32(trafficClass) << 20 | flow) + be16(payload.count) + [proto, hop] + be128(source)
      + be128(destination) + payload
  }

  static func be128(_ value: UInt128) -> [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: value >> UInt128((15 - $0) * 8)) }
  }

  static func pseudo4(_ source: UInt32, _ destination: UInt32, _ proto: UInt8, _ length: Int) -> UInt32 {
    slowSum(be32(source) + be32(destination) + [0, proto] + be16(length))
  }

  static func pseudo6(_ source: UInt128, _ destination: UInt128, _ proto: UInt8, _ length: Int) -> UInt32 {
    slowSum(be128(source) + be128(destination) + be32(UInt32(length)) + [0, 0, 0, proto])
  }

  static func udp(_ from: Int, _ to: Int, _ payload: [UInt8], pseudo: (Int) -> UInt32, sum: Sum = .right) -> [UInt8] {
    var bytes = be16(from) + be16(to) + be16(8 + payload.count) + [0, 0] + payload
    let value = field(slowSum(bytes, pseudo(bytes.count)), sum)
    put(&bytes, 6, sum == .right && value == 0 ? 0xffff : value)
    return bytes
  }

  static func tcp(_ from: Int, _ to: Int, _ payload: [UInt8], pseudo: (Int) -> UInt32) -> [UInt8] {
    var bytes = be16(from) + be16(to) + be32(1000) + be32(2000) + [0x50, 0x18] + be16(512) + [0, 0, 0, 0] + payload
    put(&bytes, 16, field(slowSum(bytes, pseudo(bytes.count)), .right))
    return bytes
  }

  static func icmp6(_ type: UInt8, _ payload: [UInt8], pseudo: (Int) -> UInt32) -> [UInt8] {
    var bytes = [type, 0, 0, 0, 0, 0, 0, 0] + payload
    put(&bytes, 2, field(slowSum(bytes, pseudo(bytes.count)), .right))
    return bytes
  }

  static func geneve(
    _ vni: UInt32, _ payload: [UInt8], options: [UInt8] = [], proto: Int = 0x6558, flags: UInt8 = 0, version: UInt8 = 0,
    words: Int? = nil
  ) -> [UInt8] {
    [version << 6 | UInt8(words ?? options.count / 4), flags] + be16(proto) + be32(vni << 8) + options + payload
  }

  static func vxlan(_ vni: UInt32, _ payload: [UInt8], flags: UInt8 = 8) -> [UInt8] {
    [flags, 0, 0, 0] + be32(vni << 8) + payload
  }

  static func gre(_ flags: Int, _ proto: Int, _ payload: [UInt8], key: UInt32? = nil, sum: Sum = .right) -> [UInt8] {
    var bytes = be16(flags) + be16(proto)
    if flags & 0x8000 != 0 { bytes += [0, 0, 0, 0] }
    if let key { bytes += be32(key) }
    if flags & 0x1000 != 0 { bytes += be32(7) }
    bytes += payload
    if flags & 0x8000 != 0 { put(&bytes, 4, field(slowSum(bytes), sum)) }
    return bytes
  }

  static func put(_ bytes: inout [UInt8], _ at: Int, _ value: Int) {
    bytes[at] = UInt8(value >> 8 & 0xff)
    bytes[at + 1] = UInt8(value & 0xff)
  }

  static func get16(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }

  private static func field(_ sum: UInt32, _ kind: Sum) -> Int {
    switch kind {
    case .right: Int(~sum & 0xffff)
    case .zero: 0
    case .wrong: Int(~sum & 0xffff) ^ 0x0101
    }
  }

  /// A tenant's frame: Ethernet, IP, UDP or TCP, a payload.
  static func tenant(
    ipv6 isIPv6: Bool = false, tcp isTCP: Bool = false, payload: Int = 22, tos: UInt8 = 0, ttl: UInt8 = 64,
    df: Bool = true, ports: (Int, Int) = (1111, 2222), tags: [(tpid: Int, tci: Int)] = [], seed: UInt8 = 0
  ) -> [UInt8] {
    let data = (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(seed)) }
    let (a4, b4): (UInt32, UInt32) = (0xc0a8_0105, 0xc0a8_0206)
    let (a6, b6): (UInt128, UInt128) = (0x2001_0db8 << 96 | 5, 0x2001_0db8 << 96 | 6)
    let proto: UInt8 = isTCP ? 6 : 17
    let pseudo: (Int) -> UInt32 = { isIPv6 ? pseudo6(a6, b6, proto, $0) : pseudo4(a4, b4, proto, $0) }
    let l4 =
      isTCP ? tcp(ports.0, ports.1, data, pseudo: pseudo) : udp(ports.0, ports.1, data, pseudo: pseudo)
    if isIPv6 {
      let packet = self.ipv6(proto, l4, source: a6, destination: b6, trafficClass: tos, hop: ttl)
      return ethernet(0x86dd, packet, tags: tags)
    }
    return ethernet(0x0800, ipv4(proto, l4, source: a4, destination: b4, tos: tos, ttl: ttl, df: df), tags: tags)
  }

  static let local4: UInt32 = 0x0a00_0001
  static let remote4: UInt32 = 0x0a00_0002
  static let local6: UInt128 = 0xfd00 << 112 | 1
  static let remote6: UInt128 = 0xfd00 << 112 | 2

  /// A tunnel packet from `remote` to us around `payload` (the tunnel header with what is inside).
  static func underlayUDP(
    _ port: Int, _ payload: [UInt8], ipv6 isIPv6: Bool = false, tos: UInt8 = 0, sum: Sum = .zero, ipSum: Sum = .right,
    from: Int = 50000
  ) -> [UInt8] {
    if isIPv6 {
      let datagram = udp(from, port, payload, pseudo: { pseudo6(remote6, local6, 17, $0) }, sum: sum)
      return ethernet(
        0x86dd, ipv6(17, datagram, source: remote6, destination: local6, trafficClass: tos))
    }
    let datagram = udp(from, port, payload, pseudo: { pseudo4(remote4, local4, 17, $0) }, sum: sum)
    return ethernet(
      0x0800, ipv4(17, datagram, source: remote4, destination: local4, tos: tos, sum: ipSum))
  }

  static func underlayGRE(_ payload: [UInt8], ipv6 isIPv6: Bool = false, tos: UInt8 = 0) -> [UInt8] {
    isIPv6
      ? ethernet(0x86dd, ipv6(47, payload, source: remote6, destination: local6, trafficClass: tos))
      : ethernet(0x0800, ipv4(47, payload, source: remote4, destination: local4, tos: tos))
  }

  /// A header template for a tunnel, from its kind and what is behind the tunnel's fixed part.
  static func template(
    _ kind: TunnelKind, ipv6 isIPv6: Bool = false, vni: UInt32 = 0x123456, options: [UInt8] = [], proto: Int = 0x6558,
    sourcePort: Int = 0, greFlags: Int = 0x2000, tos: UInt8 = 0, ttl: UInt8 = 64, flags: UInt8 = 0,
    policy: EncapsulationPolicy = EncapsulationPolicy()
  ) -> Encapsulation {
    var tunnel: [UInt8]
    switch kind {
    case .geneve: tunnel = geneve(vni, [], options: options, proto: proto, flags: flags)
    case .vxlan: tunnel = vxlan(vni, [])
    case .gre: tunnel = gre(greFlags, proto, [], key: greFlags & 0x2000 != 0 ? vni : nil, sum: .zero)
    case .nvgre: tunnel = gre(0x2000, 0x6558, [], key: vni << 8 | 0x42)
    case .none:
      return Encapsulation(
        header: ethernet(0, []), kind: .none, l3: 0, l4: 0, isIPv6: false, policy: policy)
    }
    let isUDP = kind == .geneve || kind == .vxlan
    if isUDP { tunnel = be16(sourcePort) + be16(kind == .geneve ? 6081 : 4789) + [0, 0, 0, 0] + tunnel }
    let proto: UInt8 = isUDP ? 17 : 47
    let ip =
      isIPv6
      ? ipv6(proto, [], source: local6, destination: remote6, trafficClass: tos, hop: ttl, flow: 0xabcde)
      : ipv4(proto, [], source: local4, destination: remote4, tos: tos, ttl: ttl, df: false, sum: .zero)
    let header = ethernet(isIPv6 ? 0x86dd : 0x0800, ip + tunnel)
    return Encapsulation(
      header: header, kind: kind, l3: 14, l4: isIPv6 ? 54 : 34, isIPv6: isIPv6, policy: policy)
  }
}
