/// Frames for the parsers' benchmarks: by hand, so that Swift and C read the same bytes.
enum WireFrames {
  /// SplitMix64.
  struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
  }

  /// What a set of frames is made of.
  enum Kind: String, CaseIterable {
    case geneve4 = "Geneve, one OVN option, over IPv4"
    case geneve6 = "Geneve, three GWLB options, over IPv6"
    case vxlan4 = "VXLAN over IPv4"
    case plain4 = "TCP over IPv4, no tunnel"
    case mixed = "all of these, mixed"
  }

  static func frame(_ kind: Kind, _ random: inout Random) -> [UInt8] {
    switch kind {
    case .geneve4:
      let option: [UInt8] = [1, 2, 0x80, 1, 0, 1, 0, 2]
      return ethernet(0x0800, ipv4(17, udp(6081, [2, 0x40, 0x65, 0x58] + key(&random) + option + inner(&random))))
    case .geneve6:
      let options: [UInt8] =
        [1, 8, 1, 2] + random.bytes(8) + [1, 8, 2, 2] + random.bytes(8) + [1, 8, 3, 1] + random.bytes(4)
      return ethernet(0x86dd, ipv6(17, udp(6081, [8, 0, 0x65, 0x58] + key(&random) + options + inner(&random))))
    case .vxlan4: return ethernet(0x0800, ipv4(17, udp(4789, [8, 0, 0, 0] + key(&random) + inner(&random))))
    case .plain4: return inner(&random)
    case .mixed:
      let kinds: [Kind] = [.geneve4, .geneve6, .vxlan4, .plain4]
      return frame(kinds[random.below(4)], &random)
    }
  }

  private static func key(_ random: inout Random) -> [UInt8] { random.bytes(3) + [0] }
  private static func be(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
  private static func ethernet(_ type: Int, _ payload: [UInt8]) -> [UInt8] {
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + be(type) + payload
  }
  private static func ipv4(_ proto: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [0x45, 0] + be(20 + payload.count) + [0, 0, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2] + payload
  }
  private static func ipv6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [0x60, 0, 0, 0] + be(payload.count) + [next, 64] + [UInt8](repeating: 0x20, count: 32) + payload
  }
  private static func udp(_ port: Int, _ payload: [UInt8]) -> [UInt8] {
    be(0xc001) + be(port) + be(8 + payload.count) + [0, 0] + payload
  }
  private static func inner(_ random: inout Random) -> [UInt8] {
    let tcp = random.bytes(12) + [0x50, 0x10] + random.bytes(6)
    return ethernet(0x0800, ipv4(6, tcp + [UInt8](repeating: 0, count: 10)))
  }
}
