public import Device

/// What is known of a planned rule now: a copy that can be handed on.
public struct RuleState: Equatable, Sendable {
  /// Where it is carried out.
  public var place: Place
  /// Actions that the device does.
  public var actionsOnDevice: Int
  /// The device holds a wider guard in its stead.
  public var isWideGuard: Bool
  /// Why it is not all the device's.
  public var refusal: Refusal?
  /// Frames that devices counted for certain.
  public var frames: UInt64
  /// Their bytes.
  public var bytes: UInt64
  /// Frames at most by which ``frames`` may be too low.
  public var missingFrames: UInt64
}

extension OffloadManager where D: ~Copyable {
  /// How many rules are planned.
  public var count: Int { entries.count }

  /// What is known of every planned rule, by id.
  public func ruleStates() -> [UInt32: RuleState] {
    var states: [UInt32: RuleState] = [:]
    states.reserveCapacity(entries.count)
    for (index, entry) in entries.enumerated() {
      let form = entry.installed
      let counts = entry.counts && doesActions(entry)
      states[entry.plan.id] = RuleState(
        place: place(index), actionsOnDevice: form?.actionsOnDevice ?? 0, isWideGuard: form?.isWideGuard ?? false,
        refusal: refusal(of: entry.plan.id), frames: entry.counter.frames, bytes: entry.counter.bytes,
        missingFrames: counts ? entry.counter.missing(bypassed: history.total) : entry.counter.lost)
    }
    return states
  }
}
