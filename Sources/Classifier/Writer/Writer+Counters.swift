extension Writer {
  /// A rule's counters, all queues together.
  func count(_ rule: UInt32) -> RuleCount {
    var sum = RuleCount()
    for reader in 0..<shared.readers {
      let at = unsafe shared.counterBase(reader) + Int(rule) * RuleCounter.size
      sum.frames &+= unsafe words.acquire64(at + RuleCounter.frames)
      sum.bytes &+= unsafe words.acquire64(at + RuleCounter.bytes)
      sum.lastHit = max(sum.lastHit, unsafe words.acquire64(at + RuleCounter.lastHit))
    }
    return sum
  }

  /// An index that is free again starts at 0; no reader can know it, so the writer may write the queues' counters.
  func clearCounters(_ rule: UInt32) {
    for reader in 0..<shared.readers {
      let at = unsafe shared.counterBase(reader) + Int(rule) * RuleCounter.size
      // Pages of queues that never counted anything are not touched.
      if unsafe words.acquire64(at + RuleCounter.lastHit) | words.acquire64(at + RuleCounter.frames) != 0 {
        unsafe words.release64(at + RuleCounter.frames, 0)
        unsafe words.release64(at + RuleCounter.bytes, 0)
        unsafe words.release64(at + RuleCounter.lastHit, 0)
      }
    }
  }

  /// Every rule that was idle for its timeout, told once an idle time.
  func aged(now: UInt64) -> [UInt32] {
    let idle = ages.aged(now: now) { rule, watch in
      let record = self.book.records[Int(rule)]
      guard record.watch == watch, self.book.ids[record.id] == rule else { return nil }
      return (self.count(rule).lastHit, record.timeout)
    }
    return idle.map { book.records[Int($0)].id }
  }
}
