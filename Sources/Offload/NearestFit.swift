public import Device
public import Rules

/// A change with which a rule would have been the device's: found by asking again after each change.
public struct NearestFit: Sendable {
  /// The rule that fits.
  public var rule: Rule
  /// The overlay it fits in: templates may have changed.
  public var overlay: Overlay
  /// What was changed, each a phrase after "fits with".
  public var changes: [String]
  /// What the changes cost the user, each a phrase.
  public var costs: [String]
  /// Another way, when there is one.
  public var alternative: String?

  /// One sentence.
  public var sentence: String {
    var text = "fits with " + changes.joined(separator: ", and ")
    if !costs.isEmpty { text += " (" + costs.joined(separator: "; ") + ")" }
    if let alternative { text += "; or " + alternative }
    return text
  }

  /// Looks for a change; nil when none of those known here makes the rule fit.
  static func find(_ rule: Rule, _ prediction: Prediction, _ budget: GeneveBudget) -> NearestFit? {
    var search = Search(prediction: prediction, budget: budget, rule: rule)
    var pins = false
    for _ in 0..<24 {
      guard let refusal = search.refusal else {
        guard !search.fit.changes.isEmpty else { return nil }
        if pins { search.offerSplit(rule) }
        return search.fit
      }
      if refusal.reason == .ecnCopy { pins = true }
      guard search.change(refusal) else { return nil }
    }
    return nil
  }

  /// The way from a refused rule to one that fits.
  struct Search {
    let prediction: Prediction
    let budget: GeneveBudget
    var fit: NearestFit

    init(prediction: Prediction, budget: GeneveBudget, rule: Rule) {
      self.prediction = prediction
      self.budget = budget
      fit = NearestFit(rule: rule, overlay: prediction.overlay, changes: [], costs: [])
    }

    var refusal: Refusal? {
      var changed = prediction
      changed.overlay = fit.overlay
      if let refusal = changed.check(fit.rule) { return refusal }
      let limits = prediction.abilities.geneveOptions
      return limits.perDevice != 0 || limits.words != 0 ? budget.refusal(fit.rule.pattern) : nil
    }

    mutating func note(_ change: String, cost: String? = nil) {
      if !fit.changes.contains(change) { fit.changes.append(change) }
      if let cost, !fit.costs.contains(cost) { fit.costs.append(cost) }
    }

    /// Changes what the refusal is about; false when nothing here helps.
    mutating func change(_ refusal: Refusal) -> Bool {
      let index = Int(refusal.index)
      switch refusal.reason {
      case .groupRange where !refusal.isAction:
        fit.rule.attributes.group = 0
        note("a group of 0 to \(max(0, Int(refusal.limit) - 1))")
      case .priorityRange where refusal.limit > 0:
        fit.rule.attributes.priority = UInt32(refusal.limit - 1)
        note("a priority of 0 to \(refusal.limit - 1)")
      case .matchUnsupported, .partialMask, .geneveOptionBudget, .geneveOptionZeroData, .geneveOptionZeroMask,
        .geneveOptionRepeated:
        guard !refusal.isAction, fit.rule.pattern.indices.contains(index) else { return false }
        return changeItem(refusal, at: index)
      case .noResumePoint:
        guard refusal.isAction, case .jump(let group) = prediction.resolved(fit.rule.actions[index])
        else { return false }
        fit.rule.actions.removeAll {
          [.rewrite, .decapsulate, .encapsulate].contains(prediction.resolved($0).step)
        }
        note("the headers changed by the rules of group \(group) instead of before the jump")
      case .actionUnsupported: return changeAction(at: index)
      default:
        guard refusal.isAction, fit.rule.actions.indices.contains(index) else { return false }
        return changeTemplate(refusal, at: index)
      }
      return true
    }

    private mutating func changeAction(at index: Int) -> Bool {
      guard fit.rule.actions.indices.contains(index) else { return false }
      let action = fit.rule.actions[index]
      switch action {
      case .indirect:
        let inner = prediction.resolved(action)
        guard inner != action else { return false }
        fit.rule.actions[index] = inner
        note("`\(inner.word)` itself instead of `\(action.word)`")
      case .count, .mark, .age, .sample, .set, .decTTL, .popVLAN, .pushVLAN:
        fit.rule.actions.remove(at: index)
        note("no `\(action.word)`", cost: "it is then not done")
      default: return false
      }
      return true
    }

    /// Whether the same rule fits with an IP item in its match, by which it can be split; said as another way.
    mutating func offerSplit(_ rule: Rule) {
      guard !rule.pattern.contains(where: { $0.isIP || $0.isTunnel }) else { return }
      var split = rule
      let place = rule.pattern.firstIndex { $0.isL4 } ?? rule.pattern.count
      split.pattern.insert(.ipv4(IPv4Item()), at: place)
      var other = Search(prediction: prediction, budget: budget, rule: split)
      for _ in 0..<24 {
        guard let refusal = other.refusal else { break }
        guard refusal.reason != .ecnCopy, other.change(refusal) else { return }
      }
      guard other.refusal == nil else { return }
      fit.alternative =
        "one rule for `ipv4` and one for `ipv6`, each of which the device is given split by ECN, which loses nothing for "
        + "IP"
    }
  }
}

extension Item {
  /// The field that holds the ECN bits.
  var ecnField: ItemField? {
    switch self {
    case .ipv4: .ipv4TOS
    case .ipv6: .ipv6TC
    default: nil
    }
  }
}
