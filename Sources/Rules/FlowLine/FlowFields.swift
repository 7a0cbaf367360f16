/// The fields between the brackets of one key.
struct FlowFields {
  typealias Word = FlowLineScanner.Word
  let key: Word
  private let words: [Word]
  private let source: FlowLineScanner.Line

  init(_ key: Word, _ words: [Word], _ source: FlowLineScanner.Line) {
    self.key = key
    self.words = words
    self.source = source
  }

  /// The field of this name.
  func word(_ name: String) -> Word? { words.first { $0.name == name } }

  /// Whether every field has a mask of zero.
  var looksAtNothing: Bool {
    words.allSatisfy { word in
      let text = word.value ?? word.name
      guard word.list == nil, let slash = text.lastIndex(of: "/") else { return false }
      return text[text.index(after: slash)...].allSatisfy { "0x:.".contains($0) }
    }
  }

  /// Whether it says that the packet begins with Ethernet.
  var isEthernet: Bool { word("ns")?.value?.prefix(1) == "0" && (word("id")?.value?.prefix(1) ?? "0") == "0" }

  /// The only number between the brackets; a mask must be full.
  func single(_ what: String, _ largest: UInt32) throws(GrammarError) -> UInt64 {
    guard words.count == 1, words[0].list == nil, words[0].value == nil,
      let value = NumberText.parse(Array(words[0].name.utf8)[...]), value <= UInt128(largest)
    else { throw source.error(words.first ?? key, "expected \(what) (0…\(largest)), without a mask") }
    return UInt64(value)
  }

  /// Throws at a field that is none of those that were read (`src`, `dst`, … of the key) or are `known`.
  func nothingElse(but known: [String]? = nil) throws(GrammarError) {
    let own = known ?? []
    for word in words where !own.contains(word.name) && !Self.common(key.name).contains(word.name) {
      throw source.error(
        word, "`\(key.name)` has no field of this name", expected: Self.common(key.name) + own)
    }
  }

  private static func common(_ key: String) -> [String] {
    switch key {
    case "eth", "udp", "tcp": ["src", "dst"]
    case "vlan": ["vid", "pcp"]
    case "icmp", "icmpv6": ["type", "code"]
    case "ipv4": ["src", "dst", "proto", "tos", "ttl", "frag"]
    case "ipv6": ["src", "dst", "label", "proto", "tclass", "hlimit", "frag"]
    default: []
    }
  }

  /// A field in some form, with its mask.
  private func field(
    _ name: String, bits: Int, _ wanted: String, _ read: (ArraySlice<UInt8>) -> UInt128?
  ) throws(GrammarError) -> Field<UInt128> {
    guard let word = word(name) else { return .any }
    guard let value = word.value else { throw source.error(word, "`\(name)` needs a value") }
    let parts = value.split(separator: "/", omittingEmptySubsequences: false).map { Array($0.utf8)[...] }
    let full = UInt128.max >> UInt128(128 - bits)
    guard parts.count <= 2, let spec = read(parts[0]), spec <= full else {
      throw source.error(word, "expected \(wanted) for `\(name)`")
    }
    guard parts.count == 2 else { return Field(spec, mask: full) }
    guard let mask = read(parts[1]), mask <= full else {
      throw source.error(word, "expected a mask that looks as the value, \(wanted), behind `/`")
    }
    return Field(spec, mask: mask)
  }

  /// A number, decimal or hexadecimal.
  func number<T>(_ name: String, bits: Int = T.bitWidth) throws(GrammarError) -> Field<T> {
    let field = try field(name, bits: bits, "a number of \(bits) bits") { NumberText.parse($0) }
    return Field(T(truncatingIfNeeded: field.spec), mask: T(truncatingIfNeeded: field.mask))
  }

  func mac(_ name: String) throws(GrammarError) -> Field<UInt64> {
    let field = try field(name, bits: 48, "a MAC address") { MACText.parse($0).map { UInt128($0) } }
    return Field(UInt64(field.spec), mask: UInt64(field.mask))
  }

  func ipv4(_ name: String) throws(GrammarError) -> Field<UInt32> {
    let field = try field(name, bits: 32, "an IPv4 address") { IPv4Text.parse($0).map { UInt128($0) } }
    return Field(UInt32(field.spec), mask: UInt32(field.mask))
  }

