public import Device
import Rules

extension Plan {
  /// Why a rule is not all the device's, with the limit, its source and the nearest thing that would have fitted; nil
  /// when it is.
  public func verdict(of rule: RulePlan) -> Verdict? {
    guard let refusal = rule.refusal else { return nil }
    let limit = limitName(rule, refusal)
    return Verdict(
      refusal: refusal, subject: subject(rule, refusal), limit: limit, source: source(rule, refusal, limit),
      nearest: nearest(rule, refusal))
  }

  /// Where a step of a rule is carried out and, when not by the device, why; nil when the rule has no such step.
  public func verdict(of step: RuleStep, in rule: RulePlan) -> (place: Place, why: String?)? {
    guard let place = rule.place(of: step) else { return nil }
    guard place != .hardware, let refusal = rule.refusal else { return (place, nil) }
    let actions = rule.actions.indices.filter { rule.actions[$0].step == step }
    if refusal.isAction, !actions.contains(Int(refusal.index)) {
      return (place, "comes after \(subject(rule, refusal)), which is software's: \(refusal.reason.name)")
    }
    return (place, "\(refusal.reason.name): \(subject(rule, refusal))")
  }

  /// The part of the rule that a refusal is about, counted from 1.
  func subject(_ rule: RulePlan, _ refusal: Refusal) -> String {
    let index = Int(refusal.index)
    if refusal.isAction, rule.rule.actions.indices.contains(index) {
      return "action \(index + 1) (\(rule.rule.actions[index].word))"
    }
    if !refusal.isAction, rule.rule.pattern.indices.contains(index) {
      return "item \(index + 1) (\(rule.rule.pattern[index].word))"
    }
    if let by = rule.shadowedBy, refusal.reason == .shadowed { return "rule, behind the guard of rule \(by)" }
    return "rule"
  }

  private func limitName(_ rule: RulePlan, _ refusal: Refusal) -> String? {
    let index = Int(refusal.index)
    switch refusal.reason {
    case .matchUnsupported: return prediction.missingAbility(rule.rule.pattern, at: index)
    case .partialMask: return "match.partial_mask"
    case .geneveOptionBudget: return budgetName(rule, index)
    case .geneveOptionZeroData: return DeviceLimit.geneveRefusesZeroData.citationName
    case .geneveOptionZeroMask: return DeviceLimit.geneveRefusesZeroMask.citationName
    case .geneveOptionRepeated: return DeviceLimit.geneveRefusesRepeats.citationName
    case .actionUnsupported:
      return rule.rule.actions.indices.contains(index) ? prediction.missingAbility(rule.rule.actions[index]) : nil
    case .ecnCopy: return "frame.ecn_copy"
    case .dscpCopy: return "frame.dscp_copy"
    case .ttlCopy: return "frame.ttl_copy"
    case .dfCopy: return "frame.df_copy"
    case .outerUDPChecksum:
      return rule.rule.actions.indices.contains(index)
        && prediction.template(rule.rule.actions[index])?.isIPv6 == true
        ? "frame.udp_checksum_ipv6" : "frame.udp_checksum_ipv4"
    case .entropy: return "frame.entropy"
    case .fixesLengths: return "frame.fixes_lengths"
    case .headerTooLarge: return DeviceLimit.largestHeader.citationName
    case .tableFull, .noDevice: return DeviceLimit.rules.citationName
    case .groupRange: return DeviceLimit.groups.citationName
    case .priorityRange: return DeviceLimit.priorities.citationName
    case .noResumePoint: return "frame.resume_point"
    default: return nil
    }
  }

  private func budgetName(_ rule: RulePlan, _ index: Int) -> String {
    let limits = profile.abilities.geneveOptions
    let options = rule.rule.pattern.count { if case .geneveOption = $0 { true } else { false } }
    if options > Int(limits.perRule) { return DeviceLimit.geneveOptionsPerRule.citationName }
    if rule.rule.pattern.indices.contains(index), case .geneveOption(let option) = rule.rule.pattern[index],
      limits.wordsPerOption != 0, option.maskedWords > Int(limits.wordsPerOption)
    {
      return DeviceLimit.geneveWordsPerOption.citationName
    }
    if limits.perDevice != 0, budget.wantedOptions > Int(limits.perDevice) {
      return DeviceLimit.geneveOptionsPerDevice.citationName
    }
    return DeviceLimit.geneveOptionWords.citationName
  }

