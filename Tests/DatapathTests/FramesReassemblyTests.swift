import Datapath
import Device
import Memory
import Testing

/// One fragment, made by hand.
private struct Fragment {
  var v6 = false
  var id = 7
  var source: UInt8 = 1
  var proto: UInt8 = 17
  var offset: Int
  var more: Bool
  var data: [UInt8]
  var ecn: UInt8 = 0
  var options: [UInt8] = []
  var hopByHop = false

  var bytes: [UInt8] {
    let l2: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
    if v6 {
      let hop: [UInt8] = hopByHop ? [44, 0, 1, 4, 0, 0, 0, 0] : []
      let address: [UInt8] = [0xfd] + Array(repeating: 0, count: 14)
      let length = hop.count + 8 + data.count
      let header: [UInt8] =
        [0x60, ecn << 4, 0, 0] + be16(length) + [hopByHop ? 0 : 44, 64] + address + [source] + address
      let fragment = [proto, 0] + be16(offset | (more ? 1 : 0)) + be32(UInt32(id))
      return l2 + [0x86, 0xdd] + header + [9] + hop + fragment + data
    }
    let size = 20 + options.count
    var header: [UInt8] = [0x40 | UInt8(size / 4), ecn] + be16(size + data.count) + be16(id)
    header += be16((more ? 0x2000 : 0) | offset / 8) + [64, proto, 0, 0, 10, 0, 0, source, 10, 0, 0, 9] + options
    header.replaceSubrange(10..<12, with: be16(Int(~slowSum(header) & 0xffff)))
    return l2 + [8, 0] + header + data
  }
}

@Suite("Frames: reassembly")
struct FramesReassemblyTests {
  /// A reassembler with an arena, and answers as short words.
  private struct Bench: ~Copyable {
    var arena: FrameArena
    var reassembler: Reassembler
    var lastWhole: [UInt8] = []

    init(bytes: Int = 1 << 20, timeout: UInt64 = 1000, buffers: Int = 8) throws {
      let made = try largeArena(buffers)
      reassembler = try Reassembler(EndpointPolicy.Reassembly(bytes: bytes, timeout: timeout), seed: 5)
      arena = made
    }

    mutating func take(_ bytes: [UInt8], now: UInt64 = 0) throws -> String {
      let frame = try frameOf(bytes, &arena)
      let answer = reassembler.take(frame, now: now, arena: &arena, owner: 0)
      arena.giveBack(frame)
      switch answer {
      case .notFragment: return "not"
      case .absorbed: return "absorbed"
      case .dropped(let reason): return reason.name
      case .whole(let frame):
        lastWhole = frame.bytes.array()
        arena.giveBack(frame)
        return "whole"
      }
    }
    fileprivate mutating func take(_ fragment: Fragment, now: UInt64 = 0) throws -> String {
      try take(fragment.bytes, now: now)
    }
  }

  @Test(
    "Many packets of one identification that differ in a source or a protocol alone are each put together by themselves"
  )
  func crowd() throws {
    for v6 in [false, true] {
      var bench = try Bench(bytes: 1 << 22)
      // So many that some begin at one place of the table.
      let hosts = (0..<250).map { (source: UInt8($0), proto: $0 % 2 == 0 || v6 ? UInt8(17) : 47) }
      for isLast in [false, true] {
        for (index, host) in hosts.enumerated() {
          var one = Fragment(v6: v6, offset: isLast ? 8 : 0, more: !isLast, data: [UInt8](repeating: 0, count: 8))
          one.source = v6 ? host.source : host.source / 2
          one.proto = host.proto
          one.data[0] = UInt8(index)
          #expect(try bench.take(one) == (isLast ? "whole" : "absorbed"), "IPv6 \(v6), packet \(index)")
          guard isLast else { continue }
          #expect(bench.lastWhole.suffix(16).first == UInt8(index) && bench.lastWhole.suffix(8).first == UInt8(index))
        }
      }
    }
  }

