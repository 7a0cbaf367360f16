import Runtime
import Testing

@Suite("A bucket of bytes")
struct BucketTests {
  /// The same with numbers that cannot overflow.
  private struct Plain {
    var rate: UInt128
    var full: UInt128
    var level: UInt128
    var last: UInt128 = 0

    mutating func take(_ bytes: Int, _ now: UInt64) -> Bool {
      if rate == 0 { return true }
      if UInt128(now) > last {
        level = min(full, level + (UInt128(now) - last) * rate)
        last = UInt128(now)
      }
      let wanted = UInt128(bytes) * 1_000_000_000
      guard level >= wanted else { return false }
      level -= wanted
      return true
    }
  }

  @Test("gives what its rate and burst allow at any time, and is the same for a clock that stands or goes back")
  func oracle() {
    var random = UInt64(7)
    func next(_ bound: UInt64) -> UInt64 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (random >> 20) % bound
    }
    for (rate, burst) in [
      (UInt64(0), UInt64(1)), (1, 1), (1_000_000, 3000), (12_500_000_000, 1 << 20), (.max, 1 << 34),
    ] {
      var bucket = ByteBucket(rate: rate, burst: burst)
      let full = UInt128(burst) * 1_000_000_000
      var plain = Plain(rate: UInt128(rate), full: full, level: full)
      var now: UInt64 = 0
      var refused = 0
      for step in 0..<4000 {
        switch next(6) {
        case 0: now += next(1 << 30)
        case 1: now -= min(now, next(100_000))
        case 2: break
        default: now += next(4000)
        }
        // Now and then a long pause: no more comes of it than the burst.
        if step % 500 == 499 { now += 1 << 50 }
        let bytes = Int(next(min(burst + burst / 2, 9000) + 1))
        let wanted = plain.take(bytes, now)
        #expect(bucket.take(bytes, now: now) == wanted, "rate \(rate), step \(step)")
        if !wanted { refused += 1 }
      }
      #expect(rate == 0 || rate > 1_000_000_000 || refused > 100)
    }
  }

  @Test("that times are counted in: each power of two begins a class, and a share is that of its rank")
  func histogram() {
    for place in 0..<40 {
      var one = LatencyHistogram()
      one.add(1 << UInt64(place), frames: 2)
      one.add((1 << UInt64(place + 1)) - 1, frames: 3)
      #expect(one[place] == 5 && one.total == 5)
    }
    var histogram = LatencyHistogram()
    histogram.add(0, frames: 1)
    for place in 1..<10 { histogram.add(1 << UInt64(place), frames: 1) }
    for rank in 1...10 {
      // The end of the class in which the rank-th of ten lies.
      #expect(histogram.quantile(Double(rank) / 10) == UInt64(2) << UInt64(rank - 1) - 1, "rank \(rank)")
    }
  }
}
