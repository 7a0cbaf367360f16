import Device
import Rules

// Counts and ages that software and the device share.
extension OffloadManager where D: ~Copyable {
  /// Frames that the device kept to itself (sent on, delivered or dropped by a rule) since the last call; they bound what
  /// a reading may be missing.
  public mutating func noteBypassed(frames: UInt64, now: UInt64) { history.add(frames, now: now) }

  /// Reads the counters of all rules on the device that count.
  public mutating func readCounters(now: UInt64) {
    for index in entries.indices where isCounting(entries[index]) && entries[index].counts { read(index, now) }
  }

  /// Whether the device holds an entry, in part at least.
  private func isCounting(_ entry: Entry) -> Bool { entry.installed != nil || begun == entry.plan.id }

  /// Whether the device does any action of an entry, and so counts for it.
  func doesActions(_ entry: Entry) -> Bool {
    entry.installed.map { $0.actionsOnDevice > 0 } ?? (begun == entry.plan.id)
  }

  /// Reads the counters of up to `limit` rules from place `start` on, in an order that only a plan changes; the place to
  /// go on at, 0 behind the last rule.
  public mutating func readCounters(from start: Int, limit: Int, now: UInt64) -> Int {
    var left = limit
    var index = max(0, start)
    while index < entries.count, left > 0 {
      if isCounting(entries[index]), entries[index].counts {
        read(index, now)
        left -= 1
      }
      index += 1
    }
    return index < entries.count ? index : 0
  }

  /// What devices counted at rules that are in no plan any more; the manager forgets it.
  public mutating func takeRetired() -> [UInt32: RuleCounter] {
    defer { retired = [:] }
    return retired
  }

  private mutating func read(_ index: Int, _ now: UInt64) {
    guard let reading = try? device.query(entries[index].plan.id, now: now) else { return }
    // A counter that stands still may have been read before other frames of the same moment.
    let isLate = device.abilities.counterInterval > 0
    let bits = counterBits, bypassed = history.total(at: reading.takenAt, now: isLate ? .max : now)
    Self.note(&entries[index], in: &shared) { $0.take(reading, bits: bits, bypassed: bypassed) }
  }

  /// The rule is on the device no more.
  mutating func end(_ index: Int, _ reading: CounterReading?) {
    var entry = entries[index]
    end(&entry, reading)
    entries[index] = entry
  }

  /// The same for a rule that has gone.
  mutating func end(_ entry: inout Entry, _ reading: CounterReading?) {
    let bits = counterBits, bypassed = history.total
    Self.note(&entry, in: &shared) { $0.end(reading, bits: bits, bypassed: bypassed) }
  }

  /// Changes a rule's counter, and the indirect counters that it names by as much.
  private static func note(
    _ entry: inout Entry, in shared: inout [UInt32: SharedCounter], _ change: (inout RuleCounter) -> Void
  ) {
    let before = entry.counter
    change(&entry.counter)
    for id in entry.countedUnder { shared[id, default: SharedCounter()].add(entry.counter, since: before) }
  }

  /// What the device has told of a rule's count so far; nil when the manager never had the rule.
  public func deviceCount(of id: UInt32) -> RuleCounter? { places[id].map { entries[$0].counter } }

  /// An indirect counter (SPECIFICATION.md A6): what devices counted at the rules that named it, those that have gone
  /// included, and software's part, given by whoever counts there.
  public mutating func sharedCounter(of id: UInt32, softwareFrames: UInt64, softwareBytes: UInt64) -> CounterView {
    var counter = shared[id] ?? SharedCounter()
    counter.shownFrames = max(counter.shownFrames, counter.frames + softwareFrames)
    counter.shownBytes = max(counter.shownBytes, counter.bytes + softwareBytes)
    shared[id] = counter
    var missing = counter.lost
    for entry in entries where entry.countedUnder.contains(id) && doesActions(entry) {
      missing += entry.counter.missing(bypassed: history.total) - entry.counter.lost
    }
    return CounterView(frames: counter.shownFrames, bytes: counter.shownBytes, missingFrames: missing)
  }

  /// A rule's count, software's part given by whoever counts there. nil when the manager never had the rule.
  ///
  /// Both parts only grow, so what is shown does; should software's part be taken back, the last value stands.
  public mutating func counter(of id: UInt32, softwareFrames: UInt64, softwareBytes: UInt64) -> CounterView? {
    guard let index = places[id] else { return nil }
    let entry = entries[index]
    let deviceCounts = entry.counts && doesActions(entry)
    entries[index].shownFrames = max(entry.shownFrames, entry.counter.frames + softwareFrames)
    entries[index].shownBytes = max(entry.shownBytes, entry.counter.bytes + softwareBytes)
    return CounterView(
      frames: entries[index].shownFrames, bytes: entries[index].shownBytes,
      missingFrames: deviceCounts ? entry.counter.missing(bypassed: history.total) : entry.counter.lost)
  }

  /// The rules that were idle on both sides for their timeout. A rule is told again only after it was hit again.
  ///
  /// - Parameter lastSoftwareHit: when software last carried the rule out, or made it, nanoseconds.
  public mutating func aged(now: UInt64, lastSoftwareHit: (UInt32) -> UInt64) -> [UInt32] {
    for id in device.aged(now: now) {
      guard let index = places[id], entries[index].installed != nil else { continue }
      read(index, now)
      entries[index].idleAt = entries[index].counter.frames
    }
    var list: [UInt32] = []
    for index in entries.indices {
      guard let timeout = entries[index].timeout else { continue }
      let id = entries[index].plan.id
      let idle = now &- lastSoftwareHit(id) >= timeout
      if !idle || !isIdleOnDevice(index, now) {
        entries[index].isToldAged = false
        continue
      }
      if !entries[index].isToldAged { list.append(id) }
      entries[index].isToldAged = true
    }
    return list
  }

  /// Whether the device hits the rule no more, as far as it can be told: it said so, and has counted nothing since.
  private mutating func isIdleOnDevice(_ index: Int, _ now: UInt64) -> Bool {
    guard let form = entries[index].installed, form.actionsOnDevice > 0 else { return true }
    guard let idleAt = entries[index].idleAt else { return false }
    guard entries[index].counts else { return true }
    read(index, now)
    if entries[index].counter.frames != idleAt { entries[index].idleAt = nil }
    return entries[index].idleAt != nil
  }
}

/// What devices counted at an indirect counter.
struct SharedCounter: Sendable {
  var frames: UInt64 = 0
  var bytes: UInt64 = 0
  /// Frames at most that a device may have counted and that no reading will tell any more.
  var lost: UInt64 = 0
  var shownFrames: UInt64 = 0
  var shownBytes: UInt64 = 0

  mutating func add(_ counter: RuleCounter, since before: RuleCounter) {
    frames += counter.frames - before.frames
    bytes += counter.bytes - before.bytes
    lost += counter.lost - before.lost
  }
}

extension OffloadManager.Entry where D: ~Copyable {
  /// Whether the rule has a `count` action.
  var counts: Bool {
    plan.actions.contains { if case .count = $0 { true } else { false } }
  }
  /// Nanoseconds after which the rule is aged; nil when it has no `age` action.
  var timeout: UInt64? {
    for case .age(let seconds) in plan.actions { return UInt64(seconds) * 1_000_000_000 }
    return nil
  }
}