  @Test("DF and the reserved bit of the first fragment are the packet's, MF and the offset are not")
  func flags() throws {
    for bits in [0, 0x4000, 0x8000, 0xc000] {
      var bench = try Bench()
      for isLast in [false, true] {
        var bytes = Fragment(offset: isLast ? 8 : 0, more: !isLast, data: [UInt8](repeating: 3, count: 8)).bytes
        bytes[20] |= UInt8(bits >> 8)
        bytes.replaceSubrange(24..<26, with: [0, 0])
        bytes.replaceSubrange(24..<26, with: be16(Int(~slowSum(bytes[14..<34]) & 0xffff)))
        #expect(try bench.take(bytes) == (isLast ? "whole" : "absorbed"))
      }
      #expect(Int(bench.lastWhole[20]) << 8 | Int(bench.lastWhole[21]) == bits)
      #expect(slowSum(bench.lastWhole[14..<34]) == 0xffff)
    }
  }

  @Test("Fragments in any order become the packet that they were cut from, IPv4 and IPv6")
  func anyOrder() throws {
    var bench = try Bench()
    var random = SeededGenerator(state: 41)
    for round in 0..<200 {
      let v6 = round % 2 == 0
      let data = random.bytes(Int.random(in: 9...4000, using: &random))
      var fragments: [Fragment] = []
      var at = 0
      while at < data.count {
        let size = Int.random(in: 1...100, using: &random) * 8
        let end = min(at + max(size, data.count / 100), data.count) & ~7
        let stop = end <= at || data.count - end < 8 ? data.count : end
        fragments.append(
          Fragment(
            v6: v6, id: round, offset: at, more: stop < data.count, data: Array(data[at..<stop]),
            options: at == 0 && round % 3 == 1 ? [7, 4, 0, 0] : [], hopByHop: round % 4 == 0))
        at = stop
      }
      if fragments.count == 1 { continue }
      let first = fragments[0]
      fragments.shuffle(using: &random)
      for (index, fragment) in fragments.enumerated() {
        #expect(try bench.take(fragment) == (index == fragments.count - 1 ? "whole" : "absorbed"))
      }
      let whole = bench.lastWhole
      if v6 {
        let header = first.hopByHop ? 48 : 40
        #expect(whole.count == 14 + header + data.count)
        #expect(Int(whole[18]) << 8 | Int(whole[19]) == header - 40 + data.count)
        #expect(first.hopByHop ? whole[20] == 0 && whole[54] == 17 : whole[20] == 17)
        #expect(Array(whole[(14 + header)...]) == data)
      } else {
        let header = 20 + first.options.count
        #expect(Int(whole[16]) << 8 | Int(whole[17]) == header + data.count)
        #expect(whole[20] == 0 && whole[21] == 0)
        #expect(slowSum(whole[14..<14 + header]) == 0xffff)
        #expect(Array(whole[34..<14 + header]) == first.options)
        #expect(Array(whole[(14 + header)...]) == data)
      }
      #expect(bench.reassembler.held == 0)
    }
    #expect(bench.reassembler.takeLosses() == .init())
  }

