public import Memory
public import Virtqueue

/// One ring of a back end: the same object over all reconnects. Its ring comes and goes with what the front end says; a worker
/// that asks meanwhile gets nothing. One worker thread a queue.
///
/// Queues 0, 2, 4… carry frames to the driver (``deliver(_:from:)``), 1, 3, 5… from it (``receive(into:from:)``).
public final class BackendQueue: Sendable {
  /// Its number in the device.
  public let index: Int
  /// The ring, while it runs.
  public let cell = GatedCell<RunningRing>()

  init(_ index: Int) { self.index = index }

  /// Whether the ring runs.
  public var isRunning: Bool { cell.isOpen }

  /// Takes frames that the driver sends; see ``DeviceQueue/receive(into:from:)``.
  public func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    cell.withValue { ring in
      let count = ring.queue.receive(into: &burst, from: &buffers)
      ring.callIfNeeded()
      return count
    } ?? 0
  }

  /// Gives frames to the driver; see ``DeviceQueue/deliver(_:from:)``.
  public func deliver(_ burst: borrowing NetBurst, from first: Int = 0) -> Int {
    cell.withValue { ring in
      let count = ring.queue.deliver(burst, from: first)
      ring.callIfNeeded()
      return count
    } ?? 0
  }

  /// Asks not to be kicked.
  public func suppressKicks() { cell.withValue { $0.queue.suppressKicks() } }

  /// Asks to be kicked.
  ///
  /// - Returns: true when it is safe to sleep: nothing is there, or the ring does not run.
  public func requestKicks() -> Bool { cell.withValue { $0.queue.requestKicks() } ?? true }

  /// What went through the ring that runs now; zeros when none does.
  public func counters() -> QueueCounters { cell.withValue { $0.queue.counters } ?? QueueCounters() }
}

/// A ring that runs, and how its driver is called.
public struct RunningRing: ~Copyable {
  /// The ring.
  public var queue: DeviceQueue
  /// The driver's event; nil when it polls.
  public var call: EventDescriptor?
  // What the ring's log and inflight region lie in, as long as the ring runs.
  let inflightRegion: SharedRegion?
  let logRegion: SharedRegion?

  init(
    queue: consuming DeviceQueue, call: EventDescriptor?, inflightRegion: SharedRegion?, logRegion: SharedRegion?
  ) {
    self.queue = queue
    self.call = call
    self.inflightRegion = inflightRegion
    self.logRegion = logRegion
  }

  /// Calls the driver if it wants to be.
  public mutating func callIfNeeded() {
    if queue.needsCall() { call?.signal() }
  }
}
