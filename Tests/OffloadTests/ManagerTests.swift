import Device
import Rules
import Testing

@testable import Offload

private func rich(_ change: (inout Abilities) -> Void = { _ in }) -> DeviceProfile {
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
  return profile
}

private func to(_ address: UInt32, mask: UInt32 = .max, _ actions: [Action]? = nil, priority: UInt32 = 0) -> Rule {
  var attributes = Attributes()
  attributes.transfer = true
  attributes.priority = priority
  var item = IPv4Item()
  item.dst = Field(address, mask: mask)
  return Rule(
    attributes: attributes, pattern: [.ipv4(item)], actions: actions ?? [.count(id: 0), .decTTL, .representedPort(1)])
}

private func manager(
  _ rules: [(id: UInt32, rule: Rule)], _ profile: DeviceProfile = rich(), now: UInt64 = 0,
  _ script: (inout ScriptedDevice) -> Void = { _ in }
) -> OffloadManager<ScriptedDevice> {
  var device = ScriptedDevice(abilities: profile.abilities)
  script(&device)
  var manager = OffloadManager(device: device)
  manager.apply(Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile), now: now)
  return manager
}

@Suite("Offload manager")
struct ManagerTests {
  @Test("A plan is inserted in order of precedence and reported as it is carried out")
  func inserts() {
    let manager = manager([(3, to(1)), (1, to(2, priority: 5)), (2, to(3))])
    #expect(manager.device.rules.map(\.id) == [2, 3, 1])
    #expect(manager.place(of: 1) == .hardware && manager.refusal(of: 1) == nil && manager.count(.hardware) == 3)
    #expect(!manager.isBusy && manager.resumePoints.isEmpty)
  }

  @Test("A refusal that nobody predicted is tried in weaker forms, and the device's reason is kept")
  func weaker() {
    let rules: [(id: UInt32, rule: Rule)] = [(1, to(1, mask: 0xff)), (2, to(1))]
    let guarded = manager(rules) { $0.refuses[1] = (1, .fixesLengths) }
    #expect(guarded.place(of: 1) == .guarded && guarded.refusal(of: 1)?.reason == .fixesLengths)
    #expect(guarded.resumePoints == [1: 0] && guarded.place(of: 2) == .hardware)
  }

  @Test("A rule that the device takes in no form takes the overlapping rules behind it to software, and no others")
  func absent() {
    let rules: [(id: UInt32, rule: Rule)] = [
      (1, to(0x100, mask: 0xf00)), (2, to(0x101)), (3, to(0x201)), (4, to(0x1ff)),
    ]
    var manager = manager(rules) { $0.refuses[1] = (0, .actionUnsupported) }
    #expect(manager.place(of: 1) == .software && manager.refusal(of: 1)?.reason == .actionUnsupported)
    #expect(manager.place(of: 2) == .software && manager.refusal(of: 2)?.reason == .shadowed)
    #expect(manager.place(of: 3) == .hardware && manager.place(of: 4) == .software)
    #expect(manager.device.rules.filter { $0.id != 3 }.allSatisfy { $0.isWideGuard })
    manager.device.refuses = [:]
    manager.retryRefused(now: 1)
    #expect(manager.count(.hardware) == 4)
  }

  @Test("A full table keeps what came first; room that a new plan makes is used")
  func full() {
    let rules = (1...6).map { (id: UInt32($0), rule: to(UInt32($0))) }
    var manager = manager(rules) { $0.room = 3 }
    #expect(manager.device.rules.map(\.id) == [1, 2, 3] && manager.refusal(of: 5)?.reason == .tableFull)
    manager.apply(Planner.plan(rules: Array(rules[2...]), overlay: Overlay(), profile: rich()), now: 1)
    #expect(manager.device.rules.map(\.id).sorted() == [3, 4, 5])
  }

  @Test("A busy device is asked again later, with growing pauses, and nothing overtakes")
  func busy() {
    let rules = (1...20).map { (id: UInt32($0), rule: to(1, mask: 0xff)) }
    var manager = manager(rules) { $0.busyOneIn = 2 }
    var now: UInt64 = 0
    var rounds = 0
    while manager.isBusy, rounds < 10_000 {
      #expect(manager.device.rules.map(\.id) == Array((1...20).prefix(manager.device.rules.count)))
      let before = manager.device.calls
      if let next = manager.nextPoll, next > now { manager.poll(now: now) }
      #expect(manager.device.calls == before || manager.nextPoll ?? 0 <= now)
      now = max(now + 1, manager.nextPoll ?? now)
      manager.poll(now: now)
      rounds += 1
    }
    #expect(manager.count(.hardware) == 20 && now < 1_000_000_000)
  }

