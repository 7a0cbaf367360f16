// A rule's actions in the words of Open vSwitch's datapath.
extension FlowLinePrinter {
  /// `set(…),push_vlan(…),tnl_push(…),2`; `drop` when nothing is sent.
  func actions() throws(RuleError) -> String {
    var words: [String] = []
    var rest = body
    while let (index, action) = rest.popFirst() {
      switch action {
      case .pushVLAN(let type): words.append(push(type, &rest))
      case .popVLAN: words.append("pop_vlan")
      case .set(let field): words.append("set(" + (try set(field, index)) + ")")
      case .mark(let mark): words.append("set(skb_mark(\(Self.hex(mark))))")
      case .rawEncap(let which), .vxlanEncap(let which), .nvgreEncap(let which):
        words.append(try encapsulation(which, index))
      case .jump(let group): words.append("recirc(\(Self.hex(group)))")
      case .portID(let port), .representedPort(let port): words.append("\(port)")
      case .drop: continue
      default: throw RuleError(.action(index), "`\(action.name)` has no word in a flow of Open vSwitch")
      }
    }
    return words.isEmpty ? "drop" : words.joined(separator: ",")
  }

  /// A tag with what the actions behind it make of it.
  private func push(_ type: UInt16, _ rest: inout ArraySlice<(offset: Int, element: Action)>) -> String {
    var id: UInt16 = 0, priority: UInt8 = 0
    while let next = rest.first {
      switch next.element {
      case .set(.vlanID(let value)): id = value
      case .set(.vlanPriority(let value)): priority = value
      default: return text(type, id, priority)
      }
      rest.removeFirst()
    }
    return text(type, id, priority)
  }

  private func text(_ type: UInt16, _ id: UInt16, _ priority: UInt8) -> String {
    (type == 0x8100 ? "push_vlan(" : "push_vlan(tpid=\(Self.hex(type, digits: 4)),") + "vid=\(id),pcp=\(priority))"
  }

  private func set(_ field: SetField, _ index: Int) throws(RuleError) -> String {
    // Behind a tunnel it is the last that counts.
    let ip = rule.pattern.last { $0.isIPHeader }, transport = rule.pattern.last
    func needIP() throws(RuleError) -> String {
      switch ip {
      case .ipv4: return "ipv4(ttl"
      case .ipv6: return "ipv6(hlimit"
      default: throw RuleError(.action(index), "a flow sets a TTL only where an IP item says which IP it is")
      }
    }
    func needTransport() throws(RuleError) -> String {
      switch transport {
      case .udp: return "udp("
      case .tcp: return "tcp("
      default:
        throw RuleError(.action(index), "a flow sets ports only where an item says whether they are TCP's or UDP's")
      }
    }
    switch field {
    case .macSource(let address): return "eth(src=\(MACText.print(address)))"
    case .macDestination(let address): return "eth(dst=\(MACText.print(address)))"
    case .ipv4Source(let address): return "ipv4(src=\(IPv4Text.print(address)))"
    case .ipv4Destination(let address): return "ipv4(dst=\(IPv4Text.print(address)))"
    case .ipv6Source(let address): return "ipv6(src=\(IPv6Text.print(address)))"
    case .ipv6Destination(let address): return "ipv6(dst=\(IPv6Text.print(address)))"
    case .l4Source(let port): return try needTransport() + "src=\(port))"
    case .l4Destination(let port): return try needTransport() + "dst=\(port))"
    case .ttl(let value): return try needIP() + "=\(value))"
    case .ipv4DSCP(let value): return "ipv4(tos=\(Self.hex(value << 2))/0xfc)"
    case .ipv6DSCP(let value): return "ipv6(tclass=\(Self.hex(value << 2))/0xfc)"
    case .vlanID, .vlanPriority:
      throw RuleError(.action(index), "a flow changes a tag by `of_pop_vlan` and `of_push_vlan`")
    }
  }

