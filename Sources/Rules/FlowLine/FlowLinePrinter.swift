/// Prints a rule's match in the words of Open vSwitch's datapath.
struct FlowLinePrinter {
  let rule: Rule
  let headers: RuleCheck

  /// `recirc_id(…),tunnel(…),in_port(…),eth(…),eth_type(…),…`.
  func match() throws(RuleError) -> String {
    var words = ["recirc_id(\(Self.hex(rule.attributes.group)))"]
    var items = Array(rule.pattern.enumerated())[...]
    var port: UInt16? = rule.attributes.transfer ? nil : rule.attributes.port
    while let (index, item) = items.first {
      switch item {
      case .representedPort(let field):
        guard field.mask == .max else { throw RuleError(.item(index), "`in_port` has no mask") }
        port = field.spec
      case .portRepresentor: throw RuleError(.item(index), "no flow is about frames that software sent")
      default: break
      }
      guard item.isPort else { break }
      items.removeFirst()
    }
    if let place = items.firstIndex(where: { $0.element.isTunnelHeader }) {
      try needDecapsulation(items[place].element, place)
      let end = items[place...].firstIndex { !$0.element.isTunnelHeader && !$0.element.isOption } ?? items.endIndex
      words.append(try tunnel(items[..<place], items[place..<end]))
      items = items[end...]
    }
    if let port { words.append("in_port(\(port))") }
    return (words + (try layers(items))).joined(separator: ",")
  }

  /// The words about a packet from Ethernet on.
  private func layers(_ items: ArraySlice<(offset: Int, element: Item)>) throws(RuleError) -> [String] {
    var items = items, ethernet = EthItem(), words: [String] = []
    if case .eth(let item)? = items.first?.element {
      guard !item.hasVLAN.isUsed else {
        throw RuleError(.item(items[items.startIndex].offset), "`has_vlan` has no word")
      }
      ethernet = item
      items.removeFirst()
    }
    let full: UInt64 = 0xffff_ffff_ffff
    words.append(
      "eth(" + Self.list([Self.mac("src", ethernet.src, full), Self.mac("dst", ethernet.dst, full)]) + ")")
    return words + (try rest(items, type: ethernet.type))
  }

  private func rest(_ items: ArraySlice<(offset: Int, element: Item)>, type: Field<UInt16>) throws(RuleError)
    -> [String]
  {
    let index = (items.first?.offset ?? rule.pattern.count) - 1
    guard type.mask == 0 || type.mask == .max else { throw RuleError(.item(max(0, index)), "`eth_type` has no mask") }
    guard let (_, item) = items.first else {
      return type.isUsed ? ["eth_type(\(Self.hex(type.spec, digits: 4)))"] : []
    }
    switch item {
    case .vlan(let tag):
      guard tag.tci.mask & 0x1000 == 0 else { throw RuleError(.item(index + 1), "the DEI bit has no word") }
      let id = Field(tag.tci.spec & 0xfff, mask: tag.tci.mask & 0xfff)
      let priority = Field(tag.tci.spec >> 13, mask: tag.tci.mask >> 13)
      let inner = try rest(items.dropFirst(), type: tag.innerType)
      return [
        "eth_type(\(Self.hex(type.isUsed ? type.spec : 0x8100, digits: 4)))",
        "vlan(" + Self.list([Self.number("vid", id, 0xfff), Self.number("pcp", priority, 7)]) + ")",
        "encap(" + inner.joined(separator: ",") + ")",
      ]
    case .ipv4(let ip):
      try mean(0x0800, type, index)
      let transport = try self.transport(items.dropFirst(), isIPv6: false)
      let fragment = try fragment(ip.fragmentOffset, index + 1)
      let proto = transport.proto.flatMap { ip.proto.isUsed ? nil : Field($0) } ?? ip.proto
      let fields = [
        Self.ipv4("src", ip.src), Self.ipv4("dst", ip.dst), Self.number("proto", proto),
        Self.bits("tos", ip.tos), Self.number("ttl", ip.ttl), fragment,
      ]
      return ["eth_type(0x0800)", "ipv4(" + Self.list(fields) + ")"] + transport.words
    case .ipv6(let ip):
      try mean(0x86dd, type, index)
      let transport = try self.transport(items.dropFirst(), isIPv6: true)
      let proto = transport.proto.flatMap { ip.proto.isUsed ? nil : Field($0) } ?? ip.proto
      if ip.hasFragment.isUsed, ip.hasFragment.spec != 0 {
        throw RuleError(.item(index + 1), "`has_frag_ext` has no word")
      }
      let fields = [
        Self.ipv6("src", ip.src), Self.ipv6("dst", ip.dst), Self.bits("label", ip.flow, 0xfffff),
        Self.number("proto", proto), Self.bits("tclass", ip.tc), Self.number("hlimit", ip.hop),
        ip.hasFragment.isUsed ? "frag=no" : nil,
      ]
      return ["eth_type(0x86dd)", "ipv6(" + Self.list(fields) + ")"] + transport.words
    default: throw RuleError(.item(index + 1), "no IP item stands before it, as its line would need")
    }
  }

