public import Device

/// A device that does not copy ECN, made to take rules whose encapsulation copies it: each such rule goes to it as one
/// for each ECN value (``Prediction/parts(of:)``), which are told of as one again: one id, one count, one age.
///
/// The device under it sees the ids times four. A part that is there while others wait for a busy device does no harm: it
/// carries its frames out whole, and the rule's other frames come up.
public struct SplittingDevice<D: OffloadDevice & ~Copyable>: OffloadDevice, ~Copyable {
  /// The device under it.
  public var base: D
  private let prediction: Prediction
  /// How far the device's ids are shifted; for frames that take another way than ``receive(_:port:now:emit:)``.
  public let shift: UInt32
  private var held: [UInt32: Held] = [:]

  /// A rule of which parts are on the device, or were and counted.
  private struct Held {
    var form: DeviceRule
    /// Parts that are on the device, of how many.
    var there = 0
    var parts: Int
    /// Why the parts are taken back.
    var refusal: Refusal?
    /// What parts counted that have gone.
    var gone = CounterReading()
    /// The count of each part when it was told idle.
    var idle: [Int: UInt64] = [:]
  }

  /// `base` under a plan; rules are split when the plan's device needs that.
  public init(_ base: consuming D, plan: Plan) {
    self.base = base
    prediction = plan.prediction
    shift = plan.prediction.variants.isEmpty ? 0 : ECNVariants.idBits
  }

  /// What the device under it allows.
  public var abilities: Abilities { base.abilities }
  /// Whether it answers.
  public var isAlive: Bool { base.isAlive }

  /// Takes a rule, as several where it has to be split: all of them or, when the device refuses one, none. A device that
  /// is busy in between is asked for the rest by the next call with the same rule.
  public mutating func insert(_ rule: DeviceRule, now: UInt64) throws(Refusal) {
    guard rule.id > 0, rule.id <= .max >> shift else { throw Refusal(.invalid) }
    if let before = held[rule.id] {
      if before.refusal == nil, before.there == before.parts { throw Refusal(.invalid) }
      if before.form != rule || before.refusal != nil {
        try takeBack(rule.id, now)
        if let refusal = before.refusal, before.form == rule {
          held[rule.id]?.refusal = nil
          throw refusal
        }
      }
    }
    let parts = prediction.parts(of: rule) ?? [rule]
    let isNew = held[rule.id] == nil
    var state = held[rule.id] ?? Held(form: rule, parts: parts.count)
    state.form = rule
    state.parts = parts.count
    state.refusal = nil
    while state.there < parts.count {
      var part = parts[state.there]
      part.id = rule.id << shift | UInt32(state.there)
      do throws(Refusal) {
        try base.insert(part, now: now)
      } catch {
        if isNew, state.there == 0 { throw error }
        held[rule.id] = state
        guard error.reason != .busy, error.reason != .deviceLost else { throw error }
        held[rule.id]?.refusal = error
        try takeBack(rule.id, now)
        // What parts counted meanwhile waits to be told.
        if isNew { held[rule.id] = nil } else { held[rule.id]?.refusal = nil }
        throw error
      }
      state.there += 1
    }
    held[rule.id] = state
  }

  /// Takes back the parts that are there; the next call goes on where a busy device stopped this one.
  private mutating func takeBack(_ id: UInt32, _ now: UInt64) throws(Refusal) {
    while let state = held[id], state.there > 0 {
      do throws(Refusal) {
        held[id]?.gone = state.gone.adding(try base.remove(id << shift | UInt32(state.there - 1), now: now))
      } catch {
        if error.reason == .busy || error.reason == .deviceLost { throw error }
      }
      held[id]?.there -= 1
    }
    held[id]?.idle = [:]
  }

  /// Whether the rule is there in part, or was and counted: ``remove(_:now:)`` has something to give.
  public func hasBegun(_ id: UInt32) -> Bool { held[id] != nil }

  /// Forgets a rule, part by part; a busy device is asked again by the next call, which goes on where this one stopped.
  public mutating func remove(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    guard base.isAlive else { throw Refusal(.deviceLost) }
    guard held[id] != nil else { throw Refusal(.noSuchRule) }
    try takeBack(id, now)
    var last = held.removeValue(forKey: id)?.gone ?? CounterReading()
    last.takenAt = now
    return last
  }

  /// What all parts counted, as of the oldest of their readings.
  public mutating func query(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    guard let state = held[id] else { throw Refusal(base.isAlive ? .noSuchRule : .deviceLost) }
    var sum = state.gone
    sum.takenAt = now
    for part in 0..<state.there { sum = sum.adding(try base.query(id << shift | UInt32(part), now: now)) }
    return sum
  }

  /// The rules that were idle: all parts were told, and have counted nothing since.
  public mutating func aged(now: UInt64) -> [UInt32] {
    guard shift > 0 else { return base.aged(now: now) }
    var told: [UInt32] = []
    for own in base.aged(now: now) {
      let id = own >> shift
      guard let parts = held[id]?.parts else { continue }
      if parts > 1 {
        held[id]?.idle[Int(own & 3)] = (try? base.query(own, now: now))?.frames ?? 0
        guard isIdle(id, now) else { continue }
        held[id]?.idle = [:]
      }
      told.append(id)
    }
    return told
  }

  private mutating func isIdle(_ id: UInt32, _ now: UInt64) -> Bool {
    guard let state = held[id], state.idle.count == state.parts else { return false }
    for (part, frames) in state.idle {
      let own = id << shift | UInt32(part)
      guard let reading = try? base.query(own, now: now), reading.frames == frames else {
        // Hit since: it will be told again.
        held[id]?.idle[part] = nil
        return false
      }
    }
    return true
  }

  /// A frame from outside; the ids it comes with are those of the rules.
  public mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    guard shift > 0 else { return base.receive(frame, port: port, now: now, emit: emit) }
    let shift = shift
    base.receive(frame, port: port, now: now) { emission in
      var own = emission
      own.frame.rule >>= shift
      emit(own)
    }
  }

  /// A frame from software.
  public mutating func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    base.transmit(frame, port: port, now: now, emit: emit)
  }

  /// The device is empty and works again.
  public mutating func recover(now: UInt64) {
    held = [:]
    base.recover(now: now)
  }
}

extension CounterReading {
  /// Two counters as one, which is no younger than either.
  fileprivate func adding(_ other: CounterReading) -> CounterReading {
    CounterReading(
      frames: frames &+ other.frames, bytes: bytes &+ other.bytes, takenAt: min(takenAt, other.takenAt))
  }
}
