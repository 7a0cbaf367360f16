import Device
import Rules

extension Prediction {
  /// The smallest superset of a match that the device takes as far as the abilities of a rule by itself go; the same
  /// pattern when it takes it as it is.
  ///
  /// Each round drops what the first refusal names: a field, a mask's bits, an option, or an item with all that stands
  /// behind it when the rest would mean something else without it.
  func relaxed(_ pattern: [Item]) -> [Item] {
    var result = pattern
    while let refusal = matchRefusal(result) {
      let index = Int(refusal.index)
      guard result.indices.contains(index) else { return [] }
      if loosen(&result, at: index, refusal.reason) { continue }
      let item = result[index]
      drop(&result, at: index)
      keepImplied(by: item, in: &result, at: index)
    }
    return result
  }

  /// Keeps what a dropped outer item says about the headers in front of it (P6, P7), so that a guard is no wider than it
  /// has to be: a Geneve packet is UDP to Geneve's port, TCP over IPv4 is protocol 6.
  private func keepImplied(by item: Item, in pattern: inout [Item], at index: Int) {
    guard !pattern[..<index].contains(where: { $0.isTunnel }) else { return }
    switch item {
    case .geneve: keepPort(overlay.endpoint.genevePort, in: &pattern, at: index)
    case .vxlan: keepPort(overlay.endpoint.vxlanPort, in: &pattern, at: index)
    case .udp: keepProtocol(17, in: &pattern, at: index)
    case .tcp: keepProtocol(6, in: &pattern, at: index)
    case .gre, .nvgre: keepProtocol(47, in: &pattern, at: index)
    case .icmp:
      if index == 0 || !pattern[index - 1].isIP { pattern.insert(.ipv4(IPv4Item()), at: index) }
      keepProtocol(1, in: &pattern, at: (pattern.firstIndex { $0.isIP } ?? -1) + 1)
    case .icmp6 where index == 0 || !pattern[index - 1].isIP: pattern.insert(.ipv6(IPv6Item()), at: index)
    default: break
    }
  }

  private func keepPort(_ port: UInt16, in pattern: inout [Item], at index: Int) {
    var udp = L4Item()
    let hasUDP = index > 0 && pattern[index - 1].isUDP
    if hasUDP, case .udp(let item) = pattern[index - 1] { udp = item }
    // Behind TCP or ICMP there is no such tunnel: the match takes nothing, and there is nothing to keep.
    guard hasUDP || index == 0 || !pattern[index - 1].isL4 else { return }
    guard udp.dst.mask != 0xffff, abilities.match.contains(.udp) || hasUDP else { return }
    udp.dst = Field(port)
    if hasUDP { pattern[index - 1] = .udp(udp) } else { pattern.insert(.udp(udp), at: index) }
  }

  private func keepProtocol(_ number: UInt8, in pattern: inout [Item], at index: Int) {
    guard index > 0, case .ipv4(var item) = pattern[index - 1], item.proto.mask != 0xff else { return }
    item.proto = Field(number)
    pattern[index - 1] = .ipv4(item)
  }

  /// Removes an item without changing what the others mean.
  func drop(_ pattern: inout [Item], at index: Int) {
    switch pattern[index] {
    case .geneve, .vxlan, .gre, .nvgre: pattern.removeSubrange(index...)
    case .vlan:
      // Without the first tag's item the second one's would be about the first tag.
      if index + 1 < pattern.count, case .vlan = pattern[index + 1] { pattern.remove(at: index + 1) }
      pattern.remove(at: index)
    default: pattern.remove(at: index)
    }
  }

  /// Makes the item at `index` acceptable by looking at less of it; false when the item has to go.
  private func loosen(_ pattern: inout [Item], at index: Int, _ reason: RefusalReason) -> Bool {
    let item = pattern[index]
    if case .geneveOption(let option) = item { return loosen(&pattern, at: index, option, reason) }
    guard abilities.match.contains(item.ability) else { return false }
    var changed = item
    for use in item.uses {
      if !abilities.match.contains(use.field.ability) {
        changed = changed.dropping(use.field)
      } else if !abilities.match.contains(.partialMask), use.field.isPartial(use.mask) {
        changed = changed.replacing(use.field, spec: use.spec, mask: use.field.trimmed(use.mask))
      }
    }
    guard changed != item else { return false }
    pattern[index] = changed
    return true
  }

