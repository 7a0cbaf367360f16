// Tuple-space search over a burst: the group's tables in the order of their best priorities.
extension Reader {
  /// Looks up the first `count` slots in `group`: the rule with the lowest priority number, then the lowest id.
  public mutating func lookup(count: Int, group: UInt32) {
    precondition(count >= 0 && count <= Self.burst)
    found = 0
    guard count > 0, let group = unsafe view.pointee.group(group) else { return }
    unsafe search(group, slots: .max &>> UInt64(64 &- count))
  }

  /// Looks up the slots whose bit is set in `slots`.
  public mutating func lookup(slots: UInt64, group: UInt32) {
    found &= ~slots
    guard slots != 0, let group = unsafe view.pointee.group(group) else { return }
    unsafe search(group, slots: slots)
  }

  /// Looks up one slot in `group`: for a frame that goes on in another group than its burst.
  public mutating func lookup(slot: Int, group: UInt32) {
    precondition(slot >= 0 && slot < Self.burst)
    found &= ~(1 &<< UInt64(slot))
    guard let group = unsafe view.pointee.group(group) else { return }
    unsafe search(group, slots: 1 &<< UInt64(slot))
  }

  private mutating func search(_ group: UnsafeMutablePointer<GroupView>, slots: UInt64) {
    let again = slots & repeated
    if again != 0 { unsafe searchRepeated(group, slots: again) }
    let slots = slots & ~again
    if slots != 0 { unsafe searchTables(group, slots: slots) }
  }

  /// Improves the hits of `slots` by what the group's tables have.
  mutating func searchTables(_ group: UnsafeMutablePointer<GroupView>, slots: UInt64) {
    var live = slots
    let count = unsafe group.pointee.count
    let tables = unsafe group.pointee.first
    var index = 0
    while index < count, live != 0 {
      live = unsafe searchTable(tables + index, live)
      index &+= 1
    }
  }
}
