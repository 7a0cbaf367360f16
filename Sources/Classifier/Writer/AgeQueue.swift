/// Rules with an age timer, by the time when they have to be looked at next: a binary heap, so that a call costs what
/// is due and not what there is.
struct AgeQueue {
  private struct Entry {
    var due: UInt64
    var rule: UInt32
    /// Which watch of the rule this is; only the last one counts.
    var serial: UInt32
    /// When the watch began: as good as a hit.
    var began: UInt64
    /// The last hit that was told as idle; the next idle time has a later one.
    var told: UInt64
  }

  private var heap: [Entry] = []
  private static let never = UInt64.max

  private var lastSerial: UInt32 = 0

  /// Watches a rule that was made or changed now; `timeout` in seconds, 0 for not at all. Returns the watch's number.
  mutating func watch(_ rule: UInt32, timeout: UInt32, now: UInt64) -> UInt32 {
    guard timeout != 0 else { return 0 }
    lastSerial &+= 1
    let due = now.addingReportingOverflow(UInt64(timeout) * 1_000_000_000)
    let entry = Entry(
      due: due.overflow ? .max : due.partialValue, rule: rule, serial: lastSerial, began: now, told: Self.never)
    push(entry)
    return lastSerial
  }

  /// The rules that are idle for their timeout and were not told yet. `look` gives the last hit and the timeout of a
  /// rule and watch, or nil when there is none such any more.
  mutating func aged(now: UInt64, look: (UInt32, UInt32) -> (lastHit: UInt64, timeout: UInt32)?) -> [UInt32] {
    var found: [UInt32] = []
    while let first = heap.first, first.due <= now {
      var entry = pop()
      guard let (seen, timeout) = look(entry.rule, entry.serial) else { continue }
      let lastHit = max(seen, entry.began)
      let nanoseconds = UInt64(timeout) * 1_000_000_000
      if lastHit == entry.told {
        entry.due = now &+ nanoseconds
      } else if now >= lastHit, now - lastHit >= nanoseconds {
        found.append(entry.rule)
        entry.told = lastHit
        entry.due = now &+ nanoseconds
      } else {
        entry.told = Self.never
        entry.due = lastHit &+ nanoseconds
      }
      if entry.due > now { push(entry) }
    }
    return found
  }

  private mutating func push(_ entry: Entry) {
    heap.append(entry)
    var at = heap.count - 1
    while at > 0, heap[(at - 1) / 2].due > heap[at].due {
      heap.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  private mutating func pop() -> Entry {
    let first = heap[0]
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var at = 0
    while true {
      var child = 2 * at + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].due < heap[child].due { child += 1 }
      guard heap[child].due < heap[at].due else { break }
      heap.swapAt(at, child)
      at = child
    }
    return first
  }
}
