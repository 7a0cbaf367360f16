public import Device
import DeviceBus
import Rules

/// Which classifiers the device has, and how many rules use each.
struct ClassifierBook {
  private struct Entry {
    var id: UInt32
    var rules = 0
  }
  private var entries: [[UInt8]: Entry] = [:]
  private var ofRule: [UInt32: [UInt8]] = [:]
  private var nextID: UInt32 = 1

  /// The classifier's number when the device has it.
  func id(of shape: [UInt8]) -> UInt32? { entries[shape]?.id }
  /// A number for a new one.
  mutating func add(_ shape: [UInt8]) -> UInt32 {
    let id = nextID
    nextID &+= 1
    entries[shape] = Entry(id: id)
    return id
  }
  /// The device did not take it.
  mutating func forget(_ shape: [UInt8]) { entries[shape] = nil }
  /// A rule uses it.
  mutating func use(_ shape: [UInt8], rule: UInt32) {
    entries[shape]?.rules += 1
    ofRule[rule] = shape
  }
  /// A rule has gone; the number of a classifier that nobody uses now.
  mutating func release(rule: UInt32) -> UInt32? {
    guard let shape = ofRule.removeValue(forKey: rule) else { return nil }
    entries[shape]?.rules -= 1
    return unused(shape)
  }
  /// The number of `shape` when no rule uses it; it is forgotten then.
  mutating func unused(_ shape: [UInt8]) -> UInt32? {
    guard let entry = entries[shape], entry.rules == 0 else { return nil }
    entries[shape] = nil
    return entry.id
  }
}

// Rules and counters, over the administration queue.
extension DrivenDevice where Host: DeviceHost {
  /// Takes a rule, or says why not: the device's own answer.
  public mutating func insert(_ rule: DeviceRule, now: UInt64) throws(Refusal) {
    guard let (shape, keys) = PatternFormat.encode(rule.rule.pattern) else { throw Refusal(.invalid) }
    let classifier = try classifier(shape, now: now)
    guard let body = RuleFormat.encode(rule, classifier: classifier, keys: keys) else {
      throw Refusal(.invalid, limit: BusLayout.adminBuffer)
    }
    do throws(Refusal) {
      _ = try call(AdminCommand(.create, .rule, id: rule.id, now: now, body: body))
      shapes.use(shape, rule: rule.id)
    } catch {
      if let id = shapes.unused(shape) { _ = try? call(AdminCommand(.destroy, .classifier, id: id, now: now)) }
      throw error
    }
  }

  private mutating func classifier(_ shape: [UInt8], now: UInt64) throws(Refusal) -> UInt32 {
    if let id = shapes.id(of: shape) { return id }
    guard shape.count + AdminCommand.headerSize <= BusLayout.adminBuffer else { throw Refusal(.invalid) }
    let id = shapes.add(shape)
    do throws(Refusal) {
      _ = try call(AdminCommand(.create, .classifier, id: id, now: now, body: shape))
    } catch {
      shapes.forget(shape)
      throw error
    }
    return id
  }

  /// Forgets a rule and gives the last reading of its counter.
  public mutating func remove(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    let body = try call(AdminCommand(.destroy, .rule, id: id, now: now))
    if let classifier = shapes.release(rule: id) {
      _ = try? call(AdminCommand(.destroy, .classifier, id: classifier, now: now))
    }
    return try reading(body, now: now)
  }

  /// Reads a rule's counter.
  public mutating func query(_ id: UInt32, now: UInt64) throws(Refusal) -> CounterReading {
    try reading(try call(AdminCommand(.query, .counter, id: id, now: now)), now: now)
  }

  private mutating func reading(_ body: [UInt8], now: UInt64) throws(Refusal) -> CounterReading {
    do throws(FormatError) { return try CounterFormat.decode(body) } catch {
      fence(.answer(.adminResult), now: now)
      throw Refusal(.deviceLost)
    }
  }

  /// The rules that were idle for their timeout.
  public mutating func aged(now: UInt64) -> [UInt32] {
    var ids: [UInt32] = []
    // A result holds so many; a device that never ends is not believed.
    let most = (BusLayout.adminBuffer - AdminResult.headerSize) / 4
    for _ in 0..<1024 {
      guard let body = try? call(AdminCommand(.query, .aging, id: 0, now: now)) else { return ids }
      var reader = ByteReader(body)
      while let id = try? reader.take(UInt32.self) { ids.append(id) }
      if body.count < most * 4 { break }
    }
    return ids
  }

  /// The device's counters of itself, as the words that its datasheet numbers; nil when it is lost.
  public mutating func statistics(now: UInt64) -> [UInt64]? {
    guard let body = try? call(AdminCommand(.query, .statistics, id: 0, now: now)) else { return nil }
    var reader = ByteReader(body)
    var words: [UInt64] = []
    while let word = try? reader.take(UInt64.self) { words.append(word) }
    return words
  }

  /// What the device says that it allows; nil when it is lost or says nothing that can be read.
  public mutating func askAbilities() -> Abilities? {
    guard let body = try? call(AdminCommand(.capabilityGet, capability: Capability.profile.rawValue)) else {
      return nil
    }
    var reader = ByteReader(body)
    return try? ProfileFormat.decode(&reader)
  }

  /// Sends a command and waits for its result's body.
  @discardableResult
  mutating func call(_ command: AdminCommand) throws(Refusal) -> [UInt8] {
    guard phase == .running else { throw Refusal(.deviceLost) }
    var patience = Patience()
    var slot = rings.submit(command.bytes)
    while true {
      if slot != nil, rings.publish() { host.kick() }
      if let result = try result(of: slot, now: command.now) { return try body(of: result) }
      if slot == nil { slot = rings.submit(command.bytes) }
      guard let reason = wait(&patience, isCommand: true) else { continue }
      // A device that reset itself, or died, may have answered before.
      let last = try result(of: slot, now: command.now)
      fence(reason, now: command.now)
      guard let last else { throw Refusal(.deviceLost) }
      return try body(of: last)
    }
  }

  /// The result of the command in `slot`, when it has come; those of others are thrown away.
  private mutating func result(of slot: Int?, now: UInt64) throws(Refusal) -> AdminResult? {
    while let ended = rings.reap() {
      guard ended.slot == slot else { continue }
      guard let result = try? AdminResult(ended.bytes) else {
        fence(.answer(.adminResult), now: now)
        throw Refusal(.deviceLost)
      }
      return result
    }
    return nil
  }

  private func body(of result: AdminResult) throws(Refusal) -> [UInt8] {
    if result.status == .ok { return result.body }
    if let refusal = RefusalFormat.refusal(result) { throw refusal }
    switch result.status {
    case .noSpace, .noMemory: throw Refusal(.tableFull)
    case .again: throw Refusal(.busy)
    case .noObject: throw Refusal(.noSuchRule)
    default: throw Refusal(.invalid)
    }
  }
}
