public import Device
public import Rules

/// What a device of these abilities will say to a rule: the planner's own reading of SPECIFICATION.md V6, independent
/// of any device.
public struct Prediction: Sendable {
  /// What the device allows.
  public var abilities: Abilities
  /// Encapsulations, decapsulations and shared actions by index.
  public var overlay: Overlay
  /// A rule counts as taken when the device takes it split by ECN (``SplittingDevice``).
  var splitsECN = false
  /// The templates for that.
  var variants = ECNVariants()

  /// Predicts for a device.
  public init(abilities: Abilities, overlay: Overlay) {
    self.abilities = abilities
    self.overlay = overlay
  }

  /// The refusal of one rule by itself (V6, 1 to 6); nil when the device takes it as far as the table has room.
  public func check(_ rule: DeviceRule) -> Refusal? {
    guard rule.id != 0, !rule.rule.attributes.egress, Self.isWellFormed(rule.rule) else { return Refusal(.invalid) }
    guard rule.actionsOnDevice >= 0, rule.actionsOnDevice <= rule.rule.actions.count else { return Refusal(.invalid) }
    if let refusal = placeRefusal(rule.rule.attributes) { return refusal }
    if let refusal = matchRefusal(rule.rule.pattern) { return refusal }
    if rule.actionsOnDevice == 0, !rule.rule.actions.isEmpty || rule.isWideGuard { return nil }
    return actionsRefusal(rule.rule, count: rule.actionsOnDevice)
  }

  /// The refusal of the whole rule, all actions done.
  public func check(_ rule: Rule) -> Refusal? {
    check(DeviceRule(id: 1, rule: rule, actionsOnDevice: rule.actions.count))
  }

  /// Group and priority (V6, 2).
  func placeRefusal(_ attributes: Attributes) -> Refusal? {
    if attributes.group >= min(abilities.groups, 65_536) {
      return Refusal(.groupRange, limit: Int(abilities.groups), wanted: Int(attributes.group))
    }
    if attributes.priority >= abilities.priorities {
      return Refusal(.priorityRange, limit: Int(abilities.priorities), wanted: Int(attributes.priority))
    }
    return nil
  }

  /// Whether the pattern's items stand in the order of headers (M2) and only the last action is a fate.
  static func isWellFormed(_ rule: Rule) -> Bool {
    // Places: ports 0, outer eth 1, vlan 2, L3 3, L4 4, tunnel 5, its parts 6, then inner eth 7, vlan 8, L3 9, L4 10.
    var place = 0, tags = 0
    var tunnel: Item?, transport: Item?, isIPv6: Bool?
    for item in rule.pattern {
      var next: Int
      switch item {
      case .representedPort, .portRepresentor: next = 0
      case .eth: next = 1
      case .vlan: next = 2
      case .ipv4, .ipv6: next = 3
      case .udp, .tcp, .icmp, .icmp6, .esp: next = 4
      case .geneve, .vxlan, .gre, .nvgre: next = 5
      case .geneveOption, .greKey: next = 6
      }
      if tunnel != nil, 1...4 ~= next { next += 6 }
      switch item {
      case .representedPort, .portRepresentor: if place != 0 { return false }
      case .vlan:
        tags = place == next ? tags + 1 : 1
        if next < place || tags > 2 { return false }
      case .geneveOption:
        guard case .geneve = tunnel, place == 5 || place == 6 else { return false }
      case .greKey:
        guard case .gre = tunnel, place == 5 else { return false }
      case .geneve, .vxlan, .gre, .nvgre:
        guard tunnel == nil, place < 5, transport == nil || item.isOverUDP && transport?.isUDP == true else {
          return false
        }
        tunnel = item
        isIPv6 = nil
      default: if next <= place { return false }
      }
      switch item {
      case .ipv4: isIPv6 = false
      case .ipv6: isIPv6 = true
      case .icmp where isIPv6 == true, .icmp6 where isIPv6 == false: return false
      default: break
      }
      if item.isL4 { transport = item }
      place = next
    }
    return !rule.actions.dropLast().contains { $0.isFate }
  }
}

extension Item {
  /// Whether it is a tunnel that runs over UDP.
  var isOverUDP: Bool {
    switch self {
    case .geneve, .vxlan: true
    default: false
    }
  }
}
