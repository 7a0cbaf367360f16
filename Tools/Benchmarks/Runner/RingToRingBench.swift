import CShim
import Dispatch
import Memory
import Ports
import Runtime
import Synchronization
import VhostUser
import Virtqueue

let ringToRingBenches = [
  Bench(
    name: "ring-to-ring",
    what:
      "From a tenant's vhost-user ring through Geneve to the uplink's ring: cycles a frame, and latency at half load."
  ) { try measureRingToRing($0) }
]

private func measureRingToRing(_ options: BenchOptions) throws {
  let rig = try LiveRig()
  print("ring-to-ring: 64-byte frames, packed rings of 1024, an encapsulation with one Geneve option, no device")
  try measureCycles(rig, options)
  guard cpus.0 != cpus.1 else { return print("  one CPU only: no latency") }
  try measureLatency(Cargo(rig), options)
}

/// One thread for the loop and both ends, so that all is in its cache; the clock runs in the loop's pass alone.
private func measureCycles(_ rig: LiveRig, _ options: BenchOptions) throws {
  let bursts = options.quick ? 200 : 20_000
  var rounds: [Double] = []
  var each = [Double](repeating: 0, count: bursts)
  var offered = 0
  var came = 0
  for round in -1..<options.rounds {
    for index in 0..<bursts {
      offered += rig.tenant.send()
      let now = MonotonicClock.now
      let start = dpu_ticks()
      _ = rig.loop.pass(now: now)
      each[index] = Double(dpu_ticks() &- start)
      came += rig.uplink.take()
    }
    if round >= 0 { rounds.append(median(each) / 32) }
  }
  guard offered == came else { throw BenchError.wrong("of \(offered) frames \(came) came") }
  print("  \(pad("one thread, bursts of 32: the pass", 44)) \(decimals(median(rounds))) ticks a frame")
}

/// The loop on one CPU, both ends on another: the most that goes through, then latency at half of it.
private func measureLatency(_ rig: Cargo<LiveRig>, _ options: BenchOptions) throws {
  let isStopping = Cargo(Atomic<Bool>(false))
  let looping = onThread(cpus.0) {
    var now = MonotonicClock.now
    var nextLook = now
    while !isStopping.value.load(ordering: .relaxed) {
      now = MonotonicClock.now
      if now >= nextLook {
        rig.value.loop.look(now: now)
        nextLook = now + 100_000_000
      }
      _ = rig.value.loop.pass(now: now)
    }
  }
  let rate = Cargo(0.0)
  let samples = Cargo(LatencySamples(most: options.quick ? 20_000 : 4_000_000))
  let ends = onThread(cpus.1) {
    let seconds = options.quick ? 0.05 : 2.0
    rate.value = runFull(rig.value, seconds)
    runPaced(rig.value, rate.value / 2, &samples.value)
  }
  ends.wait()
  isStopping.value.store(true, ordering: .relaxed)
  looping.wait()
  guard samples.value.count > 0 else { throw BenchError.wrong("nothing came") }
  print("  \(pad("two CPUs: the most that goes through", 44)) \(decimals(rate.value / 1e6)) Mpps")
  let shares = samples.value.shares([0.5, 0.99, 0.9999]).map { decimals($0 / ticksPerNanosecond / 1000) }
  print(
    "  \(pad("latency at half of it, microseconds", 44)) \(shares[0]) median \(shares[1]) 99% \(shares[2]) 99.99%"
      + "   \(samples.value.count) frames, \(samples.value.lost) lost")
}

/// Frames a second that come out when the ring in front is always full.
private func runFull(_ rig: LiveRig, _ seconds: Double) -> Double {
  let start = MonotonicClock.now
  var came = 0
  while MonotonicClock.now < start + UInt64(seconds * 1e9) {
    _ = rig.tenant.send()
    came += rig.uplink.take()
  }
  let took = Double(MonotonicClock.now - start) / 1e9
  // What is still under way.
  let end = MonotonicClock.now + 20_000_000
  while MonotonicClock.now < end { _ = rig.uplink.take() }
  return Double(came) / took
}

/// Sends at a steady rate, each frame with the time in it at which it was put into the ring.
private func runPaced(_ rig: LiveRig, _ rate: Double, _ samples: inout LatencySamples) {
  let interval = ticksPerNanosecond * 1e9 / rate
  let start = Double(dpu_ticks())
  var sent = 0
  var came = 0
  while sent < samples.most {
    let due = min(32, min(samples.most, Int((Double(dpu_ticks()) - start) / interval)) - sent)
    if due > 0 {
      let now = dpu_ticks()
      for index in 32 - due..<32 { rig.tenant.sending[index].bytes.store(now, at: 42) }
      sent += rig.tenant.driver.pairs[0].send(rig.tenant.sending, from: 32 - due)
    }
    came += rig.uplink.take { samples.add(dpu_ticks() &- $0.load($0.count - 18)) }
  }
  let end = MonotonicClock.now + 20_000_000
  while MonotonicClock.now < end { came += rig.uplink.take { samples.add(dpu_ticks() &- $0.load($0.count - 18)) } }
  samples.lost = sent - came
}

/// Times of frames, in ticks.
private struct LatencySamples: ~Copyable {
  let most: Int
  private var values: [UInt32] = []
  var lost = 0
  var count: Int { values.count }

  init(most: Int) {
    self.most = most
    values.reserveCapacity(most)
  }

  mutating func add(_ ticks: UInt64) { if values.count < most { values.append(UInt32(clamping: ticks)) } }

  func shares(_ parts: [Double]) -> [Double] {
    let sorted = values.sorted()
    return parts.map { sorted.isEmpty ? 0 : Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * $0))]) }
  }
}
