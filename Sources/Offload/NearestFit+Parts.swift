import Device
import Rules

extension NearestFit.Search {
  /// Changes an item of the pattern so that the device matches it.
  mutating func changeItem(_ refusal: Refusal, at index: Int) -> Bool {
    let item = fit.rule.pattern[index]
    if case .geneveOption(let option) = item { return changeOption(refusal, option, at: index) }
    let wider = "it then matches more frames"
    if refusal.reason == .partialMask {
      for use in item.uses where use.field.isPartial(use.mask) {
        fit.rule.pattern[index] = fit.rule.pattern[index].replacing(
          use.field, spec: use.spec, mask: use.field.rounded(use.mask))
        note("a full mask for `\(use.field.name)`", cost: "one rule for each value")
      }
      return true
    }
    let can = prediction.abilities.match
    let missing = item.uses.filter { !can.contains($0.field.ability) }
    if can.contains(item.ability), !missing.isEmpty {
      for use in missing {
        fit.rule.pattern[index] = fit.rule.pattern[index].dropping(use.field)
        note("no `\(use.field.name)` in the match", cost: wider)
      }
      return true
    }
    let before = fit.rule.pattern
    prediction.drop(&fit.rule.pattern, at: index)
    let gone = before[index..<(index + before.count - fit.rule.pattern.count)].map { "`\($0.word)`" }
    note("no \(gone.joined(separator: ", ")) in the match", cost: wider)
    return true
  }

  private mutating func changeOption(_ refusal: Refusal, _ option: GeneveOptionItem, at index: Int) -> Bool {
    func make(_ data: [UInt32], _ mask: [UInt32]) -> Item {
      .geneveOption(
        GeneveOptionItem(
          optionClass: option.optionClass, type: option.type, length: option.length, data: data, mask: mask))
    }
    let perOption = Int(prediction.abilities.geneveOptions.wordsPerOption)
    switch refusal.reason {
    case .partialMask:
      fit.rule.pattern[index] = make(option.data, option.mask.map { $0 == 0 ? 0 : .max })
      note("full masks for the words of the option \(option.key.text)", cost: "one rule for each value")
    case .geneveOptionZeroMask, .geneveOptionZeroData:
      guard option.length > 0 else { return dropOption(option, at: index) }
      fit.rule.pattern[index] = make([1], [.max])
      note("data other than 0 under a mask other than 0 for the option \(option.key.text)")
    case .geneveOptionBudget where perOption != 0 && option.maskedWords > perOption:
      var mask = option.mask
      for word in mask.indices where mask[..<word].count(where: { $0 != 0 }) >= perOption { mask[word] = 0 }
      fit.rule.pattern[index] = make(option.data, mask)
      note(
        "\(perOption) word\(perOption == 1 ? "" : "s") of the option \(option.key.text) instead of \(option.maskedWords)",
        cost: "it then matches more frames")
    case .geneveOptionRepeated, .geneveOptionBudget: return dropOption(option, at: index)
    default:
      fit.rule.pattern.removeAll { if case .geneveOption = $0 { true } else { false } }
      note("no Geneve options in the match", cost: "it then matches more frames")
    }
    return true
  }

  private mutating func dropOption(_ option: GeneveOptionItem, at index: Int) -> Bool {
    fit.rule.pattern.remove(at: index)
    note("one option fewer: without \(option.key.text)", cost: "it then matches more frames")
    return true
  }

  /// Changes the encapsulation that an action puts in front.
  mutating func changeTemplate(_ refusal: Refusal, at index: Int) -> Bool {
    let number: UInt16
    switch fit.rule.actions[index] {
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): number = index
    default: return false
    }
    guard var template = fit.overlay.encapsulations[number] else { return false }
    let at = " in encapsulation \(number)"
    switch refusal.reason {
    case .ecnCopy:
      template.policy.ecn = .zero
      note("`ecn: zero`" + at, cost: "it loses congestion marks, RFC 6040")
    case .dscpCopy:
      template.policy.dscp = .fixed
      note("`dscp: fixed`" + at, cost: "every frame gets the template's DSCP, RFC 2983")
    case .ttlCopy:
      template.policy.ttl = .fixed
      if template.timeToLive == 0 { template = template.repairedForDevice() }
      note("`ttl: fixed`" + at)
    case .dfCopy:
      template.policy.df = .set
      note("`df: set`" + at)
    case .outerUDPChecksum:
      template.policy.udpChecksum = .off
      let cost = template.isIPv6 ? "the other end has to accept zero, RFC 6935" : "outer headers go unprotected"
      note("`udp_checksum: off`" + at, cost: cost)
    case .entropy:
      template.header[template.l4] = 0xc0
      note("a UDP source port in the template" + at, cost: "all flows then take one path in the underlay")
    case .headerTooLarge: return shorten(&template, to: Int(refusal.limit), number)
    case .templateTTL, .templateOptionLength:
      template = template.repairedForDevice()
      note("a TTL of 64 and the options' length in the template" + at)
    default: return false
    }
    fit.overlay.encapsulations[number] = template
    return true
  }

  /// Takes options off the end of a Geneve template until it is short enough.
  private mutating func shorten(_ template: inout Encapsulation, to limit: Int, _ number: UInt16) -> Bool {
    guard template.kind == .geneve, template.isSound, template.l4 + 16 <= limit else { return false }
    var end = template.l4 + 16, dropped = 0
    var offset = end
    while offset + 4 <= template.header.count {
      let next = offset + 4 + Int(template.header[offset + 3] & 0x1f) * 4
      if next <= min(limit, template.header.count), dropped == 0 { end = next } else { dropped += 1 }
      offset = next
    }
    guard end <= limit, dropped > 0 else { return false }
    template.header.removeSubrange(end...)
    template = template.repairedForDevice()
    fit.overlay.encapsulations[number] = template
    note(
      "\(dropped) option\(dropped == 1 ? "" : "s") fewer in encapsulation \(number) (\(end) of \(limit) bytes)",
      cost: "the other end misses \(dropped == 1 ? "it" : "them")")
    return true
  }
}
