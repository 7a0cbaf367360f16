import Device
import EmulatedDevice
import Offload
import Rules
import Testing

@testable import Control

/// A device that can do everything, with these faults.
private func engine(
  _ configuration: Configuration, faults: FaultPlan = FaultPlan(), checkOneIn: UInt64 = 0,
  change: (inout Abilities) -> Void = { _ in }
) throws -> Engine {
  var profile = try ProfileCatalog.standard().choose("ideal").profile
  change(&profile.abilities)
  let plan = Planner.plan(
    rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: profile)
  var options = Engine.Options()
  options.faults = faults
  options.checkOneIn = checkOneIn
  return try Engine(configuration, plan: plan, options: options)
}

private func frames(_ configuration: Configuration, _ count: Int, seed: UInt64) -> [TrafficGenerator.Generated] {
  var mix = TrafficGenerator.Mix()
  mix.spoiledPercent = 20
  var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
  return (0..<count).map { _ in traffic.next() }
}

@Suite("An engine")
struct EngineTests {
  @Test("gives on every profile what software alone gives, for drawn configurations", arguments: UInt64(0)..<6)
  func sameResult(seed: UInt64) throws {
    var run = VerifyRun(seed: seed &* 7919 &+ 3, spoiledPercent: 30)
    run.profiles = try ProfileCatalog.standard().profiles
    run.framesPerConfiguration = 150
    try run.drawn(frames: 150 * run.profiles.count)
    #expect(run.differences.isEmpty, "\(run.differences.map { "\($0.profile) \($0.configuration) \($0.difference)" })")
    #expect(run.unforeseen.isEmpty, "\(run.unforeseen)")
    #expect(run.parts.values.reduce(0) { $0 + $1.touchedByHardware } > 150)
  }

  @Test("copies what its device or software has to copy, each by its own count, and shares counters between rules")
  func samples() throws {
    var copies = 0, byDevice = 0, shared = 0
    for seed in UInt64(0)..<10 {
      let configuration = RandomConfiguration.make(seed: seed)
      let profile = try ProfileCatalog.standard().choose("ideal").profile
      let plan = Planner.plan(
        rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: profile)
      let verifier = try Verifier(configuration, plan: plan)
      let device = try Engine(configuration, plan: plan)
      for (index, frame) in frames(configuration, 300, seed: seed).enumerated() {
        verifier.judge(.init(port: frame.port, bytes: frame.bytes, time: UInt64(index) * 10_000, isWellFormed: false))
        _ = device.process(frame.bytes, port: frame.port, now: UInt64(index) * 10_000)
      }
      let report = verifier.finish()
      #expect(report.differences.isEmpty, "seed \(seed): \(report.differences)")
      copies += report.copies
      byDevice += report.copiesByDevice
      for (id, action) in configuration.overlay.indirectActions where action == .count(id: 0) {
        let rules = configuration.rules.filter { $0.rule.actions.contains(.indirect(id: id)) }
        let sum = rules.reduce(UInt64(0)) { $0 + device.count(of: $1.id, now: 3_000_000).frames }
        #expect(device.sharedCount(of: id, now: 3_000_000).frames == sum)
        if rules.count > 1, sum > 0 { shared += 1 }
      }
    }
    #expect(byDevice > 20 && copies > byDevice + 20 && shared > 2, "\(copies) \(byDevice) \(shared)")
  }

  @Test("whose device resets loses the frames in the device, by name and number, and no other", arguments: [1, 3, 8])
  func reset(depth: Int) throws {
    for seed in UInt64(0)..<8 {
      let configuration = RandomConfiguration.make(seed: seed)
      var faults = FaultPlan()
      faults.resetAtFrame = 100
      faults.resetDepth = UInt32(depth)
      let device = try engine(configuration, faults: faults)
      let software = try Engine(configuration.copyingEverything, plan: nil)
      var lost = 0
      var comparator = Comparator(configuration)
      for (index, frame) in frames(configuration, 300, seed: seed).enumerated() {
        let now = UInt64(index) * 10_000
        let ours = device.process(frame.bytes, port: frame.port, now: now)
        let theirs = software.process(frame.bytes, port: frame.port, now: now)
        if ours.map(\.fate) == [.dropped(.lostInDevice)] {
          lost += 1
          continue
        }
        comparator.compare(frame: index, device: ours, software: theirs, wellFormed: false)
      }
      #expect(lost == depth)
      #expect(device.resets == 1)
      #expect(comparator.differences.isEmpty, "\(comparator.differences)")
      let back = configuration.rules.filter {
        // What leads to a path that has become narrow stays away.
        let (place, refusal) = device.place(of: $0.id)
        return place == .hardware || refusal?.reason == .pathMTU
      }.count
      #expect(back == device.plan?.count(.hardware), "the rules returned to the device")
    }
  }

