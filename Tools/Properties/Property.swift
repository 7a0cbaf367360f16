/// A promise that is checked on many random cases, in release: what takes too long for the unit tests.
struct Property: Sendable {
  /// What it is called on the command line.
  let name: String
  /// The promise in one sentence.
  let promise: String
  /// Cases of a whole run: seconds in release, not minutes.
  let cases: Int
  /// Checks `cases` cases that follow from `seed`; throws a ``Counterexample`` at the first that does not hold.
  let check: @Sendable (_ seed: UInt64, _ cases: Int) throws -> Void
}

/// A case that breaks a promise, in words that let the reader build it again.
struct Counterexample: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

/// The generator behind every seed (SplitMix64): the same seed gives the same cases on every machine.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number of 0..<bound; bound is at least 1.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  /// True in `part` of `whole` draws.
  mutating func chance(_ part: Int, of whole: Int) -> Bool { below(whole) < part }
  /// `count` random bytes.
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}