  private func mean(_ type: UInt16, _ field: Field<UInt16>, _ index: Int) throws(RuleError) {
    guard !field.isUsed || field.spec == type else {
      throw RuleError(.item(max(0, index)), "the type is another than that of the item behind it")
    }
  }

  private func fragment(_ field: Field<UInt16>, _ index: Int) throws(RuleError) -> String? {
    switch (field.mask, field.spec) {
    case (0, _): return nil
    case (0x3fff, 0): return "frag=no"
    case (0x3fff, 0x2000): return "frag=first"
    default: throw RuleError(.item(index), "of fragments `no` and `first` have words")
    }
  }

  private func transport(
    _ items: ArraySlice<(offset: Int, element: Item)>, isIPv6: Bool
  ) throws(RuleError) -> (proto: UInt8?, words: [String]) {
    guard let (index, item) = items.first else { return (nil, []) }
    if let next = items.dropFirst().first {
      throw RuleError(.item(next.offset), "there is no word for it behind ports")
    }
    func ports(_ name: String, _ src: Field<UInt16>, _ dst: Field<UInt16>) -> String {
      name + "(" + Self.list([Self.number("src", src), Self.number("dst", dst)]) + ")"
    }
    switch item {
    case .udp(let udp): return (17, [ports("udp", udp.src, udp.dst)])
    case .tcp(let tcp):
      var words = [ports("tcp", tcp.src, tcp.dst)]
      if tcp.flags.isUsed { words.append("tcp_flags(" + FlowWords.flags(tcp.flags) + ")") }
      return (6, words)
    case .icmp(let icmp), .icmp6(let icmp):
      let fields = Self.list([Self.number("type", icmp.type), Self.number("code", icmp.code)])
      return isIPv6 ? (58, ["icmpv6(\(fields))"]) : (1, ["icmp(\(fields))"])
    default: throw RuleError(.item(index), "there is no word for it")
    }
  }

  // MARK: - Tunnels

  /// The actions without those that every flow does, and without the removal of the tunnel that is matched.
  var body: ArraySlice<(offset: Int, element: Action)> {
    var body = Array(rule.actions.enumerated()).filter { if case .count = $0.element { false } else { true } }[...]
    if rule.pattern.contains(where: \.isTunnelHeader) { body = body.dropFirst() }
    return body
  }

  private func needDecapsulation(_ item: Item, _ place: Int) throws(RuleError) {
    let first = rule.actions.first { if case .count = $0 { false } else { true } }
    let removes: TunnelKind? =
      switch first {
      case .vxlanDecap: .vxlan
      case .rawDecap(let index): if case .tunnel(let kind)? = headers.decapsulations[index] { kind } else { nil }
      default: nil
      }
    switch (item, removes) {
    case (.geneve, .geneve), (.vxlan, .vxlan): return
    case (.geneve, _), (.vxlan, _):
      throw RuleError(
        .item(place), "a flow is about the packet inside: the rule's first action would remove the tunnel")
    default: throw RuleError(.item(place), "a flow does not say that a tunnel is GRE")
    }
  }

