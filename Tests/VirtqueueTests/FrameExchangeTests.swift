import Memory
import Testing

@testable import Virtqueue

/// Our driver and our device against each other.
struct FrameExchangeTests {
  @Test("What a driver sends arrives once, in order and unchanged, through every shape of ring", arguments: Shape.all)
  func sends(shape: Shape) throws {
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    var sender = try NetSender(plan, region: region, features: shape.features, start: shape.start)
    var device = try DeviceQueue(
      plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features, base: shape.start)
    var draw = Draw(UInt64(shape.size))
    var mine = try NetBuffers(frames: 64, segmented: 8)
    var theirs = try NetBuffers(frames: 64, segmented: 8)
    var burst = NetBurst()
    var got = NetBurst()
    var sent: [([UInt8], NetHeader)] = []
    var came: [([UInt8], NetHeader)] = []
    let longest = min(65_000, (shape.hasIndirect ? shape.size : shape.size) * shape.bufferSize - 12)
    var frames = 0
    while frames < 400 {
      for _ in 0..<1 + draw.below(31) {
        let length = draw.below(8) == 0 ? 1 + draw.below(longest) : 1 + draw.below(min(2036, longest))
        let bytes = draw.bytes(length)
        let header = draw.header()
        guard append(bytes, header, to: &burst, from: &mine) else { break }
        sent.append((bytes, header))
        frames += 1
      }
      var at = 0
      while at < burst.count {
        at += sender.send(burst, from: at)
        _ = sender.queue.publish()
        while device.receive(into: &got, from: &theirs) > 0 { came += drain(&got, &theirs) }
        try #require(device.fault == nil && sender.queue.fault == nil, "\(shape)")
      }
      _ = drain(&burst, &mine)
    }
    sender.reap()
    #expect(sender.outstanding == 0)
    #expect(sender.queue.free == shape.size)
    #expect(sender.counters.tooLong == 0 && sender.counters.frames == UInt64(sent.count))
    #expect(came.count == sent.count)
    for (one, other) in zip(sent, came) { #expect(one.0 == other.0 && one.1 == other.1) }
    #expect(theirs.small.available == 64 && theirs.large.available == 8)
  }

  @Test("What a device delivers arrives once, in order and unchanged, merged over small buffers", arguments: Shape.all)
  func delivers(shape: Shape) throws {
    var shape = shape
    shape.bufferSize = shape.size < 8 ? 2048 : 256
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    var receiver = try NetReceiver(plan, region: region, features: shape.features, start: shape.start)
    _ = receiver.queue.publish()
    var device = try DeviceQueue(
      plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features, base: shape.start)
    var draw = Draw(UInt64(1000 + shape.size))
    var mine = try NetBuffers(frames: 64, segmented: 8)
    var theirs = try NetBuffers(frames: 64, segmented: 8)
    var burst = NetBurst()
    var got = NetBurst()
    var sent: [([UInt8], NetHeader)] = []
    var came: [([UInt8], NetHeader)] = []
    let longest = min(shape.size, 100) * shape.bufferSize - 12
    while sent.count < 400 {
      for _ in 0..<1 + draw.below(31) {
        let length = 1 + draw.below(draw.below(8) == 0 ? longest : min(longest, 600))
        let bytes = draw.bytes(length)
        let header = draw.header()
        guard append(bytes, header, to: &burst, from: &mine) else { break }
        sent.append((bytes, header))
      }
      var at = 0
      while at < burst.count {
        at += device.deliver(burst, from: at)
        while receiver.receive(into: &got, from: &theirs) > 0 { came += drain(&got, &theirs) }
        _ = receiver.queue.publish()
        try #require(device.fault == nil && receiver.queue.fault == nil, "\(shape)")
      }
      _ = drain(&burst, &mine)
    }
    #expect(device.counters.tooLong == 0)
    #expect(came.count == sent.count)
    for (one, other) in zip(sent, came) { #expect(one.0 == other.0 && one.1 == other.1.withoutCount) }
  }

  @Test(
    "Every length from 1 byte on arrives through one descriptor, a chain and an indirect table",
    arguments: [false, true])
  func lengths(isPacked: Bool) throws {
    for hasIndirect in [false, true] {
      let shape = Shape(size: 64, isPacked: isPacked, hasIndirect: hasIndirect, bufferSize: 64)
      let plan = try shape.plan()
      let region = try SharedRegion(bytes: plan.end)
      var sender = try NetSender(plan, region: region, features: shape.features)
      var device = try DeviceQueue(
        plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features)
      var mine = try NetBuffers(frames: 4, segmented: 1)
      var theirs = try NetBuffers(frames: 4, segmented: 1)
      var burst = NetBurst()
      var got = NetBurst()
      var draw = Draw(7)
      for length in 1...(64 * 64 - 12) where length < 400 || length % 61 == 0 {
        let bytes = draw.bytes(length)
        try #require(append(bytes, NetHeader(), to: &burst, from: &mine))
        #expect(sender.send(burst) == 1)
        _ = sender.queue.publish()
        #expect(device.receive(into: &got, from: &theirs) == 1)
        #expect(drain(&got, &theirs).first?.0 == bytes)
        _ = drain(&burst, &mine)
      }
    }
  }

  @Test("Frames in several pieces go in as one, both ways", arguments: [false, true])
  func pieces(isPacked: Bool) throws {
    let shape = Shape(size: 32, isPacked: isPacked, bufferSize: 256)
    let plan = try shape.plan()
    let (there, back) = (try SharedRegion(bytes: plan.end), try SharedRegion(bytes: plan.end))
    var sender = try NetSender(plan, region: there, features: shape.features)
    var receiver = try NetReceiver(plan, region: back, features: shape.features)
    _ = receiver.queue.publish()
    var out = try DeviceQueue(plan.place(in: there), map: AddressMap(offsetsIn: there), features: shape.features)
    var into = try DeviceQueue(plan.place(in: back), map: AddressMap(offsetsIn: back), features: shape.features)
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var draw = Draw(3)
    for _ in 0..<200 {
      var burst = NetBurst()
      var got = NetBurst()
      var whole: [UInt8] = []
      let count = 1 + draw.below(5)
      for index in 0..<count {
        let bytes = draw.bytes(1 + draw.below(700))
        whole += bytes
        try #require(append(bytes, NetHeader(), to: &burst, from: &buffers))
        burst[index].continues = index + 1 < count
      }
      #expect(sender.send(burst) == count)
      _ = sender.queue.publish()
      #expect(into.deliver(burst) == count)
      _ = drain(&burst, &buffers)
      #expect(out.receive(into: &got, from: &buffers) == 1)
      #expect(receiver.receive(into: &got, from: &buffers) == 1)
      _ = receiver.queue.publish()
      let both = drain(&got, &buffers)
      let isWhole = both.map(\.0) == [whole, whole]
      #expect(isWhole)
    }
  }

  @Test(
    "A frame stays in the ring while no buffer is free, and is dropped and counted when none can hold it",
    arguments: [false, true])
  func backPressure(isPacked: Bool) throws {
    let shape = Shape(size: 16, isPacked: isPacked)
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    var sender = try NetSender(plan, region: region, features: shape.features)
    var device = try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features)
    var mine = try NetBuffers(frames: 16, segmented: 1)
    var few = NetBuffers(
      small: try FrameArena(capacity: 3, bufferSize: 1024), large: try FrameArena(capacity: 1, bufferSize: 1600))
    var burst = NetBurst()
    var got = NetBurst()
    for length in [100, 101, 102, 103, 1500, 104] {
      try #require(append([UInt8](repeating: UInt8(length & 255), count: length), NetHeader(), to: &burst, from: &mine))
    }
    #expect(sender.send(burst) == 6)
    _ = sender.queue.publish()
    #expect(device.receive(into: &got, from: &few) == 3)
    #expect(device.counters.noBuffer == 1)
    #expect(device.receive(into: &got, from: &few) == 0)
    #expect(drain(&got, &few).map(\.0.count) == [100, 101, 102])
    #expect(device.receive(into: &got, from: &few) == 2)
    #expect(drain(&got, &few).map(\.0.count) == [103, 104])
    #expect(device.counters.tooLong == 1)
    #expect(device.counters.frames == 5)
    #expect(sender.reap() == 6)
  }

  @Test("A device stops when the driver has no buffer left, and goes on when it has", arguments: [false, true])
  func noReceiveBuffers(isPacked: Bool) throws {
    let shape = Shape(size: 8, isPacked: isPacked, merges: false)
    let plan = try shape.plan()
    let region = try SharedRegion(bytes: plan.end)
    var receiver = try NetReceiver(plan, region: region, features: shape.features)
    _ = receiver.queue.publish()
    var device = try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: shape.features)
    var buffers = try NetBuffers(frames: 64, segmented: 1)
    var burst = NetBurst()
    var got = NetBurst()
    for length in 1...12 {
      // The fifth is longer than any of the driver's buffers.
      try #require(
        append([UInt8](repeating: 1, count: length == 5 ? 3000 : length), NetHeader(), to: &burst, from: &buffers))
    }
    #expect(device.deliver(burst) == 9)
    #expect(device.counters.tooLong == 1)
    #expect(device.deliver(burst, from: 9) == 0)
    #expect(receiver.receive(into: &got, from: &buffers) == 8)
    #expect(device.deliver(burst, from: 9) == 0)
    _ = receiver.queue.publish()
    #expect(device.deliver(burst, from: 9) == 3)
    #expect(device.fault == nil)
  }
}
