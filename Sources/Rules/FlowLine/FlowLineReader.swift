/// Makes a rule of the words of a line of Open vSwitch's datapath.
struct FlowLineReader {
  typealias Word = FlowLineScanner.Word
  let source: FlowLineScanner.Line
  let headers: RuleCheck
  var result = FlowLine(rule: Rule(pattern: [], actions: []))
  /// What is removed before the packet of the keys is seen.
  private var tunnel: TunnelKind?
  private var outer: [Item] = []
  private var port: [Item] = []

  init(_ source: FlowLineScanner.Line, _ headers: RuleCheck) throws(GrammarError) {
    self.source = source
    self.headers = headers
  }

  /// The line.
  func line() throws(GrammarError) -> FlowLine {
    var reader = self
    try reader.read()
    return reader.result
  }

  func error(_ word: Word, _ message: String, expected: [String] = []) -> GrammarError {
    source.error(word, message, expected: expected)
  }

  private mutating func read() throws(GrammarError) {
    result.rule.attributes.transfer = true
    var keys: [Word] = [], actions: [Word]?
    for word in source.words {
      if word.name.hasPrefix("dp-extra-info:") { break }
      if actions != nil {
        actions?.append(word)
      } else if word.name.hasPrefix("actions:") {
        var first = word
        first.name = String(word.name.dropFirst("actions:".count))
        actions = first.name.isEmpty && first.list == nil ? [] : [first]
      } else if try !isStatistic(word) {
        keys.append(word)
      }
    }
    guard let actions else {
      throw FlowLineScanner.error(
        source.source, at: source.source.count, to: source.source.count,
        "expected `actions:`, found the end of the line",
        expected: ["actions:"])
    }
    let inner = try layers(keys, depth: 0)
    result.rule.pattern = port + outer + inner
    var list: [Action] = [.count(id: 0)]
    if let tunnel { list.append(try removal(of: tunnel, keys)) }
    let done = try FlowActionReader(source: source, headers: headers).actions(actions)
    list += done
    if !(done.last?.isFate ?? false) { list.append(.drop) }
    result.rule.actions = list
  }

  /// Takes `packets:5` and its like.
  private mutating func isStatistic(_ word: Word) throws(GrammarError) -> Bool {
    guard let colon = word.name.firstIndex(of: ":"), word.list == nil else { return false }
    let value = word.name[word.name.index(after: colon)...]
    func count() throws(GrammarError) -> UInt64 {
      guard let number = UInt64(value) else { throw error(word, "`\(value)` is no count") }
      return number
    }
    switch word.name[..<colon] {
    case "packets": result.packets = try count()
    case "bytes": result.bytes = try count()
    case "used":
      guard value != "never" else { return true }
      let parts = value.dropLast().split(separator: ".", omittingEmptySubsequences: false)
      guard value.last == "s", parts.count <= 2, let seconds = UInt64(parts[0]), seconds < 1 << 40,
        let rest = parts.count == 2 ? UInt64((parts[1] + "000").prefix(3)) : 0
      else { throw error(word, "`\(value)` is no time, as `0.120s` or `never`") }
      result.usedMilliseconds = seconds * 1000 + rest
    case "offloaded": result.offloaded = String(value)
    case "ufid", "flags", "dp": break
    default: return false
    }
    return true
  }

  /// The decapsulation that a tunnel's key means.
  private func removal(of kind: TunnelKind, _ keys: [Word]) throws(GrammarError) -> Action {
    if kind == .vxlan { return .vxlanDecap }
    let index = headers.decapsulations.filter { $0.value == .tunnel(kind) }.keys.min()
    guard let index else {
      throw error(
        keys.first { $0.name == "tunnel" } ?? keys[0],
        "no `set raw_decap` removes a Geneve tunnel, which a flow with `tunnel(…)` does first")
    }
    return .rawDecap(index: index)
  }

  // MARK: - Keys

  private static let known = [
    "recirc_id", "tunnel", "in_port", "eth", "eth_type", "vlan", "encap", "ipv4", "ipv6", "udp", "tcp", "tcp_flags",
    "icmp",
    "icmpv6", "actions:",
  ]

