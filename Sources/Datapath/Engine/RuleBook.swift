public import Classifier
public import Device
import Memory
public import Rules
import Synchronization

/// A change of the rules.
public enum RuleChange: Sendable {
  /// A new rule under a new id, 1…2^24−1.
  case add(UInt32, Rule)
  /// Another rule in the place of one; its counters stay.
  case replace(UInt32, Rule)
  /// The rule goes; its last counts come with ``RuleBook/onDeleted``.
  case delete(UInt32)
}

/// What was counted at an indirect `count`.
@frozen
public struct SharedCount: Equatable, Sendable, BitwiseCopyable {
  /// Frames, one for each rule that a frame matched.
  public var frames: UInt64 = 0
  /// Their L2 bytes without FCS, as matched.
  public var bytes: UInt64 = 0

  /// Nothing counted.
  public init() {}
}

/// The control side of the data path: the overlay, its rules, and their compiled actions. One thread owns it; queues
/// (``Datapath``) read what it publishes while they run.
public final class RuleBook {
  /// The highest rule id.
  public static let highestID: UInt32 = 1 << 24 - 1

  /// What the rules refer to.
  public let overlay: Overlay
  var classifier: Classifier
  let store: ProgramStore
  let encapsulations: [(index: UInt16, value: Encapsulation)]
  let templateBytes: TemplateBytes
  // Queues that entered before this version may look at the templates' other half.
  private var templateFence: UInt64 = 0
  // Held by whoever changes the tables: the owner waits for it, a poll thread that rewrites addresses never does.
  private let isChanging = Atomic<Bool>(false)
  // Two words a rule id: classifier index << 32 | program + 1 (0 for no rule), then the actions that the device does.
  let resume: SharedTable<UInt64>
  /// What errors from the underlay told about paths.
  public let paths: PathTable
  // The indirect counters of each queue: frames and bytes by place. They stay when a queue ends, as what it counted does.
  private var sharedCounts: [SharedTable<UInt64>] = []
  /// Is told each deleted rule's id and final counts, once no queue can hit it any more. It may not call the book.
  public var onDeleted: ((UInt32, RuleCount) -> Void)?

  /// A book for `overlay` with room for `limit` rules (1…2^24) and `queues` queues (1…64). With `paths` it shares what is
  /// known about paths with another book of the same overlay.
  ///
  /// - Throws: ``DatapathError`` for what in the overlay cannot be carried out, or when there is no memory.
  public init(_ overlay: Overlay, limit: Int = 1 << 20, queues: Int = 1, paths: PathTable? = nil) throws(DatapathError)
  {
    guard Set(overlay.ports.map(\.id)).count == overlay.ports.count else { throw .badPorts }
    let limit = min(max(limit, 1), 1 << 24)
    self.overlay = overlay
    encapsulations = overlay.encapsulations.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    templateBytes = try TemplateBytes(encapsulations)
    let templates = try TemplateStore(encapsulations, templateBytes)
    var carriesEthernet: [Bool] = []
    for place in encapsulations.indices {
      let template = templates.templates[place]
      carriesEthernet.append(template.kind != .none && template.inside == 0x6558)
    }
    let places = Dictionary(uniqueKeysWithValues: encapsulations.enumerated().map { ($1.index, $0) })
    store = try ProgramStore(
      limit: limit,
      compiler: ProgramCompiler(overlay: overlay, templatePlaces: places, carriesEthernet: carriesEthernet))
    if let paths { self.paths = paths } else { self.paths = try PathTable(count: encapsulations.count) }
    resume = try SharedTable.make(count: Int(Self.highestID + 1) * 2)
    do throws(ClassifierError) {
      classifier = try Classifier(limit: limit, readers: queues)
    } catch {
      throw .rules(error)
    }
    classifier.onRetired { [unowned self] retired in
      self.store.drop(retired.payload)
      if let id = retired.id { self.onDeleted?(id, retired.count) }
    }
  }

  /// How many rules there are.
  public var count: Int {
    enter()
    defer { leave() }
    return classifier.count
  }

  /// Makes all of `changes` visible at once, or none. `now` (nanoseconds) is when new age timers begin.
  ///
  /// - Throws: ``DatapathError/rules(_:)`` with what the classifier refuses, ``DatapathError/programsFull``,
  ///   ``DatapathError/badID(_:)``.
  public func apply(_ changes: [RuleChange], now: UInt64) throws(DatapathError) {
    enter()
    defer { leave() }
    var programs: [UInt32] = []
    programs.reserveCapacity(changes.count)
    do throws(DatapathError) {
      for change in changes {
        switch change {
        case .add(let id, let rule), .replace(let id, let rule):
          guard id > 0, id <= Self.highestID else { throw .badID(id) }
          programs.append(try store.use(rule.actions))
        case .delete: programs.append(0)
        }
      }
      try commit(changes, programs, now: now)
    } catch {
      for (program, change) in zip(programs, changes) {
        if case .delete = change { continue }
        store.drop(program)
      }
      throw error
    }
    for (program, change) in zip(programs, changes) { publish(change, program) }
  }

