import Device
import Rules

extension Prediction {
  /// The first of `count` actions that the device does not do (V6, 4 to 6).
  func actionsRefusal(_ rule: Rule, count: Int) -> Refusal? {
    var pin = ECNPin(rule.pattern)
    var touched = false
    let canSplit = canSplit(rule, count: count)
    for (index, action) in rule.actions.prefix(count).enumerated() {
      if let refusal = actionRefusal(action, index: index, pin: pin, depth: 0, canSplit: canSplit) {
        return refusal
      }
      pinned(&pin, by: action)
      switch resolved(action) {
      case .rawDecap, .vxlanDecap, .nvgreDecap, .rawEncap, .vxlanEncap, .nvgreEncap, .set, .decTTL, .popVLAN, .pushVLAN:
        touched = true
      case .jump where touched && !abilities.frame.contains(.resumePoint):
        return Refusal(.noResumePoint, index: index, isAction: true)
      default: break
      }
    }
    for (index, action) in rule.actions.enumerated() where count > 0 && index >= count {
      switch resolved(action) {
      case .count, .age:
        if let refusal = actionRefusal(action, index: index, pin: pin, depth: 0, canSplit: canSplit) {
          return refusal
        }
      default: break
      }
    }
    if count > 0, count < rule.actions.count, !abilities.frame.contains(.resumePoint) {
      return Refusal(.noResumePoint, index: count, isAction: true)
    }
    return nil
  }

  /// What the match says of the ECN bits, after one more action.
  func pinned(_ pin: inout ECNPin, by action: Action) {
    switch resolved(action) {
    case .rawDecap(let number) where overlay.decapsulations[number] == .ethernet: return
    case .rawDecap, .vxlanDecap, .nvgreDecap: pin.decapsulate()
    case .rawEncap, .vxlanEncap, .nvgreEncap: pin.encapsulate()
    default: return
    }
  }

  /// The action behind an indirect one.
  func resolved(_ action: Action) -> Action { action.resolved(overlay.indirectActions) }

  private func actionRefusal(
    _ action: Action, index: Int, pin: ECNPin, depth: Int, canSplit: Bool
  ) -> Refusal? {
    func need(_ ability: ActionAbilities) -> Refusal? {
      abilities.actions.contains(ability) ? nil : Refusal(.actionUnsupported, index: index, isAction: true)
    }
    switch action {
    case .count: return need(.count)
    case .mark: return need(.mark)
    case .age: return need(.age)
    case .queue(let queue): return need(.queue) ?? queueRefusal([queue], index)
    case .rss(let rss): return need(.rss) ?? queueRefusal(rss.queues, index)
    case .drop: return need(.drop)
    case .portRepresentor: return need(.queue)
    case .portID, .representedPort: return need(.port)
    case .decTTL: return need(.setTTL)
    case .popVLAN: return need(.popVLAN)
    case .pushVLAN: return need(.pushVLAN)
    case .set(let field): return need(field.ability)
    case .vxlanDecap: return need(.decapVXLAN)
    case .nvgreDecap: return need(.decapNVGRE)
    case .rawDecap(let number):
      switch overlay.decapsulations[number] {
      case .none, .tunnel(.none): return Refusal(.invalid, index: index, isAction: true)
      case .ethernet: return need(.decapEthernet)
      case .tunnel(.geneve): return need(.decapGeneve)
      case .tunnel(.vxlan): return need(.decapVXLAN)
      case .tunnel(.gre): return need(.decapGRE)
      case .tunnel(.nvgre): return need(.decapNVGRE)
      }
    case .rawEncap(let number), .vxlanEncap(let number), .nvgreEncap(let number):
      guard let template = overlay.encapsulations[number] else {
        return Refusal(.invalid, index: index, isAction: true)
      }
      // A split fixes the ECN of the whole rule's frames; a copy's own headers may be put around something else.
      let isSplit = canSplit && depth == 0 && pin.item != nil && variants.indices[number] != nil
      return encapsulationRefusal(template, index: index, pin: pin.value, isSplit: isSplit)
    case .jump(let group):
      if let refusal = need(.jump) { return refusal }
      if depth > 0 { return Refusal(.actionUnsupported, index: index, isAction: true) }
      guard group < min(abilities.groups, 65_536) else {
        return Refusal(
          .groupRange, index: index, isAction: true, limit: Int(abilities.groups), wanted: Int(clamping: group))
      }
      return nil
    case .sample(let ratio, let number):
      guard depth == 0, ratio > 0, let list = overlay.sampleActions[number] else {
        return Refusal(.invalid, index: index, isAction: true)
      }
      if let refusal = need(.sample) { return refusal }
      var pin = pin
      for copy in list {
        if let refusal = actionRefusal(copy, index: index, pin: pin, depth: 1, canSplit: canSplit) {
          return refusal
        }
        pinned(&pin, by: copy)
      }
      return nil
    case .indirect(let id):
      guard let inner = overlay.indirectActions[id] else { return Refusal(.invalid, index: index, isAction: true) }
      if case .indirect = inner { return Refusal(.invalid, index: index, isAction: true) }
      if let refusal = need(.indirect) { return refusal }
      return actionRefusal(inner, index: index, pin: pin, depth: depth, canSplit: canSplit)
    }
  }

