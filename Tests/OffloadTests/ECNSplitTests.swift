import Device
import Rules
import Testing

@testable import Offload

/// A device that does all but copy ECN.
private func poor(_ change: (inout Abilities) -> Void = { _ in }) -> DeviceProfile {
  everything {
    $0.frame.remove(.ecnCopy)
    change(&$0)
  }
}

private func ipv4(_ change: (inout IPv4Item) -> Void = { _ in }) -> Item {
  var item = IPv4Item()
  change(&item)
  return .ipv4(item)
}

private func rule(_ pattern: [Item], _ actions: [Action]? = nil) -> Rule {
  var attributes = Attributes()
  attributes.transfer = true
  return Rule(
    attributes: attributes, pattern: pattern,
    actions: actions ?? [.count(id: 0), .rawEncap(index: 0), .representedPort(1)])
}

private func plan(_ rules: [Rule], _ profile: DeviceProfile = poor(), overlay: Overlay = TinyWorld.overlay) -> Plan {
  let numbered = rules.enumerated().map { (id: UInt32($0.offset + 1), rule: $0.element) }
  return Planner.plan(rules: numbered, overlay: overlay, profile: profile)
}

@Suite("Planner: split by ECN")
struct ECNSplitTests {
  @Test(
    "A rule whose match leaves ECN open becomes four, each with the bits in match and template; pinned bits leave fewer"
  )
  func parts() throws {
    let plan = plan([rule([.eth(EthItem()), ipv4 { $0.tos = Field(0xb8, mask: 0xfc) }])])
    #expect(plan.rules[0].place == .hardware && plan.rules[0].deviceEntries == 4 && plan.rules[0].refusal == nil)
    let parts = try #require(plan.prediction.parts(of: plan.deviceRules[0]))
    for (ecn, part) in parts.enumerated() {
      guard case .ipv4(let item) = part.rule.pattern[1], case .rawEncap(let index) = part.rule.actions[1] else {
        Issue.record("another shape")
        continue
      }
      #expect(item.tos == Field(0xb8 | UInt8(ecn), mask: 0xff))
      let template = try #require(plan.deviceOverlay.encapsulations[index])
      #expect(template.ecn == UInt8(ecn) && template.withECN(0) == plan.deviceOverlay.encapsulations[0]?.withECN(0))
      #expect(TinyWorld.overlay.encapsulations[index] == nil, "a number that nobody uses")
    }
    #expect(parts.count == 4)
    func entries(_ tos: Field<UInt8>) -> Int { count([rule([ipv4 { $0.tos = tos }])]) }
    #expect(entries(Field(1, mask: 1)) == 2 && entries(Field(3, mask: 3)) == 1 && entries(Field(0, mask: 3)) == 1)
    #expect(count([rule([.ipv6(IPv6Item())])]) == 4)
    let capable = Planner.plan(
      rules: [(1, rule([ipv4()]))], overlay: TinyWorld.overlay, profile: everything { _ in })
    #expect(capable.rules[0].deviceEntries == 1 && capable.deviceOverlay.encapsulations.count == 1)
  }

  private func count(_ rules: [Rule]) -> Int { plan(rules).rules[0].deviceEntries }

  @Test("Every frame of a split rule is one part's and no other's, and no other frame is any part's", arguments: 0..<10)
  func exact(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 97 &+ 3)
    var split = 0
    for _ in 0..<60 {
      var drawn = world.rule()
      drawn.actions = [.rawEncap(index: 0), .representedPort(1)]
      guard Prediction.isWellFormed(drawn) else { continue }
      let plan = plan([drawn])
      guard let whole = plan.deviceRules.first, let parts = plan.prediction.parts(of: whole) else { continue }
      split += 1
      let bare = Prediction(abilities: poor().abilities, overlay: plan.deviceOverlay)
      for part in parts { #expect(bare.check(part) == nil, "the device takes it as it is") }
      for _ in 0..<40 {
        let frame = world.frame()
        #expect(parts.count { frame.matches($0.rule) } == (frame.matches(drawn) ? 1 : 0))
      }
    }
    #expect(split > 5)
  }

