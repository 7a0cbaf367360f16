import Datapath
import Device
import Memory
import Testing

/// Frames that scapy built (Tools/Oracle/frames_vectors.py) against ours: a builder and checksums that nobody here wrote.
@Suite("Frames: against scapy")
struct FramesOracleTests {
  private func bytes(_ hex: String) throws -> [UInt8] {
    var result: [UInt8] = []
    var high: UInt8?
    for character in hex {
      let digit = UInt8(try #require(character.hexDigitValue))
      if let first = high {
        result.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return result
  }

  @Test("Segments that scapy built are merged, so their checksums are right, and cut again they are scapy's bytes")
  func segments() throws {
    var arena = try largeArena(16)
    #expect(FramesVectors.segments.count > 40)
    for vector in FramesVectors.segments {
      var frames: [[UInt8]] = []
      for frame in vector.frames { frames.append(try bytes(frame)) }
      var coalescer = Coalescer(intoTunnels: true)
      let merged = try FramesCoalescingTests.run(&coalescer, frames, &arena)
      #expect(merged.count == 1, "\(vector.name) \(vector.isTCP)")
      for frame in merged {
        #expect(frame.segmentSize == 40)
        #expect(frame.owed.contains(vector.isTCP ? .tcpSegmentation : .udpSegmentation))
        #expect(try FramesSegmentationTests.cut(frame, &arena) == frames, "\(vector.name) \(vector.isTCP)")
        arena.giveBack(frame)
      }
    }
  }

  @Test("Fragments are scapy's, byte for byte, and scapy's become the packet again, IPv4 and IPv6")
  func fragments() throws {
    var arena = try largeArena(4)
    for (packet, pieces) in FramesVectors.fragments {
      let whole = try bytes(packet)
      var expected: [[UInt8]] = []
      for piece in pieces { expected.append(try bytes(piece)) }
      if whole[12] == 0x81 {
        let frame = try frameOf(whole, &arena)
        #expect(try FramesFragmentationTests.cut(frame, size: 20 + 96, &arena) == expected)
        arena.giveBack(frame)
      }
      var reassembler = try Reassembler(EndpointPolicy.Reassembly(bytes: 65536, timeout: 9), seed: 1)
      for (index, piece) in expected.enumerated() {
        let frame = try frameOf(piece, &arena)
        let answer = reassembler.take(frame, now: 0, arena: &arena, owner: 0)
        arena.giveBack(frame)
        if case .whole(let frame) = answer {
          #expect(index == expected.count - 1)
          #expect(frame.bytes.array() == whole)
        } else {
          #expect(index < expected.count - 1)
        }
      }
    }
  }

  @Test("The answer to a packet that is too big is scapy's, byte for byte")
  func tooBig() throws {
    var arena = try largeArena(4)
    var buckets = TenantBuckets(highest: 0)
    for (packet, expected) in FramesVectors.tooBig {
      let frame = try frameOf(try bytes(packet), &arena)
      guard
        case .answer(let answer) = TooBigAnswer.make(
          about: frame, mtu: 1400, buckets: &buckets, now: 0, arena: &arena, owner: 0)
      else {
        Issue.record("no answer")
        continue
      }
      #expect(answer.bytes.array() == (try bytes(expected)))
    }
  }
}
