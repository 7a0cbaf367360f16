import Foundation
import Memory
import Testing
import Virtqueue

@testable import VhostUser

/// Packed rings whose place a front end does not know, over the death of the process that works on them.
struct KeptRingsTests {
  private func machineReads(
    _ driver: MigrationTests.Driver, _ burst: inout NetBurst, _ buffers: inout NetBuffers, most: Int
  ) -> [UInt64] {
    var came: [UInt64] = []
    for _ in 0..<most {
      guard driver.machine.queues[1].receive(into: &burst, from: &buffers) > 0 else { break }
      came += drain(&burst, &buffers)
    }
    return came
  }

  @Test("A process that takes over goes on where its predecessor was killed, although the front end says the beginning")
  func takesOver() throws {
    let kept = try SharedRegion(bytes: KeptRings.bytes(rings: 2))
    let driver = try MigrationTests.Driver(isPacked: true, kept: KeptRings(kept, rings: 2))
    var draw = Draw(77)
    var buffers = try NetBuffers(frames: 128, segmented: 2)
    var out = NetBurst()
    var one = NetBurst(capacity: 1)
    var sent: [UInt64] = []
    var came: [UInt64] = []
    var delivered: [UInt64] = []
    for round in 0..<200 {
      for _ in 0..<draw.below(5) {
        let number = UInt64(sent.count)
        if append(number, length: 60 + draw.below(1400), to: &out, from: &buffers) { sent.append(number) }
      }
      let went = driver.sender.send(out)
      sent.removeLast(out.count - went)
      _ = driver.sender.queue.publish()
      _ = drain(&out, &buffers)
      came += machineReads(driver, &one, &buffers, most: draw.below(5))
      _ = driver.sender.reap()
      // The other direction.
      _ = append(UInt64(round), to: &out, from: &buffers)
      if driver.machine.queues[0].deliver(out, from: 0) == 1 { delivered.append(UInt64(round)) }
      _ = drain(&out, &buffers)
      if draw.below(3) == 0 { try driver.replaceMachine(KeptRings(kept, rings: 2)) }
      var got = NetBurst()
      _ = driver.receiver.receive(into: &got, from: &buffers)
      #expect(drain(&got, &buffers) == (delivered.last == UInt64(round) ? [UInt64(round)] : []))
      _ = driver.receiver.queue.publish()
    }
    came += machineReads(driver, &one, &buffers, most: 100)
    #expect(came == sent)
    #expect(sent.count > 200)
    #expect(delivered.count == 200)
    #expect(driver.sender.queue.fault == nil && driver.receiver.queue.fault == nil)
    #expect(driver.machine.ringFault() == nil)
  }

  @Test("A ring that its driver began anew meanwhile, or another driver's, begins at its beginning")
  func beginsAnew() throws {
    var draw = Draw(78)
    for round in 0..<60 {
      let kept = try SharedRegion(bytes: KeptRings.bytes(rings: 2))
      let driver = try MigrationTests.Driver(isPacked: true, kept: KeptRings(kept, rings: 2))
      var buffers = try NetBuffers(frames: 64, segmented: 2)
      var out = NetBurst()
      var got = NetBurst()
      for number in 0..<1 + draw.below(70) {
        _ = append(UInt64(number), to: &out, from: &buffers)
        _ = driver.sender.send(out)
        _ = driver.sender.queue.publish()
        _ = drain(&out, &buffers)
        _ = driver.machine.queues[1].receive(into: &got, from: &buffers)
        _ = drain(&got, &buffers)
        _ = driver.sender.reap()
      }
      try driver.begin()
      _ = append(999, to: &out, from: &buffers)
      if round % 2 == 0 { _ = driver.sender.send(out) }
      _ = driver.sender.queue.publish()
      try driver.replaceMachine(KeptRings(kept, rings: 2))
      if round % 2 == 1 { _ = driver.sender.send(out) }
      _ = driver.sender.queue.publish()
      _ = drain(&out, &buffers)
      _ = driver.machine.queues[1].receive(into: &got, from: &buffers)
      #expect(drain(&got, &buffers) == [999], "round \(round)")
    }
  }

  @Test("What a stop told the front end is not kept, and a file that is cut short or full of anything is not believed")
  func forgets() throws {
    let kept = try SharedRegion(bytes: KeptRings.bytes(rings: 2))
    let driver = try MigrationTests.Driver(isPacked: true, kept: KeptRings(kept, rings: 2))
    #expect(kept.shared.load64(0) != 0)
    _ = try driver.machine.handle(Message(.getVringBase, [.u32(0), .u32(0)]))
    #expect(kept.shared.load64(0) == 0)
    var draw = Draw(79)
    for _ in 0..<50 {
      for _ in 0..<200 {
        kept.shared.store64(draw.next(), at: 64 + 8 * draw.below((KeptRings.bytes(rings: 2) - 64) / 8))
      }
      try driver.replaceMachine(KeptRings(kept, rings: 2))
      #expect(driver.machine.queues[0].isRunning && driver.machine.queues[1].isRunning)
    }
    #expect(throws: SharedMemoryError.self) { try KeptRings(path: "/proc/self/no/such", rings: 2) }
    let path = socketPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let first = try KeptRings(path: path, rings: 2)
    first.region.shared.store64(7, at: 8)
    let second = try KeptRings(path: path, rings: 2)
    #expect(second.region.shared.load64(8) == 7)
    withExtendedLifetime((first, second)) {}
  }
}
