/// Whether a rule is well formed: SPECIFICATION.md M1 and M2, the ranges of its actions, and what it refers to.
///
/// What a device can do with the rule is another question, and the device's.
public struct RuleCheck: Sendable {
  /// What `raw_encap`, `vxlan_encap` and `nvgre_encap` may refer to.
  public var encapsulations: [UInt16: Encapsulation]
  /// What `raw_decap` may refer to.
  public var decapsulations: [UInt16: Decapsulation]
  /// What `sample` may refer to.
  public var sampleActions: [UInt16: [Action]]
  /// What `indirect` may refer to.
  public var indirectActions: [UInt32: Action]

  /// A check against what is there.
  public init(
    encapsulations: [UInt16: Encapsulation] = [:], decapsulations: [UInt16: Decapsulation] = [:],
    sampleActions: [UInt16: [Action]] = [:], indirectActions: [UInt32: Action] = [:]
  ) {
    self.encapsulations = encapsulations
    self.decapsulations = decapsulations
    self.sampleActions = sampleActions
    self.indirectActions = indirectActions
  }

  /// The largest group: frames carry it in 16 bits.
  public static let largestGroup: UInt32 = 65_535
  /// The longest timeout of `age`, in seconds.
  public static let longestAge: UInt32 = 0xff_ffff

  /// Throws the first thing that is wrong with the rule.
  public func check(_ rule: Rule) throws(RuleError) {
    if rule.attributes.egress {
      throw RuleError(.attributes, "egress rules are not supported: frames are matched where they come in")
    }
    guard rule.attributes.group <= Self.largestGroup else {
      throw RuleError(.attributes, "group \(rule.attributes.group) is out of range (0…\(Self.largestGroup))")
    }
    try PatternCheck().check(rule.pattern)
    try check(actions: rule.actions)
  }

  /// Throws the first thing that is wrong with a list for `set sample_actions`.
  public func check(sampleActions: [Action]) throws(RuleError) {
    for (index, action) in sampleActions.enumerated() {
      switch resolve(action) {
      case .sample: throw RuleError(.action(index), "a copy cannot be copied again: `sample` inside sample_actions")
      case .jump: throw RuleError(.action(index), "a copy has no group to go on in: `jump` inside sample_actions")
      case .age: throw RuleError(.action(index), "`age` belongs to the rule, not to its copies")
      case .count: throw RuleError(.action(index), "`count` belongs to the rule: copies are not counted")
      default: break
      }
    }
    try check(actions: sampleActions)
  }

  /// Throws when the action cannot be an indirect one.
  public func check(indirectAction action: Action) throws(RuleError) {
    if case .indirect = action { throw RuleError(.action(0), "an indirect action cannot refer to another one") }
    try check(action, at: 0)
  }

  private func check(actions: [Action]) throws(RuleError) {
    var fate: Int?
    var mark: Int?
    var bare: Int?
    for (index, action) in actions.enumerated() {
      if let fate {
        throw RuleError(
          .action(index), "`\(actions[fate].name)` ends the rule: nothing may stand behind it")
      }
      try check(action, at: index)
      let meant = resolve(action)
      if meant.isFate { fate = index }
      switch meant {
      case .mark: mark = index
      case .rawDecap(let which) where decapsulations[which] == .ethernet: bare = index
      case .rawEncap, .vxlanEncap, .nvgreEncap: bare = nil
      case .jump:
        if let mark { throw RuleError(.action(mark), "the mark would not survive the jump behind it") }
        bare = nil
      case .drop: bare = nil
      default: break
      }
    }
    if let bare {
      throw RuleError(.action(bare), "the Ethernet header is removed and no encapsulation puts another in its place")
    }
  }

  /// The action that an indirect one stands for.
  private func resolve(_ action: Action) -> Action {
    if case .indirect(let id) = action, let target = indirectActions[id] { return target }
    return action
  }

  private func check(_ action: Action, at index: Int) throws(RuleError) {
    func demand(_ condition: Bool, _ sentence: @autoclosure () -> String) throws(RuleError) {
      guard condition else { throw RuleError(.action(index), sentence()) }
    }
    switch action {
    case .age(let timeout):
      try demand(
        timeout >= 1 && timeout <= Self.longestAge, "a timeout of \(timeout) s is out of range (1…\(Self.longestAge))")
    case .rawDecap(let which): try demand(decapsulations[which] != nil, "there is no `set raw_decap \(which)`")
    case .rawEncap(let which): try demand(encapsulations[which] != nil, "there is no `set raw_encap \(which)`")
    case .vxlanEncap(let which):
      try demand(encapsulations[which]?.kind == .vxlan, "there is no `set vxlan` of index \(which)")
    case .nvgreEncap(let which):
      try demand(encapsulations[which]?.kind == .nvgre, "there is no `set nvgre` of index \(which)")
    case .set(let field): try demand(field.isInRange, "the value is wider than the field")
    case .pushVLAN(let type):
      try demand(
        [0x8100, 0x88a8, 0x9100].contains(type),
        "ethertype 0x\(String(type, radix: 16)) is no tag's (0x8100, 0x88a8, 0x9100)")
    case .sample(let ratio, let which):
      try demand(ratio >= 1, "a ratio of 0 copies nothing; 1 copies every frame")
      try demand(sampleActions[which] != nil, "there is no `set sample_actions \(which)`")
    case .indirect(let id): try demand(indirectActions[id] != nil, "there is no indirect action #\(id)")
    case .jump(let group):
      try demand(group <= Self.largestGroup, "group \(group) is out of range (0…\(Self.largestGroup))")
    case .rss(let rss): try demand(!rss.queues.isEmpty, "`rss` needs at least one queue")
    case .count, .mark, .vxlanDecap, .nvgreDecap, .decTTL, .popVLAN, .queue, .drop, .portID, .representedPort,
      .portRepresentor:
      break
    }
  }
}

extension SetField {
  /// Whether the value fits the field.
  var isInRange: Bool {
    switch self {
    case .macSource(let value), .macDestination(let value): value >> 48 == 0
    case .ipv4DSCP(let value), .ipv6DSCP(let value): value < 64
    case .vlanID(let id): id < 4096
    case .vlanPriority(let priority): priority < 8
    default: true
    }
  }
}

extension Action {
  /// The action's word in the grammar.
  public var name: String { String(text.prefix { $0 != " " }) }
}

/// What is wrong with a rule, and which part of it.
public struct RuleError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// A part of a rule; items and actions count from 0.
  public enum Part: Equatable, Hashable, Sendable { case attributes, item(Int), action(Int) }
  /// The part.
  public let part: Part
  /// What is wrong, without a full stop.
  public let sentence: String

  init(_ part: Part, _ sentence: String) {
    self.part = part
    self.sentence = sentence
  }

  /// `item N: sentence` or `action N: sentence`, counted from 1; the attributes' sentence alone.
  public var description: String {
    switch part {
    case .attributes: sentence
    case .item(let index): "item \(index + 1): \(sentence)"
    case .action(let index): "action \(index + 1): \(sentence)"
    }
  }
}
