import Datapath
import Device
import Memory
import Ports
import Testing

@Suite("A TAP device", .enabled(if: Playground.isThere, "only root may make network namespaces"))
struct TapPortTests {
  static let mac: UInt64 = 0x0200_0000_0001

  static func port(
    _ playground: Playground, owner: UInt8 = 1, _ change: (inout TapPort.Options) -> Void = { _ in }
  ) throws -> TapPort {
    var wanted = TapPort.Options(name: "t0")
    wanted.mac = mac
    change(&wanted)
    let port = try playground.inside { () throws(PortError) in try TapPort(wanted, id: 1, owner: owner) }
    try playground.ip("addr add 10.1.0.1/24 dev t0")
    try playground.ip("neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev t0 nud permanent")
    return port
  }

  static let datagram = "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"

  static func isUDP(_ bytes: [UInt8]) -> Bool { bytes.count >= 42 && bytes[12] == 8 && bytes[23] == 17 }

  @Test("hands over what the kernel left half done; completed here it verifies")
  func checksum() throws {
    let playground = try Playground()
    var port = try Self.port(playground)
    #expect(port.facts.mac == Self.mac && port.link == .up)
    try playground.python(Self.datagram + "s.sendto(b'hello there', ('10.1.0.2', 9))")
    var burst = FrameBurst()
    var checked = 0
    let end = MonotonicClock.now + 10_000_000_000
    while checked == 0, MonotonicClock.now < end {
      port.receive(&burst, now: 0)
      for index in 0..<burst.count where Self.isUDP(burst[index].bytes.array()) {
        #expect(burst[index].owed == .checksum)
        #expect(!TestFrames.verifies(burst[index].bytes.array()))
        try PayDebts.pay(&burst[index])
        #expect(TestFrames.verifies(burst[index].bytes.array()))
        checked += 1
      }
      burst.removeAll()
    }
    #expect(checked == 1)
  }

  @Test("hands over a large datagram burst owing segmentation; cut here, every piece verifies")
  func segmentation() throws {
    let playground = try Playground()
    var port = try Self.port(playground)
    // UDP_SEGMENT: what a sender of QUIC does.
    try playground.python(Self.datagram + "s.setsockopt(17, 103, 1000); s.sendto(bytes(5500), ('10.1.0.2', 9))")
    guard port.facts.hands.contains(.udpSegmentation) else {
      // An older kernel cuts by itself.
      #expect(port.gather(6, wanted: Self.isUDP).count == 6)
      return
    }
    var arena = try FrameArena(capacity: 16, bufferSize: 2560)
    var lengths: [Int] = []
    var burst = FrameBurst()
    let end = MonotonicClock.now + 10_000_000_000
    while lengths.isEmpty, MonotonicClock.now < end {
      port.receive(&burst, now: 0)
      for index in 0..<burst.count where Self.isUDP(burst[index].bytes.array()) {
        #expect(burst[index].owed == [.checksum, .udpSegmentation] && burst[index].segmentSize == 1000)
        var segmenter = try Segmenter(burst[index])
        while let piece = try segmenter.next(&arena, owner: 9) {
          #expect(TestFrames.verifies(piece.bytes.array()))
          lengths.append(piece.length - 42)
        }
      }
      burst.removeAll()
    }
    #expect(lengths == [1000, 1000, 1000, 1000, 1000, 500])
  }

  @Test("without offloads hands over finished frames only")
  func plain() throws {
    let playground = try Playground()
    var port = try Self.port(playground) { $0.offloads = false }
    #expect(port.facts.carries.isEmpty && port.facts.hands.isEmpty)
    try playground.python(Self.datagram + "s.setsockopt(17, 103, 1000); s.sendto(bytes(5500), ('10.1.0.2', 9))")
    let got = port.gather(6, wanted: Self.isUDP)
    #expect(got.count == 6)
    #expect(got.allSatisfy { $0.record.owed.isEmpty && TestFrames.verifies($0.bytes) })
  }

