import Classifier
import Datapath
public import Device
public import EmulatedDevice
import Memory
public import Offload
import Rules

/// A place for a device that does not move: an optional of it would.
private final class DeviceBox {
  var device: EmulatedDevice
  init(_ device: consuming EmulatedDevice) { self.device = device }
}

/// A device below, software above: the whole way of a frame, from the port it comes in through to what comes of it.
///
/// One engine runs a configuration on one profile. Without a device it is the software path alone; comparing the two is
/// what `verify` does.
public final class Engine {
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
    /// The defaults.
    public init() {}
  }

  /// What is planned for the device; nil for software alone.
  public let plan: Plan?
  private let endpoint: EndpointPolicy
  private let debts: DebtMaker
  private let hardware: DeviceBox?
  private var software: SoftwareSide
  /// Refusals that the plan did not foresee.
  public private(set) var surprises: [(rule: UInt32, refusal: Refusal)] = []

  /// An engine for `configuration` on the device of `plan`, or in software alone.
  ///
  /// - Throws: what is wrong with the configuration, or that there is no memory.
  public init(_ configuration: Configuration, plan: Plan?, options: Options = Options()) throws {
    self.plan = plan
    endpoint = configuration.overlay.endpoint
    debts = options.debts
    var side = SidePlan(start: options.start)
    if let plan {
      side.actionsDone = plan.deviceRules.filter { !$0.isWideGuard }.map { ($0.id, $0.actionsOnDevice) }
      let box = DeviceBox(
        try EmulatedDevice(
          abilities: plan.profile.abilities, overlay: plan.deviceOverlay, seed: options.seed, faults: options.faults))
      for rule in plan.deviceRules {
        do throws(Refusal) { try box.device.insert(rule, now: options.start) } catch {
          // Rules go in in precedence order: what comes behind a rule that is not there must not take its frames.
          surprises.append((rule.id, error))
          break
        }
      }
      hardware = box
    } else {
      hardware = nil
    }
    software = try SoftwareSide(configuration, plan: side)
  }

  /// Carries one frame through; `bytes` without FCS, at most 65,535.
  public func process(_ bytes: [UInt8], port: UInt16, now: UInt64) -> [Result] {
    guard var frame = software.frame(bytes) else {
      return [Result(fate: .dropped(.noBuffer), rule: 0, bytes: [])]
    }
    frame.inPort = port
    debts.owe(&frame, endpoint: endpoint)
    var results: [Result] = []
    guard let hardware else {
      software.process(frame, now: now) { results.append(Result($0)) }
      return results
    }
    var up: [(frame: Frame, bytes: [UInt8])] = []
    hardware.device.receive(frame, port: port, now: now) { emission in
      if emission.frame.outcome == .up {
        up.append((emission.frame, emission.frame.bytes.array()))
      } else {
        results.append(Result(emission, inHardware: true))
      }
    }
    let token = frame.token
    for (frame, bytes) in up {
      guard var mine = software.adopt(frame, bytes: bytes) else { continue }
      mine.outcome = .pending
      let steps = frame.steps
      software.process(mine, now: now) { results.append(Result($0, steps: steps)) }
    }
    software.finish(token)
    return results
  }
}

extension Engine {
  /// What was counted at a rule, by device and software together.
  public func count(of rule: UInt32, now: UInt64) -> RuleTotals {
    var totals = RuleTotals()
    if let count = software.rules.counts(of: rule) {
      totals.software = CounterReading(frames: count.frames, bytes: count.bytes, takenAt: now)
    }
    if let hardware {
      do throws(Refusal) {
        totals.hardware = try hardware.device.query(rule, now: now)
      } catch {
        totals.hardware = nil
      }
    }
    return totals
  }
}

/// What device and software counted at one rule.
public struct RuleTotals: Equatable, Sendable {
  /// Software's share.
  public var software = CounterReading()
  /// The device's; nil when the rule is not on it.
  public var hardware: CounterReading?
  /// Frames of both.
  public var frames: UInt64 { software.frames &+ (hardware?.frames ?? 0) }
  /// Bytes of both.
  public var bytes: UInt64 { software.bytes &+ (hardware?.bytes ?? 0) }
}

extension Result {
  /// What an emission says, its bytes copied.
  init(_ emission: Emission, inHardware: Bool = false, steps: Steps = []) {
    let frame = emission.frame
    let fate: Fate
    if let reason = frame.outcome.dropReason {
      fate = .dropped(reason)
    } else if frame.outcome == .deliver {
      fate = .delivered(queue: frame.queue, mark: emission.mark)
    } else {
      fate = .forwarded(port: emission.port)
    }
    let isDropped = frame.outcome.dropReason != nil
    self.init(
      fate: fate, rule: frame.rule, bytes: isDropped ? [] : frame.bytes.array(),
      stepsInHardware: inHardware ? frame.steps : steps)
    isWholeInHardware = inHardware
  }
}
