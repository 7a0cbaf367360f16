import Device
import EmulatedDevice
import Memory
import Testing

@testable import EmulatedDevice

/// What a test believes about checksums: the plain definition of RFC 1071 over an array.
enum Oracle {
  static func sum(_ bytes: ArraySlice<UInt8>) -> Int {
    var total = 0
    var high = true
    for byte in bytes {
      total += high ? Int(byte) << 8 : Int(byte)
      high.toggle()
    }
    while total > 0xffff { total = (total & 0xffff) + (total >> 16) }
    return total
  }

  static func u16(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
  static func u32(_ bytes: [UInt8], _ at: Int) -> Int { u16(bytes, at) << 16 | u16(bytes, at + 2) }

  /// The end of the packet at `l3`, by its own length.
  static func end(_ bytes: [UInt8], _ l3: Int) -> Int {
    l3 + (bytes[l3] >> 4 == 6 ? 40 + u16(bytes, l3 + 4) : u16(bytes, l3 + 2))
  }

  /// Whether header and transport checksum of the packet at `l3` are right; transport at `l4`.
  static func isRight(_ bytes: [UInt8], l3: Int, l4: Int) -> Bool {
    let isIPv6 = bytes[l3] >> 4 == 6
    if !isIPv6, sum(bytes[l3..<l4]) != 0xffff { return false }
    let addresses = isIPv6 ? bytes[l3 + 8..<l3 + 40] : bytes[l3 + 12..<l3 + 20]
    let length = end(bytes, l3) - l4
    let proto = bytes[l3 + (isIPv6 ? 6 : 9)]
    let pseudo = Array(addresses) + [0, proto, UInt8(length >> 8), UInt8(length & 255)]
    return sum((pseudo + bytes[l4..<l4 + length])[...]) == 0xffff
  }

  /// The folded pseudo-header sum: what a field holds that owes its checksum.
  static func pseudo(_ bytes: [UInt8], l3: Int, l4: Int) -> Int {
    let isIPv6 = bytes[l3] >> 4 == 6
    let addresses = isIPv6 ? bytes[l3 + 8..<l3 + 40] : bytes[l3 + 12..<l3 + 20]
    let length = end(bytes, l3) - l4
    return sum((Array(addresses) + [0, bytes[l3 + (isIPv6 ? 6 : 9)], UInt8(length >> 8), UInt8(length & 255)])[...])
  }
}

@Suite("Transmit") struct TransmitTests {
  /// A frame of a vector whose inner checksum is owed; `l3` and `l4` are the inner ones.
  private func owing(_ vector: [UInt8], l3: Int, l4: Int, offset: Int) -> [UInt8] {
    var bytes = vector
    let pseudo = Oracle.pseudo(vector, l3: l3, l4: l4)
    bytes[l4 + offset] = UInt8(pseudo >> 8)
    bytes[l4 + offset + 1] = UInt8(pseudo & 255)
    return bytes
  }

  @Test("Owed checksums, plain and under a tunnel, come out as the vectors have them")
  func checksums() throws {
    var bench = try Bench(Vectors.overlay())
    var frame = bench.frame(owing(Vectors.inner, l3: 14, l4: 34, offset: 16))
    frame.owed = .checksum
    frame.checksumStart = 34
    frame.checksumOffset = 16
    #expect(bench.transmit(frame, port: 1).map(\.bytes) == [Vectors.inner])

    var tunnel = owing(Vectors.vxlan6, l3: 84, l4: 124, offset: 6)
    tunnel[60] = 0
    tunnel[61] = 0
    frame = bench.frame(tunnel)
    frame.owed = [.checksum, .outerUDPChecksum]
    frame.checksumStart = 124
    frame.checksumOffset = 6
    let out = bench.transmit(frame, port: 0)
    #expect(out.map(\.bytes) == [Vectors.vxlan6])
    #expect(out[0].frame.owed.isEmpty && out[0].frame.steps.contains(.fillChecksum))

    var geneve = Vectors.geneve
    for at in [24, 25, 40, 41] { geneve[at] = 0 }
    frame = bench.frame(geneve)
    frame.owed = [.outerUDPChecksum, .outerIPv4Checksum]
    #expect(bench.transmit(frame, port: 0).map(\.bytes) == [Vectors.geneve])
  }

