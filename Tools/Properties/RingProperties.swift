import Memory
import Virtqueue

let ringProperties = [
  Property(
    name: "rings", promise: "Rings pass every frame on, and neither allocate nor count a reference in a burst.",
    cases: 100_000
  ) { seed, cases in
    var random = SplitMix(seed: seed)
    var done = 0
    while done < cases {
      try passFrames(&random, frames: min(5000, cases - done), isJudged: done > 0)
      done += 5000
    }
  }
]

/// Frames of random lengths there and back through a random kind of ring, whose indices begin anywhere.
private func passFrames(_ random: inout SplitMix, frames: Int, isJudged: Bool) throws {
  let isPacked = random.chance(1, of: 2)
  let size = isPacked ? 40 + random.below(300) : 64 << random.below(3)
  var features: Features = [.version1, .mrgRxbuf]
  if isPacked { features.insert(.ringPacked) }
  if random.chance(1, of: 2) { features.insert(.indirectDescriptors) }
  if random.chance(1, of: 2) { features.insert(.eventIndex) }
  let there = try QueuePlan(offset: 0, size: size, isPacked: isPacked, bufferSize: 512, hasTables: true)
  let back = try QueuePlan(offset: there.end, size: size, isPacked: isPacked, bufferSize: 512)
  let region = try SharedRegion(bytes: back.end)
  let position = UInt16(truncatingIfNeeded: isPacked ? random.below(size) : random.below(65536))
  let wrap = !isPacked || random.chance(1, of: 2)
  let start = RingBase(available: position, availableWrap: wrap, used: position, usedWrap: wrap)
  var sender = try NetSender(there, region: region, features: features, start: start)
  var receiver = try NetReceiver(back, region: region, features: features, start: start)
  _ = receiver.queue.publish()
  let map = AddressMap(offsetsIn: region)
  var from = try DeviceQueue(there.place(in: region), map: map, features: features, base: start)
  var to = try DeviceQueue(back.place(in: region), map: map, features: features, base: start)
  var buffers = try NetBuffers(frames: 256, segmented: 16)
  var out = NetBurst(capacity: 32)
  var middle = NetBurst(capacity: 32)
  var got = NetBurst(capacity: 32)
  var sent: UInt64 = 0
  var came: UInt64 = 0
  while came < UInt64(frames) {
    while out.room > 0, sent < UInt64(frames), buffers.small.available > 64, buffers.large.available > 8 {
      let length = random.chance(1, of: 16) ? 8 + random.below(8000) : 8 + random.below(1500)
      guard let token = buffers.take(length: length) else { break }
      let frame = NetFrame(
        buffer: buffers.buffer(token), start: buffers.headroom(token), length: length, token: token)
      frame.bytes.fill(UInt8(truncatingIfNeeded: sent), at: 0, count: length)
      frame.bytes.store(sent, at: 0)
      out.append(frame)
      sent += 1
    }
    let outgoing = out.count
    var taken = 0
    var given = 0
    let counts = HotPathCounts.during {
      taken = sender.send(out)
      _ = sender.queue.publish()
      _ = from.receive(into: &middle, from: &buffers)
      _ = from.needsCall()
      given = to.deliver(middle)
      _ = to.needsCall()
      _ = receiver.receive(into: &got, from: &buffers)
      _ = receiver.queue.publish()
    }
    if isJudged, counts != HotPathCounts() { throw Counterexample("after \(came) frames: \(counts)") }
    rotate(&out, by: taken, &buffers)
    rotate(&middle, by: given, &buffers)
    for index in 0..<got.count {
      let bytes = got[index].bytes
      let number: UInt64 = bytes.load(0)
      guard number == came, bytes.count < 9 || bytes[bytes.count - 1] == UInt8(truncatingIfNeeded: number) else {
        throw Counterexample("frame \(number) came changed, or in place of \(came)")
      }
      came += 1
      buffers.give(got[index].token)
    }
    let isIdle = taken == 0 && given == 0 && got.count == 0 && outgoing > 0
    got.removeAll()
    if let fault = from.fault ?? to.fault ?? sender.queue.fault ?? receiver.queue.fault {
      throw Counterexample("a ring of ours was cut off: \(fault.name)")
    }
    if isIdle, sender.outstanding == 0 { throw Counterexample("nothing moves after \(came) frames") }
  }
}

/// Gives the first `count` buffers back and keeps the rest in order.
private func rotate(_ burst: inout NetBurst, by count: Int, _ buffers: inout NetBuffers) {
  for index in 0..<count { buffers.give(burst[index].token) }
  for index in count..<burst.count { burst[index - count] = burst[index] }
  burst.truncate(burst.count - count)
}
