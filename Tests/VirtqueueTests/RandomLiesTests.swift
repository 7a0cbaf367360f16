import Foundation
import Memory
import Testing

@testable import Virtqueue

/// Peers that write anything anywhere, at any time.
struct RandomLiesTests {
  @Test(
    "A thousand rings with random words in random places: nothing traps, nothing hangs, what is taken is in bounds",
    arguments: [false, true])
  func drivers(isPacked: Bool) throws {
    var draw = Draw(isPacked ? 11 : 12)
    var faults: Set<RingFault> = []
    var buffers = try NetBuffers(frames: 256, segmented: 64)
    for round in 0..<700 {
      let size = isPacked ? 1 + draw.below(40) : 1 << draw.below(6)
      let shape = Shape(size: size, isPacked: isPacked, hasIndirect: true, byIndex: draw.below(2) == 0, bufferSize: 256)
      let plan = try shape.plan()
      let region = try SharedRegion(bytes: plan.end)
      var sender = try NetSender(plan, region: region, features: shape.features)
      var device = try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features)
      var burst = NetBurst(capacity: 64)
      var out = NetBurst(capacity: 64)
      for _ in 0..<40 {
        if draw.below(2) == 0, append(draw.bytes(1 + draw.below(900)), NetHeader(), to: &out, from: &buffers) {
          _ = sender.send(out)
          _ = sender.queue.publish()
          _ = drain(&out, &buffers)
        }
        for _ in 0..<draw.below(3) { spoil(region, plan, &draw) }
        switch draw.below(4) {
        case 0, 1:
          _ = device.receive(into: &burst, from: &buffers)
          for index in 0..<burst.count { #expect(burst[index].length <= 65_600) }
          _ = drain(&burst, &buffers)
        case 2:
          if append(draw.bytes(1 + draw.below(3000)), NetHeader(), to: &out, from: &buffers) {
            _ = device.deliver(out)
            _ = drain(&out, &buffers)
          }
        default:
          if let chain = device.takeChain() {
            var room = [UInt8](repeating: 0, count: 256)
            let count = room.count
            unsafe room.withUnsafeMutableBytes { bytes in
              guard let base = bytes.baseAddress else { return }
              let window = unsafe Bytes(base: base, count: count)
              _ = device.read(window)
              _ = device.write(window, at: draw.below(300))
            }
            device.finish(written: chain.writable)
          }
        }
        _ = device.needsCall()
        _ = device.requestKicks()
        device.suppressKicks()
        sender.reap()
        if let fault = device.fault { faults.insert(fault) }
        if let fault = sender.queue.fault { faults.insert(fault) }
      }
      #expect(buffers.small.available == 256 && buffers.large.available == 64, "round \(round)")
    }
    // The cases reach most of what there is to say.
    #expect(faults.count >= (isPacked ? 8 : 10), "\(faults)")
  }

  /// A random word, or one that is nearly right, into the ring or an indirect table.
  private func spoil(_ region: SharedRegion, _ plan: QueuePlan, _ draw: inout Draw) {
    let places = [0, 0, plan.ring.driver, plan.ring.device, plan.tables]
    let at = places[draw.below(places.count)] + 2 * draw.below(20)
    guard at + 2 <= region.count else { return }
    let old = region.shared.load16(at)
    let values: [UInt16] = [
      UInt16(truncatingIfNeeded: draw.next()), old &+ 1, old ^ (1 << UInt16(draw.below(16))), UInt16(draw.below(6)),
      0xffff, 0,
    ]
    region.shared.store16(values[draw.below(values.count)], at: at)
  }

  @Test(
    "Drivers that meet random words keep their own books: nothing traps, no buffer is lost", arguments: [false, true])
  func devices(isPacked: Bool) throws {
    var draw = Draw(isPacked ? 21 : 22)
    var buffers = try NetBuffers(frames: 64, segmented: 16)
    var faults: Set<RingFault> = []
    for _ in 0..<400 {
      let shape = Shape(size: 8, isPacked: isPacked, bufferSize: 256)
      let plan = try shape.plan()
      let region = try SharedRegion(bytes: plan.end)
      var receiver = try NetReceiver(plan, region: region, features: shape.features)
      _ = receiver.queue.publish()
      var device = try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features)
      var burst = NetBurst(capacity: 64)
      var out = NetBurst(capacity: 4)
      for _ in 0..<30 {
        _ = append(draw.bytes(1 + draw.below(700)), NetHeader(), to: &out, from: &buffers)
        _ = device.deliver(out)
        _ = drain(&out, &buffers)
        if draw.below(3) == 0 { spoil(region, plan, &draw) }
        // The count of buffers in a header that a device wrote.
        if draw.below(6) == 0 {
          region.shared.store16(UInt16(draw.below(12)), at: plan.buffers + draw.below(8) * plan.bufferSize + 10)
        }
        _ = receiver.receive(into: &burst, from: &buffers)
        _ = drain(&burst, &buffers)
        _ = receiver.queue.publish()
        if let fault = receiver.queue.fault { faults.insert(fault) }
      }
      #expect(buffers.small.available == 64 && buffers.large.available == 16)
    }
    #expect(faults.count >= 4, "\(faults)")
  }

  @Test(
    "A peer that cuts its memory short is cut off by name, its last burst is thrown away, and another does not notice",
    arguments: [false, true])
  func truncated(isPacked: Bool) throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("dpu-\(UUID().uuidString)").path
    let number = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(number >= 0)
    _ = unsafe unlink(path)
    try #require(ftruncate(number, 1 << 20) == 0)
    let file = OwnedDescriptor(owning: number)
    let shape = Shape(size: 8, isPacked: isPacked)
    let plan = try shape.plan()
    let shared = try SharedRegion(peer: file, offset: 0, bytes: 1 << 20)
    let other = try SharedRegion(bytes: plan.end)
    var liar = try NetSender(plan, region: shared, features: shape.features)
    var honest = try NetSender(plan, region: other, features: shape.features)
    var first = try DeviceQueue(plan.place(in: shared), map: AddressMap(offsetsIn: shared), features: shape.features)
    var second = try DeviceQueue(plan.place(in: other), map: AddressMap(offsetsIn: other), features: shape.features)
    var buffers = try NetBuffers(frames: 16)
    var out = NetBurst()
    var burst = NetBurst()
    for length in 1...4 { _ = append([UInt8](repeating: 9, count: length), NetHeader(), to: &out, from: &buffers) }
    _ = liar.send(out)
    _ = liar.queue.publish()
    _ = honest.send(out)
    _ = honest.queue.publish()
    _ = drain(&out, &buffers)
    // The ring stays, the buffers go.
    try #require(ftruncate(number, 4096) == 0)
    #expect(first.receive(into: &burst, from: &buffers) == 0)
    #expect(first.fault == .memoryLost && burst.count == 0 && buffers.small.available == 16)
    #expect(second.receive(into: &burst, from: &buffers) == 4)
    #expect(second.fault == nil)
    #expect(drain(&burst, &buffers).map(\.0) == (1...4).map { [UInt8](repeating: 9, count: $0) })
    _ = liar.reap()
    #expect(throws: Never.self) { _ = try AddressMap([.init(guest: 0, user: 0, region: shared)]) }
  }
}
