import Datapath
import Device
import DeviceDriver
import Offload
import Ports
import Rules
import Runtime

/// What a daemon knows of its devices: one below each queue, all of one profile and with the same rules.
struct DeviceBook {
  /// The profile, its table cut to what the configuration gives it.
  let profile: DeviceProfile
  /// As it was asked for.
  let title: String
  let settings: DeviceSettings
  var plan: Plan
  /// Rules that were not planned: the table is full before them.
  var beyond = 0
  /// By queue, as it was last seen.
  var states: [LaneState] = []
  /// By queue: when the last loss was that was told.
  var told: [UInt64] = []
  var wasAlive: [Bool] = []
  var nextLook: UInt64 = 0

  /// Nil for software alone.
  ///
  /// - Throws: ``YAMLError`` when there is no such profile, or a word of the configuration's `wants` means nothing.
  init?(_ configuration: Configuration, _ store: inout RuleStore) throws {
    let settings = configuration.live.device
    guard settings.kind != .none else { return nil }
    let choice = try ProfileCatalog.choose(settings.profile)
    var profile = choice.profile
    profile.abilities.rules = min(profile.abilities.rules, UInt32(settings.rules))
    self.profile = profile
    self.settings = settings
    title = choice.title
    plan = Plan.nothing(profile)
    states = Array(repeating: LaneState(), count: configuration.live.threads)
    told = Array(repeating: 0, count: configuration.live.threads)
    wasAlive = Array(repeating: true, count: configuration.live.threads)
    try replan(configuration, store)
  }

  /// Plans anew: the rules that come first are the device's to take, the others are software's.
  mutating func replan(_ configuration: Configuration, _ store: RuleStore) throws {
    let own = configuration.ownRules
    let rules = store.foremost(settings.rules, with: own.map { ($0.id, $0.rule) })
    beyond = store.count + own.count - rules.count
    plan = Planner.plan(
      rules: rules, overlay: configuration.overlay, profile: profile, mode: settings.mode,
      wants: try configuration.wantedFeatures())
  }

  /// A device for one queue, with the plan's first rules.
  func lane(_ book: RuleBook) throws -> DeviceLane {
    var options = DeviceLane.Options()
    options.rules = settings.rules
    options.silence = settings.silence
    options.seed = UInt64.random(in: 0...UInt64.max)
    if settings.kind == .process {
      options.place = .process(program: settings.program ?? ProcessHost.beside())
    }
    do throws(HostError) {
      return try DeviceLane(plan, rules: book, options: options, now: MonotonicClock.now)
    } catch { throw RequestFailure("device.start", "the device: \(error.description)") }
  }

  /// What all devices counted at a rule.
  func count(of id: UInt32) -> (frames: UInt64, bytes: UInt64, missing: UInt64) {
    var sum: (frames: UInt64, bytes: UInt64, missing: UInt64) = (0, 0, 0)
    for state in states {
      guard let rule = state.rules[id] else { continue }
      sum = (sum.frames + rule.frames, sum.bytes + rule.bytes, sum.missing + rule.missingFrames)
    }
    return sum
  }

  /// Where a rule is carried out: what the least of the devices does of it.
  func state(of id: UInt32) -> RuleState? {
    let order: [Place] = [.software, .guarded, .partial, .hardware]
    return states.compactMap { $0.rules[id] }.min {
      (order.firstIndex(of: $0.place) ?? 0, $0.actionsOnDevice) < (
        order.firstIndex(of: $1.place) ?? 0, $1.actionsOnDevice
      )
    }
  }
}

extension Plan {
  /// A plan of no rules.
  fileprivate static func nothing(_ profile: DeviceProfile) -> Plan {
    Planner.plan(rules: [], overlay: Overlay(), profile: profile)
  }
}

extension RuleStore {
  /// The `limit` rules that are looked at first: by group, priority and id.
  func foremost(_ limit: Int, with own: [(UInt32, Rule)]) -> [(id: UInt32, rule: Rule)] {
    var found: [(id: UInt32, rule: Rule)] = singles.map { ($0.key, $0.value) } + own.map { ($0.0, $0.1) }
    // Rows of a batch have one group and priority: those with the lowest ids come first.
    for batch in batches where batch.live > 0 {
      guard let template = templates[batch.template] else { continue }
      var left = limit
      for row in 0..<batch.count where left > 0 && !batch.isGone(row) {
        found.append((batch.first + UInt32(row), template.rule(batch.rows, at: row * template.rowBytes)))
        left -= 1
      }
    }
    found.sort { a, b in
      let x = a.rule.attributes, y = b.rule.attributes
      return (x.group, x.priority, a.id) < (y.group, y.priority, b.id)
    }
    return Array(found.prefix(limit))
  }
}