  @Test("A reset gives everything to software at once; after recovery everything is where it was")
  func reset() {
    var manager = manager([(1, to(1)), (2, to(2))])
    _ = manager.takeMoves()
    manager.device.hit(1, frames: 10)
    manager.noteBypassed(frames: 10, now: 5)
    manager.readCounters(now: 6)
    manager.device.hit(1, frames: 4)
    manager.noteBypassed(frames: 5, now: 7)
    manager.device.reset()
    #expect(manager.refusal(of: 1) == nil, "not noticed before the next call")
    manager.poll(now: 8)
    let moves = manager.takeMoves()
    #expect(moves.prefix(2).map(\.reason) == [.deviceLost, .deviceLost] && moves.count == 4)
    #expect(manager.count(.hardware) == 2 && manager.resets == 1)
    let view = manager.counter(of: 1, softwareFrames: 3, softwareBytes: 300)
    #expect(view == CounterView(frames: 13, bytes: 1300, missingFrames: 5))
    #expect(view?.text == "13 (+ up to 5)")
  }

  @Test("A step that is distrusted is taken from the device at once, the steps before it stay, and trust gives it back")
  func distrust() throws {
    let rules: [(id: UInt32, rule: Rule)] = [(1, to(1, mask: 0xff)), (2, to(1))]
    var manager = manager(rules)
    manager.distrust(1, step: .rewrite, framesExposed: 7, now: 1)
    #expect(manager.place(of: 1) == .partial && manager.actionsDone(rule: 1) == 1 && manager.place(of: 2) == .hardware)
    #expect(manager.refusal(of: 1)?.reason == .distrusted && manager.distrusts.first?.framesExposed == 7)
    manager.distrust(1, step: .match, framesExposed: 1, now: 2)
    #expect(manager.place(of: 1) == .software && manager.place(of: 2) == .software, "2 would take the frames of 1")
    manager.trust(1, now: 3)
    #expect(manager.count(.hardware) == 2)
    manager.distrustEverywhere(.forward, now: 4)
    #expect(manager.count(.partial) == 2)
    manager.trustEverywhere(.forward, now: 5)
    #expect(manager.count(.hardware) == 2 && manager.device.doubles == 0)
  }

  @Test("Counters of few bits are unwrapped, stale readings do nothing, moves lose nothing")
  func counters() {
    var manager = manager([(1, to(1))], rich { $0.counterBits = 8 })
    var sum: UInt64 = 0, shown: UInt64 = 0
    for round in 1...40 {
      // Bytes are a hundred times the frames: one frame a reading stays below half of 8 bits.
      manager.device.hit(1, frames: 1)
      sum += 1
      manager.readCounters(now: UInt64(round))
      let frames = manager.counter(of: 1, softwareFrames: 0, softwareBytes: 0)?.frames ?? 0
      #expect(frames == sum && frames >= shown)
      shown = frames
    }
    var counter = RuleCounter()
    counter.begin(now: 0, bypassed: 0)
    counter.take(CounterReading(frames: 100, bytes: 100, takenAt: 10), bits: 64, bypassed: 0)
    counter.take(CounterReading(frames: 90, bytes: 90, takenAt: 5), bits: 64, bypassed: 0)
    counter.take(CounterReading(frames: 90, bytes: 90, takenAt: 20), bits: 64, bypassed: 0)
    #expect(counter.frames == 100)
    manager.distrust(1, step: .match, framesExposed: 1, now: 50)
    let moved = manager.counter(of: 1, softwareFrames: 5, softwareBytes: 0)?.frames
    let lower = manager.counter(of: 1, softwareFrames: 2, softwareBytes: 0)?.frames
    #expect(moved == 45 && lower == 45, "never lower than shown")
  }

