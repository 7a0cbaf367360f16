import Device
import Rules

extension Plan {
  /// The plan for a terminal: a summary, what excludes each other, and a row a rule.
  ///
  /// - Parameter limit: rows at most; what is left out is said.
  public func table(limit: Int = .max) -> String {
    var text = summaryLines.joined(separator: "\n") + "\n"
    let report = exclusions.lines
    if !report.isEmpty { text += "\n" + report.joined(separator: "\n") + "\n" }
    var rows = [["RULE", "PLACE", "MATCH", "DECAP", "REWRITE", "ENCAP", "FORWARD", "REASON"]]
    for rule in rules.prefix(limit) {
      let steps: [RuleStep] = [.match, .decapsulate, .rewrite, .encapsulate, .forward]
      let places = steps.map { rule.place(of: $0)?.short ?? "-" }
      rows.append(["\(rule.id)", rule.place.rawValue] + places + [rule.refusal?.reason.name ?? ""])
    }
    text += "\n" + Self.aligned(rows)
    if rules.count > limit { text += "(\(rules.count - limit) rules more)\n" }
    for rule in rules.prefix(limit) where rule.deviceEntries > 1 {
      text += "\n" + splitLine(of: rule) + "\n"
    }
    var shown = 0
    for rule in rules where rule.refusal != nil {
      guard shown < limit, let verdict = verdict(of: rule) else { break }
      shown += 1
      text += "\n" + explanation(rule, verdict).joined(separator: "\n") + "\n"
    }
    return text
  }

  /// The lines about one rule, for `explain`.
  public func explanation(of rule: RulePlan) -> [String] {
    guard let verdict = verdict(of: rule) else {
      let whole = "rule \(rule.id): hardware, all \(rule.rule.actions.count) actions"
      return rule.deviceEntries > 1 ? [whole, splitLine(of: rule)] : [whole]
    }
    var lines = explanation(rule, verdict)
    if rule.deviceEntries > 1 { lines.append(splitLine(of: rule)) }
    for step in RuleStep.allCases {
      guard let (place, why) = self.verdict(of: step, in: rule) else { continue }
      lines.append("  \(step.rawValue): \(place.rawValue)" + (why.map { " – \($0)" } ?? ""))
    }
    return lines
  }

  /// That the device holds a rule split, and why.
  private func splitLine(of rule: RulePlan) -> String {
    "rule \(rule.id): on the device as \(rule.deviceEntries) rules, one for each ECN value of what it carries, with a "
      + "template of those bits; counted as one (frame.ecn_copy: \(profile.citation("frame.ecn_copy")))"
  }

  private func explanation(_ rule: RulePlan, _ verdict: Verdict) -> [String] {
    var first = "rule \(rule.id): \(rule.place.rawValue)"
    if rule.place == .partial { first += " (\(rule.actionsOnDevice) of \(rule.rule.actions.count) actions)" }
    lines(&first, verdict)
    var lines = [first]
    if verdict.refusal.limit >= 0 || verdict.limit != nil {
      var limit = "  limit: \(verdict.limit ?? "")"
      if verdict.refusal.limit >= 0 { limit += " \(verdict.refusal.limit)" }
      if verdict.refusal.wanted >= 0 { limit += ", wanted \(verdict.refusal.wanted)" }
      lines.append(limit)
    }
    if let source = verdict.source { lines.append("  source: \(source)") }
    lines.append("  nearest: \(verdict.nearest ?? "nothing that is known here would fit")")
    if rule.hasWideGuard {
      lines.append("  guard: the device sends up what this rule may match, so that no rule behind it takes its frames")
    }
    return lines
  }

  private func lines(_ first: inout String, _ verdict: Verdict) {
    first += " – \(verdict.refusal.reason.name): \(verdict.subject)"
  }

  private var summaryLines: [String] {
    var lines = [
      "profile \(profile.name): \(profile.model), \(profile.access.rawValue)"
        + (profile.needs.map { ", needs \($0)" } ?? "")
    ]
    let counts = Place.allCases.map { "\($0.rawValue) \(count($0))" }.joined(separator: ", ")
    lines.append("\(rules.count) rules: \(counts); mode \(mode.rawValue)")
    for use in limitUses {
      lines.append("  \(use.name): \(use.used) of \(use.limit.map { "\($0)" } ?? "no known limit")")
    }
    return lines
  }

  /// How much of a limit the plan takes.
  public struct LimitUse: Equatable, Sendable {
    /// The limit's name in profiles.
    public var name: String
    /// What the plan takes.
    public var used: Int
    /// The limit; nil when nobody documents one.
    public var limit: Int?
    /// Where it is documented.
    public var source: String
  }

  /// The limits of the whole device that the plan takes from.
  public var limitUses: [LimitUse] {
    let options = budget.chosen
    let words = options.values.reduce(0) {
      $0 + $1.nonzeroBitCount + (profile.abilities.geneveOptions.classCostsWord ? 1 : 0)
    }
    func use(_ limit: DeviceLimit, _ used: Int, none: Int) -> LimitUse {
      let value = profile.abilities.value(of: limit)
      return LimitUse(
        name: limit.citationName, used: used, limit: value == none ? nil : value,
        source: profile.citation(limit.citationName))
    }
    var list = [use(.rules, rules.reduce(0) { $0 + $1.deviceEntries }, none: Int(UInt32.max))]
    if profile.abilities.geneveOptions.perDevice != 0 {
      list.append(use(.geneveOptionsPerDevice, options.count, none: 0))
    }
    if profile.abilities.geneveOptions.words != 0 { list.append(use(.geneveOptionWords, words, none: 0)) }
    return list
  }

  /// Rows with their columns aligned; the last column is not padded.
  static func aligned(_ rows: [[String]]) -> String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        line += column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}

extension Place {
  /// For a narrow column.
  var short: String {
    switch self {
    case .hardware: "hw"
    case .partial: "hw+sw"
    case .guarded, .software: "sw"
    }
  }
}

extension ExclusionReport {
  /// What cannot be had together, for a terminal; empty when everything can.
  public var lines: [String] {
    var lines: [String] = []
    for feature in notOffered { lines.append("not offered by this profile: \(feature)") }
    guard !conflicts.isEmpty else { return lines }
    for conflict in conflicts {
      lines.append("cannot be together: \(conflict.title) – \(conflict.reason) (\(conflict.source))")
    }
    lines.append("fits: \(fits.map(\.name).joined(separator: ", "))")
    lines.append(
      "given up: \(givenUp.map(\.name).joined(separator: ", ")), which costs \(rulesLost) rule\(rulesLost == 1 ? "" : "s")"
    )
    return lines
  }
}
