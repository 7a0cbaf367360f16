import Datapath
import Device
import Memory
import Testing

@Suite("Frames: IPv4 fragmentation")
struct FramesFragmentationTests {
  static func cut(_ frame: Frame, size: Int, _ arena: inout FrameArena) throws(DropReason) -> [[UInt8]] {
    var fragmenter = try Fragmenter(frame, size: size)
    var pieces: [[UInt8]] = []
    while let piece = try fragmenter.next(&arena, owner: 0) {
      pieces.append(piece.bytes.array())
      arena.giveBack(piece)
    }
    return pieces
  }

  /// A fragment as an independent reader sees it.
  struct Piece: Equatable {
    var offset: Int
    var more: Bool
    var options: [UInt8]
    var data: [UInt8]
    init(_ bytes: [UInt8], l3: Int) {
      let header = Int(bytes[l3] & 15) * 4
      let field = Int(bytes[l3 + 6]) << 8 | Int(bytes[l3 + 7])
      #expect(slowSum(bytes[l3..<l3 + header]) == 0xffff)
      #expect(Int(bytes[l3 + 2]) << 8 | Int(bytes[l3 + 3]) == bytes.count - l3)
      offset = (field & 0x1fff) * 8
      more = field & 0x2000 != 0
      options = Array(bytes[l3 + 20..<l3 + header])
      data = Array(bytes[(l3 + header)...])
    }
  }

