public import Device
public import Rules

/// An overlay as its user writes it: ports, endpoint, policies and rules. `Configuration.md` in this folder is the
/// schema in words.
public struct Configuration: Sendable {
  /// A port with its name.
  public struct NamedPort: Equatable, Sendable {
    /// The name in commands and captures.
    public var name: String
    /// What device and software know of it.
    public var port: Port
    /// What stands behind it in a daemon.
    public var attachment: PortAttachment?
    /// Where an uplink's next hops come from; nil: encapsulations say them.
    public var nextHops: NextHops?
    /// What its owner may do; nil: anything.
    public var function: PortFunction?
  }

  /// Where it was read.
  public var file: String
  /// The ports, in the document's order.
  public var ports: [NamedPort]
  /// Ports, encapsulations and policies as device and software take them.
  public var overlay: Overlay
  /// The rules by id, as testpmd's grammar gave them.
  public var rules: [NumberedRule]
  /// Offloads wanted beside those the rules imply (`ipsec_packet`, …), for exclusions.
  public var wants: [String]
  /// ICMP answers a tenant may cause each second, and at once.
  public var answers: AnswerRate
  /// What a daemon needs beside.
  public var live = LiveSettings()

  /// A tenant's ration of ICMP answers.
  public struct AnswerRate: Equatable, Sendable {
    /// Answers a second.
    public var perSecond: Int = 100
    /// Answers at once.
    public var burst: Int = 10
  }

  /// The port of that name.
  public func port(named name: String) -> NamedPort? { ports.first { $0.name == name } }
  /// The name of a port.
  public func name(of id: UInt16) -> String { ports.first { $0.port.id == id }?.name ?? "port \(id)" }
}

/// A rule and its id, never 0.
public struct NumberedRule: Equatable, Sendable {
  /// The id, counting from 1 in the order of the rules.
  public var id: UInt32
  /// The rule.
  public var rule: Rule
  /// The line of the script it stands in.
  public var line: Int

  /// A rule with its number.
  public init(id: UInt32, rule: Rule, line: Int = 0) {
    self.id = id
    self.rule = rule
    self.line = line
  }
}
