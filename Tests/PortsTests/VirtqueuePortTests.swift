import Device
import Foundation
import Memory
import Ports
import Testing
import VhostUser
import Virtqueue

@Suite("A virtqueue port")
struct VirtqueuePortTests {
  static func port(_ path: String, _ side: VirtqueuePort.Side, _ role: SocketRole, owner: UInt8) throws -> VirtqueuePort
  {
    var options = VirtqueuePort.Options(path: path)
    options.side = side
    options.role = role
    return try VirtqueuePort(options, id: UInt16(owner), owner: owner)
  }

  /// Lets both sides talk until their rings run.
  static func meet(_ a: inout VirtqueuePort, _ b: inout VirtqueuePort) {
    let end = MonotonicClock.now + 5_000_000_000
    while a.link != .up || b.link != .up, MonotonicClock.now < end {
      a.look(now: MonotonicClock.now)
      b.look(now: MonotonicClock.now)
    }
  }

  static func frames(_ count: Int, seed: UInt64) -> [[UInt8]] {
    var random = Seeded(seed)
    return (0..<count).map { number in
      // Some that lie in several buffers.
      let length =
        number % 10 == 9 ? Int.random(in: 2000...9000, using: &random) : Int.random(in: 14...1514, using: &random)
      return (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
  }

  @Test(
    "hands over what the other side sent, both ways, whichever listens, split and packed",
    arguments: [(false, true), (true, true), (false, false), (true, false)])
  func identity(isPacked: Bool, deviceListens: Bool) throws {
    let folder = try Folder()
    var device = try Self.port(folder.file("s"), .device, deviceListens ? .server : .client, owner: 1)
    var driver = try Self.port(
      folder.file("s"), .driver(isPacked: isPacked), deviceListens ? .client : .server, owner: 2)
    #expect(device.link == .down)
    Self.meet(&device, &driver)
    #expect(device.link == .up && driver.link == .up)
    var outbox = try Outbox()
    for round in UInt64(0)..<4 {
      let sent = Self.frames(24, seed: round)
      outbox.send(try sent.map { try outbox.frame($0) }, out: &driver)
      let there = device.gather(24)
      #expect(there.map(\.bytes) == sent)
      #expect(there.allSatisfy { $0.record.inPort == 1 && $0.record.headroom >= 384 && $0.record.owed.isEmpty })
      outbox.send(try sent.map { try outbox.frame($0) }, out: &device)
      #expect(driver.gather(24).map(\.bytes) == sent)
    }
    #expect(device.counters.framesReceived == 96 && device.counters.framesSent == 96)
    #expect(device.counters.drops.total == 0 && driver.counters.drops.total == 0)
    #expect(outbox.pool.smallAvailable == 256 && outbox.pool.largeAvailable == 64)
  }

  @Test("counts what it cannot send while nobody is there, and goes on with who comes next")
  func reconnect() throws {
    let folder = try Folder()
    var device = try Self.port(folder.file("s"), .device, .server, owner: 1)
    var outbox = try Outbox()
    outbox.send([try outbox.frame(TestFrames.ipv4(payload: [1]))], out: &device)
    #expect(device.counters.drops[.linkDown] == 1)
    for round in UInt8(0)..<3 {
      var driver = try Self.port(folder.file("s"), .driver(isPacked: round == 1), .client, owner: 2)
      Self.meet(&device, &driver)
      let bytes = TestFrames.ipv4(payload: [round])
      outbox.send([try outbox.frame(bytes)], out: &driver)
      #expect(device.gather(1).map(\.bytes) == [bytes])
      outbox.send([try outbox.frame(bytes)], out: &device)
      #expect(driver.gather(1).map(\.bytes) == [bytes])
      _ = consume driver
      let end = MonotonicClock.now + 5_000_000_000
      while device.link == .up, MonotonicClock.now < end { device.look(now: MonotonicClock.now) }
      #expect(device.link == .down && device.peer.lastEnd == .closed)
      #expect(!device.peer.isConnected && device.peer.sessions == UInt64(round) + 1 && device.peer.cutOff == 0)
    }
  }

  @Test("whose ring is full drops under its name, and nothing else is lost")
  func full() throws {
    let folder = try Folder()
    var device = try Self.port(folder.file("s"), .device, .server, owner: 1)
    var driver = try Self.port(folder.file("s"), .driver(isPacked: false), .client, owner: 2)
    Self.meet(&device, &driver)
    var outbox = try Outbox()
    let sent = (0..<3000).map { TestFrames.ipv4(payload: [UInt8($0 / 256), UInt8($0 % 256)]) }
    for bytes in sent { outbox.send([try outbox.frame(bytes)], out: &driver) }
    let dropped = Int(driver.counters.drops[.transmitFull])
    #expect(dropped > 0 && driver.counters.framesSent == UInt64(3000 - dropped))
    #expect(device.gather(3000 - dropped).map(\.bytes) == Array(sent.prefix(3000 - dropped)))
  }

  @Test("takes debts from a driver that agreed to leave them, and refuses those that nobody agreed on")
  func debts() throws {
    let folder = try Folder()
    for isAgreed in [true, false] {
      var options = VirtqueuePort.Options(path: folder.file("s\(isAgreed)"))
      options.offloads = isAgreed
      var device = try VirtqueuePort(options, id: 1, owner: 1)
      var wanted = FrontendOptions()
      wanted.features.formUnion([.csum, .hostTso4, .hostTso6, .guestCsum, .guestTso4, .guestTso6])
      let driver = try VhostFrontend(wanted, path: options.path, role: .client)
      let end = MonotonicClock.now + 5_000_000_000
      while !driver.isReady || device.link != .up, MonotonicClock.now < end {
        _ = driver.service(now: MonotonicClock.now)
        device.look(now: MonotonicClock.now)
      }
      let debts: Owed = isAgreed ? [.checksum, .tcpSegmentation] : []
      #expect(device.facts.hands == debts && device.facts.carries == debts)
      var outbox = try Outbox()
      let bytes = TestFrames.ipv4(tcp: true, payload: .init(repeating: 9, count: 9000), owed: true)
      var frame = try outbox.frame(bytes)
      frame.owed = [.checksum, .tcpSegmentation]
      frame.checksumStart = 34
      frame.checksumOffset = 16
      frame.segmentSize = 1000
      frame.segmentHeaderLength = 54
      var burst = NetBurst()
      burst.append(
        NetFrame(buffer: frame.bytes, start: 0, length: frame.length, token: 0, header: try NetHeader(debtsOf: frame)))
      #expect(driver.pairs[0].send(burst) == 1)
      let found = device.gather(1, within: isAgreed ? 10_000 : 50)
      if isAgreed {
        #expect(found.first?.bytes == bytes && found.first?.record.owed == frame.owed)
        outbox.send([frame], out: &device)
        #expect(device.counters.framesSent == 1)
      } else {
        #expect(found.isEmpty && device.counters.drops[.virtioHeader] == 1)
        outbox.send([frame], out: &device)
        #expect(device.counters.drops[.malformedDebt] == 1)
      }
    }
  }

  @Test("agrees to TCP segments only where a driver takes or leaves them over both IPs, and to UDP segments likewise")
  func halves() throws {
    let folder = try Folder()
    let cases: [(Features, hands: Owed, carries: Owed)] = [
      ([.csum, .hostTso4, .guestCsum, .guestTso4], .checksum, .checksum),
      ([.csum, .hostTso6, .guestCsum, .guestTso6], .checksum, .checksum),
      ([.csum, .hostTso4, .hostTso6], [.checksum, .tcpSegmentation], []),
      ([.guestCsum, .guestTso4, .guestTso6], [], [.checksum, .tcpSegmentation]),
      ([.csum, .hostUso, .guestCsum, .guestUso4], [.checksum, .udpSegmentation], .checksum),
      ([.csum, .guestCsum, .guestUso4, .guestUso6], .checksum, [.checksum, .udpSegmentation]),
    ]
    for (number, (features, hands, carries)) in cases.enumerated() {
      let path = folder.file("h\(number)")
      var device = try Self.port(path, .device, .server, owner: 1)
      var wanted = FrontendOptions()
      wanted.features.formUnion(features)
      let driver = try VhostFrontend(wanted, path: path, role: .client)
      let end = MonotonicClock.now + 5_000_000_000
      while !driver.isReady || device.link != .up, MonotonicClock.now < end {
        _ = driver.service(now: MonotonicClock.now)
        device.look(now: MonotonicClock.now)
      }
      #expect(device.facts.hands == hands && device.facts.carries == carries, "case \(number)")
    }
  }
}