  @Test("An indirect counter is the sum over its rules, and keeps it when they go, change or are lost with the device")
  func sharedCounter() {
    var overlay = TinyWorld.overlay
    overlay.indirectActions = [1: .count(id: 0), 2: .count(id: 0), 3: .decTTL]
    func plan(_ rules: [(id: UInt32, rule: Rule)]) -> Plan {
      Planner.plan(rules: rules, overlay: overlay, profile: rich())
    }
    func shared(_ ids: UInt32...) -> Rule {
      to(ids[0], ids.map { .indirect(id: $0) } + [.representedPort(1)])
    }
    let first = plan([(1, to(9, [.indirect(id: 1), .indirect(id: 3), .representedPort(1)])), (2, shared(1, 2))])
    #expect(first[1]?.place(of: .rewrite) == .hardware && first[2]?.sharedCounters == [1, 2])
    var manager = OffloadManager(device: ScriptedDevice(abilities: rich().abilities))
    manager.apply(first, now: 0)
    func frames(_ id: UInt32) -> [UInt64] {
      let view = manager.sharedCounter(of: id, softwareFrames: 100, softwareBytes: 0)
      return [view.frames, view.missingFrames]
    }
    manager.device.hit(1, frames: 5)
    manager.device.hit(2, frames: 7)
    manager.noteBypassed(frames: 12, now: 1)
    #expect(frames(1) == [100, 24], "two rules, each may have had all of them")
    manager.readCounters(now: 2)
    #expect(frames(1) == [112, 0] && frames(2) == [107, 0])
    #expect(manager.counter(of: 1, softwareFrames: 0, softwareBytes: 0)?.frames == 5, "its own count")
    // Rule 2 goes with 3 frames that were not read yet; rule 1 names the other counter from now on.
    manager.device.hit(2, frames: 3)
    manager.apply(plan([(1, to(9, [.indirect(id: 2), .representedPort(1)]))]), now: 3)
    #expect(frames(1) == [115, 0] && frames(2) == [110, 0])
    manager.device.hit(1, frames: 20)
    manager.readCounters(now: 4)
    #expect(frames(1) == [115, 0] && frames(2) == [130, 0])
    manager.device.hit(1, frames: 6)
    manager.noteBypassed(frames: 6, now: 5)
    manager.device.reset()
    manager.poll(now: 6)
    #expect(frames(2) == [130, 6])
  }

  @Test("The width that may be missing is what bypassed since the last reading was true")
  func width() {
    var manager = manager([(1, to(1))])
    func expectMissing(_ frames: UInt64) {
      let missing = manager.counter(of: 1, softwareFrames: 0, softwareBytes: 0)?.missingFrames
      #expect(missing == frames)
    }
    manager.noteBypassed(frames: 3, now: 10)
    expectMissing(3)
    manager.readCounters(now: 20)
    expectMissing(0)
    manager.noteBypassed(frames: 4, now: 30)
    manager.noteBypassed(frames: 1, now: 40)
    expectMissing(5)
    var history = BypassHistory()
    history.add(5, now: 10)
    history.add(7, now: 20)
    #expect(history.total(at: 5, now: 30) == 0 && history.total(at: 10, now: 30) <= 5)
    #expect(history.total(at: 15, now: 30) == 0 && history.total(at: 25, now: 30) == 5)
    #expect(history.total(at: 30, now: 30) == 12)
  }

  @Test("A rule is aged when both sides are idle, and told once an idle time")
  func aging() {
    let second: UInt64 = 1_000_000_000
    var manager = manager([(1, to(1, [.age(timeout: 2), .count(id: 0), .drop])), (2, to(2))])
    func expectAged(at time: UInt64, hit: UInt64, _ ids: [UInt32]) {
      let aged = manager.aged(now: time * second) { _ in hit * second }
      #expect(aged == ids, "at \(time) s")
    }
    expectAged(at: 3, hit: 0, [])
    manager.device.agedNext = [1]
    expectAged(at: 4, hit: 3, [])
    expectAged(at: 5, hit: 3, [1])
    expectAged(at: 6, hit: 3, [])
    manager.device.hit(1, frames: 1)
    expectAged(at: 7, hit: 3, [])
    manager.device.agedNext = [1]
    expectAged(at: 9, hit: 3, [1])
  }

  @Test("A checker compares one answer in N of each rule and bounds what a lie may have touched")
  func checker() {
    var checker = AnswerChecker(oneIn: 10)
    var asked = 0
    for _ in 0..<100 where checker.wantsNext(rule: 1) {
      asked += 1
      let exposed = checker.note(rule: 1, agreed: true)
      #expect(exposed == nil)
    }
    #expect(asked == 10)
    var exposed: UInt64?
    var frames: UInt64 = 0
    while exposed == nil {
      frames += 1
      if checker.wantsNext(rule: 1) { exposed = checker.note(rule: 1, agreed: false) }
    }
    #expect(frames <= 10 && exposed ?? 0 >= frames && exposed ?? 0 <= 10)
    let first = checker.wantsNext(rule: 2)
    #expect(first, "the first answer of a rule is compared")
  }
}

