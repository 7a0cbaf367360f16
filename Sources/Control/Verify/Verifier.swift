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
    /// Its checksums are known to be right, as those of a drawn frame; nobody vouches for a capture's.
    public var hasRightChecksums = true
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
    /// Copies that `sample` actions of the device side left, and how many of them the device made.
    public var copies = 0
    /// See ``copies``.
    public var copiesByDevice = 0
    /// Drops by reason.
    public var drops: [DropReason: Int] = [:]
    /// What differs, some of them in full.
    public var differences: [Comparator.Difference] = []
    /// How many differ, counters included.
    public var differing = 0
    /// Rules whose place the plan did not foresee.
    public var surprises: [(rule: UInt32, refusal: Refusal)] = []
    /// Resets of the device that were met.
    public var resets = 0
  }

  private let configuration: Configuration
  private var device: Engine
  private var software: Engine
  private var comparator: Comparator
  /// Nil when frames owe segmentation.
  private var sizes: SizeJudge?
  private var report = Report()
  private var now: UInt64 = 0
  /// What left as dropped, for each of the two sides.
  private var dropped: [[DropReason: UInt64]] = [[:], [:]]

  /// Differences found so far, those of counters not among them.
  public var differing: Int { comparator.count }

  /// A verifier of `plan`'s device for `configuration`.
  public init(_ configuration: Configuration, plan: Plan, options: Engine.Options = Engine.Options()) throws {
    self.configuration = configuration
    device = try Engine(configuration, plan: plan, options: options)
    software = try Engine(configuration.copyingEverything, plan: nil, options: options)
    comparator = Comparator(configuration, framesMayBeCut: options.debts.segmentSize > 0)
    sizes = options.debts.segmentSize > 0 ? nil : SizeJudge(configuration, owes: options.debts.checksum)
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
    for copy in ours where copy.isCopy {
      report.copies += 1
      if copy.isWholeInHardware { report.copiesByDevice += 1 }
    }
    for result in theirs where !result.isCopy {
      if case .dropped(let reason) = result.fate { report.drops[reason, default: 0] += 1 }
    }
    for (side, results) in [ours, theirs].enumerated() {
      for result in results {
        if case .dropped(let reason) = result.fate { dropped[side][reason, default: 0] += 1 }
      }
    }
    let before = comparator.count
    comparator.forgetCounts(of: device.moved)
    comparator.compare(
      frame: report.frames, device: ours, software: theirs, handover: device.handover,
      wellFormed: input.isWellFormed, rightChecksums: input.hasRightChecksums)
    let isSound = input.isWellFormed && input.hasRightChecksums
    let fault = sizes?.fault(of: isSound ? input.bytes : nil, port: input.port, now: now, theirs) {
      software.pathMTU(of: $0, now: now)
    }
    if let fault {
      comparator.note(report.frames, "a frame \(fault)")
    }
    if let found = device.dropFoundByDevice { hold(theirs, to: found, port: input.port) }
    if comparator.count != before {
      comparator.attach(frame: report.frames, port: input.port, input: input.bytes)
    }
    return (ours, theirs)
  }

  /// V1: a drop that the device finds is software's to name, and software names the same.
  private func hold(_ results: [Result], to found: DropReason, port: UInt16) {
    if results.contains(where: { $0.fate == .dropped(found) }) { return }
    switch found {
    case .noFate where configuration.ports.contains { $0.port.id == port && $0.port.miss == .host }: return
    case .outerFragment where configuration.overlay.endpoint.reassembly != nil: return
    // What is too big is cut where that is allowed (S1).
    case .tooBig where results.contains { $0.isCopy && $0.isForwarded }: return
    case .tooBig where results.allSatisfy { $0.isCopy || $0.isForwarded }: return
    default:
      comparator.note(
        report.frames, "the device found \(found.name), software side gave \(comparator.summary(results))")
    }
  }

  /// Compares the counters and gives the report.
  public func finish() -> Report {
    compareDropCounts()
    report.differences = comparator.differences
    report.differing = comparator.count
    report.resets = device.resets
    let time = now
    let isNarrow = configuration.rules.contains { device.place(of: $0.id).refusal?.reason == .pathMTU }
    let held: Set<RefusalReason> = isNarrow ? [.pathMTU, .shadowed] : []
    for numbered in configuration.rules {
      let now = device.place(of: numbered.id)
      // A device that takes few rules a second is behind its plan, which is no surprise; nor is another weaker form, or
      // what it is not given while a path is narrow, and what stands behind that.
      if !device.isBehindPlan, let planned = device.plan?[numbered.id], planned.place == .hardware,
        let refusal = now.refusal, !held.contains(refusal.reason)
      {
        report.surprises.append((numbered.id, refusal))
      }
      compare(
        "rule \(numbered.id)", device.count(of: numbered.id, now: time), software.count(of: numbered.id, now: time))
    }
    for (id, action) in configuration.overlay.indirectActions.sorted(by: { $0.key < $1.key }) {
      guard case .count = action else { continue }
      compare(
        "indirect count \(id)", device.sharedCount(of: id, now: time), software.sharedCount(of: id, now: time))
    }
    return report
  }

  /// Every drop is counted once, under its name; what is lost in a device or has no buffer is counted elsewhere.
  private func compareDropCounts() {
    for reason in DropReason.allCases where reason != .lostInDevice && reason != .noBuffer {
      for (side, engine) in [device, software].enumerated() {
        let counted = engine.drops(reason), seen = dropped[side][reason] ?? 0
        guard counted != seen else { continue }
        let name = side == 0 ? "device" : "software"
        comparator.note(0, "\(name) side counted \(counted) drops as \(reason.name), and \(seen) were seen")
      }
    }
  }

  /// Counts are equal; where the device is read late, software's lies within the width that may be missing.
  private func compare(_ counter: String, _ ours: RuleTotals, _ theirs: RuleTotals) {
    let isSame =
      ours.frames <= theirs.frames && theirs.frames <= ours.frames + ours.missingFrames
      && (ours.bytes == theirs.bytes || !ours.bytesAreExact && ours.bytes < theirs.bytes)
    guard !isSame else { return }
    report.differing += 1
    report.differences.append(
      Comparator.Difference(
        frame: 0,
        what: "\(counter) counted \(ours.frames) frames (\(ours.softwareFrames) of them in software, up to "
          + "\(ours.missingFrames) missing) and \(ours.bytes) bytes on the device side, \(theirs.frames) and "
          + "\(theirs.bytes) on the software side"))
  }
}
