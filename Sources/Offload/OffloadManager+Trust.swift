public import Device
import Rules

/// A step of a rule that was taken from a device because its answer was wrong.
public struct Distrust: Equatable, Sendable {
  /// The rule.
  public var rule: UInt32
  /// The step that was wrong.
  public var step: RuleStep
  /// When it was taken, nanoseconds.
  public var at: UInt64
  /// Frames at most that the device may have answered wrongly before: those since the last answer that was right.
  public var framesExposed: UInt64

  /// A distrust.
  public init(rule: UInt32, step: RuleStep, at: UInt64, framesExposed: UInt64) {
    self.rule = rule
    self.step = step
    self.at = at
    self.framesExposed = framesExposed
  }
}

// Devices that lie.
extension OffloadManager where D: ~Copyable {
  /// Takes a step of a rule, and what comes after it in the rule, from the device. At once: the next frame is software's.
  /// A match that was wrong takes the whole rule, and rules behind it that overlap with it.
  public mutating func distrust(_ id: UInt32, step: RuleStep, framesExposed: UInt64, now: UInt64) {
    guard let index = places[id] else { return }
    distrusts.append(Distrust(rule: id, step: step, at: now, framesExposed: framesExposed))
    restrict(index, step)
    settle(now: now)
    poll(now: now)
  }

  /// Takes a step of all rules from the device.
  public mutating func distrustEverywhere(_ step: RuleStep, now: UInt64) {
    guard distrustedSteps.insert(step).inserted else { return }
    for index in entries.indices { restrict(index, step) }
    settle(now: now)
    poll(now: now)
  }

  private mutating func restrict(_ index: Int, _ step: RuleStep) {
    if step == .match {
      entries[index].isDistrusted = true
      return
    }
    guard let first = entries[index].plan.actions.firstIndex(where: { $0.step == step }) else { return }
    entries[index].trustedActions = min(entries[index].trustedActions, first)
  }

  /// Trusts the device with a rule again.
  public mutating func trust(_ id: UInt32, now: UInt64) {
    guard let index = places[id] else { return }
    entries[index].isDistrusted = false
    entries[index].trustedActions = .max
    for step in distrustedSteps { restrict(index, step) }
    settle(now: now)
    poll(now: now)
  }

  /// Trusts the device with a step again, and with every rule that was distrusted for it.
  public mutating func trustEverywhere(_ step: RuleStep, now: UInt64) {
    distrustedSteps.remove(step)
    for index in entries.indices {
      entries[index].isDistrusted = distrustedSteps.contains(.match)
      entries[index].trustedActions = .max
      for step in distrustedSteps { restrict(index, step) }
    }
    settle(now: now)
    poll(now: now)
  }
}

// Paths in the underlay.
extension OffloadManager where D: ~Copyable {
  /// Keeps all actions of these rules from the given one on from the device, and no longer those of other rules: they put
  /// headers in front for a path that carries less than the uplink, which the device does not know (SPECIFICATION.md I4).
  public mutating func hold(_ actions: [UInt32: Int], now: UInt64) {
    var changed = false
    for index in entries.indices {
      let held = actions[entries[index].plan.id] ?? .max
      if entries[index].heldActions != held { changed = true }
      entries[index].heldActions = held
    }
    guard changed else { return }
    settle(now: now)
    poll(now: now)
  }
}

/// Chooses the answers of a device that are compared with software's, one in `interval` of each rule, and says how many
/// frames a lie may have touched before it is found: never more than `interval` of a rule whose every answer is wrong.
public struct AnswerChecker: Sendable {
  /// One answer in this many is compared; 1 for every one.
  public let interval: UInt64
  /// Answers compared.
  public private(set) var compared: UInt64 = 0
  /// Answers that were wrong.
  public private(set) var wrong: UInt64 = 0
  private var since: [UInt32: UInt64] = [:]

  /// Compares one answer in `interval` (0 is taken as 1).
  public init(oneIn interval: UInt64) { self.interval = max(1, interval) }

  /// Whether the next answer for this rule (0 for frames without a rule) is to be compared. The first one is.
  public mutating func wantsNext(rule: UInt32) -> Bool {
    let count = since[rule] ?? 0
    since[rule] = count + 1
    return count % interval == 0
  }

  /// What a comparison came to. For a wrong answer: how many frames of the rule the device answered since the last right
  /// one, this one included.
  public mutating func note(rule: UInt32, agreed: Bool) -> UInt64? {
    compared += 1
    if agreed {
      since[rule] = 1
      return nil
    }
    wrong += 1
    return min(since[rule] ?? 1, interval)
  }
}
