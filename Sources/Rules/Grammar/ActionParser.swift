extension Cursor {
  /// Actions of a list at most.
  static let mostActions = 128
  /// Queues of one `rss` at most.
  static let mostQueues = 1024

  /// Reads `ACTION / ACTION / … / end`; the word `end` (or `end_set`) is taken. `void` is left out.
  mutating func actions(until ends: [String]) throws(GrammarError) -> [Action] {
    var actions: [Action] = []
    while true {
      guard let word else { throw unexpected(ends, "an action or `\(ends[0])`") }
      if ends.contains(word) {
        advance()
        return actions
      }
      guard actions.count < Self.mostActions else {
        throw error(at: next, "more than \(Self.mostActions) actions")
      }
      if word == "void" { advance() } else { actions.append(try action(word)) }
      try expect("/", "`/` behind an action")
    }
  }

  private mutating func action(_ word: String) throws(GrammarError) -> Action {
    if word == "rss" { return .rss(try rss()) }
    if word == "indirect" {
      advance()
      return .indirect(id: UInt32(try number("the id of an indirect action", 0...UInt64(UInt32.max))))
    }
    if word == "modify_field" { return try modifyField() }
    guard let kind = ActionWord.byName[word] else { throw unknownAction(word) }
    let token = next
    advance()
    let values = try parameters(of: kind)
    // raw_encap and raw_decap without an index mean index 0, vxlan_encap and nvgre_encap what was set last.
    let defaults: UInt128? =
      switch word {
      case "count", "raw_encap", "raw_decap": 0
      case "vxlan_encap", "nvgre_encap": UInt128(Action.latestTunnel)
      default: nil
      }
    guard let first = kind.parameters.isEmpty ? 0 : values[0] ?? defaults else {
      throw error(at: token, "`\(word)` needs `\(kind.parameters[0].name)`")
    }
    if word == "port_id", let original = values[1], original != 0 {
      throw error(at: token, "`original` is not supported: every port is itself")
    }
    if word == "sample" { return .sample(ratio: UInt32(first), index: UInt16(values[1] ?? 0)) }
    guard let action = make(word, first) else { throw unknownAction(word) }
    return action
  }

  private func unknownAction(_ word: String) -> GrammarError {
    if let hint = ActionWord.foreign[word] {
      return error(
        at: next, "`\(word)` is an action of testpmd that is not supported here" + (hint.isEmpty ? "" : "; " + hint))
    }
    if word.utf8.contains(UInt8(ascii: "/")), word.utf8.count > 1 {
      return error(at: next, "`\(shown(next))` is no action: `/` stands between blanks")
    }
    return unexpected(ActionWord.candidates, "an action")
  }

  /// Reads `name value` pairs up to the separator; a later value replaces an earlier one.
  private mutating func parameters(of kind: ActionWord) throws(GrammarError) -> [UInt128?] {
    var values = [UInt128?](repeating: nil, count: kind.parameters.count)
    while let word, word != "/" {
      guard let index = kind.parameters.firstIndex(where: { $0.name == word }) else {
        throw unexpected(
          kind.parameters.map(\.name) + ["/"],
          kind.parameters.isEmpty ? "`/` behind `\(kind.name)`" : "a parameter of `\(kind.name)` or `/`")
      }
      advance()
      values[index] = try value(of: kind.parameters[index])
    }
    return values
  }

  // The value is within the parameter's width: FieldWord.parse saw to it.
  private func make(_ word: String, _ value: UInt128) -> Action? {
    let (u8, u16) = (UInt8(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: value))
    let (u32, u64) = (UInt32(truncatingIfNeeded: value), UInt64(truncatingIfNeeded: value))
    return switch word {
    case "count": .count(id: u32)
    case "mark": .mark(u32)
    case "age": .age(timeout: u32)
    case "raw_decap": .rawDecap(index: u16)
    case "raw_encap": .rawEncap(index: u16)
    case "vxlan_decap": .vxlanDecap
    case "vxlan_encap": .vxlanEncap(index: u16)
    case "nvgre_decap": .nvgreDecap
    case "nvgre_encap": .nvgreEncap(index: u16)
    case "set_mac_src": .set(.macSource(u64))
    case "set_mac_dst": .set(.macDestination(u64))
    case "set_ipv4_src": .set(.ipv4Source(u32))
    case "set_ipv4_dst": .set(.ipv4Destination(u32))
    case "set_ipv6_src": .set(.ipv6Source(value))
    case "set_ipv6_dst": .set(.ipv6Destination(value))
    case "set_tp_src": .set(.l4Source(u16))
    case "set_tp_dst": .set(.l4Destination(u16))
    case "set_ttl": .set(.ttl(u8))
    case "dec_ttl", "of_dec_nw_ttl": .decTTL
    case "set_ipv4_dscp": .set(.ipv4DSCP(u8))
    case "set_ipv6_dscp": .set(.ipv6DSCP(u8))
    case "of_pop_vlan": .popVLAN
    case "of_push_vlan": .pushVLAN(etherType: u16)
    case "of_set_vlan_vid": .set(.vlanID(u16))
    case "of_set_vlan_pcp": .set(.vlanPriority(u8))
    case "jump": .jump(group: u32)
    case "queue": .queue(u16)
    case "drop": .drop
    case "port_id": .portID(u16)
    case "represented_port": .representedPort(u16)
    case "port_representor": .portRepresentor(u16)
    default: nil
    }
  }

  /// Reads `rss queues N … end [level N] [types T … end] [func default]`.
  private mutating func rss() throws(GrammarError) -> RSSAction {
    let words = ["queues", "level", "types", "func", "/"]
    let token = next
    advance()
    var queues: [UInt16] = []
    var types: HashTypes = []
    var level = RSSAction.Level.outermost
    while let word, word != "/" {
      guard words.contains(word) else {
        if word == "key" || word == "key_len" {
          throw error(at: next, "a hash key cannot be chosen here; the device's own is used")
        }
        throw unexpected(words, "a parameter of `rss` or `/`")
      }
      advance()
      switch word {
      case "queues":
        queues = []
        while !take("end") {
          guard queues.count < Self.mostQueues else { throw error(at: next, "more than \(Self.mostQueues) queues") }
          queues.append(UInt16(try number("a queue, or `end`", 0...0xffff)))
        }
      case "types":
        types = []
        while !take("end") {
          guard let type = self.word.flatMap(HashTypes.init(word:)) else {
            throw unexpected(HashTypes.words + ["end"], "a hash type or `end`")
          }
          types.formUnion(type)
          advance()
        }
      case "level":
        level = RSSAction.Level(rawValue: UInt8(try number("the level", 0...2))) ?? .outermost
      default:
        guard take("default") else {
          throw error(at: next, "a hash function cannot be chosen here, `func default` is the device's own")
        }
      }
    }
    guard !queues.isEmpty else { throw error(at: token, "`rss` needs `queues` and at least one queue") }
    return RSSAction(queues: queues, level: level, types: types)
  }
}

extension Action {
  /// The index that ``vxlanEncap(index:)`` and ``nvgreEncap(index:)`` have while they mean what `set vxlan` or `set
  /// nvgre` said last; ``ScriptState`` puts the stored encapsulation's index in its place.
  public static let latestTunnel: UInt16 = 0xffff
}
