import Device
import EmulatedDevice
import Offload
import Rules

/// The sentence of a refusal: the device's own words, then what the planner knows of the limit and of the nearest rule
/// that would have been taken.
extension NetDevice {
  func flowError(_ refusal: Refusal, _ read: ReadRule) -> FlowError {
    let index = Int(refusal.index)
    var part = FlowError.Part.rule
    if refusal.isAction, read.actionPlaces.indices.contains(index) {
      part = .action(read.actionPlaces[index])
    } else if !refusal.isAction, read.itemPlaces.indices.contains(index) {
      part = .item(read.itemPlaces[index])
    } else if refusal.reason == .groupRange || refusal.reason == .priorityRange {
      part = .attributes
    }
    var sentence = "\(title): \(refusal.reason.name): \(Words.sentence(refusal))"
    if refusal.reason == .invalid, let wrong = wellFormedness(read) { sentence += " \(wrong)." }
    if let verdict = verdict(read, refusal) {
      if let limit = verdict.limit { sentence += " Limit: \(limit)" + (verdict.source.map { " (\($0))" } ?? "") + "." }
      if let nearest = verdict.nearest { sentence += " Nearest: \(nearest)." }
    }
    return FlowError(number: refusal.reason.number, part: part, sentence: sentence)
  }

  private func wellFormedness(_ read: ReadRule) -> String? {
    let check = RuleCheck(
      encapsulations: read.own.encapsulations, decapsulations: read.own.decapsulations,
      sampleActions: read.own.sampleActions, indirectActions: read.own.indirectActions)
    do {
      try check.check(read.rule)
      return nil
    } catch { return error.description }
  }

  /// The planner's verdict on the rule alone; nil when it would have been taken but for what is on the device already.
  private func verdict(_ read: ReadRule, _ refusal: Refusal) -> Verdict? {
    let plan = Planner.plan(rules: [(1, read.rule)], overlay: read.own, profile: profile)
    guard let first = plan.rules.first, first.refusal?.reason == refusal.reason else { return nil }
    return plan.verdict(of: first)
  }
}
