import Datapath
import Device
import Memory
import Testing

@Suite("Frames: owed checksums")
struct FramesPayDebtsTests {
  /// A frame that owes its checksums (no segmentation), and the finished bytes.
  static func owing(_ packet: TestPacket, _ arena: inout FrameArena) throws -> (Frame, [UInt8]) {
    var frame = try packet.owing(&arena, size: 1)
    frame.owed.subtract([.tcpSegmentation, .udpSegmentation, .tunnelSegmentation])
    frame.segmentSize = 0
    return (frame, packet.make().bytes)
  }

  @Test("Owed checksums become those of the finished frame, inner, outer UDP and outer IPv4, in every tunnel")
  func everyTunnel() throws {
    var arena = try largeArena(4)
    var random = SeededGenerator(state: 21)
    for tunnel in TestPacket.Tunnel.all {
      for bits in 0..<32 {
        var packet = TestPacket(tunnel: tunnel)
        packet.innerIPv6 = bits & 1 != 0
        packet.isTCP = bits & 2 != 0
        packet.outerIPv6 = bits & 4 != 0 && tunnel != .none
        packet.tags = bits & 8 != 0 ? 1 : 0
        packet.outerUDPChecksum = bits & 16 != 0
        packet.payload = random.bytes(Int.random(in: 0...99, using: &random))
        var (frame, finished) = try Self.owing(packet, &arena)
        if !(tunnel == .none ? packet.innerIPv6 : packet.outerIPv6) {
          frame.owed.insert(.outerIPv4Checksum)
          frame.bytes.store(UInt16(0xdead), at: frame.outerL3 + 10)
        }
        if tunnel.hasGREChecksum { try PayDebts.setGREChecksum(frame) }
        try PayDebts.pay(&frame)
        #expect(frame.bytes.array() == finished, "\(tunnel) \(bits)")
        #expect(frame.owed.isEmpty)
        #expect(frame.steps.contains(.fillChecksum))
        arena.giveBack(frame)
      }
    }
  }

  @Test(
    "The outer UDP checksum over an inner one that stays owed is that of the finished frame; the payload is not read")
  func localChecksumOffload() throws {
    var arena = try largeArena(16)
    for length in [0, 1, 50, 51] {
      for isTCP in [true, false] {
        var packet = TestPacket(tunnel: .geneve(options: 12))
        packet.isTCP = isTCP
        packet.payload = SeededGenerator(state: UInt64(length)).filled(length)
        var (frame, finished) = try Self.owing(packet, &arena)
        let inner = frame.bytes.u16(frame.checksumStart + Int(frame.checksumOffset))
        let outer = UInt16(finished[frame.outerL4 + 6]) << 8 | UInt16(finished[frame.outerL4 + 7])
        // A payload that nobody reads may be anything.
        let payload = frame.bytes.from(frame.segmentHeaderLength).array()
        frame.bytes.fill(0x5a, at: frame.segmentHeaderLength, count: length)
        try PayDebts.pay(&frame, keeping: .checksum)
        #expect(frame.owed == .checksum)
        #expect(frame.bytes.u16(frame.outerL4 + 6) == outer)
        #expect(frame.bytes.u16(frame.checksumStart + Int(frame.checksumOffset)) == inner)
        frame.bytes.copy(payload, at: frame.segmentHeaderLength)
        try PayDebts.pay(&frame)
        #expect(frame.bytes.array() == finished)
      }
    }
  }

  @Test("L2 padding inside the tunnel counts for the outer checksum only, padding of the outer packet for none")
  func padding() throws {
    var arena = try largeArena(4)
    for length in [4, 5] {
      var packet = TestPacket(tunnel: .vxlan)
      packet.payload = Array(repeating: 0xab, count: length)
      var (frame, _) = try Self.owing(packet, &arena)
      let old = frame.length
      frame.setLength(old + 9)
      frame.bytes.copy([1, 2, 3, 4, 5, 6, 7, 8, 9], at: old)
      // The outer packet takes in seven of the nine bytes, the inner one none.
      frame.bytes.store(frame.bytes.u16(frame.outerL3 + 2) + 7, at: frame.outerL3 + 2)
      frame.bytes.store(frame.bytes.u16(frame.outerL4 + 4) + 7, at: frame.outerL4 + 4)
      try PayDebts.pay(&frame)
      let bytes = frame.bytes.array()
      let inner = slowSum(bytes[frame.innerL4..<old], slowSum(bytes[frame.innerL3 + 12..<frame.innerL3 + 20]))
      #expect(slowSum(be16(6) + be16(old - frame.innerL4), inner) == 0xffff)
      let outer = slowSum(
        bytes[frame.outerL4..<old + 7], slowSum(bytes[frame.outerL3 + 12..<frame.outerL3 + 20]))
      #expect(slowSum(be16(17) + be16(old + 7 - frame.outerL4), outer) == 0xffff)
    }
  }

  @Test("A UDP checksum that comes out 0 is sent as 0xffff")
  func zero() throws {
    var arena = try largeArena(4)
    var packet = TestPacket()
    packet.isTCP = false
    packet.payload = [0, 0]
    let made = packet.make()
    // The payload that makes the sum 0xffff: the checksum itself.
    packet.payload = Array(made.bytes[made.outerL4 + 6..<made.outerL4 + 8])
    var (frame, _) = try Self.owing(packet, &arena)
    try PayDebts.pay(&frame)
    #expect(frame.bytes.u16(made.outerL4 + 6) == 0xffff)
  }

  @Test(
    "A checksum debt outside of the packet, at an offset of neither 6 nor 16, or without its header is malformed_debt")
  func malformed() throws {
    var arena = try largeArena(4)
    var packet = TestPacket(tunnel: .vxlan)
    packet.payload = [1]
    func refused(_ change: (inout Frame) -> Void) throws {
      var (frame, _) = try Self.owing(packet, &arena)
      change(&frame)
      #expect(throws: DropReason.malformedDebt) { try PayDebts.pay(&frame) }
      arena.giveBack(frame)
    }
    try refused { $0.checksumOffset = 7 }
    try refused { $0.checksumOffset = 0 }
    try refused { $0.checksumStart = 510 }
    try refused { $0.checksumStart = $0.innerL4 + 6 }
    try refused { $0.bytes.store(UInt16(7), at: $0.outerL4 + 4) }
    try refused { $0.bytes.store(UInt16(0xffff), at: $0.outerL4 + 4) }
    try refused { $0.bytes[$0.outerL3 + 9] = 6 }
    try refused { $0.bytes[12] = 0 }
    try refused { $0.setLength(20) }
    packet.tunnel = .gre(key: true, checksum: false)
    try refused { $0.owed.insert(.outerUDPChecksum) }
    packet.outerIPv6 = true
    try refused { $0.owed.insert(.outerIPv4Checksum) }
    let (frame, _) = try Self.owing(packet, &arena)
    #expect(throws: DropReason.malformedDebt) { try PayDebts.setGREChecksum(frame) }
  }

  @Test("A frame that owes segmentation is left as it is: its checksums are made with its segments")
  func segmentation() throws {
    var arena = try largeArena(4)
    var packet = TestPacket(tunnel: .vxlan)
    packet.payload = [1, 2, 3]
    var frame = try packet.owing(&arena, size: 1)
    let before = frame.bytes.array()
    try PayDebts.pay(&frame)
    #expect(frame.bytes.array() == before && frame.owed.contains(.checksum))
  }
}
