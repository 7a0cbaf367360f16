import Device
import Rules

/// The templates of an overlay with each value of the ECN bits, for a device that does not copy ECN: the numbers of the
/// four variants of each template, ECN 0 to 3.
public struct ECNVariants: Sendable, Equatable {
  /// By the number of the template that copies ECN.
  public private(set) var indices: [UInt16: [UInt16]] = [:]

  /// How many bits of an id tell the parts of a rule apart.
  static let idBits: UInt32 = 2

  /// None: the device copies ECN, or encapsulates nothing.
  public init() {}

  /// Whether there are none.
  public var isEmpty: Bool { indices.isEmpty }

  /// Adds the variants to `overlay`, under numbers that nobody uses, as long as there are any.
  init(addedTo overlay: inout Overlay) {
    var number = ScriptState.largestIndex
    for (index, template) in overlay.encapsulations.sorted(by: { $0.key < $1.key }) {
      guard template.policy.ecn == .copy, template.kind != .none, template.isSound else { continue }
      var four: [UInt16] = []
      while four.count < 4, number > 0 {
        if overlay.encapsulations[number] == nil {
          overlay.encapsulations[number] = template.withECN(UInt8(four.count))
          four.append(number)
        }
        number -= 1
      }
      guard four.count == 4 else { return }
      indices[index] = four
    }
  }
}

extension Encapsulation {
  /// The same header with these ECN bits.
  func withECN(_ ecn: UInt8) -> Encapsulation {
    var copy = self
    if isIPv6 {
      copy.header[l3 + 1] = header[l3 + 1] & 0xcf | ecn << 4
    } else {
      copy.header[l3 + 1] = header[l3 + 1] & 0xfc | ecn
    }
    return copy
  }
}

/// What a rule's match says about the ECN bits of the packet at hand, as its actions go on.
struct ECNPin {
  /// The bits; nil when the match leaves them open.
  private(set) var value: UInt8?
  /// The IP item that could fix them; nil when no item is about this packet.
  private(set) var item: Int?
  private var inner: (value: UInt8?, item: Int?)

  init(_ pattern: [Item]) {
    let tunnel = pattern.firstIndex { $0.isTunnel } ?? pattern.count
    item = pattern[..<tunnel].lastIndex { $0.isIP }
    value = item.flatMap { pattern[$0].ecn }
    let inside = pattern[tunnel...].lastIndex { $0.isIP }
    inner = (inside.flatMap { pattern[$0].ecn }, inside)
  }

  /// After a tunnel was removed: only an outer 0 leaves the inner bits as they were matched (RFC 6040).
  mutating func decapsulate() {
    (value, item) = value == 0 ? inner : (nil, nil)
    inner = (nil, nil)
  }

  /// After headers were put in front.
  mutating func encapsulate() { (value, item) = (nil, nil) }
}

extension Prediction {
  /// The rules that a device which does not copy ECN is given for one whose encapsulation copies it: one for each value
  /// that the match leaves open, with the bits fixed in the match and in the template. They have no frame in common, and
  /// all of the rule's together. nil when the rule needs none of this, or it does not help.
  func parts(of rule: DeviceRule) -> [DeviceRule]? {
    guard canSplit(rule.rule, count: rule.actionsOnDevice), let place = splitPlace(rule.rule) else { return nil }
    let item = rule.rule.pattern[place.item]
    guard let field = item.ecnField, let four = variants.indices[place.template] else { return nil }
    let use = item.uses.first { $0.field == field }
    let spec = use?.spec ?? 0, mask = use?.mask ?? 0
    return (UInt8(0)..<4).filter { UInt128($0) & mask & 3 == spec & 3 }.map { ecn in
      var part = rule
      part.rule.pattern[place.item] = item.replacing(field, spec: spec & 0xfc | UInt128(ecn), mask: mask | 3)
      part.rule.actions[place.action] = .rawEncap(index: four[Int(ecn)])
      return part
    }
  }

  /// Whether parts are as good as the rule, whatever is split: all of it is the device's, so that a frame that meets one
  /// part while others are missing is not handed up half done, and nothing in it counts frames but its counter (A5).
  func canSplit(_ rule: Rule, count: Int) -> Bool {
    guard splitsECN, !variants.isEmpty, count == rule.actions.count else { return false }
    return !rule.actions.contains {
      switch resolved($0) {
      case .sample, .jump: true
      default: false
      }
    }
  }

  /// The encapsulation whose ECN only a split can copy, and the item that is split.
  private func splitPlace(_ rule: Rule) -> (action: Int, item: Int, template: UInt16)? {
    guard !abilities.frame.contains(.ecnCopy) else { return nil }
    var pin = ECNPin(rule.pattern)
    for (index, action) in rule.actions.enumerated() {
      let action = resolved(action)
      switch action {
      case .rawEncap(let number), .vxlanEncap(let number), .nvgreEncap(let number):
        guard let template = overlay.encapsulations[number], template.kind != .none, template.policy.ecn == .copy,
          pin.value != template.ecn
        else { break }
        return pin.item.map { (index, $0, number) }
      default: break
      }
      pinned(&pin, by: action)
    }
    return nil
  }
}
