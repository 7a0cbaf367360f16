import Device
import Rules

/// Whether the device can carry out the actions that it is asked to.
struct ActionChecks {
  let abilities: Abilities
  let overlay: Overlay
  let names: SlotNames

  /// Passes, or says which action is not taken. Only the first `count` are the device's, and `count` and `age` wherever
  /// they stand (V2, V6).
  func check(_ rule: Rule, first count: Int) throws(Refusal) {
    let canResume = abilities.frame.contains(.resumePoint)
    var pin = ECNPin(rule.pattern)
    var isChanged = false
    for (index, action) in rule.actions.prefix(count).enumerated() {
      try check(action, index, &pin, isSampled: false)
      switch resolved(action) {
      case .jump where isChanged && !canResume: throw Refusal(.noResumePoint, index: index, isAction: true)
      case .rawDecap, .vxlanDecap, .nvgreDecap, .rawEncap, .vxlanEncap, .nvgreEncap, .set, .decTTL, .popVLAN, .pushVLAN:
        isChanged = true
      default: continue
      }
    }
    for (index, action) in rule.actions.enumerated().dropFirst(count) {
      switch resolved(action) {
      case .count, .age: try check(action, index, &pin, isSampled: false)
      default: continue
      }
    }
    guard count == rule.actions.count || canResume else { throw Refusal(.noResumePoint, index: count, isAction: true) }
  }

  /// The action behind an indirect one.
  private func resolved(_ action: Action) -> Action {
    if case .indirect(let id) = action, let shared = overlay.indirectActions[id] { return shared }
    return action
  }

  private func need(_ ability: ActionAbilities, _ index: Int) throws(Refusal) {
    guard abilities.actions.contains(ability) else { throw Refusal(.actionUnsupported, index: index, isAction: true) }
  }

  private func check(_ action: Action, _ index: Int, _ pin: inout ECNPin, isSampled: Bool) throws(Refusal) {
    let invalid = Refusal(.invalid, index: index, isAction: true)
    let missing = Refusal(.templateMalformed, index: index, isAction: true)
    switch action {
    case .count: try need(.count, index)
    case .mark: try need(.mark, index)
    case .age: try need(.age, index)
    case .rawDecap(let number):
      guard let decapsulation = overlay.decapsulations[number] else { throw missing }
      try check(decapsulation, index, &pin, missing)
    case .vxlanDecap: try check(.tunnel(.vxlan), index, &pin, missing)
    case .nvgreDecap: try check(.tunnel(.nvgre), index, &pin, missing)
    case .rawEncap(let number), .vxlanEncap(let number), .nvgreEncap(let number):
      guard let template = overlay.encapsulations[number] else { throw missing }
      try TemplateChecks(template, abilities, index: index).check(pinnedECN: pin.value)
      pin.forget()
    case .set(let field): try need(Self.ability(field), index)
    case .decTTL: try need(.setTTL, index)
    case .popVLAN: try need(.popVLAN, index)
    case .pushVLAN: try need(.pushVLAN, index)
    case .sample(let ratio, let number):
      guard let list = overlay.sampleActions[number], ratio > 0, !isSampled else { throw invalid }
      try need(.sample, index)
      guard names.hasSample(number) else { throw Refusal(.actionUnsupported, index: index, isAction: true) }
      var copied = pin
      for action in list { try check(action, index, &copied, isSampled: true) }
    case .indirect(let id):
      guard let shared = overlay.indirectActions[id] else { throw invalid }
      if case .indirect = shared { throw invalid }
      try need(.indirect, index)
      try check(shared, index, &pin, isSampled: isSampled)
    default: try checkFate(action, index, isSampled: isSampled)
    }
  }

  private func check(
    _ decapsulation: Decapsulation, _ index: Int, _ pin: inout ECNPin, _ invalid: Refusal
  ) throws(Refusal) {
    switch decapsulation {
    case .ethernet: try need(.decapEthernet, index)
    case .tunnel(.geneve): try need(.decapGeneve, index)
    case .tunnel(.vxlan): try need(.decapVXLAN, index)
    case .tunnel(.gre): try need(.decapGRE, index)
    case .tunnel(.nvgre): try need(.decapNVGRE, index)
    case .tunnel(.none): throw invalid
    }
    if case .tunnel = decapsulation { pin.decapsulate() }
  }

  private func checkFate(_ action: Action, _ index: Int, isSampled: Bool) throws(Refusal) {
    switch action {
    case .jump(let group):
      try need(.jump, index)
      guard !isSampled else { throw Refusal(.actionUnsupported, index: index, isAction: true) }
      guard group < min(abilities.groups, 65_536) else {
        throw Refusal(
          .groupRange, index: index, isAction: true, limit: Int(abilities.groups), wanted: Int(group))
      }
    case .queue(let queue):
      try need(.queue, index)
      try check(queue: queue, index)
    case .rss(let rss):
      try need(.rss, index)
      guard !rss.queues.isEmpty else { throw Refusal(.invalid, index: index, isAction: true) }
      guard rss.queues.count <= 255 else {
        throw Refusal(.actionUnsupported, index: index, isAction: true, limit: 255, wanted: rss.queues.count)
      }
      for queue in rss.queues { try check(queue: queue, index) }
    case .drop: try need(.drop, index)
    case .portRepresentor: try need(.queue, index)
    case .portID, .representedPort: try need(.port, index)
    default: return
    }
  }

  private func check(queue: UInt16, _ index: Int) throws(Refusal) {
    guard queue <= 255 else {
      throw Refusal(.actionUnsupported, index: index, isAction: true, limit: 255, wanted: Int(queue))
    }
  }

  private static func ability(_ field: SetField) -> ActionAbilities {
    switch field {
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

/// What a pattern says about the ECN of the packet at hand. Where it says all of it, a device that cannot copy ECN can
/// still carry the rule out, with the same bits in its template.
struct ECNPin {
  /// The ECN bits that an encapsulation would copy; nil when the match leaves them open.
  private(set) var value: UInt8?
  private var inner: UInt8?

  init(_ pattern: [Item]) {
    var isInner = false
    for item in pattern {
      switch item {
      case .geneve, .vxlan, .gre, .nvgre: isInner = true
      case .ipv4(let ip) where ip.tos.mask & 3 == 3: set(ip.tos.spec & 3, isInner)
      case .ipv6(let ip) where ip.tc.mask & 3 == 3: set(ip.tc.spec & 3, isInner)
      default: continue
      }
    }
  }

  private mutating func set(_ ecn: UInt8, _ isInner: Bool) { if isInner { inner = ecn } else { value = ecn } }

  /// The inner packet is the one at hand now; only an outer 0 leaves its bits as they were matched (RFC 6040).
  mutating func decapsulate() {
    value = value == 0 ? inner : nil
    inner = nil
  }

  /// New headers are in front: no match spoke of them.
  mutating func forget() { value = nil }
}
