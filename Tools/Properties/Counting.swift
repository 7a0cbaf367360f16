import CCounting

/// What a thread did in a stretch of code that may do none of it.
struct HotPathCounts: Equatable {
  var allocations: UInt64 = 0
  var frees: UInt64 = 0
  var retains: UInt64 = 0
  var releases: UInt64 = 0
  var objects: UInt64 = 0

  /// Runs `body` and counts what this thread did meanwhile.
  static func during(_ body: () throws -> Void) rethrows -> HotPathCounts {
    dpu_counting_reset()
    try body()
    let counts = dpu_counting_read()
    return HotPathCounts(
      allocations: counts.allocations, frees: counts.frees, retains: counts.retains, releases: counts.releases,
      objects: counts.objects)
  }
}

/// A class that no optimiser may take apart.
private final class Counted {
  var value: UInt64
  init(_ value: UInt64) { self.value = value }
}

@inline(never) private func keep(_ object: Counted) -> [Counted] { [object, object] }

let countingProperties = [
  Property(
    name: "counting",
    promise: "The counters see an allocation, a retain and a release, and nothing where there is none.",
    cases: 1000
  ) { seed, cases in
    var random = SplitMix(seed: seed)
    var sum: UInt64 = 0
    let quiet = HotPathCounts.during { for _ in 0..<cases { sum &+= random.next() } }
    guard quiet == HotPathCounts() else { throw Counterexample("arithmetic counted as \(quiet)") }
    let object = Counted(sum)
    var kept: [[Counted]] = []
    kept.reserveCapacity(cases)
    let busy = HotPathCounts.during { for _ in 0..<cases { kept.append(keep(object)) } }
    guard busy.allocations >= cases, busy.retains >= cases, busy.objects >= cases else {
      throw Counterexample("\(cases) arrays of two references counted as \(busy)")
    }
    let freeing = HotPathCounts.during { kept.removeAll() }
    // The runtime's own releases inside of a release are not seen; the first is.
    guard freeing.releases >= 1, freeing.frees >= cases else {
      throw Counterexample("letting go of \(cases) arrays counted as \(freeing)")
    }
  }
]
