extension Reader {
  /// The hit of a rule that a device matched: `index` is what ``Classifier/index(of:)`` said while the rule was there.
  @inlinable @inline(__always)
  public func resumed(index: UInt32, payload: UInt32) -> RuleHit {
    RuleHit(index: index, payload: payload, priority: 0)
  }
}

extension Classifier {
  /// The dense index of a rule, or nil when there is no such rule. It stays the rule's until it is deleted.
  public func index(of id: UInt32) -> UInt32? { writer.book.ids[id] }
}