  @Test(
    "What cannot be split says so: no IP item, another tunnel's packet, a sample, a jump, half a rule; and what would fit"
  )
  func cannot() throws {
    func refusal(_ pattern: [Item], _ actions: [Action]? = nil) -> RefusalReason? {
      plan([rule(pattern, actions)]).rules[0].refusal?.reason
    }
    #expect(refusal([.eth(EthItem())]) == .ecnCopy)
    let again: [Action] = [.rawDecap(index: 0), .rawEncap(index: 0), .representedPort(1)]
    #expect(
      refusal([ipv4(), .geneve(GeneveItem()), ipv4()], again) == .ecnCopy, "an outer CE would change the inner bits")
    #expect(refusal([ipv4 { $0.tos = Field(0, mask: 3) }, .geneve(GeneveItem()), ipv4()], again) == nil)
    #expect(refusal([ipv4()], [.rawEncap(index: 0), .rawEncap(index: 0), .representedPort(1)]) == .ecnCopy)
    var overlay = TinyWorld.overlay
    overlay.sampleActions[1] = [.rawEncap(index: 0), .representedPort(1)]
    let sampled = plan([rule([ipv4()], [.sample(ratio: 1, index: 1), .drop])], overlay: overlay)
    #expect(sampled.rules[0].refusal?.reason == .ecnCopy)
    overlay.sampleActions[1] = [.representedPort(1)]
    let counted = plan(
      [rule([ipv4()], [.sample(ratio: 2, index: 1), .rawEncap(index: 0), .representedPort(1)])], overlay: overlay)
    #expect(counted.rules[0].refusal?.reason == .ecnCopy && counted.rules[0].actionsOnDevice == 1, "A5 counts frames")
    #expect(refusal([ipv4()], [.rawEncap(index: 0), .jump(group: 1)]) == .ecnCopy)
    let half = plan([rule([ipv4()], [.mark(1), .rawEncap(index: 0), .drop])], poor { $0.actions.remove(.drop) })
    #expect(half.rules[0].actionsOnDevice == 1 && half.rules[0].deviceEntries == 1, "would be handed up half done")
    let text = try #require(
      plan([rule([.eth(EthItem())])]).verdict(of: plan([rule([.eth(EthItem())])]).rules[0])?.nearest)
    #expect(text.contains("one rule for `ipv4` and one for `ipv6`"))
  }

  @Test("Each part takes a place; a rule without room for all is begun as one, and the plan says so")
  func room() throws {
    let rules = [
      rule([ipv4 { $0.dst = Field(1) }]), rule([ipv4 { $0.dst = Field(2) }]),
      rule([ipv4 { $0.dst = Field(3) }], [.drop]),
    ]
    let tight = plan(rules, poor { $0.rules = 6 })
    #expect(tight.rules.map(\.deviceEntries) == [4, 1, 1])
    #expect(tight.rules.map(\.place) == [.hardware, .partial, .hardware])
    #expect(tight.rules[1].refusal?.reason == .tableFull)
    #expect(tight.limitUses.first { $0.name == "limits.rules" }?.used == 6)
    let table = tight.table()
    #expect(table.contains("rule 1: on the device as 4 rules, one for each ECN value of what it carries"))
    #expect(tight.document.rules.map(\.deviceRules) == [4, 1, 1])
    #expect(tight.explanation(of: tight.rules[0]).contains { $0.contains("counted as one") })
    let full = plan(rules, poor { $0.rules = 4 })
    #expect(full.rules.map(\.deviceEntries) == [4, 0, 0] && full.rules[1].refusal?.reason == .tableFull)
  }
}

@Suite("Splitting device")
struct SplittingDeviceTests {
  private func device(_ plan: Plan, _ script: (inout ScriptedDevice) -> Void = { _ in }) -> SplittingDevice<
    ScriptedDevice
  > {
    var base = ScriptedDevice(abilities: plan.profile.abilities)
    script(&base)
    return SplittingDevice(base, plan: plan)
  }

  private let one = plan([rule([ipv4()])])

  @Test("The parts are told of as one rule: one count, one answer, one age")
  func asOne() throws {
    var device = device(one)
    try device.insert(one.deviceRules[0], now: 1)
    #expect(device.base.rules.map(\.id) == [4, 5, 6, 7])
    for (id, frames) in zip(UInt32(4)...7, [UInt64(10), 20, 0, 3]) { device.base.hit(id, frames: frames) }
    #expect(try device.query(1, now: 5) == CounterReading(frames: 33, bytes: 3300, takenAt: 5))
    for own in UInt32(4)...6 {
      device.base.agedNext = [own]
      #expect(device.aged(now: 6).isEmpty)
    }
    // A part that was told idle is hit before the last one is told.
    device.base.hit(4, frames: 1)
    device.base.agedNext = [7]
    #expect(device.aged(now: 7).isEmpty)
    device.base.agedNext = [4]
    #expect(device.aged(now: 8) == [1])
    let last = try device.remove(1, now: 9)
    #expect(last.frames == 34 && last.takenAt == 9 && device.base.rules.isEmpty)
    #expect(throws: Refusal(.noSuchRule)) { try device.query(1, now: 9) }
  }

