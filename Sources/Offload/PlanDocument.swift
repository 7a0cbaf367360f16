public import Device
import Rules

/// A plan as a document of `-j`: keys in snake case, numbers with their unit in the key.
public struct PlanDocument: Codable, Equatable, Sendable {
  /// 1.
  public var schemaVersion = 1
  /// The profile's name.
  public var profile: String
  /// The device's model.
  public var model: String
  /// How it is driven.
  public var access: String
  /// What has to be installed for it; absent when nothing special.
  public var needs: String?
  /// `auto`, `require-hw`, `forbid-hw`.
  public var mode: String
  /// Rules by place.
  public var summary: [String: Int]
  /// What the plan takes of the device's limits.
  public var limits: [LimitEntry]
  /// What excludes each other.
  public var exclusions: ExclusionEntry
  /// A row a rule.
  public var rules: [RuleEntry]

  /// A limit and what is taken of it.
  public struct LimitEntry: Codable, Equatable, Sendable {
    /// Name in profiles.
    public var name: String
    /// What is taken.
    public var used: Int
    /// The limit; absent when nobody documents one.
    public var limit: Int?
    /// Where it is documented.
    public var source: String
  }

  /// Exclusions between wanted features.
  public struct ExclusionEntry: Codable, Equatable, Sendable {
    /// The largest wanted combination that fits, of the features concerned.
    public var fits: [String]
    /// What is given up.
    public var givenUp: [String]
    /// What the profile does not offer at all.
    public var notOffered: [String]
    /// The wanted sets that do not work, smallest first.
    public var conflicts: [Conflict]
    /// One such set.
    public struct Conflict: Codable, Equatable, Sendable {
      /// The features.
      public var features: [String]
      /// Why.
      public var reason: String
      /// Where documented.
      public var source: String
    }
    enum CodingKeys: String, CodingKey {
      case fits, conflicts
      case givenUp = "given_up"
      case notOffered = "not_offered"
    }
  }

  /// One rule.
  public struct RuleEntry: Codable, Equatable, Sendable {
    /// Its id.
    public var id: UInt32
    /// `hardware`, `partial`, `guarded`, `software`.
    public var place: String
    /// Actions that the device does.
    public var actionsOnDevice: Int
    /// Actions in all.
    public var actions: Int
    /// Step to place.
    public var steps: [String: String]
    /// Whether the device holds a wider guard in the rule's stead.
    public var hasWideGuard: Bool
    /// Rules that the device holds for it: more than one when it is split by ECN.
    public var deviceRules: Int
    /// Why it is not all the device's; absent when it is.
    public var verdict: VerdictEntry?
    enum CodingKeys: String, CodingKey {
      case id, place, actions, steps, verdict
      case actionsOnDevice = "actions_on_device"
      case hasWideGuard = "has_wide_guard"
      case deviceRules = "device_rules"
    }
  }

  /// Why a rule is not the device's.
  public struct VerdictEntry: Codable, Equatable, Sendable {
    /// The reason's name.
    public var reason: String
    /// What it is about.
    public var subject: String
    /// Index of the item or action, from 0; absent when it is about the whole rule.
    public var index: Int?
    /// `item` or `action`; absent when it is about the whole rule.
    public var part: String?
    /// The ability or limit by its name in profiles.
    public var limit: String?
    /// The limit's value.
    public var limitValue: Int?
    /// What was wanted.
    public var wanted: Int?
    /// Where the limit is documented.
    public var source: String?
    /// The nearest thing that would have fitted.
    public var nearest: String?
    enum CodingKeys: String, CodingKey {
      case reason, subject, index, part, limit, wanted, source, nearest
      case limitValue = "limit_value"
    }
  }

  enum CodingKeys: String, CodingKey {
    case profile, model, access, needs, mode, summary, limits, exclusions, rules
    case schemaVersion = "schema_version"
  }
}

extension Plan {
  /// The plan as a document.
  public var document: PlanDocument {
    PlanDocument(
      profile: profile.name, model: profile.model, access: profile.access.rawValue, needs: profile.needs,
      mode: mode.rawValue,
      summary: Dictionary(uniqueKeysWithValues: Place.allCases.map { ($0.rawValue, count($0)) }),
      limits: limitUses.map { .init(name: $0.name, used: $0.used, limit: $0.limit, source: $0.source) },
      exclusions: .init(
        fits: exclusions.fits.map(\.name), givenUp: exclusions.givenUp.map(\.name),
        notOffered: exclusions.notOffered.map(\.name),
        conflicts: exclusions.conflicts.map {
          .init(features: $0.features.sorted().map(\.name), reason: $0.reason, source: $0.source)
        }),
      rules: rules.map { entry(of: $0) })
  }

  /// One rule as a document.
  public func entry(of rule: RulePlan) -> PlanDocument.RuleEntry {
    var steps: [String: String] = [:]
    for step in RuleStep.allCases { steps[step.rawValue] = rule.place(of: step)?.rawValue }
    return .init(
      id: rule.id, place: rule.place.rawValue, actionsOnDevice: rule.actionsOnDevice, actions: rule.rule.actions.count,
      steps: steps, hasWideGuard: rule.hasWideGuard, deviceRules: rule.deviceEntries,
      verdict: verdict(of: rule).map { .init($0) })
  }
}

extension PlanDocument.VerdictEntry {
  /// A verdict as a document.
  public init(_ verdict: Verdict) {
    func known(_ value: Int32) -> Int? { value < 0 ? nil : Int(value) }
    let refusal = verdict.refusal
    self.init(
      reason: refusal.reason.name, subject: verdict.subject, index: refusal.index < 0 ? nil : Int(refusal.index),
      part: refusal.index < 0 ? nil : refusal.isAction ? "action" : "item", limit: verdict.limit,
      limitValue: known(refusal.limit), wanted: known(refusal.wanted), source: verdict.source,
      nearest: verdict.nearest)
  }
}