  @Test("What Fragmenter cuts, Reassembler makes whole again, twice cut too")
  func inverse() throws {
    var bench = try Bench()
    var packet = TestPacket()
    packet.payload = SeededGenerator(state: 1).filled(3000)
    let whole = packet.make().bytes
    let frame = try frameOf(whole, &bench.arena)
    var pieces: [[UInt8]] = []
    for piece in try FramesFragmentationTests.cut(frame, size: 1000, &bench.arena) {
      let part = try frameOf(piece, &bench.arena)
      pieces += try FramesFragmentationTests.cut(part, size: 300, &bench.arena)
      bench.arena.giveBack(part)
    }
    for piece in pieces.dropLast().reversed() { #expect(try bench.take(piece) == "absorbed") }
    #expect(try bench.take(pieces[pieces.count - 1]) == "whole")
    #expect(bench.lastWhole == whole)
  }

  @Test("Packets of other addresses, identifications and (IPv4) protocols are other packets")
  func keys() throws {
    for v6 in [false, true] {
      var bench = try Bench()
      let one = Fragment(v6: v6, offset: 0, more: true, data: Array(repeating: 1, count: 8))
      var others = [one, one, one]
      others[0].id = 8
      others[1].source = 3
      others[2].proto = 6
      #expect(try bench.take(one) == "absorbed")
      #expect(try bench.take(others[0]) == "absorbed")
      #expect(try bench.take(others[1]) == "absorbed")
      // IPv6 has no protocol in the key (RFC 8200 section 4.5), so there it is a repetition of the first.
      #expect(try bench.take(others[2]) == (v6 ? "fragment_overlap" : "absorbed"))
      #expect(bench.reassembler.held == (v6 ? 3 : 4))
    }
  }

  @Test("An overlap drops the whole packet and what still comes of it; an exact repetition is dropped alone")
  func overlap() throws {
    for v6 in [false, true] {
      for (offset, length) in [(0, 8), (8, 8), (0, 24), (16, 16), (8, 24)] {
        var bench = try Bench()
        let zero = Array(repeating: UInt8(0), count: 64)
        #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: Array(zero[..<16]))) == "absorbed")
        #expect(try bench.take(Fragment(v6: v6, offset: 24, more: true, data: Array(zero[..<8]))) == "absorbed")
        let bad = Fragment(v6: v6, offset: offset, more: true, data: Array(zero[..<length]))
        #expect(try bench.take(bad) == "fragment_overlap")
        #expect(bench.reassembler.takeLosses().overlap == 2)
        #expect(try bench.take(Fragment(v6: v6, offset: 16, more: true, data: Array(zero[..<8]))) == "fragment_overlap")
        #expect(try bench.take(Fragment(v6: v6, offset: 32, more: false, data: [1])) == "fragment_overlap")
        // Its time over, the identification may be used again.
        #expect(try bench.take(Fragment(v6: v6, offset: 32, more: false, data: [1]), now: 1000) == "absorbed")
      }
      var bench = try Bench()
      let first = Fragment(v6: v6, offset: 0, more: true, data: Array(0..<24))
      #expect(try bench.take(first) == "absorbed")
      #expect(try bench.take(first) == "fragment_overlap")
      #expect(bench.reassembler.takeLosses() == .init())
      #expect(try bench.take(Fragment(v6: v6, offset: 24, more: false, data: [9])) == "whole")
      #expect(try bench.take(first) == "absorbed")
      var other = first
      other.data[23] = 0
      #expect(try bench.take(other) == "fragment_overlap")
      #expect(bench.reassembler.takeLosses().overlap == 1)
      // The same bytes at the same place, but once with more to come and once without: no repetition.
      for more in [true, false] {
        var torn = try Bench()
        #expect(try torn.take(Fragment(v6: v6, offset: 8, more: more, data: Array(0..<8))) == "absorbed")
        #expect(try torn.take(Fragment(v6: v6, offset: 8, more: !more, data: Array(0..<8))) == "fragment_overlap")
        #expect(torn.reassembler.takeLosses().overlap == 1)
      }
    }
  }

  @Test("A packet that does not become whole in time is dropped, each fragment counted")
  func timeout() throws {
    var bench = try Bench()
    #expect(try bench.take(Fragment(offset: 0, more: true, data: Array(0..<8)), now: 10) == "absorbed")
    #expect(try bench.take(Fragment(offset: 8, more: true, data: Array(0..<8)), now: 1009) == "absorbed")
    #expect(try bench.take(Fragment(offset: 16, more: false, data: [1]), now: 1010) == "absorbed")
    #expect(bench.reassembler.takeLosses().timeout == 2)
    #expect(bench.reassembler.held == 1)
    bench.reassembler.expire(now: 5000)
    #expect(bench.reassembler.takeLosses().timeout == 1)
    #expect(bench.reassembler.held == 0)
  }

  @Test(
    "No data, data not a multiple of eight with more to come, an end past 65,535 and two ends are fragment_malformed")
  func malformed() throws {
    for v6 in [false, true] {
      var bench = try Bench()
      #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: [])) == "fragment_malformed")
      #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: Array(0..<9))) == "fragment_malformed")
      let far = Fragment(v6: v6, offset: 65528, more: false, data: Array(0..<8))
      #expect(try bench.take(far) == "fragment_malformed")
      #expect(bench.reassembler.held == 0)
      #expect(try bench.take(Fragment(v6: v6, offset: 16, more: false, data: Array(0..<8))) == "absorbed")
      #expect(try bench.take(Fragment(v6: v6, offset: 24, more: true, data: Array(0..<8))) == "fragment_malformed")
      #expect(try bench.take(Fragment(v6: v6, offset: 8, more: false, data: Array(0..<8))) == "fragment_malformed")
      #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: Array(0..<16))) == "whole")
    }
    var bench = try Bench()
    // 20 + 65,520 bytes do not fit in an IPv4 packet, 65,515 do; with Ethernet in front not in a frame record.
    #expect(try bench.take(Fragment(offset: 65512, more: false, data: [1, 2, 3])) == "absorbed")
    #expect(try bench.take(Fragment(offset: 65512, more: false, data: [1, 2, 3, 4])) == "fragment_malformed")
    var at = 0
    while at < 65512 {
      let size = min(8000, 65512 - at)
      let answer = try bench.take(Fragment(offset: at, more: true, data: Array(repeating: 0, count: size)))
      at += size
      #expect(answer == (at == 65512 ? "fragment_malformed" : "absorbed"))
    }
    #expect(bench.reassembler.takeLosses().malformed == 9)
    #expect(bench.reassembler.held == 0)
  }

  @Test("A frame that is no fragment is not taken, and a fragment with a wrong IPv4 header checksum neither")
  func others() throws {
    var bench = try Bench()
    #expect(try bench.take(Fragment(offset: 0, more: false, data: [1])) == "not")
    #expect(try bench.take(Fragment(v6: true, offset: 0, more: false, data: [1])) == "not")
    #expect(try bench.take([1, 2, 3]) == "not")
    var bytes = Fragment(offset: 0, more: true, data: Array(0..<8)).bytes
    bytes[22] ^= 1
    #expect(try bench.take(bytes) == "outer_ipv4_checksum")
    #expect(bench.reassembler.held == 0)
  }

  @Test("CE on a fragment makes the whole CE; with Not-ECT on another the packet is dropped (RFC 3168)")
  func congestion() throws {
    for v6 in [false, true] {
      var bench = try Bench()
      #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: Array(0..<8), ecn: 2)) == "absorbed")
      #expect(try bench.take(Fragment(v6: v6, offset: 8, more: false, data: [1], ecn: 3)) == "whole")
      #expect(v6 ? bench.lastWhole[15] >> 4 == 3 : bench.lastWhole[15] == 3)
      if !v6 { #expect(slowSum(bench.lastWhole[14..<34]) == 0xffff) }
      #expect(try bench.take(Fragment(v6: v6, offset: 0, more: true, data: Array(0..<8), ecn: 3)) == "absorbed")
      #expect(try bench.take(Fragment(v6: v6, offset: 8, more: false, data: [1], ecn: 0)) == "ecn_not_capable")
      #expect(bench.reassembler.takeLosses().ecn == 1)
    }
  }

  @Test("A flood of fragments stays within its memory: the oldest packets go, and new ones still become whole")
  func flood() throws {
    var bench = try Bench(bytes: 64 << 10)
    var random = SeededGenerator(state: 51)
    var dropped = 0
    let room = bench.reassembler.room
    #expect(room <= 64 << 10)
    for index in 0..<3000 {
      let fragment = Fragment(
        v6: index % 2 == 0, id: index, offset: Int.random(in: 0...100, using: &random) * 8, more: true,
        data: Array(repeating: 1, count: Int.random(in: 1...180, using: &random) * 8))
      #expect(try bench.take(fragment) == "absorbed")
      dropped += bench.reassembler.takeLosses().memory
    }
    #expect(dropped + bench.reassembler.held == 3000)
    #expect(try bench.take(Fragment(id: 60000, offset: 0, more: true, data: Array(0..<80))) == "absorbed")
    #expect(try bench.take(Fragment(id: 60000, offset: 80, more: false, data: [1])) == "whole")
    bench.reassembler.expire(now: .max)
    #expect(bench.reassembler.held == 0)
    #expect(bench.reassembler.room == room)
  }

  @Test("A packet larger than the memory, or of more than 128 fragments, is fragment_memory")
  func tooLarge() throws {
    var bench = try Bench(bytes: 8 << 10)
    var answers: [String] = []
    for index in 0..<5 {
      answers.append(try bench.take(Fragment(offset: index * 2000, more: true, data: Array(repeating: 0, count: 2000))))
    }
    #expect(answers.contains("fragment_memory"))
    var many = try Bench()
    for index in 0..<128 {
      #expect(try many.take(Fragment(offset: index * 8, more: true, data: Array(0..<8))) == "absorbed")
    }
    #expect(try many.take(Fragment(offset: 128 * 8, more: false, data: [1])) == "fragment_memory")
    #expect(many.reassembler.takeLosses().memory == 128)
    #expect(try many.take(Fragment(offset: 130 * 8, more: false, data: [1])) == "fragment_memory")
  }

  @Test("Without a buffer for the whole the packet is dropped as no_buffer, each fragment counted")
  func noBuffer() throws {
    var bench = try Bench(buffers: 1)
    #expect(try bench.take(Fragment(offset: 0, more: true, data: Array(0..<8))) == "absorbed")
    #expect(try bench.take(Fragment(offset: 8, more: true, data: Array(0..<8))) == "absorbed")
    #expect(try bench.take(Fragment(offset: 16, more: false, data: [1])) == "no_buffer")
    #expect(bench.reassembler.takeLosses().buffer == 2)
    #expect(bench.reassembler.held == 0)
  }

  @Test("Whatever comes, nothing traps, memory comes back, and every fragment is absorbed, whole or dropped by name")
  func hostile() throws {
    var bench = try Bench(bytes: 32 << 10, timeout: 50)
    var random = SeededGenerator(state: 61)
    let room = bench.reassembler.room
    var absorbed = 0
    var wholes = 0
    var lost = 0
    for step in 0..<20000 {
      var fragment = Fragment(
        v6: Bool.random(using: &random), id: Int.random(in: 0...5, using: &random),
        offset: Int.random(in: 0...6, using: &random) * 8, more: Int.random(in: 0...3, using: &random) > 0, data: [])
      fragment.data = Array(repeating: 7, count: Int.random(in: 0...3, using: &random) * 8)
      fragment.ecn = Int.random(in: 0...9, using: &random) == 0 ? 3 : 2
      var bytes = fragment.bytes
      if Int.random(in: 0...3, using: &random) == 0 {
        bytes[Int.random(in: 12..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        bytes.removeLast(Int.random(in: 0...2, using: &random))
      }
      switch try bench.take(bytes, now: UInt64(step)) {
      case "absorbed": absorbed += 1
      case "whole": wholes += 1
      default: break
      }
      bench.reassembler.takeLosses().forEach { lost += $1 }
    }
    #expect(wholes > 20)
    bench.reassembler.expire(now: .max)
    bench.reassembler.takeLosses().forEach { lost += $1 }
    #expect(lost <= absorbed)
    #expect(bench.reassembler.held == 0)
    #expect(bench.reassembler.room == room)
    #expect(bench.arena.available == bench.arena.capacity)
  }
}
