import CShim

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// TSC ticks of a nanosecond, measured once.
let ticksPerNanosecond: Double = {
  let clock = ContinuousClock()
  let (start, ticks) = (clock.now, dpu_ticks())
  while clock.now - start < .milliseconds(20) {}
  let took = (clock.now - start).components
  return Double(dpu_ticks() &- ticks) / (Double(took.seconds) * 1e9 + Double(took.attoseconds) / 1e9)
}()

/// TSC cycles of processor time of one call: what other processes of a shared machine take away is not counted.
func cyclesOf(_ body: () -> Void) -> Double {
  let rate = ticksPerNanosecond
  let start = threadNanoseconds()
  body()
  return (threadNanoseconds() - start) * rate
}

private func threadNanoseconds() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// Numbers that a seed decides.
struct KeyGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int((state >> 16) % UInt64(bound))
  }
}

/// The classifier's benchmarks.
let classifierBenches = [classifierLookup, classifierInsert, classifierMemory]
