import DPDKDevice
import Datapath
import Device
import Dispatch
import Foundation
import Ports
import Runtime
import Synchronization

/// A value that another thread fills in, once.
final class Reply<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let isThere = DispatchSemaphore(value: 0)

  func set(_ value: Value) {
    self.value.withLock { $0 = value }
    isThere.signal()
  }

  /// Waits; nil when it does not come in time.
  func wait(seconds: Double) -> Value? {
    guard isThere.wait(timeout: .now() + seconds) == .success else { return nil }
    return value.withLock { $0 }
  }
}

/// What a poll thread and its ports counted: a copy.
struct ThreadCounts: Sendable {
  struct PortState: Sendable {
    var id: UInt16
    var facts: PortFacts
    var link: LinkState
    var counts: PortCounts
    var peer: RingPeer?
    var dpdk: DPDKSight?
    /// Frames that came in through it and wait.
    var waiting = 0
  }
  var ports: [PortState] = []
  var queue = QueueCounts()
  var loopDrops: [DropReason: UInt64] = [:]
  var statistics = PollStatistics()
  var latency = LatencyHistogram()
  var held = 0
  var device: LaneState?
  var at: UInt64 = 0

  init() {}

  init(_ loop: borrowing PollLoop) {
    for index in 0..<loop.ports.count {
      ports.append(
        PortState(
          id: loop.ports.id(index), facts: loop.ports.facts(index), link: loop.ports.link(index),
          counts: loop.ports.counts(index), peer: loop.ports.peer(index), dpdk: loop.ports.dpdk(index),
          waiting: loop.waiting(from: loop.ports.id(index))))
    }
    queue = QueueCounts(loop.datapath)
    for reason in DropReason.allCases where loop.drops[reason] > 0 { loopDrops[reason] = loop.drops[reason] }
    if let lost = loop.device?.lostInDevice, lost > 0 { loopDrops[.lostInDevice, default: 0] += lost }
    statistics = loop.statistics
    latency = loop.latency
    held = loop.heldFrames
    at = MonotonicClock.now
  }
}

/// A rule book on its way to a thread: its owner waits meanwhile.
struct Lent<Value>: @unchecked Sendable {
  let value: Value
}

/// One poll thread: a loop over ports, bound to a core.
final class PollThread: Sendable {
  let index: Int
  let core: Int?
  let control: PollControl
  let started: UInt64
  private let ended = Reply<ThreadCounts>()

  /// Starts a thread; `prepare` is called on it with the new loop.
  ///
  /// - Throws: what `prepare` throws, or what keeps the loop from being made.
  init(
    index: Int, core: Int?, policy: PollPolicy, rules: RuleBook, buffers: Int,
    prepare: @escaping @Sendable (inout PollLoop) throws -> Void
  ) throws {
    self.index = index
    self.core = core
    control = try PollControl()
    started = MonotonicClock.now
    let ready = Reply<(any Error)?>()
    let lent = Lent(value: rules)
    let (control, ended) = (control, ended)
    let thread = Thread {
      do {
        SystemCalls.nameThread("dpud-poll-\(index)")
        if let core { try SystemCalls.pin(core: core) }
        var loop = try PollLoop(try Self.queue(lent.value, buffers: buffers))
        try prepare(&loop)
        ready.set(nil)
        loop.run(control, policy: policy)
        var counts = ThreadCounts(loop)
        counts.device = loop.device?.state(counters: .max, now: MonotonicClock.now)
        try? loop.ports.close()
        ended.set(counts)
      } catch { ready.set(error) }
    }
    thread.stackSize = 8 << 20
    thread.start()
    guard let failure = ready.wait(seconds: 30) else {
      throw RequestFailure("thread.start", "poll thread \(index) does not start")
    }
    if let failure { throw failure }
  }

  static func queue(_ rules: RuleBook, buffers: Int) throws -> Datapath {
    try Datapath(rules, buffers: buffers, seed: UInt64.random(in: 0...UInt64.max))
  }

  /// Has something done on the thread, and waits for what comes of it; nil when the thread does not answer in time.
  func ask<Value: Sendable>(seconds: Double, _ body: @escaping @Sendable (inout PollLoop) -> Value) -> Value? {
    let reply = Reply<Value>()
    control.post { loop in reply.set(body(&loop)) }
    return reply.wait(seconds: seconds)
  }

  /// Ends the thread behind what waits at its ports; what it counted in the end, nil when it does not end.
  func stop() -> ThreadCounts? {
    control.stop()
    return ended.wait(seconds: 5)
  }

  /// Whether the loop went around within the last second.
  func isAlive(now: UInt64) -> Bool { now < max(control.heartbeat, started) &+ 1_000_000_000 }
}