  private func loosen(
    _ pattern: inout [Item], at index: Int, _ option: GeneveOptionItem, _ reason: RefusalReason
  ) -> Bool {
    var mask = option.mask
    switch reason {
    case .partialMask: for word in mask.indices where mask[word] != .max { mask[word] = 0 }
    case .geneveOptionBudget where option.maskedWords > Int(abilities.geneveOptions.wordsPerOption):
      guard abilities.geneveOptions.wordsPerOption != 0 else { return false }
      var left = Int(abilities.geneveOptions.wordsPerOption)
      for word in mask.indices where mask[word] != 0 {
        if left == 0 { mask[word] = 0 } else { left -= 1 }
      }
    default: return false
    }
    guard mask != option.mask else { return false }
    pattern[index] = .geneveOption(
      GeneveOptionItem(
        optionClass: option.optionClass, type: option.type, length: option.length, data: option.data, mask: mask))
    return true
  }
}

/// Which Geneve options the whole device's parser is given (V6, 7).
struct GeneveBudget: Sendable {
  /// The options that fit, with the words of each that are looked at.
  private(set) var chosen: [OptionKey: UInt32] = [:]
  /// How many different options were asked for.
  private(set) var wantedOptions = 0
  /// How many words they would take.
  private(set) var wantedWords = 0
  private let limits: GeneveOptionLimits

  /// Options by how many rules want each in full; options that only guards look at come last.
  init(limits: GeneveOptionLimits, patterns: [(pattern: [Item], isWhole: Bool)]) {
    self.limits = limits
    struct Wish {
      var words: UInt32 = 0
      var weight = 0
      var first = 0
    }
    var wishes: [OptionKey: Wish] = [:]
    for (pattern, isWhole) in patterns {
      for case .geneveOption(let option) in pattern {
        var wish = wishes[option.key] ?? Wish(first: wishes.count)
        for (word, mask) in option.mask.enumerated() where mask != 0 { wish.words |= 1 << UInt32(word) }
        if isWhole { wish.weight += 1 }
        wishes[option.key] = wish
      }
    }
    wantedOptions = wishes.count
    wantedWords = wishes.values.reduce(0) { $0 + cost($1.words) }
    var used = 0
    for (key, wish) in wishes.sorted(by: { ($1.value.weight, $0.value.first) < ($0.value.weight, $1.value.first) }) {
      if limits.perDevice != 0, chosen.count >= Int(limits.perDevice) { break }
      if limits.words != 0, used + cost(wish.words) > Int(limits.words) { continue }
      used += cost(wish.words)
      chosen[key] = wish.words
    }
  }

  /// Words that an option costs.
  private func cost(_ words: UInt32) -> Int { words.nonzeroBitCount + (limits.classCostsWord ? 1 : 0) }

  /// The refusal of the first option in the pattern that is not among the chosen.
  func refusal(_ pattern: [Item]) -> Refusal? {
    for (index, item) in pattern.enumerated() {
      guard case .geneveOption(let option) = item, chosen[option.key] == nil else { continue }
      if limits.perDevice != 0, wantedOptions > Int(limits.perDevice) {
        return Refusal(.geneveOptionBudget, index: index, limit: Int(limits.perDevice), wanted: wantedOptions)
      }
      return Refusal(.geneveOptionBudget, index: index, limit: Int(limits.words), wanted: wantedWords)
    }
    return nil
  }

  /// The pattern without the options that are not chosen.
  func trimmed(_ pattern: [Item]) -> [Item] {
    pattern.filter { item in
      if case .geneveOption(let option) = item { return chosen[option.key] != nil }
      return true
    }
  }
}

extension Item {
  /// Whether it is an IP header.
  var isIP: Bool {
    switch self {
    case .ipv4, .ipv6: true
    default: false
    }
  }
  /// Whether it is a transport, ICMP or ESP header.
  var isL4: Bool {
    switch self {
    case .udp, .tcp, .icmp, .icmp6, .esp: true
    default: false
    }
  }
  /// Whether it is a UDP header.
  var isUDP: Bool { if case .udp = self { true } else { false } }
}
