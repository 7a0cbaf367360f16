import Datapath
import Device
import Memory
import Testing

/// Every combination of tunnel, IP versions, transport, tags and outer checksum.
private func packets(_ body: (TestPacket) throws -> Void) rethrows {
  for tunnel in TestPacket.Tunnel.all {
    for bits in 0..<16 {
      var packet = TestPacket(tunnel: tunnel)
      packet.innerIPv6 = bits & 1 != 0
      packet.isTCP = bits & 2 != 0
      packet.outerIPv6 = bits & 4 != 0
      packet.tags = bits & 8 != 0 ? 2 : 0
      packet.innerTags = bits & 5 == 5 ? 1 : 0
      packet.outerUDPChecksum = bits & 9 != 9
      if packet.outerIPv6 && tunnel == .none { continue }
      try body(packet)
    }
  }
}

@Suite("Frames: segmentation")
struct FramesSegmentationTests {
  /// All segments of `frame`, as arrays.
  static func cut(_ frame: Frame, _ arena: inout FrameArena) throws(DropReason) -> [[UInt8]] {
    var segmenter = try Segmenter(frame)
    var result: [[UInt8]] = []
    while let segment = try segmenter.next(&arena, owner: 2) {
      if !segment.owed.isEmpty || segment.segmentSize != 0 { throw .malformedDebt }
      result.append(segment.bytes.array())
      arena.giveBack(segment)
    }
    return result
  }

  @Test("A frame that owes segmentation becomes the segments that a plain builder makes, in every tunnel")
  func everyTunnel() throws {
    var arena = try largeArena(8)
    var random = SeededGenerator(state: 1)
    try packets { packet in
      for (length, size) in [(0, 100), (1, 100), (100, 100), (101, 100), (700, 233), (64, 1)] {
        var packet = packet
        packet.payload = random.bytes(length)
        packet.flags = 0x99
        packet.tcpOptions = length % 2 == 0 ? [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] : []
        packet.ipOptions = length == 101 ? [0x94, 4, 0, 0] : []
        let frame = try packet.owing(&arena, size: size)
        let expected = packet.segments(size: size).map { $0.make().bytes }
        let segmenter = try Segmenter(frame)
        #expect(segmenter.count == expected.count)
        #expect(segmenter.longest == expected.map(\.count).max())
        let got = try Self.cut(frame, &arena)
        #expect(got == expected, "\(packet.tunnel) \(packet.isTCP) \(length)/\(size)")
        arena.giveBack(frame)
      }
    }
  }

  @Test("A full-sized frame of 65,535 bytes is cut to the last byte")
  func largest() throws {
    var arena = try largeArena(4)
    var packet = TestPacket(tunnel: .geneve(options: 8))
    packet.payload = SeededGenerator(state: 7).filled(65535 - packet.make().bytes.count)
    let frame = try packet.owing(&arena, size: 1400)
    #expect(frame.length == 65535)
    #expect(try Self.cut(frame, &arena) == packet.segments(size: 1400).map { $0.make().bytes })
  }

  @Test("L2 padding behind the packet is not repeated, and the owed field's value is not used")
  func padding() throws {
    var arena = try largeArena(4)
    for tunnel in [TestPacket.Tunnel.none, .vxlan] {
      var packet = TestPacket(tunnel: tunnel)
      packet.payload = [1, 2, 3, 4, 5]
      var frame = try packet.owing(&arena, size: 2)
      let length = frame.length
      frame.setLength(length + 7)
      frame.bytes.fill(0xee, at: length, count: 7)
      frame.bytes.store(UInt16(0xbeef), at: frame.checksumStart + 16)
      #expect(try Self.cut(frame, &arena) == packet.segments(size: 2).map { $0.make().bytes })
    }
  }

  @Test("A tunnel on another UDP port is found by the record's inner offsets")
  func otherPort() throws {
    var arena = try largeArena(4)
    var packet = TestPacket(tunnel: .vxlan)
    packet.payload = Array(0..<90)
    let frame = try packet.owing(&arena, size: 40)
    frame.bytes.store(UInt16(8472), at: frame.outerL4 + 2)
    var expected = packet.segments(size: 40).map { $0.make().bytes }
    for index in expected.indices {
      let field = frame.outerL4
      let old = Int(expected[index][field + 6]) << 8 | Int(expected[index][field + 7])
      // RFC 1624 by hand: 4789 became 8472.
      var sum = (~old & 0xffff) + (~4789 & 0xffff) + 8472
      while sum > 0xffff { sum -= 0xffff }
      expected[index].replaceSubrange(field + 2..<field + 4, with: be16(8472))
      expected[index].replaceSubrange(field + 6..<field + 8, with: be16(~sum & 0xffff))
    }
    #expect(try Self.cut(frame, &arena) == expected)
  }

