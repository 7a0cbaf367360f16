/// Makes actions of the words behind `actions:`.
struct FlowActionReader {
  typealias Word = FlowLineScanner.Word
  let source: FlowLineScanner.Line
  let headers: RuleCheck

  private static let known = ["PORT", "drop", "set", "push_vlan", "pop_vlan", "tnl_push", "recirc", "clone"]

  func actions(_ words: [Word]) throws(GrammarError) -> [Action] {
    var actions: [Action] = []
    for (place, word) in words.enumerated() {
      guard !(actions.last?.isFate ?? false) else {
        throw source.error(word, "a frame goes to one place here; `sample` copies it to others")
      }
      switch (word.name, word.list) {
      case ("drop", nil): actions.append(.drop)
      case ("pop_vlan", nil): actions.append(.popVLAN)
      case ("push_vlan", .some(let list)): actions += try push(FlowFields(word, list, source))
      case ("set", .some(let list)):
        guard list.count == 1 else { throw source.error(word, "expected one key between the brackets of `set`") }
        actions += try set(list[0])
      case ("recirc", .some(let list)):
        let group = try FlowFields(word, list, source).single("a number", RuleCheck.largestGroup)
        actions.append(.jump(group: UInt32(group)))
      case ("tnl_push", .some(let list)): actions.append(try encapsulation(word, list))
      // Nothing stands behind it that would see the packet as it was.
      case ("clone", .some(let list)) where place == words.count - 1: actions += try self.actions(list)
      case (let name, nil):
        guard word.value == nil, let port = NumberText.parse(Array(name.utf8)[...]), port <= 0xffff else { fallthrough }
        actions.append(.representedPort(UInt16(port)))
      default:
        throw source.error(word, "`\(word.name)` is no action of a flow that can be done here", expected: Self.known)
      }
    }
    return actions
  }

  private func push(_ fields: FlowFields) throws(GrammarError) -> [Action] {
    let type: Field<UInt16> = try fields.number("tpid"), id: Field<UInt16> = try fields.number("vid", bits: 12)
    let priority: Field<UInt8> = try fields.number("pcp", bits: 3)
    try fields.nothingElse(but: ["tpid", "vid", "pcp", "cfi"])
    var actions: [Action] = [.pushVLAN(etherType: type.isUsed ? type.spec : 0x8100)]
    if id.spec != 0 { actions.append(.set(.vlanID(id.spec))) }
    if priority.spec != 0 { actions.append(.set(.vlanPriority(priority.spec))) }
    return actions
  }

  private func set(_ word: Word) throws(GrammarError) -> [Action] {
    guard let list = word.list else { throw source.error(word, "expected a key with fields") }
    let fields = FlowFields(word, list, source)
    if word.name == "skb_mark" { return [.mark(UInt32(try fields.single("a mark", .max)))] }
    var actions: [Action] = []
    for field in list {
      guard let known = try self.field(word.name, field, fields) else {
        throw source.error(field, "`\(word.name)` has no field of this name that can be set here")
      }
      actions.append(.set(known))
    }
    return actions
  }

  private func field(_ key: String, _ word: Word, _ fields: FlowFields) throws(GrammarError) -> SetField? {
    func whole<T>(_ field: Field<T>, _ mask: T = .max) throws(GrammarError) -> T {
      guard field.mask == mask else {
        throw source.error(
          word, "`\(word.name)` is set as a whole here" + (mask == 0xfc ? ", but for its ECN bits: /0xfc" : ""))
      }
      return field.spec
    }
    switch (key, word.name) {
    case ("eth", "src"): return .macSource(try whole(try fields.mac("src"), 0xffff_ffff_ffff))
    case ("eth", "dst"): return .macDestination(try whole(try fields.mac("dst"), 0xffff_ffff_ffff))
    case ("ipv4", "src"): return .ipv4Source(try whole(try fields.ipv4("src")))
    case ("ipv4", "dst"): return .ipv4Destination(try whole(try fields.ipv4("dst")))
    case ("ipv6", "src"): return .ipv6Source(try whole(try fields.ipv6("src")))
    case ("ipv6", "dst"): return .ipv6Destination(try whole(try fields.ipv6("dst")))
    case ("ipv4", "ttl"), ("ipv6", "hlimit"): return .ttl(try whole(try fields.number(word.name)))
    case ("ipv4", "tos"): return .ipv4DSCP(try whole(try fields.number("tos"), 0xfc) >> 2)
    case ("ipv6", "tclass"): return .ipv6DSCP(try whole(try fields.number("tclass"), 0xfc) >> 2)
    case ("udp", "src"), ("tcp", "src"): return .l4Source(try whole(try fields.number("src")))
    case ("udp", "dst"), ("tcp", "dst"): return .l4Destination(try whole(try fields.number("dst")))
    default: return nil
    }
  }

  /// The encapsulation whose header has the same words.
  private func encapsulation(_ word: Word, _ list: [Word]) throws(GrammarError) -> Action {
    guard let header = list.first(where: { $0.name == "header" }) else {
      throw source.error(word, "`tnl_push` needs `header(…)`")
    }
    let text = String(decoding: source.source[header.at..<header.end].filter { $0 != 0x20 }, as: UTF8.self)
    let same = headers.encapsulations.filter { FlowWords.header($0.value) == text }
    guard let index = same.keys.min() else {
      throw source.error(header, "no `set raw_encap` or `set vxlan` has these headers")
    }
    return headers.encapsulations[index]?.kind == .vxlan && index >= ScriptState.firstVXLAN
      ? .vxlanEncap(index: index) : .rawEncap(index: index)
  }
}
