import Device
import Rules
import Testing

@testable import Offload

/// A device that does everything but what a test takes from it.
func everything(_ change: (inout Abilities) -> Void) -> DeviceProfile {
  var profile = DeviceProfile(name: "rich")
  for entry in MatchAbilities.names { profile.abilities.match.insert(entry.ability) }
  for entry in ActionAbilities.names { profile.abilities.actions.insert(entry.ability) }
  for entry in FrameAbilities.names { profile.abilities.frame.insert(entry.ability) }
  profile.abilities.rules = 1000
  profile.abilities.groups = 4
  profile.abilities.priorities = 16
  profile.abilities.largestHeader = 200
  profile.abilities.geneveOptions.perRule = 63
  change(&profile.abilities)
  profile.citations = Dictionary(
    uniqueKeysWithValues: (Feature.allNames + DeviceLimit.allCases.map(\.citationName)).map { ($0, "sheet: \($0)") })
  return profile
}

private func ipv4(_ change: (inout IPv4Item) -> Void = { _ in }) -> Item {
  var item = IPv4Item()
  change(&item)
  return .ipv4(item)
}

private func option(_ type: UInt8, data: [UInt32], mask: [UInt32]) -> Item {
  .geneveOption(GeneveOptionItem(optionClass: 0x102, type: type, length: 2, data: data, mask: mask))
}

private func make(_ pattern: [Item], _ actions: [Action] = [.count(id: 0), .representedPort(1)]) -> Rule {
  var attributes = Attributes()
  attributes.transfer = true
  return Rule(attributes: attributes, pattern: pattern, actions: actions)
}

/// One refusal: what the device lacks, the rule, and what is expected to be said.
struct RefusalCase: Sendable, CustomTestStringConvertible {
  let reason: RefusalReason
  let profile: DeviceProfile
  let rule: Rule
  let limit: String
  let says: String
  var overlay = TinyWorld.overlay
  var testDescription: String { "\(reason) \(says)" }

  static let encapsulates: [Action] = [.rawEncap(index: 0), .representedPort(1)]
  static func overlay(_ change: (inout EncapsulationPolicy) -> Void) -> Overlay {
    var overlay = TinyWorld.overlay
    if var template = overlay.encapsulations[0] {
      change(&template.policy)
      overlay.encapsulations[0] = template
    }
    return overlay
  }

