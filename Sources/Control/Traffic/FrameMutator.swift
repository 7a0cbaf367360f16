/// Spoils frames the way a hostile or broken sender would: cut short, bits flipped, length fields lying.
struct FrameMutator {
  var random: SeededGenerator

  /// `frame` with one to three faults; never longer than 65,000 bytes.
  mutating func mutate(_ frame: [UInt8]) -> [UInt8] {
    var out = frame
    for _ in 0...random.below(3) where !out.isEmpty { once(&out) }
    return out
  }

  private mutating func once(_ bytes: inout [UInt8]) {
    let headers = min(bytes.count, 140)
    switch random.below(10) {
    case 0: bytes.removeLast(random.below(bytes.count))
    case 1: bytes.removeLast(min(bytes.count, random.below(32)))
    case 2: bytes[random.below(headers)] ^= 1 << UInt8(random.below(8))
    case 3: bytes[random.below(headers)] = random.value()
    case 4: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
    case 5: lengthField(&bytes)
    case 6: bytes += random.bytes(random.below(40))
    case 7:
      // A byte near the tunnel header of an ordinary outer stack.
      let at = 34 + random.below(80)
      if at < bytes.count { bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, bytes[at] &+ 1, bytes[at] &- 1]) }
    case 8:
      // The low byte of a word of Geneve option data, where rules tell flows apart by nothing else, or the bits of an
      // option's length that nobody may look at.
      let at = random.pick([57, 61, 65, 69, 77, 81, 85, 89])
      guard at < bytes.count else { return }
      if random.oneIn(4) { bytes[at - 4] ^= random.pick([0x20, 0x80]) } else { bytes[at] = UInt8(random.below(3)) }
    default:
      let at = 12 + random.below(12)
      if at < bytes.count { bytes[at] = random.pick([0x08, 0x00, 0x81, 0x86, 0xdd, 0x45, 0x46, 0x60, 0x2c, 0x20]) }
    }
  }

  /// Sets the 16 bits of a length field (IPv4 total, IPv6 payload, UDP) to a value around what is true.
  private mutating func lengthField(_ bytes: inout [UInt8]) {
    let at = random.pick([16, 18, 38, 58, 20, 22, 66, 88])
    guard at + 1 < bytes.count else { return }
    let now = Int(bytes[at]) << 8 | Int(bytes[at + 1])
    let value = random.pick([0, 1, 7, 8, now - 1, now + 1, now - 4, now + 4, 0xffff, bytes.count, random.below(65536)])
    set(&bytes, at, UInt16(truncatingIfNeeded: value))
  }
}
