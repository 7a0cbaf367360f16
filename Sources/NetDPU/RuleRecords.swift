import Rules

/// What the driver remembers of rules beside the model. Rules without age, shared actions or a counter that was reset
/// leave nothing here.
struct RuleRecords {
  /// Ids go up, so that among equals the rule made first wins.
  private var lastID: UInt32 = 0
  /// What an aged rule is told by, and when it is one.
  var ages: [UInt32: (context: UInt64, timeout: UInt32)] = [:]
  /// Where a counter began after a query that reset it.
  var bases: [UInt32: (frames: UInt64, bytes: UInt64)] = [:]
  /// Rules that aged and were not asked for yet, in order.
  var aged: [UInt32] = []
  /// The shared actions, and the rules of each.
  var shared: [UInt32: Action] = [:]
  private var users: [UInt32: Set<UInt32>] = [:]
  private var uses: [UInt32: [UInt32]] = [:]
  /// What rules that are gone had counted for a shared action.
  private var past: [UInt32: (frames: UInt64, bytes: UInt64)] = [:]
  private var lastShared: UInt32 = 0

  /// The id of the next rule: never 0.
  mutating func nextID() -> UInt32 {
    lastID = lastID == .max ? 1 : lastID + 1
    return lastID
  }

  /// Takes note of a rule's use of shared actions.
  mutating func use(_ actions: [UInt32], by id: UInt32) {
    guard !actions.isEmpty else { return }
    uses[id] = actions
    for action in actions { users[action, default: []].insert(id) }
  }

  /// Forgets a rule, with its last counts.
  mutating func forget(_ id: UInt32, frames: UInt64, bytes: UInt64) {
    if !ages.isEmpty {
      ages[id] = nil
      aged.removeAll { $0 == id }
    }
    if !bases.isEmpty { bases[id] = nil }
    guard !uses.isEmpty, let actions = uses.removeValue(forKey: id) else { return }
    for action in actions {
      users[action]?.remove(id)
      let before = past[action] ?? (0, 0)
      past[action] = (before.frames + frames, before.bytes + bytes)
    }
  }

  /// Forgets every rule, as a device does that was reset.
  mutating func forgetAll() {
    (ages, bases, aged, users, uses) = ([:], [:], [], [:], [:])
  }

  /// A new shared action; its id is never 0.
  mutating func share(_ action: Action) -> UInt32 {
    repeat { lastShared = lastShared == .max ? 1 : lastShared + 1 } while shared[lastShared] != nil
    shared[lastShared] = action
    return lastShared
  }

  /// The rules that use a shared action.
  func users(of action: UInt32) -> Set<UInt32> { users[action] ?? [] }
  /// What rules that are gone had counted for it.
  func past(of action: UInt32) -> (frames: UInt64, bytes: UInt64) { past[action] ?? (0, 0) }

  /// Ends a shared action that nobody uses.
  mutating func unshare(_ action: UInt32) {
    shared[action] = nil
    users[action] = nil
    past[action] = nil
  }
}
