public import Device
import EmulatedDevice
public import Offload
import Ports
import Rules

/// One run of frames through a configuration on a profile, with what each rule did and where.
public final class Replay {
  /// What one rule did.
  public struct RuleRow: Sendable, Equatable {
    /// The rule's id.
    public var id: UInt32
    /// Frames the device finished alone.
    public var bypassed = 0
    /// Frames the device began and software ended.
    public var shared = 0
    /// Frames of software alone.
    public var software = 0
    /// Counted frames and bytes, when the rule counts.
    public var frames: UInt64 = 0
    /// See ``frames``.
    public var bytes: UInt64 = 0
    /// Frames that may be missing from ``frames``.
    public var missing: UInt64 = 0
    /// Nothing is missing from ``bytes``.
    public var bytesAreExact = true
    /// Where the rule is carried out at the end.
    public var place = Place.software
    /// Why it is not all the device's.
    public var reason: RefusalReason?
  }

  /// What was counted at an indirect `count`.
  public struct SharedRow: Sendable, Equatable {
    /// The indirect action's id.
    public var id: UInt32
    /// The rules that name it.
    public var rules: [UInt32]
    /// Frames and bytes.
    public var totals: RuleTotals
  }

  /// What a run came to.
  public struct Report: Sendable {
    /// Frames that went in.
    public var frames = 0
    /// Frames that came out of ports.
    public var forwarded = 0
    /// Frames that went to queues.
    public var delivered = 0
    /// Drops by reason.
    public var drops: [DropReason: Int] = [:]
    /// By rule, in the order of the configuration.
    public var rules: [RuleRow] = []
    /// By indirect `count`, in the order of their ids.
    public var shared: [SharedRow] = []
    /// Frames that no rule matched.
    public var missed = 0
    /// Resets of the device that were met.
    public var resets = 0
    /// Steps taken from the device because its answers were wrong.
    public var distrusts: [Distrust] = []
  }

  private let configuration: Configuration
  private var engine: Engine
  private var report = Report()
  private var rows: [UInt32: RuleRow] = [:]

  /// A run on the device of `plan`; nil for software alone.
  public init(_ configuration: Configuration, plan: Plan?, options: Engine.Options) throws {
    self.configuration = configuration
    engine = try Engine(configuration, plan: plan, options: options)
    for numbered in configuration.rules { rows[numbered.id] = RuleRow(id: numbered.id) }
  }

  /// Runs one frame; every result is also given to `each`.
  public func run(_ input: Verifier.Input, each: (Result) throws -> Void) throws {
    report.frames += 1
    for result in engine.process(input.bytes, port: input.port, now: input.time) {
      note(result)
      try each(result)
    }
  }

  private func note(_ result: Result) {
    switch result.fate {
    case .forwarded: report.forwarded += 1
    case .delivered: report.delivered += 1
    case .dropped(let reason): report.drops[reason, default: 0] += 1
    }
    switch result.place {
    case _ where rows[result.rule] == nil: report.missed += 1
    case .hardware: rows[result.rule]?.bypassed += 1
    case .software: rows[result.rule]?.software += 1
    default: rows[result.rule]?.shared += 1
    }
  }

  /// The report; `now` is the time of the last frame.
  public func finish(now: UInt64) -> Report {
    for numbered in configuration.rules {
      let totals = engine.count(of: numbered.id, now: now)
      rows[numbered.id]?.frames = totals.frames
      rows[numbered.id]?.bytes = totals.bytes
      rows[numbered.id]?.missing = totals.missingFrames
      rows[numbered.id]?.bytesAreExact = totals.bytesAreExact
      let now = engine.place(of: numbered.id)
      rows[numbered.id]?.place = now.place
      rows[numbered.id]?.reason = now.refusal?.reason
    }
    report.rules = configuration.rules.compactMap { rows[$0.id] }
    for (id, action) in configuration.overlay.indirectActions.sorted(by: { $0.key < $1.key }) {
      guard case .count = action else { continue }
      let rules = configuration.rules.filter { $0.rule.actions.contains(.indirect(id: id)) }.map(\.id)
      report.shared.append(SharedRow(id: id, rules: rules, totals: engine.sharedCount(of: id, now: now)))
    }
    report.resets = engine.resets
    report.distrusts = engine.distrusts
    return report
  }
}

extension Result {
  /// Where the work was done: all by the device, begun by it, or by software alone.
  public var place: Place {
    if isWholeInHardware { return .hardware }
    let done = stepsInHardware.subtracting([.parse, .verifyChecksum])
    if done.isEmpty { return .software }
    return done == .match ? .guarded : .partial
  }
}