  @Test("Padding behind the inner packet is not in its checksum, and is in the outer one")
  func padding() throws {
    var bench = try Bench(Vectors.overlay())
    var bytes = owing(Vectors.geneve, l3: 72, l4: 92, offset: 16) + [0xaa, 0xbb, 0xcc]
    bytes[17] += 3
    bytes[39] += 3
    var frame = bench.frame(bytes)
    frame.owed = [.checksum, .outerUDPChecksum, .outerIPv4Checksum]
    frame.checksumStart = 92
    frame.checksumOffset = 16
    let out = try #require(bench.transmit(frame, port: 0).first)
    #expect(Oracle.isRight(out.bytes, l3: 14, l4: 34) && Oracle.isRight(out.bytes, l3: 72, l4: 92))
  }

  /// An inner frame of `count` payload bytes behind the headers of a vector.
  static func big(_ headers: [UInt8], _ count: Int, l3s: [Int], udps: [Int]) -> [UInt8] {
    var bytes = headers + (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    for l3 in l3s {
      let isIPv6 = bytes[l3] >> 4 == 6
      let length = bytes.count - l3 - (isIPv6 ? 40 : 0)
      bytes[l3 + (isIPv6 ? 4 : 2)] = UInt8(length >> 8)
      bytes[l3 + (isIPv6 ? 5 : 3)] = UInt8(length & 255)
    }
    for udp in udps {
      bytes[udp + 4] = UInt8((bytes.count - udp) >> 8)
      bytes[udp + 5] = UInt8((bytes.count - udp) & 255)
    }
    return bytes
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let headers: [UInt8]
    /// IP headers from the outermost in, transport behind each that has a checksum.
    let l3s: [Int]
    let l4s: [Int]
    let udps: [Int]
    let owed: Owed
  }

  static let cases: [Case] = [
    Case(
      testDescription: "TCP", headers: Array(Vectors.inner.prefix(54)), l3s: [14], l4s: [34], udps: [],
      owed: [.tcpSegmentation, .checksum]),
    Case(
      testDescription: "UDP over IPv6", headers: Array(Vectors.inner6.prefix(62)), l3s: [14], l4s: [54], udps: [54],
      owed: [.udpSegmentation, .checksum]),
    Case(
      testDescription: "TCP in Geneve with options", headers: Array(Vectors.geneve.prefix(112)), l3s: [14, 72],
      l4s: [34, 92], udps: [34],
      owed: [.tcpSegmentation, .tunnelSegmentation, .checksum, .outerUDPChecksum, .outerIPv4Checksum]),
    Case(
      testDescription: "UDP in VXLAN over IPv6", headers: Array(Vectors.vxlan6.prefix(132)), l3s: [14, 84],
      l4s: [54, 124], udps: [54, 124], owed: [.udpSegmentation, .tunnelSegmentation, .checksum, .outerUDPChecksum]),
    Case(
      testDescription: "TCP in NVGRE", headers: Array(Vectors.nvgre.prefix(96)), l3s: [14, 56], l4s: [-1, 76], udps: [],
      owed: [.tcpSegmentation, .tunnelSegmentation, .checksum, .outerIPv4Checksum]),
    Case(
      testDescription: "TCP in GRE with its checksum", headers: Array(Vectors.gre.prefix(82)), l3s: [14, 42],
      l4s: [-1, 62], udps: [], owed: [.tcpSegmentation, .tunnelSegmentation, .checksum]),
  ]

  @Test("Segments put together again are the payload, and each is a right packet of its own", arguments: cases)
  func segments(_ which: Case) throws {
    var bench = try Bench(Vectors.overlay())
    for (payload, size) in [(0, 10), (1, 10), (10, 10), (11, 10), (1000, 7), (30_000, 1448)] {
      let whole = Self.big(which.headers, payload, l3s: which.l3s, udps: which.udps)
      var frame = bench.frame(whole + [UInt8](repeating: 0xee, count: which.l3s.count == 1 ? 4 : 0))
      frame.owed = which.owed
      frame.segmentSize = UInt16(size)
      var out = bench.transmit(frame, port: 0)
      if payload > size {
        #expect(out.last?.frame.outcome == .absorbed && out.last?.frame.token == 7)
        out.removeLast()
      }
      #expect(out.count == max(1, (payload + size - 1) / size))
      var joined: [UInt8] = []
      for (index, piece) in out.enumerated() {
        #expect(piece.frame.outcome == .forward && piece.frame.owed.isEmpty)
        #expect(piece.frame.token == (payload > size ? EmulatedDevice.noToken : 7))
        for (l3, l4) in zip(which.l3s, which.l4s) {
          #expect(Oracle.end(piece.bytes, l3) == piece.bytes.count)
          if l4 >= 0 { #expect(Oracle.isRight(piece.bytes, l3: l3, l4: l4)) }
          if piece.bytes[l3] >> 4 == 4 {
            #expect(Oracle.u16(piece.bytes, l3 + 4) == (Oracle.u16(whole, l3 + 4) + index) & 0xffff)
            #expect(Oracle.sum(piece.bytes[l3..<l3 + 20]) == 0xffff)
          }
        }
        if which.owed.contains(.tcpSegmentation), let l4 = which.l4s.last {
          #expect(Oracle.u32(piece.bytes, l4 + 4) == Oracle.u32(whole, l4 + 4) + index * size)
          let flags = piece.bytes[l4 + 13]
          #expect(flags & 8 == (index == out.count - 1 ? 8 : 0), "PSH on the last only")
        }
        if which.testDescription.hasPrefix("TCP in GRE") { #expect(Oracle.sum(piece.bytes[34...]) == 0xffff) }
        joined += piece.bytes.dropFirst(which.headers.count)
      }
      #expect(joined == Array(whole.dropFirst(which.headers.count)))
    }
  }

  @Test("Segments with stations before them are summed with their final destination (RFC 8200 section 8.1)")
  func routed() throws {
    let final = (0..<16).map { UInt8(0x40 + $0) }, station = (0..<16).map { UInt8(0x60 + $0) }
    // Type 0 lists what is ahead in order, type 4 backwards; without segments left the header's destination is final.
    for (type, left, list) in [
      (UInt8(0), UInt8(2), station + final), (4, 1, final + station), (0, 0, station + station),
    ] {
      let routing: [UInt8] = [6, 4, type, left, 0, 0, 0, 0] + list
      var bytes = Array(Vectors.inner6.prefix(54))
      bytes[20] = 43
      bytes += routing + [0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 1, 1, 0, 0, 0, 0]
      bytes += (0..<100).map { UInt8($0) }
      bytes[18] = UInt8((bytes.count - 54) >> 8)
      bytes[19] = UInt8((bytes.count - 54) & 255)
      var bench = try Bench(Vectors.overlay())
      var frame = bench.frame(bytes)
      frame.owed = [.checksum, .tcpSegmentation]
      frame.segmentSize = 60
      frame.checksumStart = 94
      frame.checksumOffset = 16
      let out = bench.transmit(frame, port: 1).filter { $0.frame.outcome == .forward }
      #expect(out.count == 2)
      for segment in out.map(\.bytes) {
        let length = segment.count - 94
        let pseudo = segment[22..<38] + (left > 0 ? final : Array(segment[38..<54])) + [0, 6, 0, UInt8(length)]
        #expect(Oracle.sum((pseudo + segment[94...])[...]) == 0xffff, "type \(type), \(left) left")
      }
    }
  }

  @Test("FIN and PSH stay on the last segment, CWR on the first")
  func flags() throws {
    var bench = try Bench(Vectors.overlay())
    var whole = Self.big(Array(Vectors.inner.prefix(54)), 30, l3s: [14], udps: [])
    whole[47] = 0xd9
    var frame = bench.frame(whole)
    frame.owed = [.tcpSegmentation, .checksum]
    frame.segmentSize = 10
    #expect(bench.transmit(frame, port: 0).dropLast().map { $0.bytes[47] } == [0xd0, 0x50, 0x59])
  }

  @Test("A debt that cannot be paid drops the frame as it is, under its name")
  func malformed() throws {
    var bench = try Bench(Vectors.overlay())
    func expectRefused(_ bytes: [UInt8], _ what: String, _ owe: (inout Frame) -> Void) {
      var frame = bench.frame(bytes)
      owe(&frame)
      let out = bench.transmit(frame, port: 0)
      #expect(out.count == 1 && out[0].frame.outcome == .dropped(.malformedDebt) && out[0].bytes == bytes, "\(what)")
    }
    expectRefused(Vectors.inner, "offset 7") {
      $0.owed = .checksum
      $0.checksumStart = 34
      $0.checksumOffset = 7
    }
    expectRefused(Vectors.inner, "outside") {
      $0.owed = .checksum
      $0.checksumStart = Vectors.inner.count & ~1
      $0.checksumOffset = 16
    }
    expectRefused(Vectors.inner, "size 0") { $0.owed = [.tcpSegmentation, .checksum] }
    expectRefused(Vectors.inner6, "TCP cut of UDP") {
      $0.owed = [.tcpSegmentation, .checksum]
      $0.segmentSize = 1
    }
    expectRefused(Vectors.inner, "both") {
      $0.owed = [.tcpSegmentation, .udpSegmentation]
      $0.segmentSize = 1
    }
    expectRefused(Vectors.inner, "no tunnel") {
      $0.owed = [.tcpSegmentation, .tunnelSegmentation]
      $0.segmentSize = 1
    }
    expectRefused(Vectors.inner, "no outer UDP") { $0.owed = .outerUDPChecksum }
    expectRefused(Vectors.inner6, "no outer IPv4") { $0.owed = .outerIPv4Checksum }
  }

  @Test("Each debt needs its ability")
  func abilities() throws {
    let debts: [(FrameAbilities, Owed)] = [
      (.txChecksum, .checksum), (.txOuterUDPChecksum, .outerUDPChecksum), (.txOuterIPv4Checksum, .outerIPv4Checksum),
      (.tso, [.tcpSegmentation, .checksum]), (.tunnelTSO, [.tcpSegmentation, .tunnelSegmentation, .checksum]),
    ]
    for (ability, owed) in debts {
      for has in [true, false] {
        var abilities = everything()
        if !has { abilities.frame.remove(ability) }
        var bench = try Bench(Vectors.overlay(), abilities)
        // Geneve with TCP inside; for a plain cut, the inner frame alone.
        let isPlain = owed.contains(.tcpSegmentation) && !owed.contains(.tunnelSegmentation)
        var frame = bench.frame(isPlain ? Vectors.inner : Vectors.geneve)
        frame.owed = owed
        frame.segmentSize = 100
        frame.checksumStart = isPlain ? 34 : 92
        frame.checksumOffset = 16
        let out = bench.transmit(frame, port: 0)
        #expect((out.first?.frame.outcome == .forward) == has, "\(ability) \(has)")
      }
    }
  }

  @Test("A frame without debts leaves as it is")
  func plain() throws {
    var bench = try Bench(Vectors.overlay())
    let out = bench.transmit(bench.frame(Vectors.gre), port: 0)
    #expect(out.count == 1 && out[0].bytes == Vectors.gre && out[0].frame.outcome == .forward && out[0].port == 0)
    #expect(bench.transmit(bench.frame(Vectors.gre), port: 99).first?.frame.outcome == .dropped(.noSuchPort))
  }
}
