import Device
import Rules

/// Frames that meet a configuration: most hit one of its rules, some hit none, some are broken.
public struct TrafficGenerator {
  /// What the frames should be like.
  public struct Mix: Sendable {
    /// Of a hundred frames, how many are spoiled.
    public var spoiledPercent = 0
    /// Of a hundred frames, how many are about no rule at all.
    public var strayPercent = 5
    /// Of a hundred frames, how many are an earlier one again, half of them with a small change: flows have many frames.
    public var repeatedPercent = 0
    /// Ordinary traffic.
    public init() {}
  }

  /// A frame and the port it comes in through.
  public struct Generated: Sendable {
    /// The port's id.
    public var port: UInt16
    /// The bytes, without FCS.
    public var bytes: [UInt8]
    /// The rule it was made for; 0 for none.
    public var rule: UInt32
    /// Something in it is wrong on purpose.
    public var isSpoiled = false
  }

  private let configuration: Configuration
  private let mix: Mix
  private let entries: [(port: UInt16, rules: [NumberedRule])]
  private let byGroup: [UInt32: [NumberedRule]]
  private var random: SeededGenerator
  private var synthesizer: FrameSynthesizer
  private var mutator: FrameMutator
  /// Frames that may come again.
  private var earlier: [Generated] = []
  private static let remembered = 32
  private var errors: UnderlayErrors
  private let encapsulations: [Encapsulation]

  /// A generator for `configuration`; the same seed gives the same frames.
  public init(_ configuration: Configuration, mix: Mix = Mix(), seed: UInt64) {
    self.configuration = configuration
    self.mix = mix
    random = SeededGenerator(seed: seed)
    synthesizer = FrameSynthesizer(random: SeededGenerator(seed: seed ^ 0x5eed_0001))
    mutator = FrameMutator(random: SeededGenerator(seed: seed ^ 0x5eed_0002))
    errors = UnderlayErrors(random: SeededGenerator(seed: seed ^ 0x5eed_0003))
    encapsulations = configuration.overlay.encapsulations.sorted { $0.key < $1.key }.map(\.value)
    byGroup = Dictionary(grouping: configuration.rules, by: \.rule.attributes.group)
    let first = byGroup[0] ?? []
    entries = configuration.ports.filter { $0.port.kind != .host }.map { named in
      (named.port.id, first.filter { $0.rule.admits(port: named.port.id, isUplink: named.port.kind == .uplink) })
    }
  }

  /// The next frame.
  public mutating func next() -> Generated {
    guard mix.repeatedPercent > 0 else { return fresh() }
    if !earlier.isEmpty, random.below(100) < mix.repeatedPercent {
      var again = random.pick(earlier)
      if random.oneIn(2) {
        again.bytes = mutator.mutate(again.bytes)
        again.isSpoiled = true
      }
      return again
    }
    let made = fresh()
    if earlier.count < Self.remembered {
      earlier.append(made)
    } else {
      earlier[random.below(Self.remembered)] = made
    }
    return made
  }

  private mutating func fresh() -> Generated {
    var entry = random.pick(entries)
    guard !entry.rules.isEmpty, random.below(100) >= mix.strayPercent else { return stray(entry.port) }
    let numbered = random.pick(entry.rules)
    var rule = numbered.rule
    // A rule that jumps: what the next group looks at should be there too.
    if case .jump(let group)? = rule.actions.last, let next = byGroup[group], !next.isEmpty {
      rule.pattern = merge(rule, with: random.pick(next).rule)
    }
    // Now and then it comes in where it is not expected.
    if random.oneIn(32) { entry = random.pick(entries) }
    var plan = synthesizer.blueprint(for: rule, endpoint: configuration.overlay.endpoint)
    let isSpoiled = random.below(100) < mix.spoiledPercent
    let lies = isSpoiled && random.oneIn(2)
    if lies { synthesizer.lie(&plan) }
    var bytes = plan.bytes()
    if isSpoiled, !lies { bytes = mutator.mutate(bytes) }
    return Generated(port: entry.port, bytes: bytes, rule: numbered.id, isSpoiled: isSpoiled)
  }

  private mutating func stray(_ port: UInt16) -> Generated {
    let isUplink = configuration.ports.contains { $0.port.id == port && $0.port.kind == .uplink }
    if isUplink, !encapsulations.isEmpty, random.oneIn(3), let error = errors.make(about: random.pick(encapsulations)) {
      return Generated(port: port, bytes: error.bytes, rule: 0, isSpoiled: !error.isRight)
    }
    if random.oneIn(4) {
      return Generated(port: port, bytes: random.bytes(random.below(200)), rule: 0, isSpoiled: true)
    }
    let rule = Rule(pattern: [.eth(EthItem())], actions: [])
    return Generated(
      port: port, bytes: synthesizer.blueprint(for: rule, endpoint: configuration.overlay.endpoint).bytes(), rule: 0)
  }

  /// The first rule's pattern, and behind it (inside its tunnel, when it takes one off) what the second looks at.
  private func merge(_ rule: Rule, with next: Rule) -> [Item] {
    let takesTunnelOff = rule.actions.contains { action in
      switch action {
      case .rawDecap, .vxlanDecap, .nvgreDecap: true
      default: false
      }
    }
    guard takesTunnelOff, let tunnel = rule.pattern.lastIndex(where: \.isTunnel) else { return next.pattern }
    return Array(rule.pattern[...tunnel]) + next.pattern.filter { !$0.isTunnel && !$0.isPort }
  }
}

extension Item {
  var isTunnel: Bool {
    switch self {
    case .geneve, .geneveOption, .vxlan, .gre, .greKey, .nvgre: true
    default: false
    }
  }

  var isPort: Bool {
    switch self {
    case .representedPort, .portRepresentor: true
    default: false
    }
  }
}

extension Rule {
  /// Whether frames of this port can hit the rule at all.
  func admits(port: UInt16, isUplink: Bool) -> Bool {
    guard attributes.transfer || attributes.port == port else { return false }
    for item in pattern {
      switch item {
      case .representedPort(let field) where !field.matches(port): return false
      case .portRepresentor: return false
      case _ where item.isTunnel && !isUplink: return false
      default: continue
      }
    }
    return true
  }
}