  private func source(_ rule: RulePlan, _ refusal: Refusal, _ limit: String?) -> String? {
    switch refusal.reason {
    case .excluded: return exclusions.conflicts.first.map { "\($0.reason): \($0.source)" }
    case .driver: return profile.needs.map { "the profile needs \($0)" }
    default: return limit.map { profile.citation($0) }
    }
  }

  /// The change with which the rule would have been the device's.
  public func nearestFit(of rule: RulePlan) -> NearestFit? {
    guard rule.refusal != nil else { return nil }
    return NearestFit.find(rule.rule, prediction, budget)
  }

  private func nearest(_ rule: RulePlan, _ refusal: Refusal) -> String? {
    switch refusal.reason {
    case .forbidden:
      return prediction.check(rule.rule) == nil ? "fits with mode auto" : nil
    case .driver: return profile.needs.map { "fits with \($0) installed" }
    case .tableFull:
      return prediction.check(rule.rule) == nil
        ? "fits with \(max(1, refusal.wanted - refusal.limit)) rules fewer before it" : nil
    case .shadowed:
      guard let by = rule.shadowedBy, let other = self[by] else { return nil }
      guard let fit = nearestFit(of: other) else { return "fits once rule \(by) needs no wide guard" }
      return "fits once rule \(by) does, which \(fit.sentence)"
    case .excluded:
      guard unrestricted.check(rule.rule) == nil else { return nil }
      let kept = exclusions.conflicts.flatMap(\.features).filter { !exclusions.givenUp.contains($0) }
      return "fits when \(Set(kept).sorted().map(\.name).joined(separator: ", ")) is given up instead"
    default: return nearestFit(of: rule)?.sentence
    }
  }
}

extension Prediction {
  /// The first ability that an item of the pattern lacks, by its name in profiles.
  func missingAbility(_ pattern: [Item], at index: Int) -> String? {
    guard pattern.indices.contains(index) else { return nil }
    let item = pattern[index]
    var needed: [MatchAbilities] = [item.ability]
    if pattern[..<index].contains(where: { $0.isTunnel }) { needed.append(.inner) }
    if case .vlan = item, index > 0, case .vlan = pattern[index - 1] { needed.append(.qinq) }
    needed += item.uses.map(\.field.ability)
    return needed.first { !abilities.match.contains($0) }.map { name(of: $0, in: MatchAbilities.names, "match.") }
  }

  /// The ability that an action lacks, by its name in profiles.
  func missingAbility(_ action: Action) -> String? {
    var list = [action, resolved(action)]
    if case .sample(_, let index) = action { list += overlay.sampleActions[index] ?? [] }
    let needed = list.compactMap { ability(of: $0) }
    return needed.first { !abilities.actions.contains($0) }.map { name(of: $0, in: ActionAbilities.names, "actions.") }
  }

  /// The template that an action puts in front.
  func template(_ action: Action) -> Encapsulation? {
    switch action {
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): overlay.encapsulations[index]
    default: nil
    }
  }

  /// The one ability that an action asks for by itself.
  private func ability(of action: Action) -> ActionAbilities? {
    switch action {
    case .count: .count
    case .mark: .mark
    case .age: .age
    case .queue, .portRepresentor: .queue
    case .rss: .rss
    case .drop: .drop
    case .portID, .representedPort: .port
    case .decTTL: .setTTL
    case .popVLAN: .popVLAN
    case .pushVLAN: .pushVLAN
    case .set(let field): field.ability
    case .vxlanDecap: .decapVXLAN
    case .nvgreDecap: .decapNVGRE
    case .jump: .jump
    case .sample: .sample
    case .indirect: .indirect
    case .rawDecap(let index):
      switch overlay.decapsulations[index] {
      case .none, .tunnel(.none): nil
      case .ethernet: .decapEthernet
      case .tunnel(.geneve): .decapGeneve
      case .tunnel(.vxlan): .decapVXLAN
      case .tunnel(.gre): .decapGRE
      case .tunnel(.nvgre): .decapNVGRE
      }
    case .rawEncap, .vxlanEncap, .nvgreEncap: template(action)?.kind.encapsulationAbility
    }
  }
}
