import Device
import Testing

/// The words that users, profiles and documents see: each once, and each in the form that conventions ask for.
struct VocabularyTests {
  /// Whether a name is snake case: what a key of a JSON document and a label of a counter may be.
  private func isSnakeCase(_ name: String) -> Bool {
    guard let first = name.first, first.isLetter, !name.hasSuffix("_"), !name.contains("__") else { return false }
    return name.allSatisfy { $0 == "_" || $0.isNumber || ($0.isLetter && $0.isLowercase) }
  }

  @Test("Every drop reason has a name of its own and a sentence of its own")
  func dropReasons() {
    let all = DropReason.allCases
    #expect(Set(all.map(\.name)).count == all.count)
    #expect(Set(all.map(\.sentence)).count == all.count)
    for reason in all {
      #expect(isSnakeCase(reason.name), "\(reason.name)")
      #expect(reason.sentence.hasSuffix(".") && reason.sentence.first?.isUppercase == true, "\(reason.sentence)")
      #expect(reason.rawValue >= 16, "smaller numbers are outcomes that are not drops")
    }
  }

  @Test("A drop reason is called as its case is, in snake case")
  func dropReasonsAreNamedAfterTheirCases() {
    for reason in DropReason.allCases {
      let letters = "\(reason)".lowercased()
      #expect(reason.name.replacing("_", with: "") == letters)
    }
  }

  @Test("Every refusal has a name of its own, that of its case in snake case")
  func refusals() {
    let all = RefusalReason.allCases
    #expect(Set(all.map(\.name)).count == all.count)
    for reason in all {
      #expect(isSnakeCase(reason.name), "\(reason.name)")
      #expect(reason.name.replacing("_", with: "") == "\(reason)".lowercased())
    }
  }

  @Test("A refusal keeps what it was told, and what does not fit is clamped, never wrapped")
  func refusalFields() {
    let refusal = Refusal(.tableFull, index: 3, isAction: true, limit: 64, wanted: 65)
    #expect(refusal.index == 3 && refusal.isAction && refusal.limit == 64 && refusal.wanted == 65)
    #expect(Refusal(.tableFull).index == -1 && Refusal(.tableFull).limit == -1 && Refusal(.tableFull).wanted == -1)
    let huge = Refusal(.tableFull, index: 1 << 40, limit: 1 << 40, wanted: -1 << 40)
    #expect(huge.index == .max && huge.limit == .max && huge.wanted == .min)
  }

  @Test("Every ability is one bit of its own, named once, and no bit is without a name")
  func abilities() {
    check(MatchAbilities.names.map { ($0.ability.rawValue, $0.name) })
    check(ActionAbilities.names.map { ($0.ability.rawValue, $0.name) })
    check(FrameAbilities.names.map { ($0.ability.rawValue, $0.name) })
    check(Steps.names.map { (UInt64($0.step.rawValue), $0.name) })
  }

  private func check(_ names: [(bits: UInt64, name: String)]) {
    #expect(Set(names.map(\.name)).count == names.count)
    #expect(Set(names.map(\.bits)).count == names.count)
    for entry in names {
      #expect(entry.bits.nonzeroBitCount == 1, "\(entry.name)")
      #expect(isSnakeCase(entry.name), "\(entry.name)")
    }
    // The bits are used from the lowest on, so that a gap would be an ability without a name.
    let all = names.reduce(0) { $0 | $1.bits }
    #expect(all.trailingZeroBitCount == 0 && all & (all &+ 1) == 0)
  }

  @Test("A device's abilities are flat data: no reference in them, so that a bare core can hold them")
  func abilitiesAreFlat() {
    #expect(_isPOD(Abilities.self))
    #expect(_isPOD(Frame.self))
    #expect(_isPOD(Emission.self))
  }

  @Test("A port is what its configuration says, and strict where it says nothing")
  func portDefaults() {
    let port = Port(id: 3, kind: .tenant)
    #expect(port.mtu == 1500 && port.miss == .drop && port.tenant == 0)
    let policy = EndpointPolicy()
    #expect(policy.genevePort == 6081 && policy.vxlanPort == 4789)
    #expect(!policy.acceptsZeroUDPChecksumIPv6 && !policy.acceptsVXLANInnerVLAN && policy.reassembly == nil)
  }
}
