public import Device
import EmulatedDevice
import Offload
import Rules

/// A run of `verify` over profiles, configurations and seeds.
public struct VerifyRun {
  /// What was found for one profile.
  public struct Part: Sendable {
    /// Frames judged.
    public var frames = 0
    /// Frames of which the device did at least one step.
    public var touchedByHardware = 0
    /// Differences.
    public var differing = 0
    /// Refusals that the plan did not foresee.
    public var surprises = 0
  }

  /// A difference and where it was found, enough to see it again.
  public struct Found: Sendable {
    /// The profile.
    public var profile: String
    /// The configuration: a file, or the seed it was drawn from.
    public var configuration: String
    /// What differs.
    public var difference: Comparator.Difference
  }

  /// Frames that one drawn configuration is tried with.
  public var framesPerConfiguration = 2000

  /// The seed of everything drawn.
  public let seed: UInt64
  /// Of a hundred drawn frames, how many are spoiled.
  public let spoiledPercent: Int
  /// Profiles, in turn.
  public var profiles: [DeviceProfile] = []
  /// The configuration; nil draws them.
  public var configuration: Configuration?
  /// Debts of every frame; nothing owed draws some now and then.
  public var debts = DebtMaker()
  /// Ends the run where the first difference is found.
  public var endsAtDifference = false
  /// Where devices run.
  public var device = Engine.DevicePlace.model
  /// Told how many frames are done, now and then.
  public var progress: ((Int) -> Void)?
  /// What was found, by profile.
  public private(set) var parts: [String: Part] = [:]
  /// Drops of the software side by reason.
  public private(set) var drops: [DropReason: Int] = [:]
  /// Refusals that plans did not foresee, at most 20: profile, configuration, rule and reason.
  public private(set) var unforeseen: [String] = []
  /// Differences, at most 20.
  public private(set) var differences: [Found] = []
  private var done = 0

  /// A run.
  public init(seed: UInt64, spoiledPercent: Int) {
    self.seed = seed
    self.spoiledPercent = spoiledPercent
  }

  /// Draws `frames` frames in all, spread over the profiles, and judges them.
  public mutating func drawn(frames: Int) throws {
    var left = frames
    var round: UInt64 = 0
    while left > 0, !isEnough {
      let count = min(left, framesPerConfiguration)
      let profile = profiles[Int(round % UInt64(profiles.count))]
      let seed = self.seed &+ round &* 0x1_0000_0001
      try draw(count, seed: seed, profile: profile)
      left -= count
      round += 1
    }
  }

  private mutating func draw(_ count: Int, seed: UInt64, profile: DeviceProfile) throws {
    let configuration = self.configuration ?? RandomConfiguration.make(seed: seed)
    var options = Engine.Options()
    options.seed = seed
    options.debts = debts
    options.device = device
    if debts == DebtMaker() {
      // Every third round half-done frames, every sixth to be cut.
      options.debts.checksum = seed % 3 == 0
      options.debts.segmentSize = seed % 6 == 0 ? 200 : 0
    }
    options.faults = Self.faults(seed: seed)
    let verifier = try Verifier(configuration, plan: plan(configuration, profile), options: options)
    var mix = TrafficGenerator.Mix()
    mix.spoiledPercent = spoiledPercent
    mix.repeatedPercent = 40
    var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
    for index in 0..<count {
      let frame = traffic.next()
      // Ten microseconds a frame, and now and then a second, so that age timers run out.
      let now = UInt64(index) * 10_000 + UInt64(index / 500) * 1_000_000_000
      verifier.judge(
        Verifier.Input(port: frame.port, bytes: frame.bytes, time: now, isWellFormed: !frame.isSpoiled))
      step()
      if endsAtDifference, verifier.differing > 0 { break }
    }
    var report = verifier.finish()
    // No plan foresees that a device says no without need.
    if options.faults != FaultPlan() { report.surprises = [] }
    add(report, profile: profile.name, configuration: configuration.file)
  }

  /// Every fifth round a device that is full early, busy, or tells old counts: what no result may depend on.
  private static func faults(seed: UInt64) -> FaultPlan {
    var faults = FaultPlan()
    guard seed % 5 == 1 else { return faults }
    var random = SeededGenerator(seed: seed ^ 0xfa17)
    if random.oneIn(2) { faults.tableFullAt = UInt32(1 + random.below(30)) }
    if random.oneIn(3) { faults.busyInsertion = 3 }
    if random.oneIn(3) { faults.staleCounter = 3 }
    return faults
  }

  /// Judges given frames on every profile.
  public mutating func judge(_ inputs: [Verifier.Input], on configuration: Configuration) throws {
    for profile in profiles where !isEnough {
      var options = Engine.Options()
      options.seed = seed
      options.debts = debts
      options.device = device
      options.start = inputs.first?.time ?? 0
      let verifier = try Verifier(configuration, plan: plan(configuration, profile), options: options)
      for input in inputs {
        verifier.judge(input)
        step()
        if endsAtDifference, verifier.differing > 0 { break }
      }
      add(verifier.finish(), profile: profile.name, configuration: configuration.file)
    }
  }

  private var isEnough: Bool { endsAtDifference && parts.values.contains { $0.differing > 0 } }

  private func plan(_ configuration: Configuration, _ profile: DeviceProfile) -> Plan {
    Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: profile)
  }

  private mutating func step() {
    done += 1
    if done % 1000 == 0 { progress?(done) }
  }

  private mutating func add(_ report: Verifier.Report, profile: String, configuration: String) {
    parts[profile, default: Part()].frames += report.frames
    parts[profile, default: Part()].touchedByHardware += report.touchedByHardware
    parts[profile, default: Part()].differing += report.differing
    parts[profile, default: Part()].surprises += report.surprises.count
    drops.merge(report.drops) { $0 + $1 }
    for (rule, refusal) in report.surprises where unforeseen.count < 20 {
      unforeseen.append("\(profile), \(configuration), rule \(rule): \(refusal.reason.name)")
    }
    for difference in report.differences where differences.count < 20 {
      differences.append(Found(profile: profile, configuration: configuration, difference: difference))
    }
  }
}
