import Memory
import Ports
import Runtime

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

let takeoverBenches = [
  Bench(
    name: "takeover",
    what:
      "A device process killed and stopped under load, a hundred times each: detection, fence, rule switch, first frame."
  ) { try measureTakeover($0) }
]

/// What one run took, nanoseconds.
private struct TakeoverParts {
  var detection: [Double] = []
  var fence: [Double] = []
  var rules: [Double] = []
  var firstFrame: [Double] = []
  /// The longest pass while the device came back.
  var `return`: [Double] = []
  /// All three behind detection.
  var takeover: [Double] = []
}

private func measureTakeover(_ options: BenchOptions) throws {
  let runs = options.quick ? 3 : 100
  print("takeover: \(runs) runs each under load, microseconds; the load's thread polls, the device has a process")
  for (name, signal, reason) in [
    ("killed (its line is dead)", SIGKILL, "gone"), ("stopped (it is silent)", SIGSTOP, "silent"),
  ] {
    var random = options.seed
    let rig = try LiveRig(profile: "ideal")
    var load = try TakeoverLoad(rig)
    var parts = TakeoverParts()
    while parts.takeover.count < runs {
      try load.untilAlive()
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      for _ in 0..<200 + random >> 33 % 2000 { load.turn() }
      try load.end(signal, reason, &parts)
      parts.return.append(try load.untilAlive())
      guard load.strays <= runs else { throw BenchError.wrong("the machine is too busy: the device is always silent") }
    }
    try load.untilAlive()
    try load.settle()
    print("  \(name)")
    for (part, values) in [
      ("detection", parts.detection), ("fence", parts.fence), ("rule switch", parts.rules),
      ("first software frame sent", parts.firstFrame), ("takeover after detection", parts.takeover),
      ("longest pass until it is back", parts.return),
    ] {
      print("    \(pad(part, 30)) \(share(values, 0.5)) median \(share(values, 0.99)) p99 \(share(values, 1)) max")
    }
    print(
      "    \(load.offered) frames offered, \(load.came) came, \(load.lost) lost_in_device, \(load.dropped) dropped by name"
        + (load.strays > 0 ? "; \(load.strays) times more the device was silent by itself" : ""))
    guard parts.takeover.sorted()[max(0, Int((Double(runs) * 0.99).rounded(.up)) - 1)] <= 10_000_000 || options.quick
    else { throw BenchError.wrong("the takeover takes more than 10 ms at the 99th percentile") }
  }
}

/// The value that so many are not above, in microseconds.
private func share(_ values: [Double], _ part: Double) -> String {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return decimals(0) }
  return decimals(sorted[max(0, Int((Double(sorted.count) * part).rounded(.up)) - 1)] / 1000)
}

/// Frames without end from the tenant's ring, while the device comes and goes.
private struct TakeoverLoad {
  let rig: LiveRig
  let lane: DeviceLane
  var offered: UInt64 = 0
  var came: UInt64 = 0
  /// Losses that nobody caused: other programs had the core.
  var strays = 0
  private var nextLook: UInt64 = 0
  /// The longest pass since the last loss.
  private var longest: UInt64 = 0

  init(_ rig: LiveRig) throws {
    guard let lane = rig.lane else { throw BenchError.wrong("there is no device") }
    (self.rig, self.lane) = (rig, lane)
  }

  var lost: UInt64 { lane.lostInDevice }
  var dropped: UInt64 { rig.dropped }

  /// Offers a burst, has the loop pass, and takes what came out.
  mutating func turn() {
    offered += UInt64(rig.tenant.send())
    pass()
  }

  private mutating func pass() {
    let now = MonotonicClock.now
    if now >= nextLook {
      rig.loop.look(now: now)
      nextLook = now + 100_000_000
    }
    _ = rig.loop.pass(now: now)
    longest = max(longest, MonotonicClock.now - now)
    while true {
      let count = rig.uplink.take()
      came += UInt64(count)
      if count == 0 { return }
    }
  }

  /// The device answers and has its rules; how long the longest pass was since it was lost, nanoseconds.
  @discardableResult
  mutating func untilAlive() throws -> Double {
    let end = MonotonicClock.now + 30_000_000_000
    while true {
      let state = lane.brief()
      if state.isAlive, !state.isBusy { return Double(longest) }
      guard MonotonicClock.now < end else { throw BenchError.wrong("the device does not come back") }
      for _ in 0..<16 { turn() }
    }
  }

  mutating func end(_ signal: Int32, _ reason: String, _ parts: inout TakeoverParts) throws {
    let before = lane.brief()
    guard before.isAlive else {
      strays += 1
      return
    }
    guard let process = before.process else { throw BenchError.wrong("the device has no process") }
    let start = MonotonicClock.now
    longest = 0
    kill(process, signal)
    while true {
      for _ in 0..<16 { turn() }
      guard MonotonicClock.now < start + 10_000_000_000 else { throw BenchError.wrong("nobody noticed") }
      guard let loss = lane.brief().losses.last, loss.at >= start, let takeover = loss.takeover,
        let first = takeover.firstFrame
      else { continue }
      guard loss.reason == reason else {
        strays += 1
        return
      }
      parts.detection.append(Double(takeover.known - start))
      parts.fence.append(Double(takeover.fenced - takeover.known))
      parts.rules.append(Double(takeover.switched - takeover.fenced))
      parts.firstFrame.append(Double(first - takeover.switched))
      parts.takeover.append(Double(first - takeover.known))
      return
    }
  }

  /// Nothing is under way any more, and every frame is accounted for.
  mutating func settle() throws {
    let end = MonotonicClock.now + 100_000_000
    while MonotonicClock.now < end { pass() }
    guard offered == came + lost + dropped else {
      throw BenchError.wrong("of \(offered) frames \(came) came, \(lost) were lost and \(dropped) dropped")
    }
  }
}
