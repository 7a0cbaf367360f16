public import Classifier
import Memory
public import Rules

// Many rules of one shape at once, as rte_flow's templates are meant.
extension RuleBook {
  /// The shape of rules that come many at once; see ``addBatch(_:actions:count:now:fill:)``.
  ///
  /// - Throws: ``DatapathError/rules(_:)`` for a match that cannot be carried out or be a template.
  public func template(for rule: Rule) throws(DatapathError) -> RuleTemplate {
    enter()
    defer { leave() }
    do throws(ClassifierError) { return try classifier.template(for: rule) } catch { throw .rules(error) }
  }

  /// Adds `count` rules of one shape, all of them visible at once, or none. `fill` is called with 0..<count in order and
  /// sets id (1…2^24−1), fields, and as payload the place in `actions` of what the rule does.
  ///
  /// Actions with `sample` are refused as ``DatapathError/programsFull``: each rule that copies needs a program of its own.
  public func addBatch(
    _ template: RuleTemplate, actions: [[Action]], count: Int, now: UInt64, fill: (Int, inout BatchRule) -> Void
  ) throws(DatapathError) {
    let copies = actions.contains { list in list.contains { if case .sample = $0 { true } else { false } } }
    guard !copies else { throw .programsFull }
    enter()
    defer { leave() }
    var programs: [UInt32] = []
    var uses = [Int](repeating: 0, count: actions.count)
    var ids: [UInt32] = []
    var payloads: [UInt32] = []
    ids.reserveCapacity(count)
    payloads.reserveCapacity(count)
    var badID: UInt32?
    do throws(DatapathError) {
      for list in actions { programs.append(try store.use(list)) }
      do throws(ClassifierError) {
        try classifier.transaction(now: now) { (transaction) throws(ClassifierError) in
          try transaction.addBatch(template, count: count) { index, rule in
            fill(index, &rule)
            if rule.id == 0 || rule.id > Self.highestID { badID = rule.id }
            let place = min(Int(rule.payload), programs.count - 1)
            uses[place] += 1
            rule.payload = programs[place]
            ids.append(rule.id)
            payloads.append(rule.payload)
          }
          // Nothing has happened when a transaction throws.
          if let badID { throw ClassifierError.unknownID(badID) }
        }
      } catch {
        throw badID.map { .badID($0) } ?? .rules(error)
      }
    } catch {
      for program in programs { store.drop(program) }
      throw error
    }
    for (program, uses) in zip(programs, uses) {
      // One use was taken above.
      if uses == 0 { store.drop(program) } else { store.use(again: program, times: uses - 1) }
    }
    for (id, program) in zip(ids, payloads) {
      guard let index = classifier.index(of: id) else { continue }
      resume.publish(UInt64(index) << 32 | UInt64(program) + 1, at: Int(id) * 2)
    }
  }
}
