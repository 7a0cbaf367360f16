import Device
import Memory
import Ports

/// How a poll thread waits.
public struct PollPolicy: Equatable, Sendable {
  /// Nanoseconds without a frame after which it sleeps; nil: never, it always asks.
  public var spin: UInt64?
  /// Nanoseconds between looks at what changes seldom.
  public var lookInterval: UInt64

  /// 50 µs, ten looks a second.
  public init(spin: UInt64? = 50_000, lookInterval: UInt64 = 100_000_000) {
    self.spin = spin
    self.lookInterval = lookInterval
  }
}

extension PollLoop {
  /// Polls until `control` stops it, and then until no frame waits. `housekeeping` is called at every look, on this thread, between passes.
  public mutating func run(
    _ control: PollControl, policy: PollPolicy = PollPolicy(),
    housekeeping: (inout PollLoop, UInt64) -> Void = { _, _ in }
  ) {
    var sleeper = Sleeper(control.waker)
    var now = MonotonicClock.now
    var nextLook = now
    // Nanoseconds: what its ticks are is the caller's choice.
    var idle = AdaptivePoll(policy.spin.map { .adaptive(spinTicks: $0) } ?? .busy)
    while true {
      // One load a pass: a stop, or something to be done here.
      if control.isCalled {
        if control.isStopping { break }
        account(idle, now)
        carryOut(control)
        now = MonotonicClock.now
      }
      if now >= nextLook {
        control.beat(now)
        look(now: now)
        housekeeping(&self, now)
        nextLook = now &+ policy.lookInterval
      }
      let frames = pass(now: now)
      let before = now
      now = MonotonicClock.now
      if frames > 0 {
        latency.add(now &- before, frames: carriedOut)
        idle.worked(before)
        continue
      }
      guard idle.shouldSleep(now, lookedFrom: before), now < nextLook else { continue }
      let waking = arm(&sleeper)
      if waking != .work {
        let limit = nextLook &- now
        _ = sleeper.sleep(waking == .asking ? min(limit, Self.askingInterval) : limit)
        now = MonotonicClock.now
        // One pass is enough to see whether a wake was for frames.
        idle.slept(until: now, spinsAgain: false)
      }
      ports.awake(now: now)
    }
    account(idle, now)
    drain(now)
    carryOut(control)
  }

  /// Carries out what waits at the ports, for a fifth of a second at most: ports may get frames for ever.
  private mutating func drain(_ start: UInt64) {
    var now = start
    while now &- start < 200_000_000, pass(now: now) > 0 || share.leftOut || device?.isUrgent == true {
      now = MonotonicClock.now
    }
    dropUpcalls()
    flush(now)
  }

  /// Says how the thread spent its time until now.
  private mutating func account(_ idle: AdaptivePoll, _ now: UInt64) {
    statistics.spun = idle.spun(until: now)
    statistics.slept = idle.asleep
    statistics.sleeps = idle.sleeps
    statistics.longestSpin = idle.longestSpin
  }

  /// Does what others asked for.
  private mutating func carryOut(_ control: PollControl) {
    while let call = control.nextCall() { call(&self) }
  }

  /// How long the thread sleeps when a port can only be asked: 100 µs.
  static var askingInterval: UInt64 { 100_000 }

  /// Asks every port to wake the thread; the most urgent answer.
  private mutating func arm(_ sleeper: inout Sleeper) -> Waking {
    var waking = Waking.armed
    if let device {
      if device.isUrgent { return .work }
      if device.isDue { waking = .asking }
    }
    if let desk, desk.table.count > 0 { waking = .asking }
    let count = ports.count
    sleeper.collect { descriptors in
      for index in 0..<count {
        switch ports.arm(index, &descriptors) {
        case .armed: break
        case .asking: if waking == .armed { waking = .asking }
        case .work: waking = .work
        }
      }
      if descriptors.count > Sleeper.most, waking == .armed { waking = .asking }
    }
    return waking
  }
}
