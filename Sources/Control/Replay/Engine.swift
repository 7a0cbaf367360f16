import Classifier
import Datapath
public import Device
import DeviceDriver
public import EmulatedDevice
import Memory
public import Offload
import Rules

/// A device below, software above: the whole way of a frame, from the port it comes in through to what comes of it.
///
/// One engine runs a configuration on one profile. Without a device it is the software path alone; comparing the two is
/// what `verify` does.
public final class Engine {
  /// Where the device of an engine runs.
  public enum DevicePlace: Sendable, Equatable {
    /// In this process, as a model that is called.
    case model
    /// In a process of its own, behind rings: the program.
    case process(program: String)
    /// The same, with `dpu-device` beside the running program.
    public static var besideThis: DevicePlace { .process(program: ProcessHost.beside()) }
  }

  /// How an engine is made.
  public struct Options: Sendable {
    /// Seed of everything the device draws.
    public var seed: UInt64 = 1
    /// Faults the device is asked to have.
    public var faults = FaultPlan()
    /// What is made owed on frames that come in.
    public var debts = DebtMaker()
    /// Nanoseconds of the first frame.
    public var start: UInt64 = 0
    /// One in this many of the device's answers is compared with software's; 0 for none.
    public var checkOneIn: UInt64 = 0
    /// The device pays debts on the way out where it can.
    public var transmitsOnDevice = true
    /// Where the device runs.
    public var device = DevicePlace.model
    /// The defaults.
    public init() {}
  }

  /// What is planned for the device; nil for software alone.
  public let plan: Plan?
  private let endpoint: EndpointPolicy
  private let debts: DebtMaker
  private let hardware: (any HardwareSide)?
  private let software: SoftwareSide
  private var checking: Checking?
  /// What of the paths in the underlay the device side has taken over, and until when that holds.
  private var pathGeneration: UInt64 = 0
  private var pathsUntil: UInt64 = .max
  /// How far the device came with the last frame.
  public private(set) var handover = Handover.untouched
  /// The last frame as it came up; nil when it did not.
  public private(set) var handedUp: FrameCopy?
  /// Rules that came to the device or left it since it got the frame before: what it counts for `sample` began again.
  public private(set) var moved: Set<UInt32> = []

  /// An engine for `configuration` on the device of `plan`, or in software alone.
  ///
  /// - Throws: what is wrong with the configuration, or that there is no memory.
  public convenience init(_ configuration: Configuration, plan: Plan?, options: Options = Options()) throws {
    try self.init(configuration, plan: plan, options: options, paths: nil)
  }

  /// With `paths` it shares what is known about paths in the underlay with another engine's software.
  private init(_ configuration: Configuration, plan: Plan?, options: Options, paths: PathTable?) throws {
    self.plan = plan
    endpoint = configuration.overlay.endpoint
    debts = options.debts
    let software = try SoftwareSide(configuration, start: options.start, paths: paths)
    self.software = software
    guard let plan else {
      hardware = nil
      return
    }
    let hardware = try Self.side(plan, options: options) { software.rules.setResume(rule: $0, actionsDone: $1) }
    self.hardware = hardware
    if options.transmitsOnDevice { software.setCarried(hardware.carries, ports: configuration.ports.map(\.port.id)) }
    if options.checkOneIn > 0 {
      var alone = options
      alone.checkOneIn = 0
      checking = Checking(
        twin: try Engine(
          configuration.copyingEverything, plan: nil, options: alone, paths: software.rules.paths),
        oneIn: options.checkOneIn, configuration)
    }
  }

  private static func side(
    _ plan: Plan, options: Options, tellSoftware: @escaping (_ rule: UInt32, _ actionsDone: Int) -> Void
  ) throws -> any HardwareSide {
    switch options.device {
    case .model:
      let device = try EmulatedDevice(
        abilities: plan.profile.abilities, overlay: plan.deviceOverlay, seed: options.seed, faults: options.faults)
      return ManagedSide(plan, device: device, options: options, tellSoftware: tellSoftware)
    case .process(let program):
      var driving = DrivenDevice<ProcessHost>.Options()
      // Nobody waits for these frames: a busy machine is no reason to take the device for lost.
      driving.waits = 5000
      let device = try DrivenDevice.start(
        ProcessHost(program: program), abilities: plan.profile.abilities, overlay: plan.deviceOverlay,
        settings: StartSettings(seed: options.seed, faults: options.faults).bytes, options: driving,
        now: options.start)
      return ManagedSide(plan, device: device, options: options, tellSoftware: tellSoftware)
    }
  }

  /// The device's counters of itself; nil without a device, or when it does not answer.
  public func statistics(now: UInt64) -> DeviceStatistics? { hardware?.statistics(now: now) }

  /// Carries one frame through; `bytes` without FCS, at most 65,535.
  public func process(_ bytes: [UInt8], port: UInt16, now: UInt64) -> [Result] {
    guard var frame = software.frame(bytes) else { return [Result(fate: .dropped(.noBuffer), rule: 0, bytes: [])] }
    frame.inPort = port
    debts.owe(&frame, endpoint: endpoint)
    guard let hardware else { return carryOut(frame, steps: [], now: now) }
    hardware.poll(now: now)
    if now >= pathsUntil || software.rules.paths.generation != pathGeneration { followPaths(now: now) }
    moved = hardware.takeMoved()
    var results: [Result] = []
    var up: [(frame: Frame, bytes: [UInt8])] = []
    handover = hardware.receive(frame, now: now) { emission in
      if emission.frame.outcome == .up {
        up.append((emission.frame, emission.frame.bytes.array()))
      } else {
        results.append(Result(emission, inHardware: true))
      }
    }
    // The device took the frame and never gave it back, nor anything else.
    if results.isEmpty, up.isEmpty { results = [Result(fate: .dropped(.lostInDevice), rule: 0, bytes: [])] }
    handedUp = up.last.map { FrameCopy(bytes: $0.bytes, record: $0.frame) }
    for (frame, bytes) in up {
      guard var mine = software.adopt(frame, bytes: bytes) else {
        results.append(Result(fate: .dropped(.noBuffer), rule: frame.rule, bytes: [], stepsInHardware: frame.steps))
        continue
      }
      mine.outcome = .pending
      results += carryOut(mine, steps: frame.steps, now: now)
    }
    software.finish(frame.token)
    hardware.poll(now: now)
    if let checking, let wrong = checking.check(results, bytes, port: port, now: now) {
      hardware.distrust(
        wrong.rule, step: wrong.step, isOwnStep: wrong.isOwnStep, framesExposed: wrong.framesExposed, now: now)
    }
    return results
  }

