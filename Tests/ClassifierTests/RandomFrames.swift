/// A generator that a seed decides (SplitMix64).
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
  mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}

/// Few values, so that rules and frames made apart from each other meet.
enum Few {
  static let macs: [UInt64] = [0x0200_0000_0001, 0x0200_0000_0002, 0x0200_0001_0001]
  static let addresses: [UInt32] = [0x0a00_0001, 0x0a00_0002, 0x0a01_0001]
  static let addresses6: [UInt128] = [1 << 120 | 1, 1 << 120 | 2, 3 << 64 | 1]
  static let ports: [UInt16] = [1, 2, 0x101]
  static let keys: [UInt32] = [1, 2, 0x1_0001]
  static let tcis: [UInt16] = [1, 2, 0x2001]
  static let optionKinds: [(UInt16, UInt8, UInt8)] = [
    (0x102, 0x00, 1), (0x108, 0x01, 2), (0x109, 0x02, 0), (0x109, 0x03, 1), (0x10a, 0x04, 4), (0x10b, 0x05, 9),
    (0x10c, 0x06, 1), (0x10d, 0x07, 1), (0x10e, 0x08, 1), (0x10f, 0x09, 1),
  ]
  static let words: [UInt32] = [1, 2, 0x1_0001]
}

/// Frames of every kind the specification names, whole and damaged.
struct FrameMaker {
  var random: Seeded

  static func big(_ value: some FixedWidthInteger, _ bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * (bytes - 1 - $0))) }
  }

  mutating func frame() -> [UInt8] {
    var frame = ethernet(tunnels: true)
    if random.chance(5) { frame += [UInt8](repeating: 0, count: random.below(20)) }
    if random.chance(5) { frame.removeLast(min(frame.count - 14, random.below(40))) }
    if random.chance(5) { frame[random.below(frame.count)] ^= UInt8(1 << random.below(8)) }
    return frame
  }

  mutating func ethernet(tunnels: Bool, tags most: Int = 3) -> [UInt8] {
    var out = Self.big(random.pick(Few.macs), 6) + Self.big(random.pick(Few.macs), 6)
    if most > 0, random.chance(30) {
      for _ in 0..<(1 + random.below(most)) {
        out += Self.big(random.pick([0x8100, 0x88a8] as [UInt16]), 2) + Self.big(random.pick(Few.tcis), 2)
      }
    }
    if random.chance(5) { return out + [0x08, 0x06] + [UInt8](repeating: 1, count: random.below(30)) }
    let six = random.chance(35)
    return out + (six ? [0x86, 0xdd] : [0x08, 0x00]) + ip(six: six, tunnels: tunnels)
  }

  mutating func ip(six: Bool, tunnels: Bool) -> [UInt8] {
    let fragment = random.chance(7)
    let (proto, payload) = transport(six: six, tunnels: tunnels)
    if !six {
      let options = random.chance(10) ? [UInt8](repeating: 1, count: 4 * random.below(3)) : []
      let total = 20 + options.count + payload.count
      let offset: UInt16 = fragment ? random.pick([0x2000, 0x2001, 0x0001]) : random.pick([0, 0x4000])
      return [0x40 | UInt8(5 + options.count / 4), random.pick([0, 0x2e])] + Self.big(total, 2) + [0, 7]
        + Self.big(offset, 2) + [random.pick([1, 64]), proto, 0, 0] + Self.big(random.pick(Few.addresses), 4)
        + Self.big(random.pick(Few.addresses), 4) + options + payload
    }
    var headers: [UInt8] = []
    var next = proto
    if fragment || random.chance(5) {
      headers = [next, 0] + Self.big(fragment ? random.pick([1, 8, 9]) : 0 as UInt16, 2) + [0, 0, 0, 7] + headers
      next = 44
    }
    for _ in 0..<(random.chance(10) ? random.below(10) : 0) {
      headers = [next, 0, 1, 4, 0, 0, 0, 0] + headers
      next = random.pick([0, 60, 43])
    }
    let first = UInt32(6) << 28 | UInt32(random.pick([0, 0x2e] as [UInt8])) << 20 | random.pick([0, 5])
    return Self.big(first, 4) + Self.big(headers.count + payload.count, 2) + [next, random.pick([1, 64])]
      + Self.big(random.pick(Few.addresses6), 16) + Self.big(random.pick(Few.addresses6), 16) + headers + payload
  }

  mutating func transport(six: Bool, tunnels: Bool) -> (UInt8, [UInt8]) {
    let (source, destination) = (Self.big(random.pick(Few.ports), 2), Self.big(random.pick(Few.ports), 2))
    switch random.below(tunnels ? 16 : 7) {
    case 0, 1: return (17, source + destination + [0, 12, 0, 0, 9, 9, 9, 9])
    case 2, 3:
      return (6, source + destination + [0, 0, 0, 1, 0, 0, 0, 2, 0x50, random.pick([2, 16, 18]), 0, 9, 0, 0, 0, 0, 7])
    case 4: return (six ? 58 : 1, [random.pick([8, 0, 128]), random.pick([0, 1]), 0, 0, 0, 1, 0, 1])
    case 5: return (50, Self.big(random.pick(Few.keys), 4) + [0, 0, 0, 1])
    case 6: return (random.pick([99, 1, 58, 17, 6]), [1, 2, 3])
    case 7...11: return (17, udp(port: 6081, geneve()))
    case 12, 13:
      return (17, udp(port: 4789, [random.chance(95) ? 8 : 0, 0, 0, 0] + key() + ethernet(tunnels: false, tags: 1)))
    default: return (47, gre())
    }
  }

  mutating func udp(port: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [0xc0, 1] + Self.big(port, 2) + Self.big(payload.count + 8, 2) + [0, 0] + payload
  }

  mutating func key() -> [UInt8] { Self.big(random.pick(Few.keys), 3) + [0] }

  mutating func geneve() -> [UInt8] {
    var options: [UInt8] = []
    for _ in 0..<(random.chance(60) ? 1 + random.below(4) : 0) {
      let (optionClass, type, length) = random.pick(Few.optionKinds)
      // The three bits in front of the length are reserved: nobody looks at them.
      options += Self.big(optionClass, 2) + [type, length | random.pick([0, 0, 0x20, 0x80, 0xe0])]
      for _ in 0..<length { options += Self.big(random.pick(Few.words), 4) }
    }
    let (type, inner) = payload()
    let first = UInt8(options.count / 4) | (random.chance(2) ? 0x40 : 0)
    return [first, random.chance(2) ? 0x80 : 0] + type + key() + options + inner
  }

  mutating func payload() -> ([UInt8], [UInt8]) {
    switch random.below(5) {
    case 0: ([0x08, 0x00], ip(six: false, tunnels: false))
    case 1: ([0x86, 0xdd], ip(six: true, tunnels: false))
    default: ([0x65, 0x58], ethernet(tunnels: false))
    }
  }

  mutating func gre() -> [UInt8] {
    let (type, inner) = payload()
    switch random.below(4) {
    case 0: return [0, 0] + type + inner
    case 1: return [0x30, 0] + type + key() + [0, 0, 0, 9] + inner
    default: return [0x20, 0] + type + Self.big(random.pick(Few.keys) << 8 | 5, 4) + inner
    }
  }
}