  @Test("The pieces of a packet are no longer than asked, cover its data once, and say where and whether more follows")
  func pieces() throws {
    var arena = try largeArena(4)
    var random = SeededGenerator(state: 31)
    for round in 0..<300 {
      var packet = TestPacket()
      packet.tags = round % 3
      packet.isTCP = round % 2 == 0
      packet.payload = random.bytes(Int.random(in: 0...1500, using: &random))
      packet.ipOptions = round % 5 == 0 ? [0x94, 4, 0, 0, 7, 7, 4, 1, 2, 3, 4, 0] : []
      let made = packet.make()
      var bytes = made.bytes + (round % 4 == 0 ? [9, 9, 9] : [])
      let header = 20 + packet.ipOptions.count
      let data = Array(made.bytes[made.outerL4...])
      let size = Int.random(in: header + 8...1600, using: &random)
      // A third are fragments already.
      let origin = round % 3 == 1 ? 185 : 0
      let more = round % 3 == 2
      if origin > 0 || more {
        bytes[made.outerL3 + 6] = (more ? 0x20 : 0) | UInt8(origin >> 8)
        bytes[made.outerL3 + 7] = UInt8(origin & 255)
        let sum = Int(
          ~slowSum(bytes[made.outerL3..<made.outerL3 + 10] + bytes[made.outerL3 + 12..<made.outerL4]) & 0xffff)
        bytes.replaceSubrange(made.outerL3 + 10..<made.outerL3 + 12, with: be16(sum))
      }
      let frame = try frameOf(bytes, &arena)
      let got = try Self.cut(frame, size: size, &arena)
      arena.giveBack(frame)
      let parsed = got.map { Piece($0, l3: made.outerL3) }
      var at = origin * 8
      for (index, piece) in parsed.enumerated() {
        #expect(got[index].count - made.outerL3 <= size)
        #expect(got[index][..<made.outerL3] == bytes[..<made.outerL3])
        #expect(piece.offset == at)
        #expect(piece.more == (more || index < parsed.count - 1))
        #expect(index == parsed.count - 1 || piece.data.count % 8 == 0)
        #expect(piece.options == (index == 0 ? packet.ipOptions : packet.ipOptions.isEmpty ? [] : [0x94, 4, 0, 0]))
        at += piece.data.count
      }
      #expect(parsed.flatMap(\.data) == data)
      // No piece but the last could have taken eight bytes more.
      for piece in parsed.dropLast() { #expect(20 + piece.options.count + piece.data.count + 8 > size) }
    }
  }

  @Test("A packet with DF, one of IPv6, one that owes segmentation and a size without room for eight bytes are too_big")
  func refused() throws {
    var arena = try largeArena(16)
    var packet = TestPacket()
    packet.payload = Array(0..<200)
    #expect(throws: DropReason.tooBig) { try Self.cut(try frameOf(packet.make().bytes, &arena), size: 27, &arena) }
    #expect(try Self.cut(try frameOf(packet.make().bytes, &arena), size: 28, &arena).count == 28)
    #expect(throws: DropReason.tooBig) { try Fragmenter(try packet.owing(&arena, size: 9), size: 100) }
    packet.innerDF = true
    #expect(throws: DropReason.tooBig) { try Fragmenter(try frameOf(packet.make().bytes, &arena), size: 100) }
    packet.innerIPv6 = true
    #expect(throws: DropReason.tooBig) { try Fragmenter(try frameOf(packet.make().bytes, &arena), size: 100) }
  }

  @Test("A packet that owes its checksum is cut with it paid; a header checksum that was wrong stays wrong")
  func checksums() throws {
    var arena = try largeArena(8)
    var packet = TestPacket()
    packet.payload = Array(0..<100)
    let (owing, finished) = try FramesPayDebtsTests.owing(packet, &arena)
    let plain = try frameOf(finished, &arena)
    #expect(try Self.cut(owing, size: 60, &arena) == Self.cut(plain, size: 60, &arena))
    let right = try Self.cut(plain, size: 60, &arena)
    plain.bytes[14 + 10] ^= 0x10
    for (wrong, right) in zip(try Self.cut(plain, size: 60, &arena), right) {
      #expect(wrong != right)
      #expect(slowSum(wrong[14..<34]) != 0xffff)
    }
  }

  @Test("A frame that begins with IP is cut into frames that begin with IP")
  func startsAtIP() throws {
    var arena = try largeArena(8)
    var packet = TestPacket()
    packet.payload = Array(0..<100)
    let made = packet.make()
    var frame = try frameOf(Array(made.bytes[14...]), &arena)
    frame.steps.insert(.startsAtIP)
    let got = try Self.cut(frame, size: 60, &arena)
    let plain = try Self.cut(try frameOf(made.bytes, &arena), size: 60, &arena)
    #expect(got == plain.map { Array($0[14...]) })
  }

  @Test("A fragment whose end would pass 65,535 is fragment_malformed")
  func pastTheEnd() throws {
    var arena = try largeArena(8)
    var packet = TestPacket()
    packet.payload = Array(0..<60)
    for (offset, isFine) in [(0x1fff - 12, true), (0x1fff - 11, false), (0x1fff, false)] {
      let frame = try frameOf(packet.make().bytes, &arena)
      frame.bytes.store(UInt16(offset), at: 20)
      if isFine {
        #expect(try Self.cut(frame, size: 60, &arena).count == 2)
      } else {
        #expect(throws: DropReason.tooBig) { try Fragmenter(frame, size: 60) }
      }
      arena.giveBack(frame)
    }
  }

  @Test("Options that cannot be walked and offsets past 65,535 give pieces or fragment_malformed, never a trap")
  func hostile() throws {
    var arena = try largeArena(64)
    var random = SeededGenerator(state: 33)
    for _ in 0..<2000 {
      var packet = TestPacket()
      packet.ipOptions = random.bytes(Int.random(in: 0...10, using: &random) * 4)
      packet.payload = random.bytes(60)
      let frame = try frameOf(packet.make().bytes, &arena)
      frame.bytes.store(UInt16.random(in: 0...0x3fff, using: &random), at: 20)
      do throws(DropReason) {
        let pieces = try Self.cut(frame, size: Int.random(in: 28...120, using: &random), &arena)
        #expect(pieces.allSatisfy { $0.count <= 14 + 120 })
      } catch { #expect(error == .tooBig) }
      arena.giveBack(frame)
    }
  }
}
