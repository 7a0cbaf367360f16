import Device
import Rules

extension Prediction {
  /// The first item that the device does not match (V6, 3).
  func matchRefusal(_ pattern: [Item]) -> Refusal? {
    var inner = false
    var tags = 0
    var options: [(option: GeneveOptionItem, index: Int)] = []
    for (index, item) in pattern.enumerated() {
      if inner, item.ability != .geneveOptions, item.ability != .greKey, !abilities.match.contains(.inner) {
        return Refusal(.matchUnsupported, index: index)
      }
      if case .eth = item { tags = 0 }
      if case .vlan = item {
        tags += 1
        if tags == 2, !abilities.match.contains(.qinq) { return Refusal(.matchUnsupported, index: index) }
      }
      guard abilities.match.contains(item.ability) else { return Refusal(.matchUnsupported, index: index) }
      for use in item.uses {
        guard abilities.match.contains(use.field.ability) else { return Refusal(.matchUnsupported, index: index) }
      }
      for use in item.uses {
        if use.field.isPartial(use.mask), !abilities.match.contains(.partialMask) {
          return Refusal(.partialMask, index: index)
        }
      }
      if case .geneveOption(let option) = item {
        options.append((option, index))
      }
      if item.isTunnel {
        inner = true
        tags = 0
      }
    }
    return optionRefusal(options)
  }

  /// The first Geneve option that is beyond the limits of one rule.
  private func optionRefusal(_ options: [(option: GeneveOptionItem, index: Int)]) -> Refusal? {
    let limits = abilities.geneveOptions
    let most = Int(limits.perRule)
    if options.count > most {
      return Refusal(.geneveOptionBudget, index: options[most].index, limit: most, wanted: options.count)
    }
    for (place, (option, index)) in options.enumerated() {
      let words = option.maskedWords
      if limits.refusesZeroMask, words == 0 { return Refusal(.geneveOptionZeroMask, index: index) }
      if limits.refusesZeroData, option.data.allSatisfy({ $0 == 0 }) {
        return Refusal(.geneveOptionZeroData, index: index)
      }
      if limits.wordsPerOption != 0, words > Int(limits.wordsPerOption) {
        return Refusal(.geneveOptionBudget, index: index, limit: Int(limits.wordsPerOption), wanted: words)
      }
      if limits.refusesRepeats, options[..<place].contains(where: { $0.option.key == option.key }) {
        return Refusal(.geneveOptionRepeated, index: index)
      }
      if !abilities.match.contains(.partialMask), option.mask.contains(where: { $0 != 0 && $0 != .max }) {
        return Refusal(.partialMask, index: index)
      }
    }
    return nil
  }
}

/// Which option, whatever its data.
struct OptionKey: Hashable, Sendable {
  var optionClass: UInt16
  var type: UInt8
  var length: UInt8

  /// As users write it.
  var text: String {
    "class 0x\(String(optionClass, radix: 16)) type 0x\(String(type, radix: 16)) length \(length)"
  }
}

extension GeneveOptionItem {
  /// Which option it is.
  var key: OptionKey { OptionKey(optionClass: optionClass, type: type, length: length) }
  /// Words of data that are looked at.
  var maskedWords: Int { mask.count { $0 != 0 } }
}
