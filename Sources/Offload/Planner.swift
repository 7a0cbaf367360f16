public import Device
public import Rules

/// Decides what a device is given, from rules and a profile. Nothing here touches a device.
///
/// The rule that keeps results right: *a frame that a rule on the device takes must not belong to a rule before it that
/// is not there.* So rules are gone through in precedence order (group, priority, id), and each is represented on the
/// device in the best form it takes: whole, its first actions, a guard that says which rule it is, or a wide guard that
/// matches more and sends frames up as misses. A rule that a wide guard before it covers needs no place at all.
public enum Planner {
  /// Makes a plan.
  ///
  /// - Parameters:
  ///   - rules: ids (not 0) and rules; an id that stands twice is planned twice.
  ///   - wants: what is wanted beside rules, for exclusions.
  ///   - driverIsInstalled: false when the profile's `needs` is not met here.
  public static func plan(
    rules: [(id: UInt32, rule: Rule)], overlay: Overlay, profile: DeviceProfile, mode: OffloadMode = .auto,
    wants: [Want] = [], driverIsInstalled: Bool = true
  ) -> Plan {
    var deviceOverlay = overlay.repairedForDevice()
    var variants = ECNVariants()
    if !profile.abilities.frame.contains(.ecnCopy), !profile.abilities.actions.isDisjoint(with: .encapsulations),
      rules.allSatisfy({ $0.id <= .max >> ECNVariants.idBits })
    {
      variants = ECNVariants(addedTo: &deviceOverlay)
    }
    var free = Prediction(abilities: profile.abilities, overlay: deviceOverlay)
    free.splitsECN = true
    free.variants = variants
    var exclusions = ExclusionReport(profile: profile, wants: [], uses: [])
    if mode != .forbidHardware, !profile.exclusions.isEmpty || !wants.isEmpty {
      let watched = profile.exclusions.reduce(into: Set<Feature>()) { $0.formUnion($1.features) }
      let probes = free.probes(of: watched)
      let uses = rules.map { free.features(of: $0.rule, among: probes) }.filter { !$0.isEmpty }
      exclusions = ExclusionReport(profile: profile, wants: wants, uses: uses)
    }
    var restricted = free
    restricted.abilities = profile.abilities.without(exclusions.givenUp)
    var work = Work(rules: rules, free: free, restricted: restricted)
    if mode == .forbidHardware {
      work.refuseAll(Refusal(.forbidden))
    } else if profile.abilities.rules == 0 {
      work.refuseAll(Refusal(.noDevice, limit: 0, wanted: rules.count))
    } else if !driverIsInstalled, profile.needs != nil {
      work.refuseAll(Refusal(.driver))
    } else {
      work.place()
    }
    return Plan(
      profile: profile, mode: mode, deviceOverlay: deviceOverlay, rules: work.plans, deviceRules: work.deviceRules,
      exclusions: exclusions, budget: work.budget, prediction: restricted, unrestricted: free)
  }

  /// The planning of one rule set.
  struct Work {
    var plans: [RulePlan]
    var deviceRules: [DeviceRule] = []
    var budget: GeneveBudget
    private let free: Prediction
    private let restricted: Prediction

    init(rules: [(id: UInt32, rule: Rule)], free: Prediction, restricted: Prediction) {
      let shared = free.overlay.indirectActions
      plans = rules.map { RulePlan(id: $0.id, rule: $0.rule, shared: shared) }
      self.free = free
      self.restricted = restricted
      let limits = restricted.abilities.geneveOptions
      let patterns: [(pattern: [Item], isWhole: Bool)] =
        limits.perDevice == 0 && limits.words == 0
        ? []
        : rules.map { entry in
          let pattern = restricted.relaxed(entry.rule.pattern)
          return (pattern, pattern == entry.rule.pattern && restricted.check(entry.rule) == nil)
        }
      budget = GeneveBudget(limits: limits, patterns: patterns)
    }

    /// Every rule is software's for one reason.
    mutating func refuseAll(_ refusal: Refusal) {
      for index in plans.indices { plans[index].refusal = refusal }
    }

