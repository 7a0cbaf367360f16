import Classifier
import Datapath
import Rules

/// A shape of rules that come as packed rows: a rule whose named fields, and actions, come with each row.
///
/// A row is the fields in their order, big-endian, and two bytes: which of the lists of actions.
struct RowTemplate {
  /// A field of a row.
  struct Field {
    var name: String
    var isInner: Bool
    var width: Int
    var kind: Kind
    enum Kind { case ipv4Source, ipv4Destination, ipv6Source, ipv6Destination, l4Source, l4Destination, spi, tunnelKey }
  }

  static let names: [(name: String, width: Int, kind: Field.Kind)] = [
    ("ipv4_src", 4, .ipv4Source), ("ipv4_dst", 4, .ipv4Destination), ("ipv6_src", 16, .ipv6Source),
    ("ipv6_dst", 16, .ipv6Destination), ("l4_src", 2, .l4Source), ("l4_dst", 2, .l4Destination), ("spi", 4, .spi),
    ("tunnel_key", 4, .tunnelKey),
  ]

  let id: UInt32
  /// The rule as it was given, and what it is.
  let line: String
  let rule: Rule
  let fields: [Field]
  let actionLines: [String]
  let actions: [[Action]]

  var rowBytes: Int { fields.reduce(2) { $0 + $1.width } }
  var fieldNames: [String] { fields.map(\.name) }

  /// A template of these words.
  init(id: UInt32, line: String, fields: [String], actions: [String], check: RuleCheck) throws(RequestFailure) {
    self.id = id
    self.line = line
    rule = try Self.rule(line, check)
    self.fields = try fields.map { (name) throws(RequestFailure) in try Self.field(name) }
    guard Set(fields).count == fields.count else { throw RequestFailure("template.field", "a field stands twice") }
    actionLines = actions
    var lists: [[Action]] = actions.isEmpty ? [rule.actions] : []
    for text in actions {
      var words = rule
      words.actions = try Self.actions(text)
      do throws(RuleError) { try check.check(words) } catch {
        throw RequestFailure("rule.invalid", "actions \(lists.count): \(error.description)")
      }
      lists.append(words.actions)
    }
    guard lists.count <= 65536 else { throw RequestFailure("template.actions", "at most 65,536 lists of actions") }
    self.actions = lists
  }

  private static func rule(_ line: String, _ check: RuleCheck) throws(RequestFailure) -> Rule {
    let command: Command
    do throws(GrammarError) { command = try FlowScript.command(line) } catch {
      throw RequestFailure("rule.grammar", error.description)
    }
    guard case .create(let request) = command, request.tunnel == nil, request.userID == nil else {
      throw RequestFailure(
        "template.rule", "a template is a 'flow create' line without tunnel_set, tunnel_match and user_id")
    }
    do throws(RuleError) { try check.check(request.rule) } catch {
      throw RequestFailure("rule.invalid", error.description)
    }
    return request.rule
  }

  private static func actions(_ text: String) throws(RequestFailure) -> [Action] {
    let command: Command
    do throws(GrammarError) {
      command = try FlowScript.command("flow create 0 pattern eth / end actions \(text)")
    } catch {
      throw RequestFailure("rule.grammar", error.description)
    }
    guard case .create(let request) = command else { throw RequestFailure("rule.grammar", "expected actions") }
    return request.rule.actions
  }

  private static func field(_ name: String) throws(RequestFailure) -> Field {
    let isInner = name.hasPrefix("inner_")
    let base = isInner ? String(name.dropFirst(6)) : name
    guard let known = names.first(where: { $0.name == base }), !(isInner && known.kind == .tunnelKey) else {
      throw RequestFailure(
        "template.field", "no field is called '\(name.prefix(60))'",
        hint: names.map(\.name).joined(separator: ", ") + ", with inner_ in front inside of a tunnel")
    }
    return Field(name: name, isInner: isInner, width: known.width, kind: known.kind)
  }

  /// Where the fields are in a row of the classifier's.
  func places(_ template: RuleTemplate) throws(RequestFailure) -> [[FieldPlace]] {
    try fields.map { (field) throws(RequestFailure) in
      let level: RuleField.Level = field.isInner ? .inner : .outer
      let wanted: [RuleField] =
        switch field.kind {
        case .ipv4Source: [.ipv4Source(level)]
        case .ipv4Destination: [.ipv4Destination(level)]
        case .ipv6Source: [.ipv6Source(level, half: 0), .ipv6Source(level, half: 1)]
        case .ipv6Destination: [.ipv6Destination(level, half: 0), .ipv6Destination(level, half: 1)]
        case .l4Source: [.l4Source(level)]
        case .l4Destination: [.l4Destination(level)]
        case .spi: [.spi(level)]
        case .tunnelKey: [.tunnelKey]
        }
      let found = wanted.compactMap { template.field($0) }
      guard found.count == wanted.count else {
        throw RequestFailure("template.field", "the rule does not look at '\(field.name)' in full")
      }
      return found
    }
  }

