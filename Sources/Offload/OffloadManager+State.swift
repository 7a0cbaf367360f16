public import Device
import Rules

// What others ask the manager.
extension OffloadManager where D: ~Copyable {
  /// Where a rule is carried out now; nil when there is none.
  public func place(of id: UInt32) -> Place? { places[id].map { place($0) } }

  /// Why a rule is not all the device's now: the device's own word first, then the plan's.
  public func refusal(of id: UInt32) -> Refusal? {
    guard let index = places[id] else { return nil }
    let entry = entries[index]
    if place(index) == .hardware { return nil }
    if let refusal = entry.refusal { return refusal }
    if entry.isDistrusted || entry.trustedActions < entry.plan.actionsOnDevice { return Refusal(.distrusted) }
    if entry.heldActions < entry.plan.actionsOnDevice { return Refusal(.pathMTU) }
    if entry.installed == nil, entry.planned != nil { return Refusal(device.isAlive ? .busy : .deviceLost) }
    return entry.plan.refusal
  }

  /// What the device holds of a rule.
  public func installed(_ id: UInt32) -> DeviceRule? { places[id].flatMap { entries[$0].installed } }

  /// Where software goes on with a frame that came up with this rule: the number of its actions that are done. nil when
  /// the device does not hand frames up with it.
  public func actionsDone(rule id: UInt32) -> Int? {
    guard let form = installed(id), !form.isWideGuard else { return nil }
    return form.actionsOnDevice == 0 || form.actionsOnDevice < form.rule.actions.count ? form.actionsOnDevice : nil
  }

  /// Rule id to actions done, for every rule whose frames come up half done or only found.
  public var resumePoints: [UInt32: Int] {
    var points: [UInt32: Int] = [:]
    for entry in entries { points[entry.plan.id] = actionsDone(rule: entry.plan.id) }
    return points
  }

  /// Rules by place now.
  public func count(_ wanted: Place) -> Int { entries.indices.count { place($0) == wanted } }

  /// Whether something waits to be inserted or removed.
  public var isBusy: Bool { needsInsertion || !lingering.isEmpty }

  /// Whether the device still has a rule that it was told to forget and was too busy to.
  public var hasLingering: Bool { !lingering.isEmpty }

  /// When ``poll(now:limit:)`` has something to do again, as far as that is known.
  public var nextPoll: UInt64? { isBusy ? waitsUntil : nil }

  /// The moves since the last call, in order.
  public mutating func takeMoves() -> [Move] {
    defer { moves = [] }
    return moves
  }

  func place(_ index: Int) -> Place {
    guard let form = entries[index].installed, !form.isWideGuard else { return .software }
    if form.actionsOnDevice == form.rule.actions.count { return .hardware }
    return form.actionsOnDevice == 0 ? .guarded : .partial
  }

  mutating func noteMove(_ index: Int, _ before: Place, reason: RefusalReason? = nil) {
    let after = place(index)
    guard before != after else { return }
    moves.append(
      Move(
        id: entries[index].plan.id, from: before, to: after,
        reason: reason ?? (after == .hardware ? nil : refusal(of: entries[index].plan.id)?.reason)))
  }

  /// Tries what the device refused once more, in whole or in its wanted form.
  public mutating func retryRefused(now: UInt64) {
    for index in entries.indices { entries[index].refusal = nil }  // What stays kept down, settle says again.
    settle(now: now)
    poll(now: now)
  }
}
