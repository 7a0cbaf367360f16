import CShim
import Dispatch
import Foundation
import Memory
import Virtqueue

let ringBenches = [
  Bench(name: "memory-spsc", what: "Values from one thread to another: SpscRing against rte_ring SP/SC by gcc.") {
    try spsc($0)
  },
  Bench(
    name: "virtqueue-hop",
    what: "Frames of 64 bytes from our driver on one core to our device on another, split and packed."
  ) { try hop($0) },
  Bench(
    name: "virtqueue-cycles",
    what: "Cycles a frame of driver and device on one core, both in the cache: what the code itself costs."
  ) { try ringCycles($0) },
]

/// Two CPUs that this process may use, or one twice.
let cpus = (0, max(0, PollTicks.allowedCores - 1))

/// Runs `body` on a thread of its own, on the `core`th CPU.
func onThread(_ core: Int, _ body: @escaping @Sendable () -> Void) -> DispatchSemaphore {
  let done = DispatchSemaphore(value: 0)
  let thread = Thread {
    _ = PollTicks.pin(core)
    body()
    done.signal()
  }
  thread.stackSize = 1 << 20
  thread.start()
  return done
}

/// Carries what one thread owns to another.
final class Cargo<Value: ~Copyable>: @unchecked Sendable {
  var value: Value
  init(_ value: consuming Value) { self.value = value }
}

private func spsc(_ options: BenchOptions) throws {
  guard cpus.0 != cpus.1 else {
    print("memory-spsc: one CPU only, nothing to measure")
    return
  }
  let count = options.quick ? 1 << 20 : 1 << 24
  typealias Peer = @convention(c) (UInt64, UInt32, Int32, Int32) -> UInt64
  let peer = Peers()?.function("dpu_peer_ring", as: Peer.self)
  if peer == nil { print("  no rte_ring: Tools/bench builds it where libdpdk-dev is installed") }
  print(
    "memory-spsc: ticks a value, bursts of 32, rings of 1024, \(count) values a round; the ratio is rte_ring's over ours"
  )
  var ratios: [Double] = []
  var ours: [Double] = []
  var theirs: [Double] = []
  for round in 0..<options.rounds + 1 {
    let mine = passValues(count)
    let other = peer.map { Double($0(UInt64(count), 1024, Int32(cpus.0), Int32(cpus.1))) / Double(count) }
    guard round > 0 || options.quick else { continue }
    ours.append(mine)
    if let other {
      guard other > 0 else { throw BenchError.wrong("rte_ring passed wrong values") }
      theirs.append(other)
      ratios.append(other / mine)
    }
  }
  print("  \(pad("SpscRing", 34)) \(decimals(median(ours))) ticks")
  if !theirs.isEmpty {
    print("  \(pad("rte_ring SP/SC, gcc", 34)) \(decimals(median(theirs))) ticks   ratio \(decimals(median(ratios)))")
  }
}

/// Ticks a value of `count` through an SpscRing.
private func passValues(_ count: Int) -> Double {
  let ring = SpscRing<UInt64>(capacity: 1024)
  let producer = Cargo(ring.producer)
  let consumer = Cargo(ring.consumer)
  let ticks = Cargo<UInt64>(0)
  let start = PollTicks.now
  let sent = onThread(cpus.0) {
    var burst = FlatTable<UInt64>(repeating: 0, count: 32)
    var next: UInt64 = 1
    while next <= UInt64(count) {
      for index in 0..<32 { burst[index] = next &+ UInt64(truncatingIfNeeded: index) }
      let went = producer.value.push(burst.span)
      if went == 0 { PollTicks.pause() }
      next &+= UInt64(truncatingIfNeeded: went)
    }
  }
  let came = onThread(cpus.1) {
    var burst = FlatTable<UInt64>(repeating: 0, count: 32)
    var expected: UInt64 = 1
    var wrong: UInt64 = 0
    while expected <= UInt64(count) {
      var span = burst.mutableSpan
      let got = consumer.value.pop(into: &span)
      if got == 0 { PollTicks.pause() }
      for index in 0..<got { wrong &+= span[index] == expected &+ UInt64(truncatingIfNeeded: index) ? 0 : 1 }
      expected &+= UInt64(truncatingIfNeeded: got)
    }
    ticks.value = wrong == 0 ? PollTicks.now &- start : .max
  }
  sent.wait()
  came.wait()
  return Double(ticks.value) / Double(count)
}

/// What went wrong in a measurement.
enum BenchError: Error { case wrong(String) }

private struct HopRig {
  let isPacked: Bool
  let features: Features
  let plan: QueuePlan
  let region: SharedRegion

  init(isPacked: Bool) throws {
    self.isPacked = isPacked
    features = isPacked ? [.version1, .mrgRxbuf, .ringPacked] : [.version1, .mrgRxbuf]
    plan = try QueuePlan(offset: 0, size: 1024, isPacked: isPacked)
    region = try SharedRegion(bytes: plan.end, pages: .hugeIfAny, populate: true)
  }

