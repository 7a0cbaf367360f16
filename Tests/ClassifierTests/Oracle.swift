import Rules

/// A second reading of SPECIFICATION.md, P2–P8 and M1–M6, that shares no code with Wire or Classifier: slow, on arrays.
/// Frames are those of an uplink; tunnels use the RFCs' ports.
struct OracleFrame {
  struct Level {
    var ethernet: Int?
    var tags: [(tci: UInt16, type: UInt16)] = []
    var ip = 0
    var l3 = 0
    var end = 0
    var fragmentHeader = false
    var l4 = ""
    var l4At = 0
  }

  let bytes: [UInt8]
  var outer = Level()
  var inner: Level?
  var tunnel = ""
  var key: UInt32 = 0
  var proto: UInt16 = 0
  var options: [(head: UInt32, data: [UInt32])] = []
  var optionWords: UInt8 = 0
  var isNVGRE = false
  var hasKey = false

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    outer = ethernet(0, bytes.count)
    findTunnel()
  }

  func u16(_ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
  func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) << 16 | UInt32(u16(at + 2)) }
  func u48(_ at: Int) -> UInt64 { UInt64(u16(at)) << 32 | UInt64(u32(at + 2)) }
  func u128(_ at: Int) -> UInt128 { (0..<16).reduce(0) { $0 << 8 | UInt128(bytes[at + $1]) } }

  private func ethernet(_ start: Int, _ end: Int) -> Level {
    var level = Level()
    level.ethernet = start
    var at = start + 12
    while [0x8100, 0x88a8, 0x9100].contains(u16(at)), level.tags.count < 2, at + 6 <= end {
      level.tags.append((u16(at + 2), u16(at + 4)))
      at += 4
    }
    return network(level, u16(at), at + 2, end)
  }

  private func network(_ before: Level, _ type: UInt16, _ at: Int, _ end: Int) -> Level {
    var level = before
    if type == 0x0800, at + 20 <= end, bytes[at] >> 4 == 4 {
      let (header, total) = (Int(bytes[at] & 15) * 4, Int(u16(at + 2)))
      guard header >= 20, header <= total, at + total <= end else { return level }
      (level.ip, level.l3, level.end) = (4, at, at + total)
      if u16(at + 6) & 0x3fff != 0 { return level }
      return transport(level, bytes[at + 9], at + header)
    }
    if type == 0x86dd, at + 40 <= end, bytes[at] >> 4 == 6, at + 40 + Int(u16(at + 4)) <= end {
      (level.ip, level.l3, level.end) = (6, at, at + 40 + Int(u16(at + 4)))
      var (next, here) = (bytes[at + 6], at + 40)
      for _ in 0..<9 {
        guard [0, 43, 44, 51, 60].contains(next) else { return transport(level, next, here) }
        guard here + 8 <= level.end else { return level }
        let units = Int(bytes[here + 1])
        let length = next == 44 ? 8 : next == 51 ? (units + 2) * 4 : (units + 1) * 8
        guard here + length <= level.end else { return level }
        if next == 44 {
          level.fragmentHeader = true
          if u16(here + 2) & 0xfff9 != 0 { return level }
        }
        next = bytes[here]
        here += length
      }
    }
    return level
  }

  private func transport(_ before: Level, _ proto: UInt8, _ at: Int) -> Level {
    var level = before
    let room = level.end - at
    switch proto {
    case 17 where room >= 8 && u16(at + 4) >= 8 && Int(u16(at + 4)) <= room: level.l4 = "udp"
    case 6 where room >= 20 && bytes[at + 12] >> 4 >= 5 && Int(bytes[at + 12] >> 4) * 4 <= room: level.l4 = "tcp"
    case 1 where level.ip == 4 && room >= 8: level.l4 = "icmp"
    case 58 where level.ip == 6 && room >= 8: level.l4 = "icmp6"
    case 47 where room >= 4: level.l4 = "gre"
    case 50 where room >= 8: level.l4 = "esp"
    default: return level
    }
    level.l4At = at
    return level
  }

  private mutating func findTunnel() {
    let at = outer.l4At + 8
    if outer.l4 == "udp", u16(outer.l4At + 2) == 6081 {
      let end = outer.l4At + Int(u16(outer.l4At + 4))
      guard at + 8 <= end, bytes[at] >> 6 == 0 else { return }
      let words = Int(bytes[at] & 63)
      guard at + 8 + words * 4 <= end, walk(at + 8, at + 8 + words * 4), bytes[at + 1] & 0x80 == 0 else { return }
      // No critical option is known here.
      guard !options.contains(where: { $0.head & 0x8000 != 0 }) else { return }
      optionWords = UInt8(words)
      look("geneve", u16(at + 2), u32(at + 4) >> 8, at + 8 + words * 4, end)
    } else if outer.l4 == "udp", u16(outer.l4At + 2) == 4789 {
      let end = outer.l4At + Int(u16(outer.l4At + 4))
      guard at + 22 <= end, bytes[at] & 8 != 0, ![0x8100, 0x88a8, 0x9100].contains(u16(at + 20)) else { return }
      look("vxlan", 0x6558, u32(at + 4) >> 8, at + 8, end)
    } else if outer.l4 == "gre" {
      let (at, end) = (outer.l4At, outer.end)
      guard u16(at) & 0x4fff == 0 else { return }
      let (c, k, s) = (bytes[at] & 0x80 != 0, bytes[at] & 0x20 != 0, bytes[at] & 0x10 != 0)
      let length = 4 + (c ? 4 : 0) + (k ? 4 : 0) + (s ? 4 : 0)
      guard at + length <= end, !c else { return }  // The generator makes no GRE checksums.
      hasKey = k
      look("gre", u16(at + 2), k ? u32(at + 4) : 0, at + length, end)
      isNVGRE = tunnel == "gre" && k && !s && proto == 0x6558
    }
  }

  private mutating func walk(_ start: Int, _ end: Int) -> Bool {
    var at = start
    while at < end {
      let length = Int(bytes[at + 3] & 31)
      guard at + 4 + length * 4 <= end else { return false }
      options.append((u32(at) & 0xffff_ff1f, (0..<length).map { u32(at + 4 + 4 * $0) }))
      at += 4 + length * 4
    }
    return true
  }

  private mutating func look(_ kind: String, _ type: UInt16, _ key: UInt32, _ at: Int, _ end: Int) {
    switch type {
    case 0x6558 where at + 14 <= end: inner = ethernet(at, end)
    case 0x0800 where at + 20 <= end, 0x86dd where at + 40 <= end: inner = network(Level(), type, at, end)
    default: return
    }
    (tunnel, proto, self.key) = (kind, type, key)
  }
}