  @Test("finds a device that lies within one in N answers of a rule, and then takes the step from it")
  func lies() throws {
    var found = 0
    for seed in UInt64(0)..<6 {
      let configuration = RandomConfiguration.make(seed: seed)
      var faults = FaultPlan()
      faults.lyingAction = 1
      let device = try engine(configuration, faults: faults, checkOneIn: 4)
      let software = try Engine(configuration.copyingEverything, plan: nil)
      var wrong: [UInt32: Int] = [:]
      for (index, frame) in frames(configuration, 600, seed: seed).enumerated() {
        let now = UInt64(index) * 10_000
        var comparator = Comparator(configuration)
        let ours = device.process(frame.bytes, port: frame.port, now: now)
        comparator.compare(
          frame: index, device: ours, software: software.process(frame.bytes, port: frame.port, now: now),
          wellFormed: false)
        if comparator.count > 0, let rule = ours.first(where: { $0.place != .software && !$0.isCopy })?.rule {
          wrong[rule, default: 0] += 1
        }
      }
      found += device.distrusts.count
      // A rule has at most three steps that change a frame, and so has the one before it; each is found within N.
      #expect(wrong.values.allSatisfy { $0 <= 24 }, "\(wrong) \(device.distrusts)")
    }
    #expect(found > 0)
  }

  @Test("takes from its device what leads to a path that has become narrow, and gives it back when that is forgotten")
  func narrowPath() throws {
    var judged = 0
    for seed in UInt64(0)..<20 where judged < 4 {
      let configuration = RandomConfiguration.make(seed: seed)
      let device = try engine(configuration)
      let rules = configuration.rules.filter { numbered in
        guard case .rawEncap(let index)? = numbered.rule.actions.first(where: { $0.step == .encapsulate }) else {
          return false
        }
        // A bare Ethernet header leads to no path.
        return configuration.overlay.encapsulations[index]?.isIPv6 == false
          && configuration.overlay.encapsulations[index]?.kind != TunnelKind.none
          && device.place(of: numbered.id).place == .hardware
      }
      guard let rule = rules.first,
        case .rawEncap(let index)? = rule.rule.actions.first(where: { $0.step == .encapsulate }),
        let encapsulation = configuration.overlay.encapsulations[index]
      else { continue }
      var errors = UnderlayErrors(random: SeededGenerator(seed: seed))
      var now: UInt64 = 0
      // Some of the drawn errors are right and about size.
      for _ in 0..<60 {
        guard let error = errors.make(about: encapsulation) else { break }
        _ = device.process(error.bytes, port: 0, now: now)
        now += 1000
      }
      _ = device.process([UInt8](repeating: 0, count: 60), port: 0, now: now)
      let place = device.place(of: rule.id)
      #expect(place.place != .hardware && place.refusal?.reason == .pathMTU, "seed \(seed), rule \(rule.id): \(place)")
      now += 601_000_000_000
      _ = device.process([UInt8](repeating: 0, count: 60), port: 0, now: now)
      #expect(device.place(of: rule.id).place == .hardware)
      judged += 1
    }
    #expect(judged == 4)
  }

