import Dispatch
import Memory
import Testing

@testable import Virtqueue

/// Event suppression: nobody sleeps on work.
struct EventTests {
  private static let shapes = Shape.all.filter { !$0.hasIndirect && $0.size <= 8 }

  /// Every order of six calls of driver and device, each either working or going to sleep.
  @Test(
    "In every order of calls, a device that sleeps is kicked for what comes, and one that polls is left alone",
    arguments: shapes)
  func kicks(shape: Shape) throws {
    let steps = 6
    let plan = try shape.plan()
    for order in 0..<1 << (2 * steps) {
      let region = try SharedRegion(bytes: plan.end)
      var sender = try NetSender(plan, region: region, features: shape.features, start: shape.start)
      var device = try DeviceQueue(
        plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features, base: shape.start)
      var buffers = try NetBuffers(frames: 16, segmented: 1)
      var out = NetBurst(capacity: 4)
      var burst = NetBurst(capacity: 4)
      _ = append([1], NetHeader(), to: &out, from: &buffers)
      var isAsleep = false
      var wasSuppressed = false
      for step in 0..<steps {
        switch order >> (2 * step) & 3 {
        case 0:
          let went = sender.send(out) == 1
          let isKicked = sender.queue.publish()
          if went, isAsleep { #expect(isKicked, "order \(order): asleep on work") }
          if wasSuppressed { #expect(!isKicked, "order \(order): kicked and did not want to be") }
          if isKicked { isAsleep = false }
        case 1:
          guard !isAsleep else { continue }
          _ = device.receive(into: &burst, from: &buffers)
          _ = drain(&burst, &buffers)
        case 2:
          guard !isAsleep else { continue }
          isAsleep = device.requestKicks()
          wasSuppressed = false
        default:
          guard !isAsleep else { continue }
          device.suppressKicks()
          wasSuppressed = true
        }
      }
      #expect(device.fault == nil && sender.queue.fault == nil)
    }
  }

  @Test("A driver that sleeps is called for what comes, and one that polls is not", arguments: Shape.all)
  func calls(shape: Shape) throws {
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    var receiver = try NetReceiver(plan, region: region, features: shape.features, start: shape.start)
    _ = receiver.queue.publish()
    var device = try DeviceQueue(
      plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features, base: shape.start)
    var buffers = try NetBuffers(frames: 16, segmented: 1)
    var out = NetBurst(capacity: 4)
    var burst = NetBurst(capacity: 4)
    _ = append([1], NetHeader(), to: &out, from: &buffers)
    for round in 0..<300 {
      let polls = round % 3 == 0
      let maySleep = polls || receiver.queue.requestCalls()
      if polls { receiver.queue.suppressCalls() }
      let early = device.needsCall()
      let went = device.deliver(out)
      let isCalled = device.needsCall()
      let again = receiver.queue.requestCalls()
      let came = receiver.receive(into: &burst, from: &buffers)
      #expect(maySleep && !early && went == 1 && isCalled == !polls && !again && came == 1, "round \(round)")
      _ = drain(&burst, &buffers)
      _ = receiver.queue.publish()
    }
  }

  @Test(
    "Two threads that sleep on each other's events pass every frame on, and no wake-up is lost",
    arguments: [0, 1, 2, 3])
  func threads(kind: Int) throws {
    let shape = Shape(size: 16, isPacked: kind & 1 != 0, byIndex: kind & 2 != 0)
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    let total = 20_000
    let (kick, call) = (try EventDescriptor(), try EventDescriptor())
    let device = Box(
      try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features))
    var sender = try NetSender(plan, region: region, features: shape.features)
    let lost = Box2()
    let done = DispatchSemaphore(value: 0)
    DispatchQueue(label: "device").async {
      defer { done.signal() }
      guard var buffers = try? NetBuffers(frames: 64, segmented: 1) else { return }
      var burst = NetBurst()
      var next: UInt64 = 0
      while next < UInt64(total) {
        if device.queue.receive(into: &burst, from: &buffers) > 0 {
          for index in 0..<burst.count {
            if burst[index].bytes.load(0, as: UInt64.self) != next { lost.wrong += 1 }
            next += 1
            buffers.give(burst[index].token)
          }
          burst.removeAll()
          if device.queue.needsCall() { call.signal() }
        } else if device.queue.requestKicks() {
          // A second is long: whoever waits so long was forgotten.
          if OwnedDescriptor.wait(for: [kick.descriptor], milliseconds: 5000) == 0 {
            lost.kicks += 1
            return
          }
          kick.clear()
        }
      }
    }
    var buffers = try NetBuffers(frames: 64, segmented: 1)
    var burst = NetBurst()
    var sent = 0
    while sent < total, lost.kicks == 0 {
      while burst.room > 0, sent + burst.count < total {
        guard append([UInt8](repeating: 0, count: 60), NetHeader(), to: &burst, from: &buffers) else { break }
        burst[burst.count - 1].bytes.store(UInt64(sent + burst.count - 1), at: 0)
      }
      var at = 0
      while at < burst.count, lost.kicks == 0 {
        at += sender.send(burst, from: at)
        if sender.queue.publish() { kick.signal() }
        if at < burst.count, sender.queue.requestCalls() {
          if OwnedDescriptor.wait(for: [call.descriptor], milliseconds: 5000) == 0 {
            lost.calls += 1
            break
          }
          call.clear()
        }
      }
      sent += burst.count
      _ = drain(&burst, &buffers)
      if lost.calls > 0 { break }
    }
    done.wait()
    #expect(lost.kicks == 0 && lost.calls == 0 && lost.wrong == 0)
  }

  private final class Box: @unchecked Sendable {
    var queue: DeviceQueue
    init(_ queue: consuming DeviceQueue) { self.queue = queue }
  }

  private final class Box2: @unchecked Sendable {
    var kicks = 0
    var calls = 0
    var wrong = 0
  }
}
