import Datapath
import Device
import Memory
import Testing

@Suite("Frames: IPv6 extension headers")
struct FramesExtensionTests {
  private let address: [UInt8] = [0xfd, 9] + Array(repeating: 3, count: 14)

  private func packet(_ type: UInt8, _ bytes: [UInt8], tunnel: TestPacket.Tunnel = .none) -> TestPacket {
    var packet = TestPacket(tunnel: tunnel)
    packet.innerIPv6 = true
    packet.extensionType = type
    packet.extensions = bytes
    packet.payload = Array(0..<50)
    return packet
  }

  /// `count` destination options headers of eight bytes, the last in front of TCP.
  private func options(_ count: Int) -> [UInt8] {
    (0..<count).flatMap { [$0 == count - 1 ? 6 : 60, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }
  }

  @Test("Up to eight extension headers are repeated on every segment; a ninth hides the header that is to be cut")
  func chain() throws {
    var arena = try largeArena(4)
    for tunnel in [TestPacket.Tunnel.none, .vxlan] {
      for count in 1...9 {
        let packet = packet(60, options(count), tunnel: tunnel)
        let frame = try packet.owing(&arena, size: 20)
        if count == 9 {
          #expect(throws: DropReason.malformedDebt) { try Segmenter(frame) }
        } else {
          #expect(try FramesSegmentationTests.cut(frame, &arena) == packet.segments(size: 20).map { $0.make().bytes })
        }
        arena.giveBack(frame)
      }
    }
  }

  @Test("Behind a routing header with segments left, checksums are over the final destination (RFC 8200 section 8.1)")
  func routing() throws {
    var arena = try largeArena(8)
    let other: [UInt8] = [0xfd, 8] + Array(repeating: 1, count: 14)
    // Segment routing lists the last segment first; type 2 and its kin end with it.
    var segment = packet(43, [6, 4, 4, 1, 1, 0, 0, 0] + address + other)
    segment.finalDestination = address
    var classic = packet(43, [6, 4, 0, 2, 0, 0, 0, 0] + other + address)
    classic.finalDestination = address
    let arrived = packet(43, [6, 4, 4, 0, 1, 0, 0, 0] + address + other)
    for packet in [segment, classic, arrived] {
      let frame = try packet.owing(&arena, size: 20)
      let expected = packet.segments(size: 20).map { $0.make().bytes }
      #expect(try FramesSegmentationTests.cut(frame, &arena) == expected)
      var coalescer = Coalescer(intoTunnels: false)
      #expect(
        try FramesCoalescingTests.run(&coalescer, expected, &arena).map { $0.bytes.array() } == [frame.bytes.array()])
    }
  }

  @Test("Behind an authentication header nothing is cut and nothing merged, nor behind an atomic fragment's header")
  func sealed() throws {
    var arena = try largeArena(16)
    let authenticated = packet(51, [6, 4] + Array(repeating: 0, count: 22))
    #expect(throws: DropReason.malformedDebt) { try Segmenter(try authenticated.owing(&arena, size: 20)) }
    for packet in [authenticated, packet(44, [6, 0, 0, 0, 1, 2, 3, 4])] {
      let frames = packet.segments(size: 25).map { $0.make().bytes }
      var coalescer = Coalescer(intoTunnels: false)
      #expect(try FramesCoalescingTests.run(&coalescer, frames, &arena).count == 2)
    }
    var behind = packet(60, [6, 0, 1, 4, 0, 0, 0, 0])
    behind.extensions[0] = 51
    behind.extensions += [6, 1] + Array(repeating: 0, count: 10)
    #expect(throws: DropReason.malformedDebt) { try Segmenter(try behind.owing(&arena, size: 20)) }
  }
}
