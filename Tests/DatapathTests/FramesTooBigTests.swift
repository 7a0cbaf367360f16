import Datapath
import Device
import Memory
import Testing

@Suite("Frames: the answer to a packet that is too big")
struct FramesTooBigTests {
  private func answer(_ bytes: [UInt8], mtu: Int = 1400) throws -> [UInt8]? {
    var arena = try largeArena(2)
    var buckets = TenantBuckets(highest: 3)
    let frame = try frameOf(bytes, &arena)
    switch TooBigAnswer.make(about: frame, mtu: mtu, buckets: &buckets, now: 0, arena: &arena, owner: 0) {
    case .answer(let answer): return answer.bytes.array()
    case .unanswerable: return nil
    case .suppressed, .noBuffer:
      Issue.record("neither answered nor unanswerable")
      return nil
    }
  }

  @Test(
    "IPv4: type 3 code 4 with the MTU, from the frame's destination to its source, tags mirrored, 576 bytes at most")
  func ipv4() throws {
    for (tags, length) in [(0, 1500), (1, 1500), (2, 10), (0, 508), (0, 509)] {
      var packet = TestPacket()
      packet.tags = tags
      packet.payload = SeededGenerator(state: 1).filled(length)
      let made = packet.make()
      let l3 = made.outerL3
      let got = try #require(try answer(made.bytes + [0, 0]))
      let original = made.bytes
      #expect(got[..<6] == original[6..<12])
      #expect(got[6..<12] == original[..<6])
      #expect(got[12..<l3] == original[12..<l3])
      #expect(got[l3] == 0x45)
      #expect(slowSum(got[l3..<l3 + 20]) == 0xffff)
      #expect(Int(got[l3 + 2]) << 8 | Int(got[l3 + 3]) == got.count - l3)
      #expect(got[l3 + 9] == 1)
      #expect(got[l3 + 12..<l3 + 16] == original[l3 + 16..<l3 + 20])
      #expect(got[l3 + 16..<l3 + 20] == original[l3 + 12..<l3 + 16])
      let icmp = Array(got[(l3 + 20)...])
      #expect(Array(icmp[..<2]) == [3, 4])
      #expect(Array(icmp[4..<8]) == [0, 0] + be16(1400))
      #expect(slowSum(icmp) == 0xffff)
      #expect(got.count - l3 == min(576, 28 + original.count - l3))
      #expect(Array(icmp[8...]) == Array(original[l3...].prefix(548)))
    }
  }

  @Test("IPv6: type 2 code 0 with the MTU, 1280 bytes at most, checksum over the pseudo-header")
  func ipv6() throws {
    for (tags, length) in [(0, 1500), (1, 3)] {
      var packet = TestPacket()
      packet.innerIPv6 = true
      packet.tags = tags
      packet.payload = SeededGenerator(state: 1).filled(length)
      let made = packet.make()
      let l3 = made.outerL3
      let got = try #require(try answer(made.bytes, mtu: 0x12345))
      #expect(got[..<6] == made.bytes[6..<12] && got[6..<12] == made.bytes[..<6])
      #expect(got[l3 + 6] == 58)
      #expect(got[l3 + 8..<l3 + 24] == made.bytes[l3 + 24..<l3 + 40])
      #expect(got[l3 + 24..<l3 + 40] == made.bytes[l3 + 8..<l3 + 24])
      let icmp = Array(got[(l3 + 40)...])
      #expect(Int(got[l3 + 4]) << 8 | Int(got[l3 + 5]) == icmp.count)
      #expect(Array(icmp[..<2]) == [2, 0])
      #expect(Array(icmp[4..<8]) == be32(0x12345))
      #expect(slowSum(be16(icmp.count) + [0, 58] + icmp, slowSum(got[l3 + 8..<l3 + 40])) == 0xffff)
      #expect(got.count - l3 == min(1280, 48 + made.bytes.count - l3))
      #expect(Array(icmp[8...]) == Array(made.bytes[l3...].prefix(1232)))
    }
  }