  private func tunnel(
    _ outer: ArraySlice<(offset: Int, element: Item)>, _ items: ArraySlice<(offset: Int, element: Item)>
  ) throws(RuleError) -> String {
    var id: String?, addresses: [String?] = [], rest: [String?] = [], udp = L4Item(), port: UInt16 = 6081
    var ttl = Field<UInt8>.any, options = ""
    for (index, item) in outer {
      switch item {
      case .eth(let item) where item == EthItem(): continue
      case .ipv4(let ip):
        guard !ip.fragmentOffset.isUsed else { throw RuleError(.item(index), "fragments of a tunnel have no word") }
        addresses = [Self.ipv4("src", ip.src) ?? "src=0.0.0.0/0.0.0.0", Self.ipv4("dst", ip.dst)]
        rest = [Self.bits("tos", ip.tos)]
        ttl = ip.ttl
      case .ipv6(let ip):
        guard !ip.flow.isUsed, !ip.hasFragment.isUsed else {
          throw RuleError(.item(index), "its flow label has no word")
        }
        addresses = [Self.ipv6("ipv6_src", ip.src) ?? "ipv6_src=::/::", Self.ipv6("ipv6_dst", ip.dst)]
        rest = [Self.bits("tos", ip.tc)]
        ttl = ip.hop
      case .udp(let item): udp = item
      default: throw RuleError(.item(index), "`tunnel` has no word for it")
      }
    }
    for (index, item) in items {
      switch item {
      case .geneve(let geneve):
        guard !geneve.proto.isUsed, !geneve.optionLength.isUsed else {
          throw RuleError(.item(index), "of a Geneve header only the VNI has a word")
        }
        id = Self.key(geneve.vni)
      case .vxlan(let vxlan):
        id = Self.key(vxlan.vni)
        port = 4789
      case .geneveOption(let option): options += FlowWords.option(option)
      default: continue
      }
    }
    let fields =
      [id] + addresses + rest + [
        // Open vSwitch wants it said.
        Self.number("ttl", ttl) ?? "ttl=0/0", Self.number("tp_src", udp.src),
        Self.number("tp_dst", udp.dst.isUsed ? udp.dst : Field(port)), options.isEmpty ? nil : "geneve(\(options))",
        id == nil ? nil : "flags(+key)",
      ]
    return "tunnel(" + Self.list(fields) + ")"
  }
}

extension Item {
  fileprivate var isPort: Bool {
    switch self {
    case .representedPort, .portRepresentor: true
    default: false
    }
  }
  fileprivate var isOption: Bool { if case .geneveOption = self { true } else { false } }
  fileprivate var isTunnelHeader: Bool {
    switch self {
    case .geneve, .vxlan, .gre, .nvgre, .greKey: true
    default: false
    }
  }
}

// Fields in Open vSwitch's words: nil when not looked at, without a mask when all bits count.
extension FlowLinePrinter {
  static func list(_ fields: [String?]) -> String { fields.compactMap { $0 }.joined(separator: ",") }

  /// As C's `%#x`: without digits asked for, 0 has no prefix.
  static func hex<T: FixedWidthInteger>(_ value: T, digits: Int = 0) -> String {
    if value == 0, digits == 0 { return "0" }
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  static func number<T>(_ name: String, _ field: Field<T>, _ full: T = .max) -> String? {
    guard field.isUsed else { return nil }
    return field.mask == full ? "\(name)=\(field.spec)" : "\(name)=\(field.spec)/\(hex(field.mask))"
  }

  static func bits<T>(_ name: String, _ field: Field<T>, _ full: T = .max) -> String? {
    guard field.isUsed else { return nil }
    return "\(name)=\(hex(field.spec))" + (field.mask == full ? "" : "/\(hex(field.mask))")
  }

  /// A tunnel's key, which has its prefix even when it is 0.
  private static func key(_ vni: Field<UInt32>) -> String? {
    guard vni.isUsed else { return nil }
    return "tun_id=0x" + String(vni.spec, radix: 16) + (vni.mask == 0xff_ffff ? "" : "/\(hex(vni.mask))")
  }

  static func mac(_ name: String, _ field: Field<UInt64>, _ full: UInt64) -> String? {
    guard field.isUsed else { return nil }
    return "\(name)=\(MACText.print(field.spec))" + (field.mask == full ? "" : "/\(MACText.print(field.mask))")
  }

  static func ipv4(_ name: String, _ field: Field<UInt32>) -> String? {
    guard field.isUsed else { return nil }
    return "\(name)=\(IPv4Text.print(field.spec))" + (field.mask == .max ? "" : "/\(IPv4Text.print(field.mask))")
  }

  static func ipv6(_ name: String, _ field: Field<UInt128>) -> String? {
    guard field.isUsed else { return nil }
    return "\(name)=\(IPv6Text.print(field.spec))" + (field.mask == .max ? "" : "/\(IPv6Text.print(field.mask))")
  }
}