  /// I4: rules whose headers lead to a path that has become narrow, or is no more, change their place.
  private func followPaths(now: UInt64) {
    pathGeneration = software.rules.paths.generation
    let known = software.rules.narrowPaths(now: now)
    pathsUntil = known.until
    hardware?.hold(Set(known.paths.map(\.encapsulation)), now: now)
  }

  /// Software's part, and the device's on the way out.
  private func carryOut(_ frame: Frame, steps: Steps, now: UInt64) -> [Result] {
    var results: [Result] = []
    software.process(frame, now: now) { emission in
      guard let hardware, emission.frame.outcome == .forward, emission.frame.owed != [] else {
        return results.append(Result(emission, steps: steps))
      }
      hardware.transmit(emission.frame, port: emission.port, now: now) { sent in
        guard sent.frame.outcome != .absorbed else { return }
        var result = Result(sent, steps: steps.union(.fillChecksum))
        result.rule = emission.frame.rule
        results.append(result)
      }
    }
    return results
  }

  /// What was counted at a rule, by device and software together.
  public func count(of rule: UInt32, now: UInt64) -> RuleTotals {
    let count = software.rules.counts(of: rule)
    let frames = count?.frames ?? 0, bytes = count?.bytes ?? 0
    return hardware?.totals(of: rule, softwareFrames: frames, softwareBytes: bytes, now: now)
      ?? RuleTotals(frames: frames, bytes: bytes, softwareFrames: frames)
  }

  /// What was counted at an indirect `count`, by device and software together (SPECIFICATION.md A6).
  public func sharedCount(of id: UInt32, now: UInt64) -> RuleTotals {
    let count = software.rules.sharedCount(of: id) ?? SharedCount()
    return hardware?.sharedTotals(of: id, softwareFrames: count.frames, softwareBytes: count.bytes, now: now)
      ?? RuleTotals(frames: count.frames, bytes: count.bytes, softwareFrames: count.frames)
  }

  /// Where a rule is carried out now, and why it is not all the device's.
  public func place(of rule: UInt32) -> (place: Place, refusal: Refusal?) {
    (hardware?.place(of: rule) ?? .software, hardware?.refusal(of: rule))
  }

  /// The drop that the device found in the last frame and left to software to name (V1).
  public var dropFoundByDevice: DropReason? { hardware?.foundDrop }
  /// Frames that were counted as dropped for `reason`, by device and software together.
  public func drops(_ reason: DropReason) -> UInt64 { software.datapath.drops[reason] + (hardware?.drops(reason) ?? 0) }
  /// What the underlay said is the longest packet that comes through with an encapsulation (I3); nil when it is no
  /// shorter than the widest uplink's.
  public func pathMTU(of encapsulation: UInt16, now: UInt64) -> UInt16? {
    software.rules.narrowPaths(now: now).paths.first { $0.encapsulation == encapsulation }?.mtu
  }
  /// The device has not yet been given all that the plan has for it.
  public var isBehindPlan: Bool { hardware?.isBusy ?? false }
  /// Resets of the device that were met.
  public var resets: Int { hardware?.resets ?? 0 }
  /// What was taken from the device because its answers were wrong.
  public var distrusts: [Distrust] { hardware?.distrusts ?? [] }
}

/// What device and software counted at one rule, or at an indirect `count`.
public struct RuleTotals: Equatable, Sendable {
  /// Frames of both; never lower than it was shown before.
  public var frames: UInt64
  /// Bytes of both.
  public var bytes: UInt64
  /// Software's share of ``frames``.
  public var softwareFrames: UInt64
  /// Frames that may be missing from ``frames``: bypassed ones since the device's last reading.
  public var missingFrames: UInt64 = 0
  /// Nothing is missing from ``bytes``. Frames may all be known to have been counted, and their length there not.
  public var bytesAreExact = true
}

extension Result {
  /// What an emission says, its bytes copied.
  init(_ emission: Emission, inHardware: Bool = false, steps: Steps = []) {
    let frame = emission.frame
    let fate: Fate
    if let reason = frame.outcome.dropReason {
      fate = .dropped(reason)
    } else if frame.outcome == .up {
      fate = .dropped(.noController)
    } else if frame.outcome == .deliver {
      fate = .delivered(queue: frame.queue, mark: emission.mark)
    } else {
      fate = .forwarded(port: emission.port)
    }
    let isDropped = frame.outcome.dropReason != nil || frame.outcome == .up
    self.init(
      fate: fate, rule: frame.rule, bytes: isDropped ? [] : frame.bytes.array(),
      stepsInHardware: inHardware ? frame.steps : steps)
    isWholeInHardware = inHardware
    tunnelKey = frame.tunnelKey
    owed = frame.owed
    checksums = frame.checksums
    isCopy = frame.steps.contains(.sampled)
  }
}