  @Test("No answer about ICMP errors, later fragments, groups, and what no single host sent")
  func silence() throws {
    var packet = TestPacket()
    packet.payload = Array(0..<100)
    let bytes = packet.make().bytes
    func changed(_ at: Int, _ new: [UInt8]) throws -> Bool {
      var copy = bytes
      copy.replaceSubrange(at..<at + new.count, with: new)
      return try answer(copy) != nil
    }
    #expect(try answer(bytes) != nil)
    for type in UInt8(0)...255 {
      var copy = bytes
      copy[23] = 1
      copy[34] = type
      #expect(try (answer(copy) == nil) == [3, 4, 5, 11, 12].contains(type))
    }
    #expect(try !changed(0, [1]))
    #expect(try !changed(0, [255, 255, 255, 255, 255, 255]))
    #expect(try !changed(6, [3]))
    #expect(try changed(20, [0x20, 0]))
    #expect(try !changed(20, [0, 1]))
    #expect(try !changed(20, [0x20, 9]))
    for address: [UInt8] in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [240, 0, 0, 1], [255, 255, 255, 255]] {
      #expect(try !changed(26, address))
      #expect(try !changed(30, address))
    }
    #expect(try !changed(12, [8, 6]))
    #expect(try !changed(14, [0x44]))
    #expect(try answer([]) == nil)
  }

  @Test(
    "No answer over IPv6 about ICMPv6 errors, redirects, later fragments, groups, and headers that cannot be walked")
  func silence6() throws {
    var packet = TestPacket()
    packet.innerIPv6 = true
    packet.payload = Array(0..<100)
    let bytes = packet.make().bytes
    for type in UInt8(0)...255 {
      var copy = bytes
      copy[20] = 58
      copy[54] = type
      #expect(try (answer(copy) == nil) == (type < 128 || type == 137))
      // Behind a destination options header.
      copy[20] = 60
      copy.replaceSubrange(54..<56, with: [58, 0])
      copy[62] = type
      #expect(try (answer(copy) == nil) == (type < 128 || type == 137))
      // Behind an authentication header, whose length counts in words of four less two.
      var sealed = bytes
      sealed[20] = 51
      sealed.replaceSubrange(54..<56, with: [58, 1])
      sealed[66] = type
      #expect(try (answer(sealed) == nil) == (type < 128 || type == 137))
      // In a first fragment, and in a later one.
      copy[20] = 44
      copy.replaceSubrange(54..<58, with: [58, 0, 0, 1])
      #expect(try (answer(copy) == nil) == (type < 128 || type == 137))
      copy[57] = 9
      #expect(try answer(copy) == nil)
    }
    for address in [
      [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 15) + [1], [0xff, 2] + bytes[24..<38],
    ] {
      for at in [22, 38] {
        var copy = bytes
        copy.replaceSubrange(at..<at + 16, with: address)
        #expect(try answer(copy) == nil)
      }
    }
    var copy = bytes
    copy[20] = 0
    copy[55] = 255
    #expect(try answer(copy) == nil)
  }

  @Test("A frame without Ethernet has nobody to answer, and without a buffer that is said")
  func noAnswer() throws {
    var arena = try largeArena(1)
    var buckets = TenantBuckets(highest: 0)
    var frame = try frameOf(TestPacket().make().bytes, &arena)
    guard case .noBuffer = TooBigAnswer.make(about: frame, mtu: 99, buckets: &buckets, now: 0, arena: &arena, owner: 0)
    else {
      Issue.record("a buffer from nowhere")
      return
    }
    frame.removeFirst(14)
    frame.steps.insert(.startsAtIP)
    guard
      case .unanswerable = TooBigAnswer.make(about: frame, mtu: 99, buckets: &buckets, now: 0, arena: &arena, owner: 0)
    else {
      Issue.record("an answer to nobody")
      return
    }
  }

  @Test("Answers are limited per tenant: a burst, then the rate; silence about a frame costs nothing")
  func rate() throws {
    var arena = try largeArena(64)
    var buckets = TenantBuckets(highest: 2, rate: 100, burst: 10)
    var frame = try frameOf(TestPacket().make().bytes, &arena)
    func ask(_ tenant: UInt16, _ now: UInt64, times: Int) -> Int {
      frame.tenant = tenant
      var answers = 0
      for _ in 0..<times {
        if case .answer(let answer) = TooBigAnswer.make(
          about: frame, mtu: 99, buckets: &buckets, now: now, arena: &arena, owner: 0)
        {
          answers += 1
          arena.giveBack(answer)
        }
      }
      return answers
    }
    let start: UInt64 = 5_000_000_000
    #expect(ask(1, start, times: 20) == 10)
    #expect(ask(2, start, times: 5) == 5)
    #expect(ask(1, start + 9_999_999, times: 2) == 0)
    #expect(ask(1, start + 10_000_000, times: 2) == 1)
    #expect(ask(1, start, times: 1) == 0)
    #expect(ask(1, start + 1_010_000_000, times: 99) == 10)
    frame.bytes[0] |= 1
    #expect(ask(2, start, times: 50) == 0)
    frame.bytes[0] &= ~1
    #expect(ask(2, start, times: 50) == 5)
    #expect(ask(9, .max, times: 50) == 10)
  }

  @Test("The MTU that fits is the port's, less what the encapsulation adds")
  func fitting() {
    #expect(TooBigAnswer.fittingMTU(portMTU: 1500, length: 1500, outerLength: 1550) == 1450)
    #expect(TooBigAnswer.fittingMTU(portMTU: 40, length: 1500, outerLength: 1550) == 0)
  }
}
