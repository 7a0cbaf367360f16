import Device
import Rules
import Testing

@testable import Offload

@Suite("Planner: results")
struct PlannerPropertyTests {
  @Test("Device first and software behind it hits the same rules as software alone", arguments: 0..<40)
  func sameRules(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 7919)
    for _ in 0..<12 {
      let count = Int.random(in: 1...10, using: &world.random)
      let rules = (0..<count).map { (id: UInt32($0 + 1), rule: world.rule()) }
        .filter { Prediction.isWellFormed($0.rule) }
      let profile = world.profile()
      let plan = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile)
      let software = TinySoftware(rules: rules)
      let device = TinyDevice(device: plan.deviceRules, abilities: profile.abilities, software: software)
      for _ in 0..<25 {
        let frame = world.frame()
        var plain = TinyResult(frame: frame)
        software.run(&plain, group: 0)
        #expect(device.run(frame) == plain)
      }
    }
  }

  @Test("What a plan gives the device, the prediction takes, and it keeps the device's limits", arguments: 0..<20)
  func accepted(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 104_729 &+ 1)
    for _ in 0..<12 {
      let rules = (0..<10).map { (id: UInt32($0 + 1), rule: world.rule()) }
      let profile = world.profile()
      let plan = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile)
      let prediction = Prediction(abilities: profile.abilities, overlay: plan.deviceOverlay)
      let given = plan.deviceRules.flatMap { plan.prediction.parts(of: $0) ?? [$0] }
      #expect(given.count <= Int(profile.abilities.rules))
      #expect(given.count == plan.rules.reduce(0) { $0 + $1.deviceEntries })
      var words: [OptionKey: Set<Int>] = [:]
      for rule in given {
        #expect(prediction.check(rule) == nil)
        for case .geneveOption(let option) in rule.rule.pattern {
          words[option.key, default: []].formUnion(option.mask.indices.filter { option.mask[$0] != 0 })
        }
      }
      let limits = profile.abilities.geneveOptions
      if limits.perDevice != 0 { #expect(words.count <= Int(limits.perDevice)) }
      let cost = words.values.reduce(0) { $0 + $1.count + (limits.classCostsWord ? 1 : 0) }
      if limits.words != 0 { #expect(cost <= Int(limits.words)) }
      for rule in plan.rules { #expect((rule.place == .hardware) == (rule.refusal == nil)) }
    }
  }

  @Test(
    "Two matches that some frame has both are never said to be apart, and a cover has every frame", arguments: 0..<10)
  func overlaps(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 31 &+ 5)
    for _ in 0..<150 {
      let a = world.rule(), b = world.rule()
      let x = MatchCube(a), y = MatchCube(b)
      var index = OverlapIndex()
      index.insert(x, id: 1)
      #expect((index.overlap(with: y) != nil) == x.mayOverlap(y))
      var covers = CoverIndex()
      covers.insert(x, id: 1)
      #expect((covers.cover(of: y) != nil) == x.covers(y))
      for _ in 0..<10 {
        let frame = world.frame()
        if frame.matches(a), frame.matches(b) { #expect(x.mayOverlap(y)) }
        if x.covers(y), frame.matches(b) { #expect(frame.matches(a)) }
      }
    }
  }

  @Test("A match that has one option twice covers nothing: its demands say less than it does")
  func repeatedOption() {
    func option(_ data: UInt32) -> Item {
      .geneveOption(GeneveOptionItem(optionClass: 1, type: 1, length: 1, data: [data], mask: [.max]))
    }
    func rule(_ data: UInt32...) -> Rule {
      Rule(pattern: [.geneve(GeneveItem())] + data.map { option($0) }, actions: [.drop])
    }
    #expect(!MatchCube(rule(1, 2)).covers(MatchCube(rule(1))))
    #expect(!MatchCube(rule(1, 2)).covers(MatchCube(rule(1, 2))))
    #expect(MatchCube(rule(1)).covers(MatchCube(rule(1, 2))))
    #expect(MatchCube(rule(1)).mayOverlap(MatchCube(rule(2))), "a frame may have the option twice")
  }

  @Test("A relaxed match is a superset of the match, and the device takes it", arguments: 0..<10)
  func relaxed(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 131 &+ 17)
    for _ in 0..<80 {
      let rule = world.rule()
      let prediction = Prediction(abilities: world.abilities(), overlay: TinyWorld.overlay)
      var wide = rule
      wide.pattern = prediction.relaxed(rule.pattern)
      #expect(prediction.matchRefusal(wide.pattern) == nil)
      #expect(Prediction.isWellFormed(Rule(pattern: wide.pattern, actions: [])))
      for _ in 0..<15 {
        let frame = world.frame()
        if frame.matches(rule) { #expect(frame.matches(wide)) }
      }
    }
  }
}
