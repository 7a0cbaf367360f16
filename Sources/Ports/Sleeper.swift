import CNet

/// The monotonic clock that live ports run on.
public enum MonotonicClock {
  /// Nanoseconds since the system started.
  public static var now: UInt64 { dpu_now() }
}

/// Wakes a thread that sleeps in a ``Sleeper``, from any thread.
public final class Waker: Sendable {
  private let number: Int32

  /// - Throws: ``PortError`` when the system gives no descriptor.
  public init() throws(PortError) {
    number = dpu_waker()
    guard number >= 0 else { throw PortError("a waker", answer: number) }
  }

  deinit { dpu_close(number) }

  /// Ends the sleep, or the next one.
  public func wake() { dpu_wake(number) }

  /// Forgets the calls of ``wake()`` so far.
  public func calm() { dpu_calm(number) }

  /// Becomes readable when ``wake()`` is called.
  public var descriptor: Int32 { number }
}

/// Sleeps until one of several descriptors is readable.
public struct Sleeper: ~Copyable {
  /// Descriptors at most, the waker's included.
  public static let most = 256
  private let waker: Waker
  private var descriptors: [Int32]

  /// A sleeper that this waker wakes.
  public init(_ waker: Waker) {
    self.waker = waker
    descriptors = [waker.descriptor]
    descriptors.reserveCapacity(Self.most)
  }

  /// Takes the descriptors that `body` names; how many there may be is ``most``, those behind are let alone. Returns what
  /// `body` returns.
  public mutating func collect<Result>(_ body: (inout [Int32]) -> Result) -> Result {
    descriptors.removeLast(descriptors.count - 1)
    let result = body(&descriptors)
    if descriptors.count > Self.most { descriptors.removeLast(descriptors.count - Self.most) }
    return result
  }

  /// Sleeps, `nanoseconds` at most (nil: until something happens). Returns whether a descriptor is readable; a signal ends
  /// the sleep too.
  public mutating func sleep(_ nanoseconds: UInt64?) -> Bool {
    let limit = nanoseconds.map { Int64(clamping: $0) } ?? -1
    let answer = waitFor(descriptors, limit)
    waker.calm()
    return answer > 0
  }
}
