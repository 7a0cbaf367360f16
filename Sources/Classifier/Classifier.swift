public import Rules

/// The tables of the software path: which rule a frame hits.
///
/// This is the writer's side. There is one, and it has one owner (the type cannot be copied); readers, one a queue,
/// are made by ``makeReader()`` and run on other threads meanwhile. See the room's README for the order to read in.
public struct Classifier: ~Copyable, @unchecked Sendable {
  // `@unchecked`: the writer is a class only so that transactions can refer to it; it never leaves this value.
  let writer: Writer<Machine>

  /// Tables for up to `limit` rules (rules that were deleted and that a reader may still see included), 1…2^30, and
  /// `readers` queues, 1…64. Memory is taken as rules come.
  public init(limit: Int = 1 << 22, readers: Int = 8) throws(ClassifierError) {
    writer = try Writer(
      Machine(), limit: min(max(limit, 1), 1 << 30), readers: min(max(readers, 1), Epochs.mostReaders))
  }

  /// How many rules there are.
  public var count: Int { writer.book.ids.count }

  /// The ids of all rules, in no order.
  public var ids: [UInt32] { writer.book.ids.all }

  /// Whether there is a rule with this id.
  public func contains(_ id: UInt32) -> Bool { writer.book.ids[id] != nil }

  /// Makes many changes at once: a frame sees the rules as they were, or as they are after all of them.
  ///
  /// When `body` throws, nothing has happened. `now` (nanoseconds) is when the age timers of new rules begin.
  public mutating func transaction<Result>(
    now: UInt64, _ body: (inout Transaction) throws(ClassifierError) -> Result
  ) throws(ClassifierError) -> Result {
    var transaction = Transaction(writer: writer, now: now)
    do {
      let result = try body(&transaction)
      writer.commit(now: now)
      return result
    } catch {
      writer.rollBack(transaction.undo, now: now)
      throw error
    }
  }

  /// The shape of rules that come many at once; see ``Transaction/addBatch(_:count:fill:)``.
  ///
  /// - Throws: ``ClassifierError/notATemplate``, or why the match cannot be carried out.
  public mutating func template(for rule: Rule) throws(ClassifierError) -> RuleTemplate {
    try writer.template(for: rule)
  }

  /// A reader for one queue; it may be handed to another thread. It gives its place back when it goes.
  public mutating func makeReader() throws(ClassifierError) -> Reader { try writer.makeReader() }

  /// What was counted at a rule by all queues, or nil when there is no such rule.
  public func count(of id: UInt32) -> RuleCount? {
    writer.book.ids[id].map { writer.count($0) }
  }

  /// The rules with an `age` action that no frame hit for their timeout, each told once an idle time.
  public mutating func aged(now: UInt64) -> [UInt32] { writer.aged(now: now) }

  /// Frees what no reader can see any more. Every transaction does so too; a program whose rules rest calls it now and
  /// then. Never waits.
  public mutating func reclaim() { writer.reclaim() }

  /// Shows readers a new version with nothing changed: the mark for ``haveReadersLeft(before:)``.
  public mutating func advance() -> UInt64 { writer.advance() }

  /// Whether no reader can be inside that entered before `version` was shown. Never waits.
  public func haveReadersLeft(before version: UInt64) -> Bool { writer.haveReadersLeft(before: version) }

  /// Is called, on the writer's thread, with each rule or payload that no reader can hit any more: the moment to free
  /// what a payload stands for.
  public mutating func onRetired(_ body: ((RetiredRule) -> Void)?) { writer.onRetired = body }

  /// What the tables cost and how far behind the readers keep them.
  public var statistics: ClassifierStatistics { writer.currentStatistics }
}

/// Changes that become visible together; see ``Classifier/transaction(now:_:)``.
public struct Transaction: ~Copyable {
  let writer: Writer<Machine>
  let now: UInt64
  var undo: [Undo] = []

  init(writer: Writer<Machine>, now: UInt64) {
    self.writer = writer
    self.now = now
  }

  /// Adds a rule. `payload` comes with its hits.
  ///
  /// - Throws: ``ClassifierError/duplicateID(_:)``, or why the match cannot be carried out.
  public mutating func add(_ id: UInt32, _ rule: Rule, payload: UInt32 = 0) throws(ClassifierError) {
    try writer.add(id: id, rule: rule, payload: payload, now: now, undo: &undo)
  }

  /// Adds `count` rules of one shape. `fill` is called with 0..<count in order and sets id, payload and fields.
  ///
  /// - Throws: ``ClassifierError/duplicateID(_:)``; the whole transaction then has not happened.
  public mutating func addBatch(
    _ template: RuleTemplate, count: Int, fill: (Int, inout BatchRule) -> Void
  ) throws(ClassifierError) {
    try writer.addBatch(template, count: count, now: now, undo: &undo, fill: fill)
  }

  /// Puts another rule in the place of one; id, counters and index stay. The age timer goes on, too, unless its
  /// timeout changes.
  public mutating func replace(_ id: UInt32, _ rule: Rule, payload: UInt32 = 0) throws(ClassifierError) {
    try writer.replace(id: id, rule: rule, payload: payload, now: now, undo: &undo)
  }

  /// Deletes a rule. Its last counts are told by ``Classifier/onRetired(_:)`` when they are final.
  public mutating func delete(_ id: UInt32) throws(ClassifierError) {
    try writer.delete(id: id, undo: &undo)
  }
}

/// A rule that was deleted, or a payload that was replaced, and that no reader can hit any more.
public struct RetiredRule: Sendable {
  /// The deleted rule's id; nil when the rule lives on with another payload.
  public var id: UInt32?
  /// The payload that nobody can get any more.
  public var payload: UInt32
  /// The deleted rule's final counts.
  public var count: RuleCount
}

/// What the tables are like.
public struct ClassifierStatistics: Equatable, Sendable {
  /// The version that readers see; goes up with each change.
  public var version: UInt64 = 0
  /// Tables: different sets of bits that rules look at.
  public var subtables = 0
  /// Bytes that readers look at: rows, buckets, ids, and the counters of the readers there were.
  public var tableBytes = 0
  /// Rows that were deleted and wait for readers to leave.
  public var waitingRows = 0
  /// The most that ever waited.
  public var mostWaitingRows = 0

  /// Zeroes.
  public init() {}
}