  /// The items of a packet from Ethernet on.
  private mutating func layers(_ keys: [Word], depth: Int) throws(GrammarError) -> [Item] {
    var ethernet: EthItem?, type: UInt16?, tag: VLANItem?, ip: Item?, transport: Item?, flags: Word?
    var inside: [Item] = []
    var seen: Set<String> = []
    for key in keys {
      guard seen.insert(key.name).inserted else { throw error(key, "`\(key.name)` stands twice") }
      guard let list = key.list else {
        throw error(key, "`\(key.name)` is no key of a flow", expected: Self.known)
      }
      let fields = FlowFields(key, list, source)
      switch key.name {
      case "recirc_id" where depth == 0:
        result.rule.attributes.group = UInt32(try fields.single("a number", RuleCheck.largestGroup))
      case "in_port" where depth == 0:
        let number = UInt16(try fields.single("a port's number", 0xffff))
        port = [.representedPort(Field(number))]
        result.rule.attributes.port = number
      case "tunnel" where depth == 0: try readTunnel(fields)
      case "eth":
        var item = EthItem()
        item.src = try fields.mac("src")
        item.dst = try fields.mac("dst")
        try fields.nothingElse()
        ethernet = item
      case "eth_type": type = UInt16(try fields.single("a type", 0xffff))
      case "vlan":
        let id: Field<UInt16> = try fields.number("vid", bits: 12),
          priority: Field<UInt16> = try fields.number("pcp", bits: 3)
        try fields.nothingElse(but: ["cfi"])
        var item = VLANItem()
        item.tci = Field(id.spec | priority.spec << 13, mask: id.mask | priority.mask << 13)
        tag = item
      case "encap": inside = try layers(list, depth: depth + 1)
      case "ipv4": ip = try fields.ipv4Item()
      case "ipv6": ip = try fields.ipv6Item()
      case "udp":
        var item = L4Item()
        (item.src, item.dst) = (try fields.number("src"), try fields.number("dst"))
        try fields.nothingElse()
        transport = .udp(item)
      case "tcp":
        var item = TCPItem()
        (item.src, item.dst) = (try fields.number("src"), try fields.number("dst"))
        try fields.nothingElse()
        transport = .tcp(item)
      case "tcp_flags": flags = key
      case "icmp", "icmpv6":
        var item = ICMPItem()
        (item.type, item.code) = (try fields.number("type"), try fields.number("code"))
        try fields.nothingElse()
        transport = key.name == "icmp" ? .icmp(item) : .icmp6(item)
      case "packet_type" where fields.isEthernet: continue
      default:
        guard fields.looksAtNothing else {
          throw error(key, "`\(key.name)` cannot be matched here", expected: Self.known)
        }
      }
    }
    if case .tcp(var item)? = transport, let flags {
      let text = flags.list?.first?.name ?? ""
      guard flags.list?.count == 1, let field = FlowWords.flags(text) else {
        throw error(flags, "expected flags as `+syn-ack`, of fin, syn, rst, psh, ack, urg, ece and cwr")
      }
      item.flags = field
      transport = .tcp(item)
    }
    return assembled(ethernet, type, tag, ip, transport, inside)
  }

  private func assembled(
    _ ethernet: EthItem?, _ type: UInt16?, _ tag: VLANItem?, _ ip: Item?, _ transport: Item?, _ inside: [Item]
  ) -> [Item] {
    var item = ethernet ?? EthItem(), tag = tag, inside = inside
    let implied: UInt16? =
      switch ip {
      case .ipv4: 0x0800
      case .ipv6: 0x86dd
      default: tag == nil ? nil : 0x8100
      }
    if let type, type != implied { item.type = Field(type) }
    // What stands behind a tag says its type, unless the item behind it does.
    if case .eth(let within)? = inside.first {
      if within.type.isUsed { tag?.innerType = within.type }
      inside.removeFirst()
    }
    let isSaid = ethernet != nil || item.type.isUsed
    var ip = ip
    // The protocol is the next item's.
    switch (ip, transport) {
    case (.ipv4(var four), .some(let next)) where four.proto == next.proto(isIPv6: false):
      four.proto = .any
      ip = .ipv4(four)
    case (.ipv6(var six), .some(let next)) where six.proto == next.proto(isIPv6: true):
      six.proto = .any
      ip = .ipv6(six)
    default: break
    }
    return (isSaid ? [.eth(item)] : []) + (tag.map { [.vlan($0)] } ?? []) + inside + [ip, transport].compactMap { $0 }
  }

  private mutating func readTunnel(_ fields: FlowFields) throws(GrammarError) {
    let four = try fields.ipv4Item(tunnel: true), six = try fields.ipv6Item(tunnel: true)
    var udp = L4Item()
    (udp.src, udp.dst) = (try fields.number("tp_src"), try fields.number("tp_dst"))
    let id: Field<UInt32> = try fields.number("tun_id", bits: 24)
    let options = fields.word("geneve")
    let kind: TunnelKind
    switch (options, udp.dst.mask, udp.dst.spec) {
    case (.some, _, _), (nil, .max, 6081): kind = .geneve
    case (nil, .max, 4789): kind = .vxlan
    default:
      throw error(
        fields.key,
        "whether the tunnel is Geneve's or VXLAN's is not said: `tp_dst=6081`, `tp_dst=4789` or `geneve(…)` does",
        expected: ["tp_dst=6081", "tp_dst=4789"])
    }
    if udp.dst == Field(kind == .geneve ? 6081 : 4789) { udp.dst = .any }
    try fields.nothingElse(
      but: ["tp_src", "tp_dst", "tun_id", "geneve", "flags", "src", "dst", "ipv6_src", "ipv6_dst", "tos", "ttl", "gbp"])
    outer = [six ?? four].compactMap { $0 }
    if udp != L4Item() { outer.append(.udp(udp)) }
    if kind == .geneve {
      var item = GeneveItem()
      item.vni = id
      outer.append(.geneve(item))
      for option in options?.list ?? [] { outer.append(.geneveOption(try fields.option(option))) }
    } else {
      var item = VXLANItem()
      item.vni = id
      outer.append(.vxlan(item))
    }
    tunnel = kind
  }
}

extension Item {
  /// The protocol that an L4 item means.
  fileprivate func proto(isIPv6: Bool) -> Field<UInt8> {
    switch self {
    case .udp: Field(17)
    case .tcp: Field(6)
    case .icmp: Field(1)
    case .icmp6: Field(58)
    default: .any
    }
  }
}
