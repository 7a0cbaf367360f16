import Device
import Rules

// Counts and ages that software and the device share.
extension OffloadManager where D: ~Copyable {
  /// Frames that the device kept to itself (sent on, delivered or dropped by a rule) since the last call; they bound what
  /// a reading may be missing.
  public mutating func noteBypassed(frames: UInt64, now: UInt64) { history.add(frames, now: now) }

  /// Reads the counters of all rules on the device that count.
  public mutating func readCounters(now: UInt64) {
    for index in entries.indices where entries[index].installed != nil && entries[index].counts { read(index, now) }
  }

  private mutating func read(_ index: Int, _ now: UInt64) {
    guard let reading = try? device.query(entries[index].plan.id, now: now) else { return }
    entries[index].counter.take(
      reading, bits: counterBits, bypassed: history.total(at: reading.takenAt, now: now))
  }

  /// A rule's count, software's part given by whoever counts there. nil when the manager never had the rule.
  ///
  /// Both parts only grow, so what is shown does; should software's part be taken back, the last value stands.
  public mutating func counter(of id: UInt32, softwareFrames: UInt64, softwareBytes: UInt64) -> CounterView? {
    guard let index = places[id] else { return nil }
    let entry = entries[index]
    let deviceCounts = entry.counts && entry.installed.map { $0.actionsOnDevice > 0 } ?? false
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

extension OffloadManager.Entry where D: ~Copyable {
  /// Whether the rule has a `count` action.
  var counts: Bool {
    plan.rule.actions.contains { if case .count = $0 { true } else { false } }
  }
  /// Nanoseconds after which the rule is aged; nil when it has no `age` action.
  var timeout: UInt64? {
    for case .age(let seconds) in plan.rule.actions { return UInt64(seconds) * 1_000_000_000 }
    return nil
  }
}
