import Device
import Memory
import Ports
import Testing

@Suite("A packet socket", .enabled(if: Playground.isThere, "only root may make network namespaces"))
struct PacketPortTests {
  /// Two sockets on the two ends of a veth, which nobody else uses.
  static func pair(_ playground: Playground) throws {
    try playground.ip("link add va type veth peer name vb")
    for name in ["va", "vb"] {
      try playground.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/\(name)/disable_ipv6"])
      try playground.ip("link set \(name) up")
    }
    // The kernel notices carriers by and by, and drops what is sent before.
    for name in ["va", "vb"] { try playground.awaitLink(name) }
  }

  static func port(_ playground: Playground, _ name: String, owner: UInt8) throws(PortError) -> PacketPort {
    try playground.inside { () throws(PortError) in
      try PacketPort(PacketPort.Options(interface: name), id: UInt16(owner), owner: owner)
    }
  }

  @Test("hands over the bytes that another sent, in order, and not what it sent itself")
  func identity() throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var b = try Self.port(playground, "vb", owner: 2)
    #expect(a.link == .up && a.facts.mtu == 1500)
    var outbox = try Outbox()
    var random = Seeded(3)
    var sent: [[UInt8]] = []
    for _ in 0..<100 {
      let count = Int.random(in: 14...1514, using: &random)
      var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      // A type that no protocol of the kernel's has, and no tag.
      bytes.replaceSubrange(12..<14, with: [0x88, 0xb5])
      sent.append(bytes)
    }
    for bytes in sent { outbox.send([try outbox.frame(bytes)], out: &a) }
    let got = b.gather(100) { $0[12] == 0x88 && $0[13] == 0xb5 }
    #expect(got.map(\.bytes) == sent)
    #expect(got.allSatisfy { $0.record.inPort == 2 && $0.record.headroom >= 384 && $0.record.owed.isEmpty })
    #expect(a.counters.framesSent == 100)
    #expect(a.gather(1, within: 50) { $0[12] == 0x88 }.isEmpty)
  }

  @Test("hands over many frames at once that are longer than a small buffer, each with its own first bytes")
  func long() throws {
    let playground = try Playground()
    try Self.pair(playground)
    for name in ["va", "vb"] { try playground.ip("link set \(name) mtu 9000") }
    var a = try Self.port(playground, "va", owner: 1)
    var b = try Self.port(playground, "vb", owner: 2)
    var outbox = try Outbox()
    let lengths = [60, 2047, 2048, 2049, 5000, 9014, 3000, 60, 4000]
    let sent = lengths.enumerated().map { number, length in
      [UInt8](repeating: 2, count: 12) + [0x88, 0xb5]
        + (0..<length - 14).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
    }
    outbox.send(try sent.map { try outbox.frame($0) }, out: &a)
    #expect(b.gather(sent.count) { $0[12] == 0x88 && $0[13] == 0xb5 }.map(\.bytes) == sent)
  }

  @Test("puts tags back that the kernel took out, and moves the debts with them", arguments: [1, 2])
  func tags(count: Int) throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var b = try Self.port(playground, "vb", owner: 2)
    var outbox = try Outbox()
    var bytes = TestFrames.ipv4(payload: .init(repeating: 1, count: 77), owed: true)
    let tags: [UInt8] = [0x88, 0xa8, 0x60, 5, 0x81, 0, 0, 7]
    bytes.insert(contentsOf: tags.suffix(4 * count), at: 12)
    var frame = try outbox.frame(bytes)
    frame.owed = .checksum
    frame.checksumStart = 34 + 4 * count
    frame.checksumOffset = 6
    outbox.send([frame], out: &a)
    let found = try #require(b.gather(1) { $0[12] == 0x81 || $0[12] == 0x88 }.first)
    #expect(found.bytes == bytes)
    #expect(found.record.owed == .checksum && found.record.checksumStart == 34 + 4 * count)
  }

  @Test("carries checksums and segmentation that are owed, to a socket at the other end")
  func debts() throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var b = try Self.port(playground, "vb", owner: 2)
    var outbox = try Outbox()
    for (isTCP, size) in [(true, 0), (false, 0), (true, 1000), (false, 1000)] {
      var frame = try outbox.frame(
        TestFrames.ipv4(tcp: isTCP, payload: .init(repeating: 9, count: size == 0 ? 700 : 20_000), owed: true))
      frame.checksumStart = 34
      frame.checksumOffset = isTCP ? 16 : 6
      frame.owed = .checksum
      if size > 0 {
        frame.owed.insert(isTCP ? .tcpSegmentation : .udpSegmentation)
        frame.segmentSize = UInt16(size)
        frame.segmentHeaderLength = isTCP ? 54 : 42
      }
      let bytes = frame.bytes.array()
      let owed = frame.owed
      outbox.send([frame], out: &a)
      let found = try #require(b.gather(1) { $0.count > 42 && $0[12] == 8 }.first)
      #expect(found.bytes == bytes)
      #expect(found.record.owed == owed && found.record.segmentSize == UInt16(size))
    }
    #expect(a.counters.drops.total == 0)
  }

  @Test("drops what the interface refuses under its name, and sends what stands behind it")
  func refused() throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var b = try Self.port(playground, "vb", owner: 2)
    var outbox = try Outbox()
    let tooLong = try outbox.frame(TestFrames.ipv4(payload: .init(repeating: 1, count: 3000)))
    var malformed = try outbox.frame(TestFrames.ipv4(payload: [1]))
    malformed.owed = [.outerUDPChecksum]
    outbox.send([tooLong, malformed, try outbox.frame(TestFrames.ipv4(payload: [4, 5, 6]))], out: &a)
    #expect(b.gather(1) { $0[12] == 8 }.map(\.bytes) == [TestFrames.ipv4(payload: [4, 5, 6])])
    #expect(a.counters.drops[.transmitRefused] == 1 && a.counters.drops[.malformedDebt] == 1)
    #expect(a.counters.framesSent == 1)
    #expect(outbox.pool.smallAvailable == 256 && outbox.pool.largeAvailable == 64)
  }

  @Test("knows that its link went down, came back, and is gone")
  func link() throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var outbox = try Outbox()
    try playground.ip("link set va down")
    outbox.send([try outbox.frame(TestFrames.ipv4(payload: [1]))], out: &a)
    #expect(a.link == .down && a.counters.drops[.linkDown] == 1)
    try playground.ip("link set va up")
    try playground.awaitLink("va")
    a.look(now: 0)
    #expect(a.link == .up)
    outbox.send([try outbox.frame(TestFrames.ipv4(payload: [1]))], out: &a)
    #expect(a.counters.framesSent == 1)
    try playground.ip("link del va")
    a.look(now: 0)
    var descriptors: [Int32] = []
    #expect(a.link == .gone && a.arm(&descriptors) == .armed && descriptors.isEmpty)
  }

  @Test("leaves frames with the kernel while all its buffers are out, and loses none")
  func starved() throws {
    let playground = try Playground()
    try Self.pair(playground)
    var a = try Self.port(playground, "va", owner: 1)
    var wanted = PacketPort.Options(interface: "vb")
    wanted.sizes = PortSizes(small: 64, large: 64)
    var b = try playground.inside { () throws(PortError) in try PacketPort(wanted, id: 2, owner: 2) }
    var outbox = try Outbox()
    for number in 0..<100 {
      outbox.send([try outbox.frame(TestFrames.ipv4(payload: [UInt8(number)]))], out: &a)
    }
    var burst = FrameBurst()
    var held: [Frame] = []
    while b.counters.starved == 0 {
      b.receive(&burst, now: 0)
      for index in 0..<burst.count { held.append(burst[index]) }
      burst.removeAll()
    }
    // 32 buffers stay with the kernel.
    #expect(held.count == 32)
    var numbers = held.map { $0.bytes[42] }
    for frame in held { b.recycle(frame.token) }
    numbers += b.gather(68).map { $0.bytes[42] }
    #expect(numbers == (0..<100).map { UInt8($0) })
  }

  @Test("that cannot be opened says why")
  func errors() throws {
    let playground = try Playground()
    let wrong: [(String, PortError.Kind)] = [("none", .notFound), (String(repeating: "x", count: 40), .badValue)]
    for (name, kind) in wrong {
      do {
        _ = try Self.port(playground, name, owner: 1)
        Issue.record("'\(name)' was opened")
      } catch {
        #expect(error.kind == kind, "\(error)")
      }
    }
  }
}