  static let all: [RefusalCase] = [
    RefusalCase(
      reason: .matchUnsupported, profile: everything { $0.match.remove(.ttl) },
      rule: make([ipv4 { $0.ttl = Field(5) }]),
      limit: "match.ttl", says: "no `ipv4 ttl` in the match"),
    RefusalCase(
      reason: .matchUnsupported, profile: everything { $0.match.remove(.inner) },
      rule: make([.geneve(GeneveItem()), ipv4()]), limit: "match.inner", says: "no `ipv4` in the match"),
    RefusalCase(
      reason: .partialMask, profile: everything { $0.match.remove(.partialMask) },
      rule: make([ipv4 { $0.dst = Field(0x0a00_0000, mask: 0xff00_0000) }]), limit: "match.partial_mask",
      says: "a full mask for `ipv4 dst`"),
    RefusalCase(
      reason: .geneveOptionBudget, profile: everything { $0.geneveOptions.perRule = 1 },
      rule: make([.geneve(GeneveItem()), option(1, data: [1], mask: [.max]), option(2, data: [1], mask: [.max])]),
      limit: "limits.geneve_options_per_rule", says: "one option fewer"),
    RefusalCase(
      reason: .geneveOptionBudget, profile: everything { $0.geneveOptions.wordsPerOption = 1 },
      rule: make([.geneve(GeneveItem()), option(1, data: [1, 2], mask: [.max, .max])]),
      limit: "limits.geneve_words_per_option", says: "1 word of the option class 0x102 type 0x1 length 2 instead of 2"),
    RefusalCase(
      reason: .geneveOptionBudget,
      profile: everything {
        $0.geneveOptions.words = 2
        $0.geneveOptions.classCostsWord = true
      }, rule: make([.geneve(GeneveItem()), option(1, data: [1, 2], mask: [.max, .max])]),
      limit: "limits.geneve_option_words", says: "one option fewer"),
    RefusalCase(
      reason: .geneveOptionZeroData, profile: everything { $0.geneveOptions.refusesZeroData = true },
      rule: make([.geneve(GeneveItem()), option(1, data: [0], mask: [.max])]), limit: "limits.geneve_refuses_zero_data",
      says: "data other than 0"),
    RefusalCase(
      reason: .geneveOptionZeroMask, profile: everything { $0.geneveOptions.refusesZeroMask = true },
      rule: make([.geneve(GeneveItem()), option(1, data: [], mask: [])]), limit: "limits.geneve_refuses_zero_mask",
      says: "a mask other than 0"),
    RefusalCase(
      reason: .geneveOptionRepeated, profile: everything { $0.geneveOptions.refusesRepeats = true },
      rule: make([.geneve(GeneveItem()), option(1, data: [1], mask: [.max]), option(1, data: [2], mask: [.max])]),
      limit: "limits.geneve_refuses_repeats", says: "one option fewer"),
    RefusalCase(
      reason: .actionUnsupported, profile: everything { $0.actions.remove(.setTTL) },
      rule: make([ipv4()], [.decTTL, .drop]), limit: "actions.set_ttl", says: "no `dec_ttl`"),
    RefusalCase(
      reason: .ecnCopy, profile: everything { $0.frame.remove(.ecnCopy) }, rule: make([.eth(EthItem())], encapsulates),
      limit: "frame.ecn_copy", says: "`ecn: zero` in encapsulation 0 (it loses congestion marks, RFC 6040); or one"),
    RefusalCase(
      reason: .dscpCopy, profile: everything { $0.frame.remove(.dscpCopy) }, rule: make([ipv4()], encapsulates),
      limit: "frame.dscp_copy", says: "`dscp: fixed`", overlay: overlay { $0.dscp = .copy }),
    RefusalCase(
      reason: .ttlCopy, profile: everything { $0.frame.remove(.ttlCopy) }, rule: make([ipv4()], encapsulates),
      limit: "frame.ttl_copy", says: "`ttl: fixed`", overlay: overlay { $0.ttl = .copy }),
    RefusalCase(
      reason: .dfCopy, profile: everything { $0.frame.remove(.dfCopy) }, rule: make([ipv4()], encapsulates),
      limit: "frame.df_copy", says: "`df: set`", overlay: overlay { $0.df = .copy }),
    RefusalCase(
      reason: .outerUDPChecksum, profile: everything { $0.frame.remove(.udpChecksumIPv4) },
      rule: make([ipv4()], encapsulates), limit: "frame.udp_checksum_ipv4", says: "`udp_checksum: off`"),
    RefusalCase(
      reason: .entropy, profile: everything { $0.frame.remove(.entropy) }, rule: make([ipv4()], encapsulates),
      limit: "frame.entropy", says: "a UDP source port in the template"),
    RefusalCase(
      reason: .headerTooLarge, profile: everything { $0.largestHeader = 57 }, rule: make([ipv4()], encapsulates),
      limit: "limits.largest_header_bytes", says: "1 option fewer in encapsulation 0 (50 of 57 bytes)"),
    RefusalCase(
      reason: .groupRange, profile: everything { $0.groups = 1 }, rule: make([ipv4()], []).inGroup(2),
      limit: "limits.groups", says: "a group of 0 to 0"),
    RefusalCase(
      reason: .priorityRange, profile: everything { $0.priorities = 2 }, rule: make([ipv4()]).withPriority(7),
      limit: "limits.priorities", says: "a priority of 0 to 1"),
    RefusalCase(
      reason: .noResumePoint, profile: everything { $0.frame.remove(.resumePoint) },
      rule: make([ipv4()], [.decTTL, .jump(group: 1)]), limit: "frame.resume_point",
      says: "by the rules of group 1 instead of before the jump"),
  ]
}

extension Rule {
  fileprivate func inGroup(_ group: UInt32) -> Rule {
    var copy = self
    copy.attributes.group = group
    return copy
  }
  fileprivate func withPriority(_ priority: UInt32) -> Rule {
    var copy = self
    copy.attributes.priority = priority
    return copy
  }
}