  /// Queues are numbered in one byte (``Device/Frame/queue``).
  private func queueRefusal(_ queues: [UInt16], _ index: Int) -> Refusal? {
    if queues.isEmpty { return Refusal(.invalid, index: index, isAction: true) }
    guard let large = queues.first(where: { $0 > 255 }) else { return nil }
    return Refusal(.actionUnsupported, index: index, isAction: true, limit: 255, wanted: Int(large))
  }

  private func encapsulationRefusal(
    _ template: Encapsulation, index: Int, pin: UInt8?, isSplit: Bool
  ) -> Refusal? {
    func refuse(_ reason: RefusalReason, limit: Int = -1, wanted: Int = -1) -> Refusal {
      Refusal(reason, index: index, isAction: true, limit: limit, wanted: wanted)
    }
    guard abilities.actions.contains(template.kind.encapsulationAbility) else { return refuse(.actionUnsupported) }
    if template.header.count > Int(abilities.largestHeader) {
      return refuse(.headerTooLarge, limit: Int(abilities.largestHeader), wanted: template.header.count)
    }
    guard template.isSound else { return refuse(.templateMalformed) }
    guard template.kind != .none else { return nil }
    let frame = abilities.frame, policy = template.policy
    if let announced = template.announcedOptionWords, announced != 0, announced * 4 != template.optionBytes {
      return refuse(.templateOptionLength, limit: template.optionBytes / 4, wanted: announced)
    }
    if policy.ttl == .fixed, template.timeToLive == 0 { return refuse(.templateTTL) }
    // Such a device puts the template's own bits: right where the match leaves only frames that have the same.
    if policy.ecn == .copy, !frame.contains(.ecnCopy), pin != template.ecn, !isSplit {
      return refuse(.ecnCopy)
    }
    if policy.dscp == .copy, !frame.contains(.dscpCopy) { return refuse(.dscpCopy) }
    if policy.ttl == .copy, !frame.contains(.ttlCopy) { return refuse(.ttlCopy) }
    if policy.df == .copy, !template.isIPv6, !frame.contains(.dfCopy) { return refuse(.dfCopy) }
    if template.hasUDP {
      let checksum: FrameAbilities = template.isIPv6 ? .udpChecksumIPv6 : .udpChecksumIPv4
      if policy.udpChecksum == .on, !frame.contains(checksum) { return refuse(.outerUDPChecksum) }
      if template.sourcePort == 0, !frame.contains(.entropy) { return refuse(.entropy) }
    }
    if !frame.contains(.fixesLengths) { return refuse(.fixesLengths) }
    return nil
  }
}

extension Item {
  /// The ECN value that an item fixes.
  var ecn: UInt8? {
    switch self {
    case .ipv4(let item) where item.tos.mask & 3 == 3: item.tos.spec & 3
    case .ipv6(let item) where item.tc.mask & 3 == 3: item.tc.spec & 3
    default: nil
    }
  }
}

extension SetField {
  /// The ability that sets the field.
  var ability: ActionAbilities {
    switch self {
    case .macSource, .macDestination: .setMAC
    case .ipv4Source, .ipv4Destination: .setIPv4
    case .ipv6Source, .ipv6Destination: .setIPv6
    case .l4Source, .l4Destination: .setL4
    case .ttl: .setTTL
    case .ipv4DSCP, .ipv6DSCP: .setDSCP
    case .vlanID, .vlanPriority: .pushVLAN
    }
  }
}

extension TunnelKind {
  /// The ability that puts such a header in front.
  var encapsulationAbility: ActionAbilities {
    switch self {
    case .none: .encapEthernet
    case .geneve: .encapGeneve
    case .vxlan: .encapVXLAN
    case .gre: .encapGRE
    case .nvgre: .encapNVGRE
    }
  }
}