  @Test("whose device is full, busy or slow gives what software alone gives")
  func refusals() throws {
    for seed in UInt64(0)..<8 {
      let configuration = RandomConfiguration.make(seed: seed)
      var faults = FaultPlan()
      faults.tableFullAt = 7
      faults.busyInsertion = 3
      faults.slowInsertion = 2
      faults.slowness = 400_000
      let device = try engine(configuration, faults: faults)
      let software = try Engine(configuration.copyingEverything, plan: nil)
      var comparator = Comparator(configuration)
      for (index, frame) in frames(configuration, 300, seed: seed).enumerated() {
        let now = UInt64(index) * 10_000
        comparator.compare(
          frame: index, device: device.process(frame.bytes, port: frame.port, now: now),
          software: software.process(frame.bytes, port: frame.port, now: now), wellFormed: !frame.isSpoiled)
      }
      #expect(comparator.differences.isEmpty, "seed \(seed): \(comparator.differences)")
    }
  }

  @Test("shows counts that never go down and end at what software alone counts, when readings come late")
  func counters() throws {
    let configuration = RandomConfiguration.make(seed: 5)
    let device = try engine(configuration) { $0.counterInterval = 500_000 }
    let software = try Engine(configuration, plan: nil)
    var shown: [UInt32: UInt64] = [:]
    let list = frames(configuration, 400, seed: 5)
    for (index, frame) in list.enumerated() {
      let now = UInt64(index) * 10_000
      _ = device.process(frame.bytes, port: frame.port, now: now)
      _ = software.process(frame.bytes, port: frame.port, now: now)
      guard index % 50 == 0 else { continue }
      for rule in configuration.rules {
        let ours = device.count(of: rule.id, now: now), theirs = software.count(of: rule.id, now: now)
        #expect(ours.frames >= shown[rule.id] ?? 0)
        #expect(
          ours.frames <= theirs.frames && theirs.frames <= ours.frames + ours.missingFrames,
          "rule \(rule.id): \(ours), in software \(theirs)")
        shown[rule.id] = ours.frames
      }
    }
    let end = UInt64(list.count) * 10_000 + 2_000_000
    for rule in configuration.rules {
      #expect(device.count(of: rule.id, now: end).frames == software.count(of: rule.id, now: end).frames)
    }
  }

  @Test("counts frames that come up half done exactly, however late the device's counters are read")
  func halfDoneCounts() throws {
    var judged = 0
    for seed in UInt64(0)..<12 {
      let configuration = RandomConfiguration.make(seed: seed)
      // Cannot put headers in front: rules that do are begun by the device and ended by software.
      let device = try engine(configuration) {
        $0.counterInterval = 1 << 60
        $0.actions.subtract([.encapGeneve, .encapVXLAN, .encapGRE, .encapNVGRE])
      }
      let software = try Engine(configuration, plan: nil)
      for (index, frame) in frames(configuration, 300, seed: seed).enumerated() {
        let now = UInt64(index) * 10_000
        _ = device.process(frame.bytes, port: frame.port, now: now)
        _ = software.process(frame.bytes, port: frame.port, now: now)
      }
      for rule in configuration.rules where device.place(of: rule.id).place == .partial {
        let ours = device.count(of: rule.id, now: 3_000_000).frames
        #expect(ours == software.count(of: rule.id, now: 3_000_000).frames, "seed \(seed), rule \(rule.id)")
        if ours > 0 { judged += 1 }
      }
    }
    #expect(judged > 5)
  }

  @Test("sends the same bytes whether a checksum came done or owed")
  func owedIsPaid() throws {
    for seed in UInt64(0)..<10 {
      let configuration = RandomConfiguration.make(seed: seed)
      var options = Engine.Options()
      let done = try Engine(configuration, plan: nil, options: options)
      options.debts = try DebtMaker(words: ["csum"])
      let owing = try Engine(configuration, plan: nil, options: options)
      var traffic = TrafficGenerator(configuration, seed: seed)
      for index in 0..<400 {
        let frame = traffic.next()
        let now = UInt64(index) * 10_000
        let whole = done.process(frame.bytes, port: frame.port, now: now)
        let paid = owing.process(frame.bytes, port: frame.port, now: now)
        // A frame to a queue keeps its debts, which its receiver is told; an answer (no rule) quotes what came.
        for (a, b) in zip(whole, paid) {
          if case .forwarded = a.fate, a.rule != 0 {
            #expect(a == b, "seed \(seed), \(index)")
          } else {
            #expect(a.fate == b.fate)
          }
        }
        #expect(whole.count == paid.count)
      }
    }
  }
}
