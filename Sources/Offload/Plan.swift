public import Device
public import Rules

/// What one rule comes to.
public struct RulePlan: Equatable, Sendable {
  /// The rule's id.
  public var id: UInt32
  /// The rule as the user gave it.
  public var rule: Rule
  /// Its actions, each indirect one replaced by what it stands for; as many as the rule has.
  public var actions: [Action]
  /// The indirect `count` actions that it names, each once (SPECIFICATION.md A6).
  public var sharedCounters: [UInt32]
  /// Where it is carried out.
  public var place: Place
  /// Actions that the device does, from the first on.
  public var actionsOnDevice: Int
  /// Whether the device holds a wider guard in the rule's stead.
  public var hasWideGuard: Bool
  /// Why it is not all the device's; nil when it is.
  public var refusal: Refusal?
  /// How many rules the device holds for it: 0, 1, or one for each ECN value (``SplittingDevice``).
  public var deviceEntries = 0
  /// For ``Device/RefusalReason/shadowed``: the rule whose guard takes the frames.
  public var shadowedBy: UInt32?

  /// A plan for a rule; `shared` are the overlay's indirect actions.
  public init(
    id: UInt32, rule: Rule, shared: [UInt32: Action] = [:], place: Place = .software, actionsOnDevice: Int = 0,
    hasWideGuard: Bool = false, refusal: Refusal? = nil, shadowedBy: UInt32? = nil
  ) {
    self.id = id
    self.rule = rule
    actions = rule.actions.map { $0.resolved(shared) }
    sharedCounters = []
    for case .indirect(let id) in rule.actions where !sharedCounters.contains(id) {
      if case .count = shared[id] { sharedCounters.append(id) }
    }
    self.place = place
    self.actionsOnDevice = actionsOnDevice
    self.hasWideGuard = hasWideGuard
    self.refusal = refusal
    self.shadowedBy = shadowedBy
  }

  /// Where one action is carried out.
  public func place(ofAction index: Int) -> Place { index < actionsOnDevice ? .hardware : .software }

  /// Where a step is carried out; nil when the rule has no such step.
  public func place(of step: RuleStep) -> Place? {
    if step == .match, place != .software { return .hardware }
    let places = actions.indices.filter { actions[$0].step == step }.map { place(ofAction: $0) }
    if step == .match { return .software }
    guard !places.isEmpty else { return nil }
    if places.allSatisfy({ $0 == .hardware }) { return .hardware }
    return places.contains(.hardware) ? .partial : .software
  }
}

/// What a device is given, what software keeps, and why.
public struct Plan: Sendable {
  /// The profile it is for.
  public let profile: DeviceProfile
  /// Who may carry rules out.
  public let mode: OffloadMode
  /// The overlay as the device has to be given it: templates repaired.
  public let deviceOverlay: Overlay
  /// Every rule's plan, in the order the rules were given.
  public internal(set) var rules: [RulePlan]
  /// What the device is given, in the order in which it has to be inserted: precedence within each group. A device that
  /// does not copy ECN takes some of them split, through ``SplittingDevice``.
  public internal(set) var deviceRules: [DeviceRule]
  /// What had to be given up because wanted things exclude each other.
  public internal(set) var exclusions: ExclusionReport
  /// The Geneve options that the device's parser is given, when not all fit.
  let budget: GeneveBudget
  /// What the device will say to rules, as the plan was made.
  let prediction: Prediction
  /// The same without what was given up to exclusions.
  let unrestricted: Prediction

  /// The rule plans' positions by id.
  public let positions: [UInt32: Int]

  init(
    profile: DeviceProfile, mode: OffloadMode, deviceOverlay: Overlay, rules: [RulePlan], deviceRules: [DeviceRule],
    exclusions: ExclusionReport, budget: GeneveBudget, prediction: Prediction, unrestricted: Prediction
  ) {
    self.profile = profile
    self.mode = mode
    self.deviceOverlay = deviceOverlay
    self.rules = rules
    self.deviceRules = deviceRules
    self.exclusions = exclusions
    self.budget = budget
    self.prediction = prediction
    self.unrestricted = unrestricted
    positions = Dictionary(rules.enumerated().map { ($1.id, $0) }) { first, _ in first }
  }

  /// The plan of a rule.
  public subscript(id: UInt32) -> RulePlan? { positions[id].map { rules[$0] } }

  /// How many rules are in a place.
  public func count(_ place: Place) -> Int { rules.count { $0.place == place } }

  /// Rules that break ``OffloadMode/requireHardware``; empty in other modes.
  public var violations: [RulePlan] { mode == .requireHardware ? rules.filter { $0.place != .hardware } : [] }
}

/// Where a rule stands among others: those before it are looked at first (SPECIFICATION.md M6).
struct Precedence: Comparable {
  private let group: UInt32
  private let priority: UInt32
  private let id: UInt32

  init(_ rule: RulePlan) {
    (group, priority, id) = (rule.rule.attributes.group, rule.rule.attributes.priority, rule.id)
  }

  static func < (a: Precedence, b: Precedence) -> Bool {
    (a.group, a.priority, a.id) < (b.group, b.priority, b.id)
  }
}
