public import Device
import Rules

/// Something wanted of a device beside rules, and how much: a rule weighs 1.
public struct Want: Equatable, Sendable {
  /// What.
  public var feature: Feature
  /// How many rules it is worth; nil for more than all rules together.
  public var weight: Int?
  /// A want.
  public init(_ feature: Feature, weight: Int? = nil) {
    self.feature = feature
    self.weight = weight
  }
}

/// Which of the wanted offloads go together on a device.
public struct ExclusionReport: Equatable, Sendable {
  /// The wanted features that some exclusion is about.
  public var concerned: [Feature] = []
  /// The wanted sets that do not work, smallest first; each breaks when any one of its features is given up.
  public var conflicts: [DeviceProfile.Exclusion] = []
  /// What is given up: the cheapest choice that breaks every conflict.
  public var givenUp: [Feature] = []
  /// Rules that lose their hardware by it.
  public var rulesLost = 0
  /// Wants that the device does not offer at all.
  public var notOffered: [Feature] = []

  /// The largest wanted combination that fits.
  public var fits: [Feature] { concerned.filter { !givenUp.contains($0) } }

  /// Decides. `uses` are the features of each rule that would be hardware.
  init(profile: DeviceProfile, wants: [Want], uses: [Set<Feature>]) {
    notOffered = wants.map(\.feature).filter { profile.citations[$0.name] == nil }.sorted()
    let offered = wants.filter { profile.citations[$0.feature.name] != nil }
    var wanted = Set(offered.map(\.feature))
    for use in uses { wanted.formUnion(use) }
    conflicts = profile.exclusions.filter { $0.features.isSubset(of: wanted) }
      .sorted { ($0.features.count, $0.title) < ($1.features.count, $1.title) }
    concerned = conflicts.reduce(into: Set<Feature>()) { $0.formUnion($1.features) }.sorted()
    guard !conflicts.isEmpty, concerned.count <= 16 else {
      giveUpOneEach()
      return
    }

    let place = Dictionary(uniqueKeysWithValues: concerned.enumerated().map { ($1, $0) })
    func bits(_ set: Set<Feature>) -> Int { set.reduce(0) { $0 | (place[$1].map { 1 << $0 } ?? 0) } }
    var weights: [Int: Int] = [:]
    for use in uses { weights[bits(use), default: 0] += 1 }
    var wantWeights: [Int: Int] = [:]
    for want in offered where place[want.feature] != nil {
      wantWeights[bits([want.feature]), default: 0] += want.weight ?? uses.count + 1
    }
    let sets = conflicts.map { bits($0.features) }
    var best = (cost: Int.max, count: Int.max, given: 0, rules: 0)
    for given in 0..<(1 << concerned.count) where sets.allSatisfy({ $0 & given != 0 }) {
      let rules = weights.reduce(0) { $0 + ($1.key & given != 0 ? $1.value : 0) }
      let cost = rules + wantWeights.reduce(0) { $0 + ($1.key & given != 0 ? $1.value : 0) }
      if (cost, given.nonzeroBitCount) < (best.cost, best.count) { best = (cost, given.nonzeroBitCount, given, rules) }
    }
    givenUp = concerned.enumerated().filter { best.given >> $0.offset & 1 == 1 }.map(\.element)
    rulesLost = best.rules
  }

  /// Gives up one feature of each conflict, when there are too many to weigh.
  private mutating func giveUpOneEach() {
    var given: Set<Feature> = []
    for conflict in conflicts where conflict.features.isDisjoint(with: given) {
      if let one = conflict.features.min() { given.insert(one) }
    }
    givenUp = given.sorted()
  }
}

extension Abilities {
  /// The abilities without some features.
  func without(_ features: [Feature]) -> Abilities {
    var copy = self
    let names = Set(features.map(\.name))
    for entry in MatchAbilities.names where names.contains("match." + entry.name) { copy.match.remove(entry.ability) }
    for entry in ActionAbilities.names where names.contains("actions." + entry.name) {
      copy.actions.remove(entry.ability)
    }
    for entry in FrameAbilities.names where names.contains("frame." + entry.name) { copy.frame.remove(entry.ability) }
    return copy
  }
}

/// What a device without one feature says, to tell whether a rule needs it.
struct FeatureProbe: Sendable {
  /// The feature.
  let feature: Feature
  /// The prediction without it.
  let without: Prediction
}

extension Prediction {
  /// The same device without each of some features; made once for all rules.
  func probes(of watched: Set<Feature>) -> [FeatureProbe] {
    watched.map { feature in
      var without = self
      without.abilities = abilities.without([feature])
      return FeatureProbe(feature: feature, without: without)
    }
  }

  /// The probed features that the rule uses: those without which the device would refuse it.
  func features(of rule: Rule, among probes: [FeatureProbe]) -> Set<Feature> {
    guard check(rule) == nil else { return [] }
    return Set(probes.filter { $0.without.check(rule) != nil }.map(\.feature))
  }
}

extension DeviceProfile.Exclusion {
  /// The features' names, for messages and for order.
  public var title: String { features.sorted().map(\.name).joined(separator: " + ") }
}
