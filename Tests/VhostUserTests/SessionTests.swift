import Foundation
import Memory
import Testing
import Virtqueue

@testable import VhostUser

/// Front end and back end of ours, over a socket.
struct SessionTests {
  @Test(
    "Frames go both ways, whoever listens, split and packed", arguments: [false, true], [SocketRole.server, .client])
  func bothWays(isPacked: Bool, role: SocketRole) throws {
    let link = try Link(FrontendOptions(isPacked: isPacked, ringSize: 64), backRole: role)
    link.settle()
    try #require(link.front.isReady && link.events == [.connected, .connected], "\(link.events)")
    #expect(link.front.machine.features.contains(.ringPacked) == isPacked)
    var buffers = try NetBuffers(frames: 256, segmented: 4)
    var out = NetBurst()
    var got = NetBurst()
    var next: UInt64 = 0
    for round in 0..<100 {
      for _ in 0..<20 {
        _ = append(next, length: 60 + round * 14, to: &out, from: &buffers)
        next += 1
      }
      #expect(link.front.pairs[0].send(out) == 20)
      #expect(link.back.queues[1].receive(into: &got, from: &buffers) == 20)
      #expect(drain(&got, &buffers) == Array(next - 20..<next))
      #expect(link.back.queues[0].deliver(out) == 20)
      #expect(link.front.pairs[0].receive(into: &got, from: &buffers) == 20)
      #expect(drain(&got, &buffers) == Array(next - 20..<next))
      _ = drain(&out, &buffers)
    }
    #expect(link.back.queues[1].counters().frames == 2000)
    #expect(link.front.pairs[0].outstanding() == 0)
  }

  @Test("As many queue pairs run as both sides have, each by itself")
  func pairs() throws {
    let link = try Link(FrontendOptions(queuePairs: 4, ringSize: 16), BackendOptions(queuePairs: 3))
    link.settle()
    for _ in 0..<20 {
      _ = link.back.service()
      _ = link.front.service(now: 0)
    }
    #expect(link.front.pairs.map(\.isRunning) == [true, true, true, false])
    #expect(link.back.queues.map(\.isRunning) == [Bool](repeating: true, count: 6))
    var buffers = try NetBuffers(frames: 16, segmented: 1)
    var out = NetBurst()
    var got = NetBurst()
    for pair in 0..<3 {
      _ = append(UInt64(pair), to: &out, from: &buffers)
      #expect(link.front.pairs[pair].send(out) == 1)
      _ = drain(&out, &buffers)
    }
    for pair in (0..<3).reversed() {
      #expect(link.back.queues[2 * pair + 1].receive(into: &got, from: &buffers) == 1)
      #expect(drain(&got, &buffers) == [UInt64(pair)])
    }
    _ = append(1, to: &out, from: &buffers)
    #expect(link.front.pairs[3].send(out) == 0)
  }

  @Test(
    "A device that dies and comes back goes on with what it had not taken: nothing is lost, nothing comes twice",
    arguments: [false, true])
  func inflight(isPacked: Bool) throws {
    let link = try Link(FrontendOptions(isPacked: isPacked, ringSize: 32))
    link.settle()
    try #require(link.front.isReady)
    var buffers = try NetBuffers(frames: 256, segmented: 2)
    var out = NetBurst()
    var got = NetBurst()
    var next: UInt64 = 0
    var came: [UInt64] = []
    var draw = Draw(3)
    for round in 0..<12 {
      for _ in 0..<1 + draw.below(30) where out.room > 0 {
        _ = append(next, to: &out, from: &buffers)
        next += 1
      }
      let went = link.front.pairs[0].send(out)
      next -= UInt64(out.count - went)
      _ = drain(&out, &buffers)
      // The device takes some of them and is gone.
      var few = NetBurst(capacity: 1 + draw.below(20))
      _ = link.back.queues[1].receive(into: &few, from: &buffers)
      came += drain(&few, &buffers)
      // And some frames for the driver are under way.
      _ = append(UInt64(round), to: &out, from: &buffers)
      #expect(link.back.queues[0].deliver(out) == 1)
      _ = drain(&out, &buffers)
      try link.replaceBackEnd()
      link.settle()
      try #require(link.front.isReady, "\(link.events)")
      #expect(link.front.pairs[0].receive(into: &got, from: &buffers) == 1)
      #expect(drain(&got, &buffers) == [UInt64(round)])
    }
    while link.back.queues[1].receive(into: &got, from: &buffers) > 0 { came += drain(&got, &buffers) }
    #expect(came == Array(0..<next))
    #expect(link.front.machine.lost == 0)
    #expect(link.front.pairs[0].outstanding() == 0)
  }