@Suite("Planner: verdicts")
struct VerdictTests {
  @Test(
    "A refusal names its reason, the limit and its source, and the nearest fit really fits", arguments: RefusalCase.all)
  func refusal(_ given: RefusalCase) throws {
    let plan = Planner.plan(rules: [(1, given.rule)], overlay: given.overlay, profile: given.profile)
    let row = plan.rules[0]
    #expect(row.place != .hardware)
    let verdict = try #require(plan.verdict(of: row))
    #expect(verdict.refusal.reason == given.reason)
    #expect(verdict.limit == given.limit)
    #expect(verdict.source == "sheet: \(given.limit)")
    #expect(verdict.nearest?.contains(given.says) == true, "\(verdict.nearest ?? "none")")
    let fit = try #require(plan.nearestFit(of: row))
    let again = Planner.plan(rules: [(1, fit.rule)], overlay: fit.overlay, profile: given.profile)
    #expect(again.rules[0].place == .hardware)
  }

  @Test("Two things in the way are both in the nearest fit")
  func twoChanges() throws {
    let profile = everything { $0.frame.subtract([.ecnCopy, .udpChecksumIPv4]) }
    let plan = Planner.plan(
      rules: [(1, make([.eth(EthItem())], RefusalCase.encapsulates))], overlay: TinyWorld.overlay, profile: profile)
    let text = try #require(plan.verdict(of: plan.rules[0])?.nearest)
    #expect(text.contains("`ecn: zero` in encapsulation 0, and `udp_checksum: off` in encapsulation 0"))
  }

  @Test("A rule that pins the inner ECN to the template's bits needs no device that copies it")
  func pinnedECN() {
    let profile = everything { $0.frame.remove(.ecnCopy) }
    func place(_ pattern: [Item], _ actions: [Action]) -> Place {
      var prediction = Prediction(abilities: profile.abilities, overlay: TinyWorld.overlay)
      prediction.splitsECN = false
      return prediction.check(make(pattern, actions)) == nil ? .hardware : .software
    }
    let other = ipv4 { $0.tos = Field(1, mask: 3) }, zero = ipv4 { $0.tos = Field(0, mask: 3) }
    #expect(place([zero], RefusalCase.encapsulates) == .hardware)
    #expect(place([other], RefusalCase.encapsulates) != .hardware, "the template's bits are 0")
    #expect(place([ipv4()], RefusalCase.encapsulates) != .hardware)
    let again: [Action] = [.rawDecap(index: 0), .rawEncap(index: 0), .drop]
    #expect(place([zero, .geneve(GeneveItem()), ipv4()], again) != .hardware)
    #expect(place([ipv4(), .geneve(GeneveItem()), zero], again) != .hardware)
    #expect(place([zero, .geneve(GeneveItem()), zero], again) == .hardware)
  }

  @Test("A template with TTL 0 and no option length is repaired before the device sees it")
  func repaired() {
    var overlay = TinyWorld.overlay
    if var template = overlay.encapsulations[0] {
      template.header[22] = 0
      template.header[42] = 0
      overlay.encapsulations[0] = template
    }
    let profile = everything { _ in }
    let plan = Planner.plan(rules: [(1, make([ipv4()], RefusalCase.encapsulates))], overlay: overlay, profile: profile)
    #expect(plan.rules[0].place == .hardware)
    #expect(plan.deviceOverlay.encapsulations[0]?.header[22] == 64)
    #expect(plan.deviceOverlay.encapsulations[0]?.header[42] == 2)
    #expect(plan.deviceOverlay.encapsulations[0]?.header[43] == 0x40, "its option is critical")
    let bare = Prediction(abilities: profile.abilities, overlay: overlay)
    #expect(bare.check(make([], RefusalCase.encapsulates))?.reason == .templateTTL)
  }

