/// A rate in bytes: so many a second, so many at once. It reads no clock.
@frozen
public struct ByteBucket: Equatable, Sendable, BitwiseCopyable {
  /// Bytes a second; 0: no limit.
  public let rate: UInt64
  /// Bytes that may be saved up.
  public let burst: UInt64
  /// In billionths of a byte.
  private var level: UInt64
  private var last: UInt64 = 0

  /// A full bucket. `rate` is in bytes a second (0 for no limit), `burst` in bytes, at most 16 GB.
  public init(rate: UInt64, burst: UInt64) {
    self.rate = rate
    self.burst = min(burst, 1 << 34)
    level = self.burst &* 1_000_000_000
  }

  /// Takes `bytes` when they are there at `now`, nanoseconds of the caller's clock. A clock that went back brings nothing.
  @inline(__always)
  public mutating func take(_ bytes: Int, now: UInt64) -> Bool {
    if rate == 0 { return true }
    if now > last {
      let (gain, tooMuch) = (now &- last).multipliedReportingOverflow(by: rate)
      let full = burst &* 1_000_000_000
      level = tooMuch || gain >= full &- level ? full : level &+ gain
      last = now
    }
    let wanted = UInt64(truncatingIfNeeded: bytes) &* 1_000_000_000
    guard level >= wanted else { return false }
    level &-= wanted
    return true
  }
}
