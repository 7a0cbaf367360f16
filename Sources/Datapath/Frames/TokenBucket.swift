import Memory

/// A rate limit: so many a second, so many at once. It reads no clock.
@frozen
public struct TokenBucket: Equatable, Sendable, BitwiseCopyable {
  /// Tokens a second.
  public let rate: UInt32
  /// Tokens that may be saved up.
  public let burst: UInt32
  /// In billionths of a token.
  private var level: UInt64
  private var last: UInt64

  /// A full bucket. S1's default is 100 a second and a burst of 10.
  public init(rate: UInt32 = 100, burst: UInt32 = 10) {
    self.rate = rate
    self.burst = burst
    level = UInt64(burst) &* 1_000_000_000
    last = 0
  }

  /// Takes a token if there is one at `now`, nanoseconds of the caller's clock. A clock that went back brings nothing.
  public mutating func take(now: UInt64) -> Bool {
    if now > last {
      let (gain, tooMuch) = (now &- last).multipliedReportingOverflow(by: UInt64(rate))
      let full = UInt64(burst) &* 1_000_000_000
      level = tooMuch || gain >= full &- level ? full : level &+ gain
      last = now
    }
    guard level >= 1_000_000_000 else { return false }
    level &-= 1_000_000_000
    return true
  }
}

/// A ``TokenBucket`` for each tenant.
public struct TenantBuckets: ~Copyable, Sendable {
  private var buckets: FlatTable<TokenBucket>

  /// Buckets for tenants 0…`highest`; a tenant over it shares tenant 0's.
  public init(highest: UInt16, rate: UInt32 = 100, burst: UInt32 = 10) {
    buckets = FlatTable(repeating: TokenBucket(rate: rate, burst: burst), count: Int(highest) + 1)
  }

  /// Takes a token of `tenant`'s, if there is one.
  public mutating func take(tenant: UInt16, now: UInt64) -> Bool {
    let index = Int(tenant) < buckets.count ? Int(tenant) : 0
    return buckets[index].take(now: now)
  }
}