  func ipv6(_ name: String) throws(GrammarError) -> Field<UInt128> {
    try field(name, bits: 128, "an IPv6 address") { IPv6Text.parse($0) }
  }

  /// `ipv4(…)`, or of `tunnel(…)` what is IPv4's; nil when that says nothing of IPv4.
  func ipv4Item(tunnel: Bool = false) throws(GrammarError) -> Item? {
    var item = IPv4Item()
    (item.src, item.dst) = (try ipv4("src"), try ipv4("dst"))
    (item.tos, item.ttl) = (try number("tos"), try number("ttl"))
    if tunnel {
      let isSaid = word("src") != nil || word("dst") != nil || item.tos.isUsed || item.ttl.isUsed
      return isSaid ? .ipv4(item) : nil
    }
    item.proto = try number("proto")
    switch word("frag")?.value {
    case nil: break
    case "no": item.fragmentOffset = Field(0, mask: 0x3fff)
    case "first": item.fragmentOffset = Field(0x2000, mask: 0x3fff)
    default: throw source.error(word("frag") ?? key, "of fragments only `no` and `first` can be matched here")
    }
    try nothingElse()
    return .ipv4(item)
  }

  /// `ipv6(…)`, or of `tunnel(…)` what is IPv6's; nil when that says nothing of IPv6.
  func ipv6Item(tunnel: Bool = false) throws(GrammarError) -> Item? {
    var item = IPv6Item()
    guard !tunnel else {
      guard word("ipv6_src") != nil || word("ipv6_dst") != nil else { return nil }
      (item.src, item.dst) = (try ipv6("ipv6_src"), try ipv6("ipv6_dst"))
      (item.tc, item.hop) = (try number("tos"), try number("ttl"))
      return .ipv6(item)
    }
    (item.src, item.dst) = (try ipv6("src"), try ipv6("dst"))
    (item.tc, item.hop) = (try number("tclass"), try number("hlimit"))
    (item.flow, item.proto) = (try number("label", bits: 20), try number("proto"))
    switch word("frag")?.value {
    case nil: break
    case "no": item.hasFragment = Field(0, mask: 1)
    default: throw source.error(word("frag") ?? key, "of IPv6's fragments only `no` can be matched here")
    }
    try nothingElse()
    return .ipv6(item)
  }

  /// `{class=…,type=…,len=…,DATA/MASK}`.
  func option(_ word: Word) throws(GrammarError) -> GeneveOptionItem {
    guard word.name.isEmpty, let list = word.list else {
      throw source.error(word, "expected `{class=…,type=…,len=…,…}`")
    }
    let fields = FlowFields(word, list, source)
    let optionClass: Field<UInt16> = try fields.number("class"), type: Field<UInt8> = try fields.number("type")
    let length: Field<UInt8> = try fields.number("len", bits: 7)
    guard optionClass.mask == .max, type.mask == .max, length.mask == 127, length.spec % 4 == 0 else {
      throw source.error(word, "an option has a class, a type and a length in bytes, a multiple of 4, without masks")
    }
    let count = Int(length.spec) / 4
    let rest = list.filter { !["class", "type", "len"].contains($0.name) }
    guard let data = rest.first else {
      return GeneveOptionItem(optionClass: optionClass.spec, type: type.spec, length: UInt8(count))
    }
    let parts = data.name.split(separator: "/", omittingEmptySubsequences: false)
    guard rest.count == 1, data.list == nil, data.value == nil, parts.count <= 2, count > 0,
      let value = FlowWords.words(parts[0], count: count),
      let mask = parts.count == 2
        ? FlowWords.words(parts[1], count: count) : [UInt32](repeating: .max, count: count)
    else {
      throw source.error(data, "expected the option's \(count * 4) bytes in hexadecimal, and `/` and a mask or not")
    }
    let looked = mask.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
    return GeneveOptionItem(
      optionClass: optionClass.spec, type: type.spec, length: UInt8(count), data: Array(value[..<looked]),
      mask: Array(mask[..<looked]))
  }
}
