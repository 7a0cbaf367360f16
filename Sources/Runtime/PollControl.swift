public import Ports
import Synchronization

/// The one way from other threads to a poll loop: ends it, wakes it, or has something done on its thread between passes.
public final class PollControl: Sendable {
  /// Something to be done on the loop's thread, with its ports and its queue.
  public typealias Call = @Sendable (inout PollLoop) -> Void

  /// Wakes the loop.
  public let waker: Waker
  // 1: stop; 2: there are calls. The loop loads it once a pass.
  private let signals = Atomic<UInt32>(0)
  private let calls = Mutex<[Call]>([])
  private let lastBeat = Atomic<UInt64>(0)

  /// - Throws: ``Ports/PortError`` when the system gives no descriptor.
  public init() throws(PortError) { waker = try Waker() }

  /// Ends the loop behind the pass at hand; calls that were posted before are still carried out.
  public func stop() {
    signals.bitwiseOr(1, ordering: .releasing)
    waker.wake()
  }

  /// Has `call` done on the loop's thread before its next pass. It should be short: frames wait meanwhile.
  public func post(_ call: @escaping Call) {
    calls.withLock { $0.append(call) }
    signals.bitwiseOr(2, ordering: .releasing)
    waker.wake()
  }

  /// Whether ``stop()`` was called.
  public var isStopping: Bool { signals.load(ordering: .acquiring) & 1 != 0 }

  /// When the loop looked around last, nanoseconds of ``Ports/MonotonicClock``; 0 before it began.
  public var heartbeat: UInt64 { lastBeat.load(ordering: .relaxed) }

  @inline(__always)
  var isCalled: Bool { signals.load(ordering: .acquiring) != 0 }

  func beat(_ now: UInt64) { lastBeat.store(now, ordering: .relaxed) }

  /// The next call in order; nil when there is none.
  func nextCall() -> Call? {
    calls.withLock { calls in
      guard !calls.isEmpty else {
        signals.bitwiseAnd(~2, ordering: .relaxed)
        return nil
      }
      return calls.removeFirst()
    }
  }
}
