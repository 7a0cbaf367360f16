import Device
import Rules

/// What the option parser is programmed for: every option (class, type, length) that rules use, each of its words with
/// the number of rules that look at it. Limits are about all rules together, and an option that no rule uses any more is free again.
struct OptionLedger {
  private struct Use {
    var rules = 0
    var words = [Int](repeating: 0, count: 31)
    func cost(_ limits: GeneveOptionLimits) -> Int {
      words.filter { $0 > 0 }.count + (limits.classCostsWord ? 1 : 0)
    }
  }

  private var uses: [UInt32: Use] = [:]

  private static func name(_ option: GeneveOptionItem) -> UInt32 {
    UInt32(option.optionClass) << 16 | UInt32(option.type) << 8 | UInt32(option.length)
  }

  /// Enters a pattern's options, or says which one is too much and leaves everything as it was.
  mutating func enter(_ pattern: [Item], _ limits: GeneveOptionLimits) throws(Refusal) {
    var after = self
    for (index, item) in pattern.enumerated() {
      guard case .geneveOption(let option) = item else { continue }
      after.change(option, by: 1)
      if limits.perDevice > 0, after.uses.count > Int(limits.perDevice) {
        throw Refusal(
          .geneveOptionBudget, index: index, limit: Int(limits.perDevice), wanted: after.uses.count)
      }
      let words = after.uses.values.reduce(0) { $0 + $1.cost(limits) }
      if limits.words > 0, words > Int(limits.words) {
        throw Refusal(.geneveOptionBudget, index: index, limit: Int(limits.words), wanted: words)
      }
    }
    self = after
  }

  /// Takes a pattern's options out again.
  mutating func leave(_ pattern: [Item]) {
    for item in pattern {
      if case .geneveOption(let option) = item { change(option, by: -1) }
    }
  }

  private mutating func change(_ option: GeneveOptionItem, by step: Int) {
    var use = uses[Self.name(option)] ?? Use()
    use.rules += step
    for (word, mask) in option.mask.enumerated() where mask != 0 { use.words[word] += step }
    uses[Self.name(option)] = use.rules > 0 ? use : nil
  }
}
