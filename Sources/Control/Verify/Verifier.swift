public import Device
public import Offload
import Rules

/// Holds a device against the software path: the same frames through both, everything that came of them compared.
public final class Verifier {
  /// One frame to be judged.
  public struct Input: Sendable {
    /// The port it comes in through.
    public var port: UInt16
    /// The bytes, without FCS.
    public var bytes: [UInt8]
    /// Nanoseconds.
    public var time: UInt64
    /// Not spoiled on purpose.
    public var isWellFormed: Bool
    /// A frame.
    public init(port: UInt16, bytes: [UInt8], time: UInt64, isWellFormed: Bool = true) {
      self.port = port
      self.bytes = bytes
      self.time = time
      self.isWellFormed = isWellFormed
    }
  }

  /// What was found.
  public struct Report: Sendable {
    /// Frames judged.
    public var frames = 0
    /// Frames of which the device did at least one step.
    public var touchedByHardware = 0
    /// Frames that never came up.
    public var bypassed = 0
    /// Drops by reason.
    public var drops: [DropReason: Int] = [:]
    /// What differs, some of them in full.
    public var differences: [Comparator.Difference] = []
    /// How many differ, counters included.
    public var differing = 0
    /// Rules whose place the plan did not foresee.
    public var surprises: [(rule: UInt32, refusal: Refusal)] = []
  }

  private let configuration: Configuration
  private var device: Engine
  private var software: Engine
  private var comparator: Comparator
  private var report = Report()
  private var now: UInt64 = 0

  /// A verifier of `plan`'s device for `configuration`.
  public init(_ configuration: Configuration, plan: Plan, options: Engine.Options = Engine.Options()) throws {
    self.configuration = configuration
    device = try Engine(configuration, plan: plan, options: options)
    software = try Engine(configuration, plan: nil, options: options)
    comparator = Comparator(configuration)
  }

  /// Judges one frame; what both sides made of it is given back.
  @discardableResult
  public func judge(_ input: Input) -> (device: [Result], software: [Result]) {
    now = input.time
    let ours = device.process(input.bytes, port: input.port, now: input.time)
    let theirs = software.process(input.bytes, port: input.port, now: input.time)
    report.frames += 1
    if ours.contains(where: { $0.place != .software }) { report.touchedByHardware += 1 }
    if ours.contains(where: \.isWholeInHardware) { report.bypassed += 1 }
    for result in theirs { if case .dropped(let reason) = result.fate { report.drops[reason, default: 0] += 1 } }
    let before = comparator.count
    comparator.compare(frame: report.frames, device: ours, software: theirs, wellFormed: input.isWellFormed)
    if comparator.count != before {
      comparator.attach(frame: report.frames, port: input.port, input: input.bytes)
    }
    return (ours, theirs)
  }

  /// Compares the counters and gives the report.
  public func finish() -> Report {
    report.differences = comparator.differences
    report.differing = comparator.count
    report.surprises = device.surprises
    for numbered in configuration.rules {
      let ours = device.count(of: numbered.id, now: now), theirs = software.count(of: numbered.id, now: now)
      if ours.frames != theirs.frames || ours.bytes != theirs.bytes {
        report.differing += 1
        report.differences.append(
          Comparator.Difference(
            frame: 0,
            what: "rule \(numbered.id) counted \(ours.frames) frames and \(ours.bytes) bytes on the device side "
              + "(software \(ours.software.frames), device \(ours.hardware?.frames ?? 0)), \(theirs.frames) and "
              + "\(theirs.bytes) on the software side"))
      }
    }
    return report
  }
}