@Suite("Offload manager: anything may happen")
struct ManagerPropertyTests {
  @Test("Whatever the device does, results stay those of software alone, and counts never go back", arguments: 0..<30)
  func chaos(seed: Int) {
    var world = TinyWorld(UInt64(seed) &* 977 &+ 3)
    let profile = world.profile()
    var device = ScriptedDevice(abilities: profile.abilities)
    device.random = Seeded(UInt64(seed) + 99)
    var manager = OffloadManager(device: device)
    var rules: [(id: UInt32, rule: Rule)] = []
    var shown: [UInt32: UInt64] = [:]
    var now: UInt64 = 0
    for _ in 0..<30 {
      now += UInt64.random(in: 1...40_000_000, using: &world.random)
      switch Int.random(in: 0..<9, using: &world.random) {
      case 0...2:
        rules = (1...10).map { (id: UInt32($0), rule: world.rule()) }
          .filter { Prediction.isWellFormed($0.rule) && !world.random.oneIn(4) }
        manager.apply(Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile), now: now)
      case 3: manager.device.reset()
      case 4:
        manager.distrust(
          UInt32.random(in: 1...10, using: &world.random), step: world.random.pick(RuleStep.allCases), framesExposed: 1,
          now: now)
      case 5: manager.trust(UInt32.random(in: 1...10, using: &world.random), now: now)
      case 6:
        manager.device.busyOneIn = world.random.pick([0, 2, 5])
        manager.device.room = world.random.pick([nil, 2, 5])
        let id = UInt32.random(in: 1...10, using: &world.random)
        manager.device.refuses = [id: (world.random.pick([0, 0, 1, 2]), .actionUnsupported)]
      case 7: manager.retryRefused(now: now)
      default:
        for rule in manager.device.rules where world.random.oneIn(2) { manager.device.hit(rule.id, frames: 3) }
        manager.noteBypassed(frames: 30, now: now)
        manager.readCounters(now: now)
      }
      manager.poll(now: now, limit: world.random.pick([1, 100]))
      let software = TinySoftware(rules: rules)
      let model = TinyDevice(device: manager.device.rules, abilities: profile.abilities, software: software)
      for _ in 0..<12 {
        let frame = world.frame()
        var plain = TinyResult(frame: frame)
        software.run(&plain, group: 0)
        #expect(model.run(frame) == plain)
      }
      for (id, _) in rules {
        #expect(manager.installed(id)?.actionsOnDevice == manager.device.rules.first { $0.id == id }?.actionsOnDevice)
        let view = manager.counter(of: id, softwareFrames: 0, softwareBytes: 0)
        #expect(view?.frames ?? 0 >= shown[id] ?? 0)
        shown[id] = view?.frames
        #expect((manager.place(of: id) == .hardware) == (manager.refusal(of: id) == nil))
      }
      shown = shown.filter { entry in rules.contains { $0.id == entry.key } }
      #expect(manager.device.doubles == 0)
    }
    manager.device.busyOneIn = 0
    manager.device.room = nil
    manager.device.refuses = [:]
    for id in 1...10 { manager.trust(UInt32(id), now: now) }
    manager.retryRefused(now: now + 1_000_000_000)
    manager.poll(now: now + 2_000_000_000)
    let plan = Planner.plan(rules: rules, overlay: TinyWorld.overlay, profile: profile)
    #expect(Set(manager.device.rules.map(\.id)) == Set(plan.deviceRules.map(\.id)), "everything is back in the end")
    #expect(plan.rules.allSatisfy { manager.place(of: $0.id) == $0.place })
  }
}

@Suite("Rule database")
struct RuleDatabaseTests {
  @Test("A transaction is carried out whole or not at all, and every change has its number")
  func transactions() throws {
    var database = RuleDatabase(logLimit: 4)
    try database.apply([.make(id: 1, to(1)), .make(id: 2, to(2)), .remove(id: 1), .make(id: 1, to(3))], now: 5)
    #expect(database.count == 2 && database.lastNumber == 4 && database[1] == to(3))
    #expect(throws: RuleDatabase.Failure(index: 1, id: 2, problem: .exists)) {
      try database.apply([.remove(id: 1), .make(id: 2, to(4))], now: 6)
    }
    #expect(throws: RuleDatabase.Failure(index: 0, id: 9, problem: .missing)) {
      try database.apply([.replace(id: 9, to(4))], now: 6)
    }
    #expect(throws: RuleDatabase.Failure(index: 0, id: 0, problem: .idZero)) {
      try database.apply([.make(id: 0, to(4))], now: 6)
    }
    #expect(database.count == 2 && database.lastNumber == 4)
    #expect(database.changes(since: 3)?.map(\.kind) == [.made(to(3))])
    for _ in 0..<20 { database.noteMove(2, from: .software, to: .hardware, reason: nil, now: 7) }
    #expect(database.changes(since: 3) == nil, "too old: begin with all rules")
    #expect(database.changes(since: 20)?.map(\.number) == [21, 22, 23, 24])
    #expect(database.changes(since: 24) == [])
  }
}
