import CShim

/// A measurement: variants of one piece of work, interleaved in one process, told as ratios.
struct Bench: Sendable {
  /// What it is called on the command line.
  let name: String
  /// What is measured against what, in one sentence.
  let what: String
  /// Measures and prints.
  let run: @Sendable (BenchOptions) throws -> Void
}

/// How long and with what a benchmark runs.
struct BenchOptions: Sendable {
  /// Rounds of every variant.
  var rounds = 15
  /// Where the cases come from.
  var seed: UInt64 = 1
  /// One short round: shows that it works, not what it costs.
  var quick = false
}

/// One way of doing the work.
struct Variant {
  /// Its name in the table.
  let name: String
  /// Does `operations` pieces of work once.
  let body: () -> Void
}

/// Runs the variants in turn, `rounds` times after a first turn that is not counted, and gives for each the TSC cycles
/// of one operation in every round.
func interleave(_ variants: [Variant], operations: Int, rounds: Int) -> [[Double]] {
  var cycles = [[Double]](repeating: [], count: variants.count)
  for round in -1..<max(1, rounds) {
    for (index, variant) in variants.enumerated() {
      let start = dpu_ticks()
      variant.body()
      let end = dpu_ticks()
      if round >= 0 { cycles[index].append(Double(end &- start) / Double(operations)) }
    }
  }
  return cycles
}

/// The middle one of the values; 0 of none.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  return sorted.count % 2 == 1
    ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

/// Prints a line for each variant: the median of its cycles, and how many times faster than the first it is (the
/// median of the rounds' own ratios).
func report(_ title: String, _ variants: [Variant], _ cycles: [[Double]]) {
  print(title)
  for (index, variant) in variants.enumerated() {
    let ratios = zip(cycles[0], cycles[index]).map { $1 == 0 ? 0 : $0 / $1 }
    print("  \(pad(variant.name, 34)) \(decimals(median(cycles[index]))) cycles   \(decimals(median(ratios)))x")
  }
}

/// `text` with blanks behind it up to `width`.
func pad(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

/// A number with two decimals, right-aligned in nine columns.
func decimals(_ value: Double) -> String {
  let hundredths = Int((value * 100).rounded())
  let fraction = abs(hundredths % 100)
  let text = "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  return String(repeating: " ", count: max(0, 9 - text.count)) + text
}
