import Rules

/// ICMP errors about tunnel packets, as routers of the underlay send them: right ones, and such as lie.
struct UnderlayErrors {
  var random: SeededGenerator

  /// An error about a packet that `encapsulation` was put in front of; nil for one without IP.
  mutating func make(about encapsulation: Encapsulation) -> (bytes: [UInt8], isRight: Bool)? {
    guard encapsulation.kind != .none else { return nil }
    var quoted = Array(encapsulation.header[encapsulation.l3...]) + random.bytes(40)
    let l4 = encapsulation.l4 - encapsulation.l3
    let isIPv6 = encapsulation.isIPv6
    let length = 600 + random.below(1000)
    if isIPv6 {
      set(&quoted, 4, UInt16(length - 40))
    } else {
      set(&quoted, 2, UInt16(length))
      quoted[6] = 0x40
    }
    if encapsulation.kind == .geneve || encapsulation.kind == .vxlan, quoted[l4] | quoted[l4 + 1] == 0 {
      set(&quoted, l4, 0xc000 | random.value())
    }
    let addresses = isIPv6 ? 8 : 12
    let size = isIPv6 ? 16 : 4
    let us = Array(quoted[addresses..<addresses + size])
    var told = random.pick([0, 68, 576, 900, 1280, 1300, 1400, 1450, 1480, 9000])
    if random.oneIn(2) { told = min(told, length - 1) }
    let isRight = !random.oneIn(3)
    if !isRight {
      // Something in it is of somebody else: an address, the protocol, a port.
      quoted[random.pick([addresses + size - 1, addresses + 2 * size - 1, isIPv6 ? 6 : 9, l4 + 2, l4 + 3])] ^= 1
    }
    let isSize = !random.oneIn(4)
    let body = be(UInt16(told)) + quoted.prefix(l4 + 8 + random.below(40))
    let message: [UInt8]
    if isIPv6 {
      message = [isSize ? 2 : random.pick([1, 3, 4]), 0, 0, 0, 0, 0] + body
    } else {
      message = (isSize ? [3, 4] : [random.pick([3, 11, 12]), 1]) + [0, 0, 0, 0] + body
    }
    let isSound = !random.oneIn(8)
    return (Self.packet(message, to: us, isIPv6: isIPv6, isSound: isSound), isRight && isSound)
  }

  private static func packet(_ message: [UInt8], to us: [UInt8], isIPv6: Bool, isSound: Bool) -> [UInt8] {
    var icmp = message
    let router = isIPv6 ? be128(0x2001_0db8 << 96 | 0xfe) : be(UInt32(0xc633_64fe))
    let pseudo = isIPv6 ? router + us + be(UInt32(icmp.count)) + [0, 0, 0, 58] : []
    set(&icmp, 2, ~sum(pseudo + icmp))
    if !isSound { icmp[2] ^= 1 }
    let ethernet = be48(0x02_00_00_00_01_00) + be48(0x02_00_00_00_01_fe)
    if isIPv6 {
      return ethernet + be(UInt16(0x86dd)) + [0x60, 0, 0, 0] + be(UInt16(icmp.count)) + [58, 64] + router + us + icmp
    }
    var header = [0x45, 0xc0] + be(UInt16(20 + icmp.count)) + [0, 1, 0, 0, 64, 1, 0, 0] + router + us
    set(&header, 10, ~sum(header))
    return ethernet + be(UInt16(0x0800)) + header + icmp
  }
}
