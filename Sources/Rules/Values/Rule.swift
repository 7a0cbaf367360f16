/// A rule: which frames, what is done with them.
public struct Rule: Equatable, Hashable, Sendable {
  /// Where and when the rule is looked at.
  public var attributes: Attributes
  /// The match, outermost header first.
  public var pattern: [Item]
  /// What is done, in order.
  public var actions: [Action]

  /// A rule of these parts; ``RuleCheck`` says whether it is well formed.
  public init(attributes: Attributes = Attributes(), pattern: [Item], actions: [Action]) {
    self.attributes = attributes
    self.pattern = pattern
    self.actions = actions
  }
}

/// Where a rule stands.
public struct Attributes: Equatable, Hashable, Sendable {
  /// The group, 0…65535; frames start in group 0.
  public var group: UInt32 = 0
  /// 0 is looked at first. Among equals the rule made first wins.
  public var priority: UInt32 = 0
  /// For frames that come in.
  public var ingress = false
  /// For frames that go out.
  public var egress = false
  /// A rule of the embedded switch: frames of every port.
  public var transfer = false
  /// The port the rule was made on; without `transfer` only frames that came in there are looked at.
  public var port: UInt16 = 0

  /// Group 0, priority 0, port 0, no direction.
  public init() {}
}