  @Test("Actions up to the first that the device cannot do are its, when frames can come up half done")
  func prefix() throws {
    let profile = everything { $0.actions.remove(.setTTL) }
    let actions: [Action] = [.count(id: 0), .rawDecap(index: 0), .decTTL, .representedPort(1)]
    let plan = Planner.plan(
      rules: [(1, make([.geneve(GeneveItem())], actions))], overlay: TinyWorld.overlay, profile: profile)
    #expect(plan.rules[0].place == .partial && plan.rules[0].actionsOnDevice == 2)
    #expect(plan.rules[0].place(of: .decapsulate) == .hardware && plan.rules[0].place(of: .rewrite) == .software)
    let why = try #require(plan.verdict(of: .forward, in: plan.rules[0])?.why)
    #expect(why == "comes after action 3 (dec_ttl), which is software's: action_unsupported")
    let without = everything {
      $0.actions.remove(.setTTL)
      $0.frame.remove(.resumePoint)
    }
    let guarded = Planner.plan(
      rules: [(1, make([.geneve(GeneveItem())], actions))], overlay: TinyWorld.overlay, profile: without)
    #expect(guarded.rules[0].place == .guarded)
  }

  @Test("A rule behind a wide guard that takes all its frames is shadowed, and says what would free it")
  func shadowed() throws {
    let profile = everything { $0.match.remove(.ttl) }
    let first = make([ipv4 { $0.ttl = Field(1) }]), second = make([ipv4 { $0.dst = Field(5) }])
    let plan = Planner.plan(rules: [(1, first), (2, second)], overlay: TinyWorld.overlay, profile: profile)
    #expect(plan.rules[1].refusal?.reason == .shadowed && plan.rules[1].shadowedBy == 1)
    #expect(plan.deviceRules.map(\.id) == [1] && plan.deviceRules[0].isWideGuard)
    #expect(plan.verdict(of: plan.rules[1])?.nearest?.contains("no `ipv4 ttl`") == true)
    let swapped = Planner.plan(rules: [(2, first), (1, second)], overlay: TinyWorld.overlay, profile: profile)
    #expect(swapped[1]?.place == .hardware)
  }

  @Test("A full table keeps the rules that come first, and says how many are too many")
  func full() throws {
    let profile = everything { $0.rules = 2 }
    let rules = (1...4).map { (id: UInt32($0), rule: make([ipv4 { $0.dst = Field(9) }]).withPriority(UInt32(5 - $0))) }
    let plan = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile)
    #expect(plan.deviceRules.map(\.id) == [4, 3])
    #expect(plan[1]?.refusal == Refusal(.tableFull, limit: 2, wanted: 4))
    #expect(plan.verdict(of: plan.rules[0])?.nearest == "fits with 2 rules fewer before it")
  }

  @Test("Modes: forbid-hw gives the device nothing, require-hw lists what it does not take")
  func modes() {
    let profile = everything { $0.match.remove(.ttl) }
    let rules: [(id: UInt32, rule: Rule)] = [
      (1, make([ipv4()])), (2, make([ipv4 { $0.ttl = Field(1) }]).withPriority(0)),
    ]
    let forbidden = Planner.plan(rules: rules, overlay: Overlay(), profile: profile, mode: .forbidHardware)
    #expect(forbidden.deviceRules.isEmpty && forbidden.rules.allSatisfy { $0.refusal?.reason == .forbidden })
    let required = Planner.plan(rules: rules, overlay: Overlay(), profile: profile, mode: .requireHardware)
    #expect(required.violations.map(\.id) == [2])
    let nothing = Planner.plan(rules: rules, overlay: Overlay(), profile: DeviceProfile(name: "none"))
    #expect(nothing.rules.allSatisfy { $0.refusal?.reason == .noDevice })
  }

  @Test("The steps of a rule that is all the device's are hardware, and a plan prints and diffs")
  func prints() {
    let poor = everything { $0.frame.remove(.ecnCopy) }
    let rules: [(id: UInt32, rule: Rule)] = [
      (7, make([.eth(EthItem())], RefusalCase.encapsulates)), (8, make([ipv4()])),
    ]
    let a = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: everything { _ in })
    let b = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: poor)
    #expect(a.rules[0].place(of: .encapsulate) == .hardware && a.rules[0].place(of: .rewrite) == nil)
    let text = b.table()
    #expect(text.contains("RULE  PLACE     MATCH  DECAP  REWRITE  ENCAP  FORWARD  REASON\n"))
    #expect(text.contains("7     guarded   hw     -      -        sw     sw       ecn_copy\n"))
    #expect(text.contains("source: sheet: frame.ecn_copy"))
    let diff = PlanDiff(a, b)
    #expect(diff.changes.map(\.id) == [7] && diff.same == 1 && diff.changes[0].toReason == "ecn_copy")
    #expect(b.document.rules[0].verdict?.limit == "frame.ecn_copy")
    #expect(b.document.summary == ["hardware": 1, "partial": 0, "guarded": 1, "software": 0])
  }
}