  /// Waits until nobody rewrites addresses, which takes microseconds, and keeps others from it until ``leave()``.
  func enter() { while isChanging.exchange(true, ordering: .acquiring) {} }
  /// See ``enter()``.
  func leave() { isChanging.store(false, ordering: .releasing) }

  private func commit(_ changes: [RuleChange], _ programs: [UInt32], now: UInt64) throws(DatapathError) {
    do throws(ClassifierError) {
      try classifier.transaction(now: now) { (transaction) throws(ClassifierError) in
        for (program, change) in zip(programs, changes) {
          switch change {
          case .add(let id, let rule): try transaction.add(id, rule, payload: program)
          case .replace(let id, let rule): try transaction.replace(id, rule, payload: program)
          case .delete(let id): try transaction.delete(id)
          }
        }
      }
    } catch {
      throw .rules(error)
    }
  }

  private func publish(_ change: RuleChange, _ program: UInt32) {
    switch change {
    case .add(let id, _), .replace(let id, _):
      guard let index = classifier.index(of: id) else { return }
      resume.publish(UInt64(index) << 32 | UInt64(program) + 1, at: Int(id) * 2)
    case .delete(let id):
      // An id that was deleted and added again in one transaction stays.
      guard classifier.index(of: id) == nil else { return }
      resume.publish(0, at: Int(id) * 2)
      resume.publish(0, at: Int(id) * 2 + 1)
    }
  }

  /// Adds one rule.
  public func add(_ id: UInt32, _ rule: Rule, now: UInt64) throws(DatapathError) {
    try apply([.add(id, rule)], now: now)
  }

  /// Deletes one rule.
  public func delete(_ id: UInt32, now: UInt64) throws(DatapathError) { try apply([.delete(id)], now: now) }

  /// Says how many of a rule's actions its device does: frames that come up with this rule go on behind them. 0, as at
  /// first, is a guard: they come up untouched and uncounted.
  public func setResume(rule id: UInt32, actionsDone: Int) {
    guard id > 0, id <= Self.highestID else { return }
    resume.publish(UInt64(UInt16(clamping: actionsDone)), at: Int(id) * 2 + 1)
  }

  /// What all queues together counted at a rule; nil when there is no such rule.
  public func counts(of id: UInt32) -> RuleCount? {
    // Whoever rewrites addresses takes a step of the tables' clock.
    enter()
    defer { leave() }
    return classifier.count(of: id)
  }

  /// What all queues together counted at an indirect `count`, whatever became of its rules; nil when there is no such
  /// action (SPECIFICATION.md A6).
  public func sharedCount(of id: UInt32) -> SharedCount? {
    guard let place = store.counterPlaces[id] else { return nil }
    var sum = SharedCount()
    for table in sharedCounts {
      sum.frames += table.view.acquire(place * 2)
      sum.bytes += table.view.acquire(place * 2 + 1)
    }
    return sum
  }

  /// The table of a new queue.
  func makeSharedCounts() throws(DatapathError) -> SharedTable<UInt64> {
    let table: SharedTable<UInt64> = try SharedTable.make(count: max(1, store.counterPlaces.count * 2))
    sharedCounts.append(table)
    return table
  }

  /// Rules with an `age` action that were idle for their timeout, each told once an idle time.
  public func aged(now: UInt64) -> [UInt32] {
    enter()
    defer { leave() }
    return classifier.aged(now: now)
  }

  /// The Ethernet addresses in front of every encapsulation, as they are now; for the thread that changes them, which does
  /// not wait for the owner.
  public var outerAddresses: [OuterAddresses] { templateBytes.addresses }

  /// Changes the Ethernet addresses in front of encapsulations, all at once: a burst sees those of before or these.
  /// Addresses of encapsulations that are not there are let alone.
  ///
  /// The one change that another thread than the book's owner may make, always the same one. It never waits.
  ///
  /// Returns false, and nothing has happened, while the owner changes rules, or while a queue still carries out a burst that it began before the change
  /// before; the call is then repeated.
  public func setOuterAddresses(_ changes: [OuterAddresses]) -> Bool {
    guard !isChanging.exchange(true, ordering: .acquiring) else { return false }
    defer { leave() }
    guard classifier.haveReadersLeft(before: templateFence) else { return false }
    templateBytes.show(changes)
    templateFence = classifier.advance()
    return true
  }

  /// Frees what no queue can see any more; every change does so too.
  public func reclaim() {
    enter()
    defer { leave() }
    classifier.reclaim()
  }
}
