import Rules

/// Steps a writer and a reader through every interleaving of their accesses to a small table.
///
/// Both run the code of the real classifier over ``ModelWords``. The check: what a burst finds is what the rules of the
/// version it entered with say, for every key of the burst.
package struct ClassifierModel {
  /// What was explored.
  package struct Report: Sendable {
    /// Runs from the start to the end.
    package var runs = 0
    /// Different states.
    package var states = 0
    /// Whether there was nothing left to explore.
    package var isComplete = false
    /// The first run that went wrong, in words.
    package var failure: String?
  }

  /// One step of the writer's program: a transaction and what the keys hit after it, or a round of taking apart.
  struct Step {
    var change: ((Writer<ModelWords>) throws(ClassifierError) -> Void)?
    var expected: [UInt32?] = []

    static var reclaim: Step { Step(change: nil) }
  }

  /// What both sides do.
  struct Scenario {
    var name: String
    /// Rules that are there at the start: number (destination address, id) and payload.
    var rules: [(number: UInt32, payload: UInt32)]
    var steps: [Step]
    /// The numbers that each burst looks up.
    var keys: [UInt32]
    var expected: [UInt32?]
    var bursts = 2
  }

  /// The scenarios' names.
  package static var names: [String] { Scenario.all.map(\.name) }

  /// Explores a scenario completely, or up to `limit` runs.
  package static func explore(_ name: String, limit: Int = .max) throws(ClassifierError) -> Report {
    var report = Report()
    guard let scenario = Scenario.all.first(where: { $0.name == name }) else {
      report.failure = "no scenario is called \(name)"
      return report
    }
    var ways: [[Bool]] = [[]]
    var seen: Set<UInt64> = []
    while let way = ways.popLast(), report.runs < limit, report.failure == nil {
      let stage = ModelStage()
      stage.path = way
      swap(&stage.seen, &seen)
      report.failure = try run(scenario, stage)
      swap(&stage.seen, &seen)
      ways += stage.ways
      report.runs += 1
    }
    report.states = seen.count
    report.isComplete = ways.isEmpty
    return report
  }

  /// One run along the stage's path; what went wrong, or nil.
  private static func run(_ scenario: Scenario, _ stage: ModelStage) throws(ClassifierError) -> String? {
    let writer = try Writer(ModelWords(stage, isReader: false), limit: 64, readers: 1)
    writer.readerCount = 1
    var undo: [Undo] = []
    for rule in scenario.rules {
      try writer.add(id: rule.number, rule: Self.rule(rule.number), payload: rule.payload, now: 0, undo: &undo)
    }
    writer.commit(now: 0)
    var shown: [(version: UInt64, expected: [UInt32?])] = [(0, scenario.expected)]
    var failure: String?
    for step in scenario.steps {
      stage.phases.append {
        guard let change = step.change else {
          _ = writer.reclaimRound()
          return
        }
        shown.append((writer.nextVersion, step.expected))
        do { try change(writer) } catch { failure = "a change failed: \(error)" }
        writer.show()
      }
    }
    let words = ModelWords(stage, isReader: true)
    stage.isStepping = true
    var bursts: [(version: UInt64, found: [UInt32?])] = []
    for _ in 0..<scenario.bursts { bursts.append(burst(words, writer.shared, scenario.keys)) }
    stage.finish()
    writer.reclaim()
    if writer.statistics.waitingRows != 0 { failure = "rows were left over" }
    for burst in bursts {
      let expected = shown.last { $0.version <= burst.version }?.expected
      if burst.found != expected {
        failure = "\(scenario.name): version \(burst.version) gave \(burst.found), not \(expected ?? [])"
      }
    }
    return failure
  }

  /// What ``Reader`` does in a burst, of one table and one slot after the other.
  private static func burst(
    _ words: ModelWords, _ shared: SharedState, _ keys: [UInt32]
  ) -> (version: UInt64, found: [UInt32?]) {
    let version = shared.epochs.enter(words, reader: 0)
    let address = unsafe words.acquire64(shared.viewPlace)
    var found: [UInt32?] = []
    if let view = unsafe UnsafeMutablePointer<View>(bitPattern: UInt(address)) {
      let entered = words.stage.history
      for key in keys {
        found.append(unsafe look(words, view, key, UInt32(truncatingIfNeeded: version)))
        // From one key to the next a burst keeps what it entered with and what it found.
        words.stage.forget(all: found.reduce(entered) { $0 &* 1_000_003 &+ UInt64($1 ?? .max) })
      }
    }
    shared.epochs.leave(words, reader: 0)
    // From one burst to the next it keeps nothing: what it found is checked at the end of this very run.
    words.stage.forget(all: 0)
    return (version, found)
  }

  private static func look(
    _ words: ModelWords, _ view: UnsafeMutablePointer<View>, _ number: UInt32, _ version: UInt32
  ) -> UInt32? {
    guard let group = unsafe view.pointee.group(0) else { return nil }
    let key = self.key(number)
    var packed = [UInt64](repeating: 0, count: FlowKey.wordCount)
    for index in unsafe 0..<group.pointee.count {
      let subtable = unsafe group.pointee.first[index]
      let table = subtable.table
      let found: UInt32? = unsafe packed.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return nil }
        unsafe key.withUnsafeBufferPointer { source in
          if let from = source.baseAddress { unsafe subtable.pack(from, into: base) }
        }
        let hash = unsafe ExactTable.hash(base, count: table.wordCount)
        var candidate = table.probe(words, hash: hash)
        if candidate == ExactTable.unknown { candidate = table.probeOther(words, hash: hash) }
        if candidate == ExactTable.none { return nil }
        let row = unsafe table.resolve(
          words, candidate: candidate, key: base, hash: hash, version: version, count: table.wordCount
        ) { _ in true }
        return unsafe row?.load(fromByteOffset: ExactTable.Row.payload, as: UInt32.self)
      }
      if let found { return found }
    }
    return nil
  }

  /// IPv4 to the address `number`.
  static func rule(_ number: UInt32) -> Rule {
    var attributes = Attributes()
    attributes.transfer = true
    var item = IPv4Item()
    item.dst = Field(number)
    return Rule(attributes: attributes, pattern: [.ipv4(item)], actions: [.drop])
  }

  /// The key of a frame to `number`.
  static func key(_ number: UInt32) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: FlowKey.wordCount)
    words[0] = FlowKey.Presence.ipv4 << FlowKey.Presence.shift(level: 0)
    words[FlowKey.Layout.level(0) + FlowKey.Layout.addresses] = UInt64(number.byteSwapped) << 32
    return words
  }
}
