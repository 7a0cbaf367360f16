import Memory
import Testing

@testable import Virtqueue

/// What a device may write into a ring that cannot be, and the name under which it is cut off.
struct LyingDeviceTests {
  private struct Rig {
    let shape: Shape
    let plan: QueuePlan
    let region: SharedRegion
    init(isPacked: Bool) throws {
      shape = Shape(size: 8, isPacked: isPacked)
      plan = try shape.plan()
      region = try SharedRegion(bytes: plan.end)
    }
    /// Says that chain `id` is used, as number `at` from the ring's beginning.
    func use(_ id: UInt32, _ written: UInt32, at: Int = 0, index: UInt16? = nil) {
      if plan.ring.isPacked {
        region.shared.store64(UInt64(written) | UInt64(id & 0xffff) << 32 | 0x8080 << 48, at: 16 * at + 8)
      } else {
        region.shared.store32(id, at: plan.ring.device + 4 + 8 * at)
        region.shared.store32(written, at: plan.ring.device + 8 + 8 * at)
        region.shared.store16(index ?? UInt16(at + 1), at: plan.ring.device + 2)
      }
    }
  }

  private func received(_ isPacked: Bool, _ lie: (Rig) -> Void) throws -> Fate {
    let rig = try Rig(isPacked: isPacked)
    var receiver = try NetReceiver(rig.plan, region: rig.region, features: rig.shape.features)
    _ = receiver.queue.publish()
    // One buffer to a frame, unless the lie says otherwise.
    for slot in 0..<8 { rig.region.shared.store16(1, at: rig.plan.buffers + slot * rig.plan.bufferSize + 10) }
    lie(rig)
    var buffers = try NetBuffers(frames: 16)
    var burst = NetBurst()
    let count = receiver.receive(into: &burst, from: &buffers)
    return receiver.queue.fault.map { .fault($0) } ?? .frames(count)
  }

  private func reaped(_ isPacked: Bool, frames: Int, _ lie: (Rig) -> Void) throws -> Fate {
    let rig = try Rig(isPacked: isPacked)
    var sender = try NetSender(rig.plan, region: rig.region, features: rig.shape.features)
    var buffers = try NetBuffers(frames: 16)
    var burst = NetBurst()
    for _ in 0..<frames { _ = append([1, 2, 3], NetHeader(), to: &burst, from: &buffers) }
    _ = sender.send(burst)
    _ = sender.queue.publish()
    lie(rig)
    let count = sender.reap()
    return sender.queue.fault.map { .fault($0) } ?? .frames(count)
  }

  @Test("A device that gives back what it does not have is cut off", arguments: [false, true])
  func notOutstanding(isPacked: Bool) throws {
    #expect(try reaped(isPacked, frames: 2) { $0.use(1, 0) } == .frames(1))
    #expect(try reaped(isPacked, frames: 2) { $0.use(5, 0) } == .fault(.usedNotOutstanding))
    #expect(try reaped(isPacked, frames: 2) { $0.use(8, 0) } == .fault(.usedNotOutstanding))
    #expect(try reaped(isPacked, frames: 2) { $0.use(0xffff, 0) } == .fault(.usedNotOutstanding))
    #expect(
      try reaped(isPacked, frames: 2) {
        $0.use(1, 0)
        $0.use(1, 0, at: 1)
      } == .fault(.usedNotOutstanding))
    if isPacked {
      #expect(
        try reaped(true, frames: 1) {
          $0.use(0, 0)
          $0.use(0, 0, at: 1)
        } == .fault(.usedIndexJumped))
    } else {
      #expect(try reaped(false, frames: 2) { $0.use(0xffff_ffff, 0) } == .fault(.usedNotOutstanding))
      #expect(try reaped(false, frames: 2) { $0.use(0, 0, index: 3) } == .fault(.usedIndexJumped))
      #expect(try reaped(false, frames: 2) { $0.use(0, 0, index: 65535) } == .fault(.usedIndexJumped))
    }
  }

  @Test("A device that lies about a frame's length or its number of buffers is cut off", arguments: [false, true])
  func lengths(isPacked: Bool) throws {
    #expect(try received(isPacked) { $0.use(0, 112) } == .frames(1))
    #expect(try received(isPacked) { $0.use(0, 2049) } == .fault(.usedLengthTooLong))
    #expect(try received(isPacked) { $0.use(0, .max) } == .fault(.usedLengthTooLong))
    #expect(try received(isPacked) { $0.use(0, 11) } == .fault(.usedShorterThanHeader))
    for count: UInt16 in [0, 2, 9, 65535] {
      #expect(
        try received(isPacked) {
          $0.region.shared.store16(count, at: $0.plan.buffers + 10)
          $0.use(0, 112)
        } == .fault(.mergeCountImpossible))
    }
  }

  @Test("What a device says it wrote of a chain that it only reads is nobody's business", arguments: [false, true])
  func lengthOfRead(isPacked: Bool) throws {
    #expect(try reaped(isPacked, frames: 1) { $0.use(0, 999) } == .frames(1))
  }
}