  @Test("Without an inflight region the rings begin anew, and what the device had is counted as lost")
  func lost() throws {
    var options = BackendOptions()
    options.protocolFeatures.remove(.inflightShmFd)
    let link = try Link(FrontendOptions(ringSize: 32), options)
    link.settle()
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var out = NetBurst()
    var got = NetBurst(capacity: 4)
    for number in 0..<10 { _ = append(UInt64(number), to: &out, from: &buffers) }
    #expect(link.front.pairs[0].send(out) == 10)
    #expect(link.back.queues[1].receive(into: &got, from: &buffers) == 4)
    _ = drain(&got, &buffers)
    try link.replaceBackEnd()
    link.settle()
    #expect(link.front.isReady && link.front.machine.lost == 6)
    #expect(link.back.queues[1].receive(into: &got, from: &buffers) == 0)
  }

  @Test("A driver that dies and comes back finds the port as new, and one that never left does not notice")
  func driverReturns() throws {
    let link = try Link(FrontendOptions(isPacked: true, ringSize: 32))
    let other = try Link(FrontendOptions(ringSize: 32))
    link.settle()
    other.settle()
    link.front.end()
    #expect(link.back.service() == [.ended(.closed)])
    #expect(!link.back.queues[1].isRunning && other.back.queues[1].isRunning)
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var out = NetBurst()
    _ = append(1, to: &out, from: &buffers)
    #expect(link.back.queues[0].deliver(out) == 0)
    link.settle()
    #expect(link.front.isReady)
    #expect(link.back.queues[0].deliver(out) == 1)
    #expect(other.front.pairs[0].send(out) == 1)
  }

  @Test("A driver that lies in its ring is cut off with the ring's name for it, and may come back")
  func liar() throws {
    let link = try Link(FrontendOptions(ringSize: 32))
    link.settle()
    // The front end's own memory, as anybody in its process could write it.
    let region = try #require(link.front.machine.region)
    let plan = link.front.machine.plans[1]
    region.shared.store16(999, at: plan.offset + plan.ring.driver + 2)
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var got = NetBurst()
    #expect(link.back.queues[1].receive(into: &got, from: &buffers) == 0)
    #expect(link.back.service() == [.ended(.ring(index: 1, .availableIndexJumped))])
    #expect(!link.back.queues[1].isRunning)
  }

  @Test("Bytes that are no message end the session, and the port takes the next one")
  func garbage() throws {
    let path = socketPath()
    defer { _ = unsafe unlink(path) }
    let back = try VhostBackend(BackendOptions(), path: path, role: .server)
    var draw = Draw(9)
    let headers: [([UInt8], SessionFault)] = [
      ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .badHeader(flags: 0)),
      ([1, 0, 0, 0, 1, 0, 0, 0, 1, 16, 0, 0], .messageTooLong(bytes: 4097)),
      ([200, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], .unknownRequest(200)),
    ]
    for (bytes, fault) in headers {
      let client = try MessageSocket(connectingTo: path)
      #expect(back.service() == [.connected])
      // In pieces, as a stream may bring it.
      _ = client.send(Array(bytes.prefix(5)))
      #expect(back.service() == [])
      _ = client.send(Array(bytes.dropFirst(5)))
      #expect(back.service() == [.ended(fault)])
    }
    for _ in 0..<50 {
      let client = try MessageSocket(connectingTo: path)
      #expect(back.service() == [.connected])
      _ = client.send((0..<draw.below(300)).map { _ in UInt8(truncatingIfNeeded: draw.next()) })
      _ = back.service()
      back.end()
    }
    let client = try VhostFrontend(FrontendOptions(ringSize: 8), path: path, role: .client)
    for round in 0..<50 {
      _ = back.service()
      _ = client.service(now: UInt64(round))
    }
    #expect(client.isReady)
  }

  @Test("A device that does not answer, refuses or lacks what is needed is left with a reason")
  func badDevices() throws {
    let path = socketPath()
    defer { _ = unsafe unlink(path) }
    let server = try ListeningSocket(path: path)
    let front = try VhostFrontend(FrontendOptions(isPacked: true, ringSize: 8), path: path, role: .client)
    #expect(front.service(now: 0) == [.connected])
    #expect(front.service(now: 6_000_000_000) == [.ended(.noAnswer(request: 1))])
    let replies: [(Message, SessionFault)] = [
      (Message(.getFeatures, [.u64(1 << 32)], isReply: true), .missingFeatures(1 << 34)),
      (Message(.getStatus, [.u64(0)], isReply: true), .unexpectedReply(expected: 1, found: 40)),
      (Message(.getFeatures, [.u64(0)]), .unexpectedReply(expected: 1, found: 1)),
      (Message(.getFeatures, [.u32(0)], isReply: true), .payload(request: 1, expected: 8, found: 4)),
    ]
    _ = server.accept()
    for (reply, fault) in replies {
      #expect(front.service(now: 0) == [.connected])
      let device = try #require(server.accept())
      _ = device.send(reply.encoded)
      #expect(front.service(now: 1) == [.ended(fault)])
    }
  }
}
