import CShim

/// How a poll thread waits for work.
public enum PollMode: Equatable, Sendable {
  /// Spins for so many ticks (``PollTicks``) without work, then sleeps until an event wakes it.
  case adaptive(spinTicks: UInt64)
  /// Never sleeps. For threads that have a core each.
  case busy

  /// 50 µs at 2 GHz: some times the cost of a wake-up.
  public static var standard: PollMode { .adaptive(spinTicks: 100_000) }

  /// What is wrong with running `threads` poll threads in this mode on `cores` cores; nil when nothing is.
  public func warning(threads: Int, cores: Int = PollTicks.allowedCores) -> String? {
    guard self == .busy, threads > cores else { return nil }
    return
      "poll mode 'busy' with \(threads) poll threads on \(cores) cores: they take turns and every turn delays frames by a time slice; use 'adaptive' or fewer threads"
  }
}

/// The machine's tick counter and cores.
public enum PollTicks {
  /// Ticks now (TSC on x86-64, CNTVCT on arm64).
  public static var now: UInt64 { dpu_ticks() }
  /// CPUs that this thread may run on.
  public static var allowedCores: Int { Int(dpu_allowed_cores()) }
  /// Binds this thread to the `index`th of its allowed CPUs (counted round).
  ///
  /// - Returns: the CPU, or nil when the system refuses.
  public static func pin(_ index: Int) -> Int? {
    let cpu = dpu_pin_thread(Int32(truncatingIfNeeded: index))
    return cpu < 0 ? nil : Int(cpu)
  }
  /// Tells the core that this is a spin loop.
  public static func pause() { dpu_pause() }
}

/// Decides when a poll thread sleeps, and keeps account of how it spent its time. Time is an input.
///
///     while running {
///       let now = PollTicks.now
///       if poll() > 0 { idle.worked(now) } else if idle.shouldSleep(now) {
///         if armNotifications() {                      // false: work came meanwhile
///           wait(…); idle.slept(until: PollTicks.now)
///         }
///       }
///     }
public struct AdaptivePoll: Sendable {
  /// The mode it was made with.
  public let mode: PollMode
  /// Ticks spent spinning without finding work.
  public private(set) var spun: UInt64 = 0
  /// Ticks spent asleep.
  public private(set) var asleep: UInt64 = 0
  /// Times it went to sleep.
  public private(set) var sleeps: UInt64 = 0
  /// The longest spin that ended in work: with this many ticks of spinning none of those sleeps would have been.
  public private(set) var longestSpin: UInt64 = 0
  private var idleSince: UInt64?
  private var sleepingSince: UInt64 = 0
  /// It slept, and one look in vain is enough to sleep again.
  private var isSpent = false

  /// A poller that has not looked yet.
  public init(_ mode: PollMode = .standard) { self.mode = mode }

  /// There was work at `now`: the spin, if it was one, ends.
  public mutating func worked(_ now: UInt64) {
    isSpent = false
    guard let since = idleSince else { return }
    let spin = now &- since
    spun &+= spin
    longestSpin = max(longestSpin, spin)
    idleSince = nil
  }

  /// There was no work at `now`.
  ///
  /// - Parameter start: when the look began that found none; it counts as spinning too.
  /// - Returns: true when the thread has spun long enough and should ask to be woken and sleep.
  public mutating func shouldSleep(_ now: UInt64, lookedFrom start: UInt64? = nil) -> Bool {
    guard let since = idleSince ?? start else {
      idleSince = now
      return false
    }
    idleSince = since
    guard case .adaptive(let limit) = mode, isSpent || now &- since >= limit else { return false }
    sleepingSince = now
    return true
  }

  /// Ticks spent spinning until `now`, a spin that goes on included.
  public func spun(until now: UInt64) -> UInt64 { spun &+ (idleSince.map { now &- $0 } ?? 0) }

  /// The thread slept since ``shouldSleep(_:lookedFrom:)`` said so, until `now`.
  ///
  /// - Parameter spinsAgain: false when one look in vain shall be enough to sleep again: the wake was for nothing then.
  public mutating func slept(until now: UInt64, spinsAgain: Bool = true) {
    isSpent = !spinsAgain
    if let since = idleSince { spun &+= sleepingSince &- since }
    asleep &+= now &- sleepingSince
    sleeps &+= 1
    idleSince = now
  }
}
