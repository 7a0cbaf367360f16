import Classifier
import Datapath
import Device
import Runtime

/// What was counted before: by runs of the daemon that ended, by queues and ports that are gone.
struct Totals {
  var rules: [UInt32: (frames: UInt64, bytes: UInt64)] = [:]
  var ports: [UInt16: [UInt64]] = [:]
  var drops = [UInt64](repeating: 0, count: 256)
  var frames: UInt64 = 0
  /// How far the rules' counters were written.
  var cursor: UInt32 = 0
  /// Rules that are gone and whose places have to be cleared.
  var cleared: [UInt32] = []

  init() {}

  /// What the file holds.
  init(_ file: CounterFile, _ configuration: Configuration, _ store: inout RuleStore) {
    guard file.goesOn else { return }
    drops = file.drops
    for named in configuration.ports { ports[named.port.id] = file.port(named.port.id) }
    var cursor: UInt32 = 0
    while true {
      let ids = store.ids(after: cursor, limit: 8192)
      guard let first = ids.first, let last = ids.last else { return }
      cursor = last
      // Ids far apart are read one by one.
      if Int(last - first) < 1 << 16 {
        let found = file.rules(from: first, count: Int(last - first) + 1)
        for id in ids where found[Int(id - first)].frames > 0 { rules[id] = found[Int(id - first)] }
      } else {
        for id in ids {
          let found = file.rules(from: id, count: 1)[0]
          if found.frames > 0 { rules[id] = found }
        }
      }
    }
  }

  static func words(_ counts: PortCounts) -> [UInt64] {
    [
      counts.framesReceived, counts.bytesReceived, counts.framesSent, counts.bytesSent, counts.missed, counts.starved,
    ]
  }

  /// A thread that ended.
  mutating func retire(_ counts: ThreadCounts) {
    for port in counts.ports { add(port.id, port.counts) }
    add(counts.queue)
    for (reason, count) in counts.loopDrops { drops[Int(reason.rawValue)] += count }
    frames += counts.statistics.frames
  }

  /// A queue that is gone.
  mutating func add(_ queue: QueueCounts) {
    for (reason, count) in queue.drops { drops[Int(reason.rawValue)] += count }
  }

  /// A port that is gone.
  mutating func add(_ id: UInt16, _ counts: PortCounts) {
    let old = ports[id] ?? [UInt64](repeating: 0, count: 6)
    ports[id] = zip(old, Self.words(counts)).map { $0 + $1 }
    for (reason, count) in counts.drops { drops[Int(reason.rawValue)] += count }
  }
}

extension Daemon {
  /// What was counted at a rule, ever.
  func count(of id: UInt32) -> (frames: UInt64, bytes: UInt64) {
    let base = totals.rules[id] ?? (0, 0)
    let now = book.counts(of: id)
    let device = devices?.count(of: id) ?? (frames: 0, bytes: 0, missing: 0)
    return (base.frames + (now?.frames ?? 0) + device.frames, base.bytes + (now?.bytes ?? 0) + device.bytes)
  }

  /// Ports and drops of all threads and times before.
  func summary(_ threads: [(thread: PollThread, counts: ThreadCounts)]) -> (ports: [UInt16: [UInt64]], drops: [UInt64])
  {
    var sum = totals
    for (_, counts) in threads { sum.retire(counts) }
    return (sum.ports, sum.drops)
  }

  /// Writes counters to their file: ports and drops, and some thousand rules, or all of them.
  func persist(all: Bool) {
    guard let counters else { return }
    do throws(SystemError) {
      let (ports, drops) = summary(all ? [] : gather())
      for (id, words) in ports { try counters.setPort(id, words) }
      try counters.setDrops(drops)
      for id in totals.cleared { try counters.setRules(from: id, [(0, 0)]) }
      totals.cleared = []
      if all { totals.cursor = 0 }
      repeat {
        let ids = store.ids(after: totals.cursor, limit: 8192)
        // Behind the last one it begins again.
        totals.cursor = ids.count < 8192 ? 0 : ids[8191]
        try write(ids, to: counters)
      } while all && totals.cursor != 0
    } catch {
      log.note(.error, "counters.failed", ["message": .string(error.description)])
    }
  }

  private func write(_ ids: [UInt32], to counters: CounterFile) throws(SystemError) {
    var run: [(frames: UInt64, bytes: UInt64)] = []
    var first: UInt32 = 0
    for id in ids {
      if id != first + UInt32(run.count), !run.isEmpty {
        try counters.setRules(from: first, run)
        run = []
      }
      if run.isEmpty { first = id }
      run.append(count(of: id))
    }
    if !run.isEmpty { try counters.setRules(from: first, run) }
  }
}