  @Test("A segmentation debt that cannot be paid is malformed_debt: size 0, no such header, fragments, no tunnel")
  func malformed() throws {
    var arena = try largeArena(16)
    var packet = TestPacket()
    packet.payload = [1, 2, 3]
    func refused(_ packet: TestPacket, _ change: (inout Frame) -> Void) throws {
      var frame = try packet.owing(&arena, size: 2)
      change(&frame)
      #expect(throws: DropReason.malformedDebt) { try Segmenter(frame) }
      arena.giveBack(frame)
    }
    try refused(packet) { $0.segmentSize = 0 }
    try refused(packet) { $0.owed = [.checksum] }
    try refused(packet) { $0.owed = [.tcpSegmentation, .udpSegmentation] }
    try refused(packet) { $0.owed = [.udpSegmentation] }
    try refused(packet) { $0.owed.insert(.tunnelSegmentation) }
    try refused(packet) { $0.bytes[14 + 9] = 1 }
    try refused(packet) { $0.bytes[14 + 6] = 0x20 }
    try refused(packet) { $0.bytes[14 + 20 + 12] = 0x40 }
    try refused(packet) { $0.bytes[14 + 20 + 12] = 0xf0 }
    try refused(packet) { $0.bytes[12] = 0x86 }
    try refused(packet) { $0.setLength(40) }
    try refused(packet) { $0.setLength(3) }
    packet.tunnel = .gre(key: true, checksum: true)
    try refused(packet) { $0.bytes[$0.innerL3] = 0x65 }
    try refused(packet) { $0.bytes[$0.outerL4] = 0xff }
    packet.tunnel = .geneve(options: 4)
    try refused(packet) { $0.bytes[$0.outerL4 + 8] = 63 }
    try refused(packet) { $0.bytes.store(UInt16(7), at: $0.outerL4 + 4) }
    packet.tunnel = .none
    packet.isTCP = false
    try refused(packet) { $0.bytes.store(UInt16(7), at: $0.outerL4 + 4) }
  }

  @Test("With no buffer left a segmenter says no_buffer and goes on when there is one again")
  func noBuffer() throws {
    var large = try largeArena(1)
    var arena = try FrameArena(capacity: 1, bufferSize: 1024, headroom: 128)
    var packet = TestPacket()
    packet.payload = Array(0..<200)
    let frame = try packet.owing(&large, size: 100)
    var segmenter = try Segmenter(frame)
    let first = try #require(try segmenter.next(&arena, owner: 0))
    #expect(throws: DropReason.noBuffer) { try segmenter.next(&arena, owner: 0) }
    arena.giveBack(first)
    let second = try #require(try segmenter.next(&arena, owner: 0))
    #expect(second.bytes.array() == packet.segments(size: 100)[1].make().bytes)
    #expect(try segmenter.next(&arena, owner: 0) == nil)
  }

  @Test("Every length field, flag and offset of a frame set to anything gives segments or malformed_debt, never a trap")
  func hostile() throws {
    var arena = try largeArena(4)
    var random = SeededGenerator(state: 3)
    for tunnel in TestPacket.Tunnel.all {
      var packet = TestPacket(tunnel: tunnel)
      packet.payload = random.bytes(40)
      for _ in 0..<400 {
        var frame = try packet.owing(&arena, size: 13)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          frame.bytes[Int.random(in: 12..<frame.length, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) { frame.setLength(Int.random(in: 0...frame.length, using: &random)) }
        frame.owed = Owed(rawValue: UInt8.random(in: 0...63, using: &random))
        frame.innerL2 = Int.random(in: 0...255, using: &random) * 2
        frame.checksumStart = Int.random(in: 0...255, using: &random) * 2
        frame.checksumOffset = [0, 6, 16, 255].randomElement(using: &random) ?? 0
        do throws(DropReason) {
          for segment in try Self.cut(frame, &arena) { #expect(segment.count <= frame.length) }
        } catch { #expect(error == .malformedDebt) }
        do throws(DropReason) { try PayDebts.pay(&frame) } catch { #expect(error == .malformedDebt) }
        arena.giveBack(frame)
      }
    }
  }

  @Test("A chain of segments is made one frame; a chain in a circle or out of the table is malformed_debt")
  func linearise() throws {
    var arena = try largeArena(8)
    var packet = TestPacket(tunnel: .vxlan)
    packet.payload = SeededGenerator(state: 5).filled(500)
    let whole = try packet.owing(&arena, size: 99)
    let bytes = whole.bytes.array()
    var head = whole
    head.setLength(100)
    var middle = try frameOf(Array(bytes[100..<101]), &arena)
    let tail = try frameOf(Array(bytes[101...]), &arena)
    func join(_ arena: inout FrameArena) throws(DropReason) -> Frame {
      var burst = FrameBurst()
      _ = burst.appendSegment(tail)
      _ = burst.appendSegment(middle)
      return try arena.linearise(head, burst: burst, owner: 3)
    }
    head.next = 2
    middle.next = 1
    let joined = try join(&arena)
    #expect(joined.bytes.array() == bytes)
    #expect(try Self.cut(joined, &arena) == packet.segments(size: 99).map { $0.make().bytes })
    middle.next = 2
    #expect(throws: DropReason.malformedDebt) { try join(&arena) }
    middle.setLength(0)
    #expect(throws: DropReason.malformedDebt) { try join(&arena) }
    middle.next = 9
    #expect(throws: DropReason.malformedDebt) { try join(&arena) }
  }
}

extension SeededGenerator {
  /// `count` bytes from this state.
  func filled(_ count: Int) -> [UInt8] {
    var copy = self
    return copy.bytes(count)
  }
}