  @Test("A refused part takes the others back, a busy device is asked for the rest, and a lost one is empty")
  func refusals() throws {
    var device = device(one) { $0.refuses[6] = (1, .templateMalformed) }
    #expect(throws: Refusal(.templateMalformed)) { try device.insert(one.deviceRules[0], now: 1) }
    #expect(device.base.rules.isEmpty)
    device.base.refuses = [:]
    device.base.room = 2
    #expect(throws: Refusal.self) { try device.insert(one.deviceRules[0], now: 1) }
    #expect(device.base.rules.isEmpty)
    device.base.room = nil
    device.base.random = Seeded(3)
    device.base.busyOneIn = 2
    var refused = 0
    while true {
      do { try device.insert(one.deviceRules[0], now: 1) } catch {
        #expect(error.reason == .busy)
        refused += 1
        continue
      }
      break
    }
    #expect(refused > 0 && device.base.rules.map(\.id) == [4, 5, 6, 7] && device.base.doubles == 0)
    device.base.reset()
    #expect(throws: Refusal(.deviceLost)) { try device.remove(1, now: 2) }
    device.recover(now: 3)
    device.base.busyOneIn = 0
    try device.insert(one.deviceRules[0], now: 4)
    #expect(device.base.rules.count == 4)
    #expect(throws: Refusal(.invalid)) { try device.insert(one.deviceRules[0], now: 4) }
  }

  @Test("What parts count while others wait for a busy device is counted, and lost with the device as a width")
  func begun() throws {
    func counter(_ change: (inout OffloadManager<SplittingDevice<ScriptedDevice>>) -> Void) throws -> CounterView {
      var base = ScriptedDevice(abilities: one.profile.abilities)
      base.busyAfter = 2
      var manager = OffloadManager(device: SplittingDevice(base, plan: one))
      manager.apply(one, now: 0)
      #expect(manager.device.base.rules.map(\.id) == [4, 5] && manager.place(of: 1) == .software)
      manager.device.base.hit(4, frames: 7)
      manager.noteBypassed(frames: 7, now: 1)
      change(&manager)
      manager.readCounters(now: 2_000_000_000)
      let view = manager.counter(of: 1, softwareFrames: 1, softwareBytes: 100)
      return try #require(view)
    }
    let waiting = try counter { _ in }
    #expect(waiting == CounterView(frames: 8, bytes: 800, missingFrames: 0))
    let done = try counter {
      $0.device.base.busyAfter = nil
      $0.poll(now: 1_000_000_000)
      #expect($0.place(of: 1) == .hardware && $0.device.base.rules.count == 4)
    }
    #expect(done == waiting)
    let refused = try counter {
      $0.device.base.busyAfter = nil
      $0.device.base.refuses[6] = (1, .templateMalformed)
      $0.poll(now: 1_000_000_000)
      #expect($0.place(of: 1) == .guarded && $0.device.base.rules.map(\.id) == [4])
    }
    #expect(refused == waiting)
    let gone = try counter { $0.distrust(1, step: .match, framesExposed: 0, now: 2) }
    #expect(gone == waiting)
    let lost = try counter {
      $0.device.base.reset()
      $0.poll(now: 2)
    }
    #expect(lost.frames == 1 && lost.missingFrames == 7)
  }

  @Test("Whatever the device under it refuses, for a while or for good, the manager ends with all of a rule or none")
  func manager() {
    for seed in UInt64(1)..<40 {
      let rules = (0..<6).map { index in rule([ipv4 { $0.dst = Field(UInt32(index)) }]) }
      let plan = plan(rules)
      var base = ScriptedDevice(abilities: plan.profile.abilities)
      base.random = Seeded(seed)
      base.busyOneIn = 3
      base.refuses[UInt32(4 + seed % 24)] = (1, .templateMalformed)
      var manager = OffloadManager(device: SplittingDevice(base, plan: plan))
      manager.apply(plan, now: 0)
      for step in 0..<200 {
        let now = UInt64(step) * 50_000_000
        manager.poll(now: now)
        if step == 60 { manager.device.base.reset() }
        if step == 120 { manager.distrust(2, step: .encapsulate, framesExposed: 1, now: now) }
      }
      for id in UInt32(1)...6 {
        let there = manager.device.base.rules.filter { $0.id >> 2 == id }.count
        #expect(there == (manager.place(of: id) == .hardware ? 4 : 1), "seed \(seed), rule \(id)")
      }
      #expect(manager.device.base.doubles == 0)
    }
  }
}