  func sender() throws -> NetSender { try NetSender(plan, region: region, features: features) }
  func device() throws -> DeviceQueue {
    try DeviceQueue(plan.place(in: region), map: AddressMap(offsetsIn: region), features: features)
  }
}

/// A burst of 32 frames of 64 bytes.
private func frames(_ buffers: inout NetBuffers) -> NetBurst {
  var burst = NetBurst(capacity: 32)
  for _ in 0..<32 {
    guard let token = buffers.take(length: 64) else { break }
    let buffer = buffers.buffer(token)
    buffer.fill(0x5a, at: buffers.headroom(token), count: 64)
    burst.append(NetFrame(buffer: buffer, start: buffers.headroom(token), length: 64, token: token))
  }
  return burst
}

private func hop(_ options: BenchOptions) throws {
  guard cpus.0 != cpus.1 else {
    print("virtqueue-hop: one CPU only, nothing to measure")
    return
  }
  let count = options.quick ? 1 << 18 : 1 << 23
  print("virtqueue-hop: 64-byte frames, copied in and copied out, rings of 1024, \(count) frames a round")
  for isPacked in [false, true] {
    var results: [Double] = []
    for _ in 0..<options.rounds { results.append(try passFrames(count, isPacked)) }
    print("  \(pad(isPacked ? "packed" : "split", 34)) \(decimals(median(results))) Mpps")
  }
}

/// Millions of frames a second from a sender on one CPU to a device on another.
private func passFrames(_ count: Int, _ isPacked: Bool) throws -> Double {
  let rig = try HopRig(isPacked: isPacked)
  let sender = Cargo(try rig.sender())
  let device = Cargo(try rig.device())
  let mine = Cargo(try NetBuffers(frames: 64, segmented: 1))
  let theirs = Cargo(try NetBuffers(frames: 256, segmented: 1))
  device.value.suppressKicks()
  sender.value.queue.suppressCalls()
  let clock = ContinuousClock()
  let start = clock.now
  let sent = onThread(cpus.0) {
    let burst = frames(&mine.value)
    var done = 0
    while done < count {
      let went = sender.value.send(burst)
      _ = sender.value.queue.publish()
      if went == 0 { PollTicks.pause() }
      done &+= went
    }
  }
  let came = onThread(cpus.1) {
    var burst = NetBurst(capacity: 32)
    var done = 0
    while done < count {
      let got = device.value.receive(into: &burst, from: &theirs.value)
      _ = device.value.needsCall()
      if got == 0 { PollTicks.pause() }
      for index in 0..<got { theirs.value.give(burst[index].token) }
      burst.removeAll()
      done &+= got
    }
  }
  sent.wait()
  came.wait()
  let took = start.duration(to: clock.now).components
  guard device.value.fault == nil, sender.value.queue.fault == nil else { throw BenchError.wrong("a ring broke") }
  return Double(count) / (Double(took.seconds) + Double(took.attoseconds) / 1e18) / 1e6
}

private func ringCycles(_ options: BenchOptions) throws {
  let rounds = options.quick ? 200 : 20_000
  print("virtqueue-cycles: bursts of 32 frames of 64 bytes")
  for isPacked in [false, true] {
    let rig = try HopRig(isPacked: isPacked)
    var sender = try rig.sender()
    var device = try rig.device()
    device.suppressKicks()
    sender.queue.suppressCalls()
    var mine = try NetBuffers(frames: 64, segmented: 1)
    var theirs = try NetBuffers(frames: 64, segmented: 1)
    let out = frames(&mine)
    var burst = NetBurst(capacity: 32)
    var driverTicks: [Double] = []
    var deviceTicks: [Double] = []
    for _ in 0..<options.rounds {
      var inDriver: UInt64 = 0
      var inDevice: UInt64 = 0
      for _ in 0..<rounds {
        let first = PollTicks.now
        _ = sender.send(out)
        _ = sender.queue.publish()
        let second = PollTicks.now
        _ = device.receive(into: &burst, from: &theirs)
        _ = device.needsCall()
        let third = PollTicks.now
        for index in 0..<burst.count { theirs.give(burst[index].token) }
        burst.removeAll()
        inDriver &+= second &- first
        inDevice &+= third &- second
      }
      driverTicks.append(Double(inDriver) / Double(rounds * 32))
      deviceTicks.append(Double(inDevice) / Double(rounds * 32))
    }
    let kind = isPacked ? "packed" : "split"
    print("  \(pad("driver, \(kind): send and take back", 40)) \(decimals(median(driverTicks))) ticks")
    print("  \(pad("device, \(kind): receive", 40)) \(decimals(median(deviceTicks))) ticks")
  }
}
