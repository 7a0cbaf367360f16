extension Cursor {
  private static let flowVerbs = [
    "create", "validate", "destroy", "flush", "query", "list", "dump", "isolate", "aged", "indirect_action", "tunnel",
  ]
  private static let foreignVerbs = [
    "update", "info", "configure", "pattern_template", "actions_template", "template_table", "queue", "push", "pull",
    "flex_item", "group",
  ]

  /// Reads one command to the end of the line.
  mutating func command() throws(GrammarError) -> Command {
    let command: Command
    // What was copied from a session has its prompt.
    _ = take("testpmd>")
    if take("flow") {
      command = try flow()
    } else if take("set") {
      command = try set()
    } else {
      throw unexpected(["flow", "set"], "a command")
    }
    try expectEnd()
    return command
  }

  private mutating func flow() throws(GrammarError) -> Command {
    guard let verb = word, Self.flowVerbs.contains(verb) else {
      if let word, Self.foreignVerbs.contains(word) {
        throw error(at: next, "`flow \(word)` is a command of testpmd that is not supported here")
      }
      throw unexpected(Self.flowVerbs, "what to do")
    }
    advance()
    if verb == "tunnel" { return try tunnel() }
    let port = try port()
    switch verb {
    case "create": return .create(try request(port))
    case "validate": return .validate(try request(port))
    case "destroy":
      let ids = try list(of: "rule", "the id of a rule")
      return .destroy(port: port, rules: ids, byUserID: take("user_id"))
    case "flush": return .flush(port: port)
    case "query":
      let rule = try id("the id of a rule")
      guard let action = word.flatMap(Command.QueriedAction.init(rawValue:)) else {
        throw unexpected(Command.QueriedAction.allCases.map(\.rawValue), "the action that is asked about")
      }
      advance()
      return .query(port: port, rule: rule, action)
    case "list": return .list(port: port, groups: isAtEnd ? [] : try list(of: "group", "a group"))
    case "dump": return try dump(port)
    case "isolate": return .isolate(port: port, try boolean())
    case "aged": return .aged(port: port, destroy: take("destroy"))
    default: return try indirect(port)
    }
  }

  mutating func port() throws(GrammarError) -> UInt16 { UInt16(try number("a port", 0...0xffff)) }

  private mutating func id(_ what: String) throws(GrammarError) -> UInt32 {
    UInt32(try number(what, 0...UInt64(UInt32.max)))
  }

  /// Reads `name N [name N …]`, at least once.
  private mutating func list(of name: String, _ what: String) throws(GrammarError) -> [UInt32] {
    var ids: [UInt32] = []
    repeat {
      try expect(name)
      ids.append(try id(what))
    } while word == name
    return ids
  }

  private mutating func dump(_ port: UInt16) throws(GrammarError) -> Command {
    var rule: UInt32?
    if take("rule") {
      rule = try id("the id of a rule")
    } else if !take("all") {
      throw unexpected(["all", "rule"], "which rules")
    }
    let file = word
    if file != nil { advance() }
    return .dump(port: port, rule: rule, file: file)
  }

  private mutating func boolean() throws(GrammarError) -> Bool {
    switch word {
    case "1", "true", "yes", "Y", "on":
      advance()
      return true
    case "0", "false", "no", "N", "off":
      advance()
      return false
    default: throw unexpected(["0", "1", "false", "true", "no", "yes", "off", "on"], "yes or no")
    }
  }

  /// Reads attributes, pattern and actions.
  private mutating func request(_ port: UInt16) throws(GrammarError) -> RuleRequest {
    var request = RuleRequest(rule: Rule(pattern: [], actions: []))
    request.rule.attributes.port = port
    attributes: while true {
      switch word {
      case "group":
        advance()
        request.rule.attributes.group = try id("a group")
      case "priority":
        advance()
        request.rule.attributes.priority = try id("a priority")
      case "ingress":
        advance()
        request.rule.attributes.ingress = true
      case "egress":
        advance()
        request.rule.attributes.egress = true
      case "transfer":
        advance()
        request.rule.attributes.transfer = true
      case "tunnel_set":
        advance()
        request.tunnel = .set(try id("the id of a tunnel"))
      case "tunnel_match":
        advance()
        request.tunnel = .match(try id("the id of a tunnel"))
      case "user_id":
        advance()
        request.userID = try id("an id of your own")
      case "pattern": break attributes
      default:
        throw unexpected(
          [
            "group", "priority", "ingress", "egress", "transfer", "tunnel_set", "tunnel_match", "user_id", "pattern",
          ], "an attribute or `pattern`")
      }
    }
    advance()
    request.rule.pattern = try items(until: ["end"], purpose: .match)
    try expect("actions")
    request.rule.actions = try actions(until: ["end"])
    return request
  }

  private mutating func indirect(_ port: UInt16) throws(GrammarError) -> Command {
    let verbs = ["create", "update", "destroy", "query"]
    guard let verb = word, verbs.contains(verb) else { throw unexpected(verbs, "what to do") }
    advance()
    switch verb {
    case "create":
      var direction = Command.Direction()
      var id: UInt32?
      while true {
        switch word {
        case "action_id":
          advance()
          id = try self.id("the id of an indirect action")
        case "ingress":
          advance()
          direction.ingress = true
        case "egress":
          advance()
          direction.egress = true
        case "transfer":
          advance()
          direction.transfer = true
        case "action":
          advance()
          return .createIndirect(port: port, id: id, direction, try oneAction())
        default: throw unexpected(["action_id", "ingress", "egress", "transfer", "action"], "`action`")
        }
      }
    case "update":
      let id = try id("the id of an indirect action")
      try expect("action")
      return .updateIndirect(port: port, id: id, try oneAction())
    case "destroy":
      return .destroyIndirect(port: port, ids: try list(of: "action_id", "the id of an indirect action"))
    default: return .queryIndirect(port: port, id: try id("the id of an indirect action"))
    }
  }

  private mutating func oneAction() throws(GrammarError) -> Action {
    let token = next
    let actions = try actions(until: ["end"])
    guard actions.count == 1 else { throw error(at: token, "an indirect action is one action, found \(actions.count)") }
    return actions[0]
  }

  private mutating func tunnel() throws(GrammarError) -> Command {
    let verbs = ["create", "destroy", "list"]
    guard let verb = word, verbs.contains(verb) else { throw unexpected(verbs, "what to do") }
    advance()
    let port = try port()
    switch verb {
    case "create":
      try expect("type")
      guard let kind = TunnelKind.allCases.first(where: { $0 != .none && $0.word == word }) else {
        throw unexpected(TunnelKind.allCases.filter { $0 != .none }.map(\.word), "a kind of tunnel")
      }
      advance()
      return .createTunnel(port: port, kind)
    case "destroy":
      try expect("id")
      return .destroyTunnel(port: port, id: try id("the id of a tunnel"))
    default: return .listTunnels(port: port)
    }
  }
}

extension TunnelKind {
  /// The word of the grammar.
  public var word: String {
    switch self {
    case .none: "none"
    case .geneve: "geneve"
    case .vxlan: "vxlan"
    case .gre: "gre"
    case .nvgre: "nvgre"
    }
  }
}