@Suite("Planner: exclusions")
struct ExclusionTests {
  private var profile: DeviceProfile {
    var profile = everything { _ in }
    func feature(_ name: String) -> Set<Feature> { Feature(named: name).map { [$0] } ?? [] }
    profile.exclusions = [
      .init(
        features: feature("match.geneve_options").union(feature("match.icmp")), reason: "one parser profile",
        source: "guide"),
      .init(
        features: feature("match.geneve_options").union(feature("service.ipsec_packet_pf")), reason: "another",
        source: "notes"),
    ]
    return profile
  }
  private let withOption = make([.geneve(GeneveItem()), option(1, data: [1], mask: [.max])])
  private let withICMP = make([.icmp(ICMPItem())])

  @Test("The larger number of rules keeps its feature, the others say what excludes them")
  func weighs() throws {
    let rules = (1...5).map { (id: UInt32($0), rule: $0 == 1 ? withICMP : withOption) }
    let plan = Planner.plan(rules: rules, overlay: Overlay(), profile: profile)
    #expect(plan.exclusions.givenUp.map(\.name) == ["match.icmp"] && plan.exclusions.rulesLost == 1)
    #expect(plan[1]?.refusal?.reason == .excluded && plan[2]?.place == .hardware)
    let verdict = try #require(plan.verdict(of: plan.rules[0]))
    #expect(verdict.source == "one parser profile: guide")
    #expect(verdict.nearest == "fits when match.geneve_options is given up instead")
    let other = Planner.plan(
      rules: (1...5).map { (id: UInt32($0), rule: $0 == 1 ? withOption : withICMP) }, overlay: Overlay(),
      profile: profile)
    #expect(other.exclusions.givenUp.map(\.name) == ["match.geneve_options"])
  }

  @Test("A wanted service outweighs the rules, unless it is said what it is worth")
  func services() throws {
    let ipsec = try #require(Feature(named: "service.ipsec_packet_pf"))
    let rules: [(id: UInt32, rule: Rule)] = [(1, withOption), (2, withOption), (3, withICMP)]
    let heavy = Planner.plan(rules: rules, overlay: Overlay(), profile: profile, wants: [Want(ipsec)])
    #expect(heavy.exclusions.givenUp.map(\.name) == ["match.geneve_options"] && heavy[3]?.place == .hardware)
    #expect(heavy.exclusions.conflicts.count == 2 && heavy.exclusions.fits.map(\.name).contains("match.icmp"))
    let light = Planner.plan(
      rules: Array(rules[..<2]), overlay: Overlay(), profile: profile, wants: [Want(ipsec, weight: 1)])
    #expect(light.exclusions.givenUp == [ipsec])
  }

  @Test("Features that nobody wants together exclude nothing")
  func free() {
    let plan = Planner.plan(rules: [(1, withICMP)], overlay: Overlay(), profile: profile)
    #expect(plan.exclusions.conflicts.isEmpty && plan.exclusions.givenUp.isEmpty && plan[1]?.place == .hardware)
    // A rule that goes to the device split by ECN needs no more than it says.
    var poor = profile
    poor.abilities.frame.remove(.ecnCopy)
    let split = Planner.plan(
      rules: [(1, withICMP), (2, make([ipv4()], RefusalCase.encapsulates))], overlay: TinyWorld.overlay, profile: poor)
    #expect(split.exclusions.conflicts.isEmpty && split.rules.map(\.deviceEntries) == [1, 4])
  }
}
