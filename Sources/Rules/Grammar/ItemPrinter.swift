extension Item {
  /// The item in testpmd's words: ``GrammarError``-free text that parses to this value, when every mask is within its
  /// field's width.
  public var text: String {
    switch self {
    case .eth(let i): Self.text("eth", [Part(i.dst), Part(i.src), Part(i.type), Part(i.hasVLAN)])
    case .vlan(let i): Self.text("vlan", Self.tciParts(i.tci) + [Part(i.innerType)])
    case .ipv4(let i):
      Self.text(
        "ipv4", [Part(i.tos), Part(i.fragmentOffset), Part(i.ttl), Part(i.proto), Part(i.src), Part(i.dst)])
    case .ipv6(let i):
      Self.text(
        "ipv6",
        [Part(i.tc), Part(i.flow), Part(i.proto), Part(i.hop), Part(i.hasFragment), Part(i.src), Part(i.dst)])
    case .udp(let i): Self.text("udp", [Part(i.src), Part(i.dst)])
    case .tcp(let i): Self.text("tcp", [Part(i.src), Part(i.dst), Part(i.flags)])
    case .icmp(let i): Self.text("icmp", [Part(i.type), Part(i.code)])
    case .icmp6(let i): Self.text("icmp6", [Part(i.type), Part(i.code)])
    case .geneve(let i): Self.text("geneve", [Part(i.vni), Part(i.proto), Part(i.optionLength)])
    case .geneveOption(let i): i.text
    case .vxlan(let i): Self.text("vxlan", [Part(i.vni)])
    case .gre(let i): Self.text("gre", Self.greParts(i.flags) + [Part(i.proto)])
    case .greKey(let key): Self.text("gre_key", [Part(key)])
    case .nvgre(let i): Self.text("nvgre", [Part(i.tni), Part(i.flowID)])
    case .esp(let spi): Self.text("esp", [Part(spi)])
    case .representedPort(let port): Self.text("represented_port", [Part(port)])
    case .portRepresentor(let port): Self.text("port_representor", [Part(port)])
    }
  }

  /// One field's value and mask, of any width.
  private struct Part {
    var spec: UInt128
    var mask: UInt128

    init<T>(_ field: Field<T>) {
      spec = UInt128(field.spec)
      mask = UInt128(field.mask)
    }

    /// `bits` bits of a field from `shift` up.
    init(_ field: Field<UInt16>, shift: UInt16, bits: UInt16) {
      let full = (UInt16(1) << bits) - 1
      spec = UInt128(field.spec >> shift & full)
      mask = UInt128(field.mask >> shift & full)
    }

    static let none = Part(Field<UInt16>.any)
  }

  private static func text(_ name: String, _ parts: [Part]) -> String {
    guard let word = ItemWord.byName[name] else { return name }
    var text = name
    for (part, field) in zip(parts, word.fields) where part.mask != 0 { text += Self.text(part, field) }
    return text
  }

  private static func text(_ part: Part, _ field: FieldWord) -> String {
    let name = field.name
    if part.mask & field.full == field.full { return " \(name) is \(field.print(part.spec))" }
    let spec = " \(name) spec \(field.print(part.spec))"
    switch field.form {
    case .ipv4, .ipv6:
      let holes = ~part.mask & field.full
      if holes & (holes &+ 1) == 0 {
        return spec + " \(name) prefix \(field.bits - (128 - holes.leadingZeroBitCount))"
      }
      return spec + " \(name) mask \(field.print(part.mask))"
    case .mac: return spec + " \(name) mask \(field.print(part.mask))"
    case .number, .hex: return spec + " \(name) mask \(NumberText.hex(part.mask))"
    }
  }

  /// The TCI whole, or as pcp, dei and vid when each of them is compared in full or not at all.
  private static func tciParts(_ tci: Field<UInt16>) -> [Part] {
    let whole = tci.mask == 0xffff || [0xe000, 0x1000, 0x0fff].contains { tci.mask & $0 != 0 && tci.mask & $0 != $0 }
    if whole { return [Part(tci), .none, .none, .none] }
    return [
      .none, Part(tci, shift: 13, bits: 3), Part(tci, shift: 12, bits: 1), Part(tci, shift: 0, bits: 12),
    ]
  }

  /// GRE's first two bytes whole, or as c, k and s when nothing else is compared.
  private static func greParts(_ flags: Field<UInt16>) -> [Part] {
    if flags.mask & ~0xb000 != 0 { return [Part(flags), .none, .none, .none] }
    return [
      .none, Part(flags, shift: 15, bits: 1), Part(flags, shift: 13, bits: 1), Part(flags, shift: 12, bits: 1),
    ]
  }
}

extension GeneveOptionItem {
  /// The option in testpmd's words.
  var text: String {
    var text = "geneve-opt class is \(NumberText.hex(UInt128(optionClass), digits: 4))"
    text += " type is \(NumberText.hex(UInt128(type), digits: 2)) length is \(length)"
    guard !data.isEmpty else { return text }
    if mask.allSatisfy({ $0 == .max }) { return text + " data is " + Self.hex(data) }
    return text + " data spec \(Self.hex(data)) data mask \(Self.hex(mask))"
  }

  private static func hex(_ words: [UInt32]) -> String {
    words.map { NumberText.hex(UInt128($0), digits: 8).dropFirst(2) }.joined()
  }
}