  /// Why a row cannot be a rule; nil when it can.
  func refusal(_ rows: [UInt8], at start: Int) -> String? {
    let list = Int(rows[start + rowBytes - 2]) << 8 | Int(rows[start + rowBytes - 1])
    if list >= actions.count { return "actions \(list) of \(actions.count)" }
    var at = start
    for field in fields {
      if field.kind == .tunnelKey, rows[at] != 0, !isGRE { return "\(field.name) has more than 24 bits" }
      at += field.width
    }
    return nil
  }

  private var isGRE: Bool {
    rule.pattern.contains { item in
      switch item {
      case .greKey, .nvgre: true
      default: false
      }
    }
  }

  /// Puts a row's values into a rule of a batch.
  @inline(__always)
  func fill(_ rule: inout BatchRule, _ rows: [UInt8], at start: Int, _ places: [[FieldPlace]]) {
    var at = start
    for index in 0..<fields.count {
      let width = fields[index].width
      if width == 16 {
        rule.set(places[index][0], Self.value(rows, at, 8))
        rule.set(places[index][1], Self.value(rows, at + 8, 8))
      } else {
        rule.set(places[index][0], Self.value(rows, at, width))
      }
      at += width
    }
    rule.payload = UInt32(rows[at]) << 8 | UInt32(rows[at + 1])
  }

  @inline(__always)
  private static func value(_ rows: [UInt8], _ at: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<width { value = value << 8 | UInt64(rows[at + index]) }
    return value
  }

  /// The rule of a row, as `flow create` would have made it.
  func rule(_ rows: [UInt8], at start: Int) -> Rule {
    var rule = rule
    var at = start
    for field in fields {
      let value = rows[at..<at + field.width].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
      Self.set(field, value, in: &rule.pattern)
      at += field.width
    }
    rule.actions = actions[Int(rows[at]) << 8 | Int(rows[at + 1])]
    return rule
  }

  private static func set(_ field: Field, _ value: UInt128, in pattern: inout [Item]) {
    var isInner = false
    for index in pattern.indices {
      if isInner == field.isInner || field.kind == .tunnelKey { set(field.kind, value, in: &pattern[index]) }
      switch pattern[index] {
      case .geneve, .vxlan, .gre, .nvgre: isInner = true
      default: break
      }
    }
  }

  private static func set(_ kind: Field.Kind, _ value: UInt128, in item: inout Item) {
    func narrow<T>(_ field: Rules.Field<T>) -> Rules.Field<T> {
      Rules.Field(T(truncatingIfNeeded: value), mask: field.mask)
    }
    switch (item, kind) {
    case (.ipv4(var ip), .ipv4Source):
      ip.src = narrow(ip.src)
      item = .ipv4(ip)
    case (.ipv4(var ip), .ipv4Destination):
      ip.dst = narrow(ip.dst)
      item = .ipv4(ip)
    case (.ipv6(var ip), .ipv6Source):
      ip.src = narrow(ip.src)
      item = .ipv6(ip)
    case (.ipv6(var ip), .ipv6Destination):
      ip.dst = narrow(ip.dst)
      item = .ipv6(ip)
    case (.udp(var l4), .l4Source):
      l4.src = narrow(l4.src)
      item = .udp(l4)
    case (.udp(var l4), .l4Destination):
      l4.dst = narrow(l4.dst)
      item = .udp(l4)
    case (.tcp(var l4), .l4Source):
      l4.src = narrow(l4.src)
      item = .tcp(l4)
    case (.tcp(var l4), .l4Destination):
      l4.dst = narrow(l4.dst)
      item = .tcp(l4)
    case (.esp(let spi), .spi): item = .esp(narrow(spi))
    case (.geneve(var tunnel), .tunnelKey):
      tunnel.vni = narrow(tunnel.vni)
      item = .geneve(tunnel)
    case (.vxlan(var tunnel), .tunnelKey):
      tunnel.vni = narrow(tunnel.vni)
      item = .vxlan(tunnel)
    case (.nvgre(var tunnel), .tunnelKey):
      let (tni, flow) = (tunnel.tni.mask, tunnel.flowID.mask)
      tunnel.tni = Rules.Field(UInt32(truncatingIfNeeded: value >> 8), mask: tni)
      tunnel.flowID = Rules.Field(UInt8(truncatingIfNeeded: value), mask: flow)
      item = .nvgre(tunnel)
    case (.greKey(let key), .tunnelKey): item = .greKey(narrow(key))
    default: break
    }
  }
}