  /// The headers of an encapsulation, and the port that the rule sends them out of.
  private func encapsulation(_ which: UInt16, _ index: Int) throws(RuleError) -> String {
    guard let template = headers.encapsulations[which], let text = FlowWords.header(template) else {
      throw RuleError(
        .action(index), "a flow puts Geneve and VXLAN headers of untagged Ethernet in front, and this is another")
    }
    var port: UInt16 = 0
    for action in rule.actions {
      switch action {
      case .portID(let out), .representedPort(let out): port = out
      default: continue
      }
    }
    return "tnl_push(tnl_port(\(port)),\(text),out_port(\(port)))"
  }
}

extension Item {
  fileprivate var isIPHeader: Bool {
    switch self {
    case .ipv4, .ipv6: true
    default: false
    }
  }
}

extension FlowWords {
  /// `header(size=…,type=…,eth(…),ipv4(…),udp(…),geneve(…))`; nil when it has no words.
  ///
  /// Lengths and the checksum of IPv4 are not said: they are the packet's.
  static func header(_ template: Encapsulation) -> String? {
    let bytes = template.header
    guard template.kind == .geneve || template.kind == .vxlan, template.l3 == 14,
      template.l4 == (template.isIPv6 ? 54 : 34), bytes.count >= template.l4 + 16
    else { return nil }
    func number(_ at: Int, _ count: Int) -> UInt64 { bytes[at..<at + count].reduce(0) { $0 << 8 | UInt64($1) } }
    func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
    let l4 = template.l4, tunnel = l4 + 8
    var text = "header(size=\(bytes.count),type=\(template.kind == .geneve ? 5 : 4),"
    text += "eth(dst=\(MACText.print(number(0, 6))),src=\(MACText.print(number(6, 6))),"
    text += "dl_type=\(FlowLinePrinter.hex(number(12, 2), digits: 4))),"
    if template.isIPv6 {
      func address(_ at: Int) -> String { IPv6Text.print(UInt128(number(at, 8)) << 64 | UInt128(number(at + 8, 8))) }
      text += "ipv6(src=\(address(22)),dst=\(address(38)),label=\(number(14, 4) & 0xfffff),proto=\(bytes[20]),"
      text += "tclass=\(hex(number(14, 2) >> 4 & 0xff)),hlimit=\(bytes[21])),"
    } else {
      func address(_ at: Int) -> String { IPv4Text.print(UInt32(number(at, 4))) }
      text += "ipv4(src=\(address(26)),dst=\(address(30)),proto=\(bytes[23]),"
      text += "tos=\(FlowLinePrinter.hex(bytes[15])),ttl=\(bytes[22]),frag=\(hex(number(20, 2)))),"
    }
    text += "udp(src=\(number(l4, 2)),dst=\(number(l4 + 2, 2)),csum=\(hex(number(l4 + 6, 2)))),"
    guard template.kind == .geneve else {
      return text + "vxlan(flags=\(hex(number(tunnel, 4))),vni=\(hex(number(tunnel + 4, 3)))))"
    }
    text += "geneve(" + (bytes[tunnel + 1] & 0x80 != 0 ? "oam," : "") + (bytes[tunnel + 1] & 0x40 != 0 ? "crit," : "")
    text += "vni=\(hex(number(tunnel + 4, 3)))"
    var at = tunnel + 8, options = ""
    while at + 4 <= bytes.count {
      let length = Int(bytes[at + 3] & 0x1f)
      guard at + 4 + length * 4 <= bytes.count else { return nil }
      let data = (0..<length).map { UInt32(number(at + 4 + $0 * 4, 4)) }
      options += option(
        GeneveOptionItem(
          optionClass: UInt16(number(at, 2)), type: bytes[at + 2], length: UInt8(length), data: data,
          mask: [UInt32](repeating: .max, count: length)))
      at += 4 + length * 4
    }
    return text + (options.isEmpty ? "" : ",options(\(options))") + "))"
  }
}
