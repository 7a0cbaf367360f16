import Device
import Rules

@testable import Offload

/// A device without frames: it takes rules, or does not, as the test or a seed says.
struct ScriptedDevice: OffloadDevice, ~Copyable {
  var abilities: Abilities
  private(set) var rules: [DeviceRule] = []
  private var counters: [UInt32: CounterReading] = [:]
  var isAlive = true
  var random = Seeded(1)
  /// Ids that are refused with these words in every form that does at least so many actions.
  var refuses: [UInt32: (actions: Int, reason: RefusalReason)] = [:]
  /// One call in so many is answered with busy; 0 for none.
  var busyOneIn = 0
  /// Busy once it has so many rules.
  var busyAfter: Int?
  /// How many rules fit; nil for as many as the abilities say.
  var room: Int?
  var agedNext: [UInt32] = []
  private(set) var calls = 0
  /// Insertions of an id that was there: the manager must not.
  private(set) var doubles = 0

  init(abilities: Abilities) { self.abilities = abilities }

  private mutating func isBusyNow() -> Bool { busyOneIn > 0 && random.oneIn(busyOneIn) }

  mutating func insert(_ rule: DeviceRule, now: UInt64) throws(Refusal) {
    calls += 1
    if !isAlive { throw Refusal(.deviceLost) }
    if isBusyNow() || rules.count >= busyAfter ?? .max { throw Refusal(.busy) }
    if rules.contains(where: { $0.id == rule.id }) {
      doubles += 1
      throw Refusal(.invalid)
    }
    if let no = refuses[rule.id], rule.actionsOnDevice >= no.actions { throw Refusal(no.reason) }
    if rules.count >= room ?? Int(abilities.rules) { throw Refusal(.tableFull, limit: room ?? 0) }
    rules.append(rule)
    counters[rule.id] = CounterReading(takenAt: now)
  }

  mutating func remove(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    calls += 1
    if !isAlive { throw Refusal(.deviceLost) }
    guard let index = rules.firstIndex(where: { $0.id == id }) else { throw Refusal(.noSuchRule) }
    rules.remove(at: index)
    var last = counters.removeValue(forKey: id) ?? CounterReading()
    last.takenAt = now
    return last
  }

  mutating func query(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    guard isAlive, var reading = counters[id] else { throw Refusal(isAlive ? .noSuchRule : .deviceLost) }
    let mask: UInt64 = abilities.counterBits >= 64 ? .max : (1 << UInt64(abilities.counterBits)) - 1
    reading.frames &= mask
    reading.bytes &= mask
    reading.takenAt = now
    return reading
  }

  mutating func hit(_ id: UInt32, frames: UInt64) {
    counters[id]?.frames &+= frames
    counters[id]?.bytes &+= frames * 100
  }

  mutating func aged(now: UInt64) -> [UInt32] {
    defer { agedNext = [] }
    return agedNext
  }

  mutating func reset() {
    isAlive = false
    rules = []
    counters = [:]
  }

  mutating func recover(now: UInt64) { isAlive = true }
  mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {}
  mutating func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {}
}
