/// Frames of every layer the parser knows, mostly sound, from a seed. Written by hand, byte by byte: it shares no code
/// with the emitters under test.
func randomFrame(_ random: inout Seeded) -> [UInt8] {
  var frame = random.bytes(12) + network(&random, level: 0, ethernet: true)
  // Half of the frames carry padding.
  if Bool.random(using: &random) { frame += random.bytes(Int.random(in: 0...20, using: &random)) }
  return frame
}

private func be16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

private func pick<T>(_ values: [T], _ random: inout Seeded) -> T {
  values[Int.random(in: 0..<values.count, using: &random)]
}

/// Type, tags and packet behind two addresses, or a bare packet.
private func network(_ random: inout Seeded, level: Int, ethernet: Bool, version: Int? = nil) -> [UInt8] {
  var out: [UInt8] = []
  if ethernet {
    for _ in 0..<pick([0, 0, 0, 1, 2, 3], &random) {
      out += be16(pick([0x8100, 0x88a8, 0x9100], &random)) + random.bytes(2)
    }
  }
  let six = version.map { $0 == 6 } ?? Bool.random(using: &random)
  if ethernet {
    out += be16(pick([six ? 0x86dd : 0x0800, six ? 0x86dd : 0x0800, six ? 0x86dd : 0x0800, 0x0806], &random))
  }
  let (proto, payload) = transport(&random, level: level, six: six)
  if six {
    var next = proto
    var chain: [UInt8] = []
    for _ in 0..<pick([0, 0, 0, 1, 2, 8, 9], &random) {
      let kind = pick([0, 43, 44, 51, 60], &random)
      let units = pick([0, 0, 1, 2, 40], &random)
      var header = [UInt8(next), UInt8(kind == 44 ? 0 : units)]
      header += random.bytes((kind == 44 ? 8 : kind == 51 ? (units + 2) * 4 : (units + 1) * 8) - 2)
      if kind == 44 {
        let field = pick([0, 0, 0, 1, 8, 0x0185, 6], &random)
        header.replaceSubrange(2..<4, with: be16(field))
      }
      chain = header + chain
      next = kind
    }
    out += [0x60 | random.bytes(1)[0] & 15] + random.bytes(3) + be16(chain.count + payload.count)
    out += [UInt8(next)] + random.bytes(33) + chain + payload
  } else {
    let words = pick([5, 5, 5, 6, 15], &random)
    out += [0x40 | UInt8(words)] + random.bytes(1) + be16(words * 4 + payload.count) + random.bytes(2)
    out += be16(pick([0, 0x4000, 0x8000, 0, 0x4000, 0x2000, 5], &random)) + [64, UInt8(proto)]
    out += random.bytes(words * 4 - 10) + payload
  }
  return out
}

private func transport(_ random: inout Seeded, level: Int, six: Bool) -> (Int, [UInt8]) {
  switch pick(level == 0 ? [0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7] : [0, 3, 4, 5, 6, 7], &random) {
  case 0 where level == 0: return (17, udp(6081, geneve(&random), &random))
  case 1: return (17, udp(4789, [8] + random.bytes(7) + inner(&random, 0x6558), &random))
  case 2: return (47, gre(&random))
  case 3: return (6, random.bytes(12) + [UInt8(pick([5, 5, 6, 15], &random) << 4)] + random.bytes(60))
  case 4: return (six ? 58 : 1, random.bytes(pick([7, 8, 40], &random)))
  case 5: return (50, random.bytes(pick([7, 8, 40], &random)))
  case 6: return (Int(random.bytes(1)[0]), random.bytes(30))
  default: return (17, udp(53, random.bytes(pick([0, 1, 40], &random)), &random))
  }
}

private func udp(_ port: Int, _ payload: [UInt8], _ random: inout Seeded) -> [UInt8] {
  let length = payload.count + 8 - pick([0, 0, 0, 0, 0, 1, min(9, payload.count)], &random)
  return random.bytes(2) + be16(port) + be16(length) + random.bytes(2) + payload
}

private func inner(_ random: inout Seeded, _ proto: Int) -> [UInt8] {
  proto == 0x6558
    ? random.bytes(12) + network(&random, level: 1, ethernet: true)
    : network(&random, level: 1, ethernet: false, version: proto == 0x86dd ? 6 : 4)
}

private func geneve(_ random: inout Seeded) -> [UInt8] {
  var options: [UInt8] = []
  for _ in 0..<pick([0, 1, 1, 2, 3, 6], &random) {
    let words = pick([0, 1, 1, 2, 8], &random)
    options += be16(pick([0x0102, 0x0108, 7], &random)) + [pick([0x80, 0x01, 0x81, 0x00], &random), UInt8(words)]
    options += random.bytes(words * 4)
  }
  let words = (options.count / 4 + pick([0, 0, 0, 0, 0, 0, 1], &random)) & 63
  let proto = pick([0x6558, 0x6558, 0x0800, 0x86dd, 0x6559], &random)
  let head = [UInt8(words), pick([0x40, 0x40, 0x40, 0x00, 0x00, 0x80, 0xff], &random)] + be16(proto)
  return head + random.bytes(4) + options + inner(&random, proto)
}

private func gre(_ random: inout Seeded) -> [UInt8] {
  let flags = pick([0, 0x2000, 0x2000, 0x1000, 0x3000, 0x8000, 0xa000, 0xb000, 0x4000, 0x0001, 0x0008], &random)
  let proto = pick([0x6558, 0x6558, 0x0800, 0x86dd, 0x0806], &random)
  var out = be16(flags) + be16(proto)
  if flags & 0x8000 != 0 { out += [0, 0, 0, 0] }
  if flags & 0x2000 != 0 { out += random.bytes(4) }
  if flags & 0x1000 != 0 { out += random.bytes(4) }
  out += inner(&random, proto)
  if flags & 0x8000 != 0, pick([true, true, true, false], &random) {
    var sum = 0
    for (index, byte) in out.enumerated() { sum += index & 1 == 0 ? Int(byte) << 8 : Int(byte) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    out.replaceSubrange(4..<6, with: be16(~sum & 0xffff))
  }
  return out
}