    /// Goes through the rules in precedence order.
    mutating func place() {
      let ranks = plans.map { Precedence($0) }
      let order = plans.indices.sorted { ranks[$0] < ranks[$1] }
      var covers: [UInt32: CoverIndex] = [:]
      var room = Int(restricted.abilities.rules)
      for index in order {
        let group = plans[index].rule.attributes.group
        let cube = MatchCube(plans[index].rule)
        if let by = covers[group]?.cover(of: cube) {
          plans[index].refusal = Refusal(.shadowed)
          plans[index].shadowedBy = by
          // Its own refusal says more than that a guard, which it may itself have needed, takes its frames.
          if let own = wholeRefusal(plans[index].rule) {
            plans[index].refusal = own
            plans[index].hasWideGuard = true
          }
          continue
        }
        guard var deviceRule = form(index, restricted) else { continue }
        var cost = restricted.parts(of: deviceRule)?.count ?? 1
        if cost > max(1, room) {
          // As one rule it may have room, if not for all that it does.
          guard let whole = unsplit(index, wanted: cost) else { continue }
          deviceRule = whole
          cost = 1
        }
        guard room > 0 else {
          plans[index] = RulePlan(
            id: plans[index].id, rule: plans[index].rule, shared: free.overlay.indirectActions,
            refusal: Refusal(.tableFull, limit: Int(restricted.abilities.rules), wanted: plans.count))
          continue
        }
        room -= cost
        plans[index].deviceEntries = cost
        deviceRules.append(deviceRule)
        if deviceRule.isWideGuard {
          plans[index].hasWideGuard = true
          covers[group, default: CoverIndex()].insert(MatchCube(deviceRule.rule), id: deviceRule.id)
        }
      }
    }

    /// A rule's form without a split, for which there is no room.
    private mutating func unsplit(_ index: Int, wanted: Int) -> DeviceRule? {
      var single = restricted
      single.splitsECN = false
      let whole = form(index, single)
      plans[index].refusal = Refusal(
        .tableFull, limit: Int(restricted.abilities.rules), wanted: plans.count + wanted - 1)
      return whole
    }

    /// Why the rule is not wholly the device's, the Geneve budget included.
    private func wholeRefusal(_ rule: Rule, _ restricted: Prediction? = nil) -> Refusal? {
      let restricted = restricted ?? self.restricted
      guard let refusal = restricted.check(rule) else { return usesBudget ? budget.refusal(rule.pattern) : nil }
      return free.check(rule) == refusal ? refusal : Self.excluded(refusal)
    }

    private var usesBudget: Bool {
      restricted.abilities.geneveOptions.perDevice != 0 || restricted.abilities.geneveOptions.words != 0
    }

    private static func excluded(_ refusal: Refusal) -> Refusal {
      var copy = refusal
      copy.reason = .excluded
      return copy
    }

    /// The best form of a rule on the device, noted in its plan; nil when there is none.
    private mutating func form(_ index: Int, _ restricted: Prediction) -> DeviceRule? {
      let id = plans[index].id, rule = plans[index].rule
      guard id != 0, Prediction.isWellFormed(rule), !rule.attributes.egress else {
        plans[index].refusal = Refusal(.invalid)
        return nil
      }
      guard let refusal = wholeRefusal(rule, restricted) else {
        plans[index].place = .hardware
        plans[index].actionsOnDevice = rule.actions.count
        return DeviceRule(id: id, rule: rule, actionsOnDevice: rule.actions.count)
      }
      plans[index].refusal = refusal
      if restricted.placeRefusal(rule.attributes) != nil { return nil }
      let matches = restricted.matchRefusal(rule.pattern) == nil && (!usesBudget || budget.refusal(rule.pattern) == nil)
      if matches {
        if let count = restricted.longestPrefix(rule) {
          plans[index].place = .partial
          plans[index].actionsOnDevice = count
          return DeviceRule(id: id, rule: rule, actionsOnDevice: count)
        }
        if rule.attributes.group == 0 || restricted.abilities.frame.contains(.resumePoint) {
          plans[index].place = .guarded
          return DeviceRule(id: id, rule: rule, actionsOnDevice: 0)
        }
        return DeviceRule(id: id, rule: rule, actionsOnDevice: 0, isWideGuard: true)
      }
      var wide = rule
      wide.pattern = restricted.relaxed(rule.pattern)
      if usesBudget { wide.pattern = budget.trimmed(wide.pattern) }
      return DeviceRule(id: id, rule: wide, actionsOnDevice: 0, isWideGuard: true)
    }
  }
}

extension Prediction {
  /// The most actions, not all and not none, that the device does before it hands the frame up.
  func longestPrefix(_ rule: Rule) -> Int? {
    guard abilities.frame.contains(.resumePoint) else { return nil }
    for count in stride(from: rule.actions.count - 1, to: 0, by: -1)
    where actionsRefusal(rule, count: count) == nil { return count }
    return nil
  }
}
