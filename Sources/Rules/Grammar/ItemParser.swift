extension Cursor {
  /// Items in a pattern or in a template at most.
  static let mostItems = 128

  /// Reads `ITEM / ITEM / … / end`; the word `end` (or `end_set`) is taken. `void` is left out.
  mutating func items(until ends: [String], purpose: ItemPurpose) throws(GrammarError) -> [Item] {
    var items: [Item] = []
    while true {
      guard let word else { throw unexpected(ends, "an item or `\(ends[0])`") }
      if ends.contains(word) {
        advance()
        return items
      }
      guard items.count < Self.mostItems else {
        throw error(at: next, "more than \(Self.mostItems) items")
      }
      if word == "void" { advance() } else { items.append(try item(word, purpose: purpose)) }
      try expect("/", "`/` behind an item")
    }
  }

  private mutating func item(_ word: String, purpose: ItemPurpose) throws(GrammarError) -> Item {
    guard let kind = ItemWord.byName[word] else { throw unknownItem(word) }
    let token = next
    advance()
    if word == "geneve-opt" { return .geneveOption(try geneveOption(kind, at: token, purpose: purpose)) }
    return try make(kind, slots(of: kind, purpose: purpose))
  }

  private func unknownItem(_ word: String) -> GrammarError {
    if let hint = ItemWord.foreign[word] {
      return error(
        at: next, "`\(word)` is an item of testpmd that is not supported here" + (hint.isEmpty ? "" : "; " + hint))
    }
    if word.utf8.contains(UInt8(ascii: "/")), word.utf8.count > 1 {
      return error(at: next, "`\(shown(next))` is no item: `/` stands between blanks")
    }
    return unexpected(ItemWord.all.map(\.name) + ["void", "end"], "an item")
  }

  private func make(_ kind: ItemWord, _ s: [Slot]) throws(GrammarError) -> Item {
    switch kind.name {
    case "represented_port": return .representedPort(s[0].field())
    case "port_representor": return .portRepresentor(s[0].field())
    case "eth":
      var item = EthItem()
      (item.dst, item.src, item.type, item.hasVLAN) = (s[0].field(), s[1].field(), s[2].field(), s[3].field())
      return .eth(item)
    case "vlan":
      var item = VLANItem()
      item.tci = Self.merge([s[0].field(), s[1].field(shift: 13), s[2].field(shift: 12), s[3].field()])
      item.innerType = s[4].field()
      return .vlan(item)
    case "ipv4":
      var item = IPv4Item()
      (item.tos, item.fragmentOffset, item.ttl, item.proto) = (s[0].field(), s[1].field(), s[2].field(), s[3].field())
      (item.src, item.dst) = (s[4].field(), s[5].field())
      return .ipv4(item)
    case "ipv6":
      var item = IPv6Item()
      (item.tc, item.flow, item.proto, item.hop) = (s[0].field(), s[1].field(), s[2].field(), s[3].field())
      (item.hasFragment, item.src, item.dst) = (s[4].field(), s[5].field(), s[6].field())
      return .ipv6(item)
    case "udp":
      var item = L4Item()
      (item.src, item.dst) = (s[0].field(), s[1].field())
      return .udp(item)
    case "tcp":
      var item = TCPItem()
      (item.src, item.dst, item.flags) = (s[0].field(), s[1].field(), s[2].field())
      return .tcp(item)
    case "icmp", "icmp6":
      var item = ICMPItem()
      (item.type, item.code) = (s[0].field(), s[1].field())
      return kind.name == "icmp" ? .icmp(item) : .icmp6(item)
    case "esp": return .esp(s[0].field())
    case "geneve":
      var item = GeneveItem()
      (item.vni, item.proto, item.optionLength) = (s[0].field(), s[1].field(), s[2].field())
      return .geneve(item)
    case "vxlan":
      var item = VXLANItem()
      item.vni = s[0].field()
      return .vxlan(item)
    case "gre":
      var item = GREItem()
      item.flags = Self.merge([s[0].field(), s[1].field(shift: 15), s[2].field(shift: 13), s[3].field(shift: 12)])
      item.proto = s[4].field()
      return .gre(item)
    case "gre_key": return .greKey(s[0].field())
    case "nvgre":
      var item = NVGREItem()
      (item.tni, item.flowID) = (s[0].field(), s[1].field())
      return .nvgre(item)
    default: throw unexpected(ItemWord.all.map(\.name), "an item")
    }
  }

  /// The whole field with its named parts laid over it.
  private static func merge(_ parts: [Field<UInt16>]) -> Field<UInt16> {
    parts.reduce(.any) { Field($0.spec & ~$1.mask | $1.spec, mask: $0.mask | $1.mask) }
  }
}
