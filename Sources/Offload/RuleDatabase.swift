public import Device
public import Rules

/// Every rule, whoever carries it out, and a numbered log of what was asked for. Devices only borrow rules.
public struct RuleDatabase: Sendable {
  /// One thing that happened.
  public struct Change: Equatable, Sendable {
    /// Counts from 1, without gaps.
    public var number: UInt64
    /// When, nanoseconds of the caller's clock.
    public var at: UInt64
    /// The rule.
    public var id: UInt32
    /// What.
    public var kind: Kind

    /// What happened to a rule.
    public enum Kind: Equatable, Sendable {
      /// Made.
      case made(Rule)
      /// Gone.
      case removed
      /// Has another match, or other actions, under the same id.
      case replaced(Rule)
      /// Carried out elsewhere than before, and why.
      case moved(from: Place, to: Place, reason: RefusalReason?)
    }
  }

  /// One thing to do; see ``apply(_:now:)``.
  public enum Operation: Sendable {
    /// A new rule.
    case make(id: UInt32, Rule)
    /// Takes a rule away.
    case remove(id: UInt32)
    /// Gives an id another rule.
    case replace(id: UInt32, Rule)
  }

  /// Why a transaction was not carried out; nothing of it was.
  public struct Failure: Error, Equatable, Sendable {
    /// The operation, counted from 0.
    public var index: Int
    /// The rule.
    public var id: UInt32
    /// What is wrong.
    public var problem: Problem
    /// What can be wrong with an operation.
    public enum Problem: String, Sendable {
      /// Ids count from 1.
      case idZero = "the id is 0"
      /// There is a rule of this id.
      case exists = "a rule of this id is already there"
      /// There is none.
      case missing = "no rule has this id"
    }
  }

  private var rules: [UInt32: Rule] = [:]
  private var log: [Change] = []
  private let logLimit: Int
  /// The number of the last change; 0 before the first.
  public private(set) var lastNumber: UInt64 = 0

  /// An empty database that remembers at least `logLimit` changes.
  public init(logLimit: Int = 65536) { self.logLimit = max(1, logLimit) }

  /// How many rules there are.
  public var count: Int { rules.count }
  /// A rule.
  public subscript(id: UInt32) -> Rule? { rules[id] }
  /// Every rule by id, as a planner takes them.
  public var all: [(id: UInt32, rule: Rule)] { rules.sorted { $0.key < $1.key }.map { (id: $0.key, rule: $0.value) } }

  /// Carries out all operations, or none of them when one cannot be.
  public mutating func apply(_ operations: [Operation], now: UInt64) throws(Failure) {
    var touched: [UInt32: Bool] = [:]
    for (index, operation) in operations.enumerated() {
      let id = operation.id
      let exists = touched[id] ?? (rules[id] != nil)
      if id == 0 { throw Failure(index: index, id: id, problem: .idZero) }
      switch operation {
      case .make:
        if exists { throw Failure(index: index, id: id, problem: .exists) }
        touched[id] = true
      case .remove:
        if !exists { throw Failure(index: index, id: id, problem: .missing) }
        touched[id] = false
      case .replace: if !exists { throw Failure(index: index, id: id, problem: .missing) }
      }
    }
    for operation in operations {
      switch operation {
      case .make(let id, let rule):
        rules[id] = rule
        note(id, .made(rule), now)
      case .remove(let id):
        rules[id] = nil
        note(id, .removed, now)
      case .replace(let id, let rule):
        rules[id] = rule
        note(id, .replaced(rule), now)
      }
    }
  }

  /// Notes that a rule is now carried out elsewhere.
  public mutating func noteMove(_ id: UInt32, from: Place, to: Place, reason: RefusalReason?, now: UInt64) {
    note(id, .moved(from: from, to: to, reason: reason), now)
  }

  private mutating func note(_ id: UInt32, _ kind: Change.Kind, _ now: UInt64) {
    lastNumber += 1
    log.append(Change(number: lastNumber, at: now, id: id, kind: kind))
    // Twice the limit before the older half goes: one move of the array for many changes.
    if log.count >= logLimit * 2 { log.removeFirst(log.count - logLimit) }
  }

  /// The changes after number `since`; nil when some of them are no longer remembered and a reader has to begin with
  /// ``all``.
  public func changes(since: UInt64) -> [Change]? {
    guard since < lastNumber else { return [] }
    guard let first = log.first, since + 1 >= first.number else { return nil }
    return Array(log[Int(since + 1 - first.number)...])
  }
}

extension RuleDatabase.Operation {
  /// The rule it is about.
  public var id: UInt32 {
    switch self {
    case .make(let id, _), .remove(let id), .replace(let id, _): id
    }
  }
}