  @Test("without offloads takes no debts; with all its buffers out it leaves frames with the kernel, and loses none")
  func starved() throws {
    let playground = try Playground()
    var port = try Self.port(playground) {
      $0.offloads = false
      $0.sizes = PortSizes(small: 8, large: 8)
    }
    var outbox = try Outbox()
    var owing = try outbox.frame(TestFrames.ipv4(payload: [1, 2], owed: true))
    (owing.owed, owing.checksumStart, owing.checksumOffset) = (.checksum, 34, 6)
    outbox.send([owing], out: &port)
    #expect(port.counters.drops[.malformedDebt] == 1 && port.counters.framesSent == 0)
    try playground.python(Self.datagram + "[s.sendto(bytes([n] * 9), ('10.1.0.2', 9)) for n in range(40)]")
    var burst = FrameBurst()
    var held: [Frame] = []
    let end = MonotonicClock.now + 10_000_000_000
    while port.counters.starved == 0, MonotonicClock.now < end {
      port.receive(&burst, now: 0)
      for index in 0..<burst.count { held.append(burst[index]) }
      burst.removeAll()
    }
    #expect(held.count < 40 && port.counters.drops.total == 1)
    var numbers = held.filter { Self.isUDP($0.bytes.array()) }.map { $0.bytes[42] }
    for frame in held { port.recycle(frame.token) }
    numbers += port.gather(40 - numbers.count, wanted: Self.isUDP).map { $0.bytes[42] }
    #expect(numbers == (0..<40).map { UInt8($0) } && port.counters.drops.total == 1)
  }

  @Test("gives the kernel frames that it takes, owed or done; a wrong checksum it counts", arguments: [true, false])
  func written(isOwed: Bool) throws {
    let playground = try Playground()
    var port = try Self.port(playground)
    var outbox = try Outbox()
    var frame = try outbox.frame(TestFrames.ipv4(payload: .init(repeating: 0x55, count: 333), owed: isOwed))
    if isOwed {
      frame.owed = .checksum
      frame.checksumStart = 34
      frame.checksumOffset = 6
    }
    outbox.send([frame], out: &port)
    // Nobody listens at port 9: the kernel says so if, and only if, it took the datagram.
    let answers = port.gather(1) { $0.count > 42 && $0[23] == 1 && $0[34] == 3 && $0[35] == 3 }
    #expect(answers.count == 1)
    var wrong = TestFrames.ipv4(payload: .init(repeating: 0x55, count: 333))
    wrong[60] ^= 1
    outbox.send([try outbox.frame(wrong)], out: &port)
    let text = try playground.run(["nstat", "-asz", "UdpInCsumErrors"])
    #expect(text.contains { $0 == "1" }, "\(text)")
  }

  @Test("takes frames as long as the record can say, of which one piece is moved")
  func large() throws {
    let playground = try Playground()
    var port = try Self.port(playground) { $0.mtu = 65521 }
    #expect(port.facts.mtu == 65521)
    try playground.python(Self.datagram + "s.sendto(bytes(i % 251 for i in range(65000)), ('10.1.0.2', 9))")
    let found = try #require(port.gather(1, wanted: Self.isUDP).first)
    #expect(found.bytes.count == 65042)
    #expect(found.bytes[42...].enumerated().allSatisfy { $0.element == UInt8($0.offset % 251) })
    #expect(found.record.headroom >= 384)
  }

  @Test("is made, kept by name, and gone when it is deleted")
  func life() throws {
    let playground = try Playground()
    var port = try Self.port(playground) { $0.multiQueue = true }
    do {
      _ = try playground.inside { () throws(PortError) in
        try TapPort(TapPort.Options(name: "t0"), id: 2, owner: 2)
      }
      Issue.record("a device with several queues was opened as one with one")
    } catch {
      #expect(error.kind == .badValue, "\(error)")
    }
    var second = TapPort.Options(name: "t0")
    second.multiQueue = true
    _ = try playground.inside { () throws(PortError) in try TapPort(second, id: 2, owner: 2) }
    try playground.ip("link set t0 down")
    var outbox = try Outbox()
    outbox.send([try outbox.frame(TestFrames.ipv4(payload: [1]))], out: &port)
    #expect(port.link == .down && port.counters.drops[.linkDown] == 1)
    try playground.ip("link del t0")
    outbox.send([try outbox.frame(TestFrames.ipv4(payload: [1]))], out: &port)
    #expect(port.link == .gone)
  }
}
