/// A rule as Open vSwitch's datapath prints a flow (`ovs-appctl dpctl/dump-flows`, `dpctl/add-flow`).
///
/// Such a line is about the packet inside: tunnel headers that were removed are words of `tunnel(…)`. So a rule has a line
/// when it decapsulates what it matches the tunnel of, and a line with `tunnel(…)` is a rule that decapsulates first.
/// Lines have no priority; every flow counts. SPECIFICATION.md, "Open vSwitch's line", says what stands for what.
public struct FlowLine: Equatable, Sendable {
  /// The rule.
  public var rule: Rule
  /// What the flow counted; nil when the line does not say.
  public var packets: UInt64?
  /// Likewise, in bytes.
  public var bytes: UInt64?
  /// Milliseconds since a frame hit it; nil for never, or when the line does not say.
  public var usedMilliseconds: UInt64?
  /// `yes`, `partial` or what else the line says about hardware; nil when it says nothing.
  public var offloaded: String?

  /// A line of a rule.
  public init(
    rule: Rule, packets: UInt64? = nil, bytes: UInt64? = nil, usedMilliseconds: UInt64? = nil, offloaded: String? = nil
  ) {
    self.rule = rule
    self.packets = packets
    self.bytes = bytes
    self.usedMilliseconds = usedMilliseconds
    self.offloaded = offloaded
  }

  /// The line in Open vSwitch's words; `headers` has what the rule refers to.
  ///
  /// - Throws: which part of the rule has no word there.
  public func text(_ headers: RuleCheck) throws(RuleError) -> String {
    let printer = FlowLinePrinter(rule: rule, headers: headers)
    var text = try printer.match()
    text += ", packets:\(packets ?? 0), bytes:\(bytes ?? 0), used:"
    if let used = usedMilliseconds {
      let rest = String(used % 1000)
      text += "\(used / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest + "s"
    } else {
      text += "never"
    }
    if let offloaded { text += ", offloaded:" + offloaded }
    return text + ", actions:" + (try printer.actions())
  }

  /// Whether a text is meant to be such a line and not a command of testpmd.
  public static func looksLikeOne(_ text: String) -> Bool {
    // A command has words between blanks, and no bracket in any of them.
    let start = text.utf8.drop { $0 == 0x20 }.prefix { $0 != 0x20 }
    return start.contains(UInt8(ascii: "(")) || start.starts(with: "ufid:".utf8)
  }

  /// Reads a line; `headers` has the encapsulations and decapsulations that it may mean.
  public static func parse(_ text: String, _ headers: RuleCheck) throws(GrammarError) -> FlowLine {
    var scanner = FlowLineScanner(Array(text.utf8))
    return try FlowLineReader(try scanner.line(), headers).line()
  }
}
