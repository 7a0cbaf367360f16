/// What readers see of the tables for the length of a burst. Never changed once it is shown.
@safe @frozen @usableFromInline
struct View {
  /// Sorted by group.
  @usableFromInline var groups: UnsafeMutablePointer<GroupView>
  @usableFromInline var groupCount: Int
  @usableFromInline var subtables: UnsafeMutablePointer<SubtableView>
  @usableFromInline var slots: OptionSlots
  /// Another number for each view that was ever shown.
  @usableFromInline var serial: UInt64

  /// The group's tables, or nil when it has no rule.
  @inlinable @inline(__always)
  func group(_ id: UInt32) -> UnsafeMutablePointer<GroupView>? {
    var low = 0
    var high = groupCount
    while low < high {
      let middle = (low &+ high) &>> 1
      if unsafe groups[middle].id < id { low = middle &+ 1 } else { high = middle }
    }
    guard low < groupCount, unsafe groups[low].id == id else { return nil }
    return unsafe groups + low
  }
}

/// The tables of one group, best priority first.
@safe @frozen @usableFromInline
struct GroupView {
  @usableFromInline var id: UInt32
  @usableFromInline var count: Int
  @usableFromInline var first: UnsafeMutablePointer<SubtableView>
}

/// One table and which bits of a key it is about.
@safe @frozen @usableFromInline
struct SubtableView {
  @usableFromInline var table: ExactTable
  @usableFromInline var indices: UnsafeMutablePointer<UInt8>
  @usableFromInline var masks: UnsafeMutablePointer<UInt64>
  /// Presence bits without which no row of it matches.
  @usableFromInline var required: UInt64
  /// The lowest priority number in it.
  @usableFromInline var best: UInt32
  /// Its rows have a further word: options to verify against the frame.
  @usableFromInline var hasResidual: Bool

  /// The masked words of `key`, for its table.
  @inlinable @inline(__always)
  func pack(_ key: UnsafePointer<UInt64>, into words: UnsafeMutablePointer<UInt64>) {
    var index = 0
    while index < table.wordCount {
      unsafe words[index] = key[Int(indices[index])] & masks[index]
      index &+= 1
    }
  }
}

/// A view with the memory it lies in; owned by the writer.
@safe
final class ViewMemory {
  let view: UnsafeMutablePointer<View>
  private let groups: UnsafeMutablePointer<GroupView>
  private let subtables: UnsafeMutablePointer<SubtableView>

  /// Lays out the groups, each with its tables in any order.
  init(groups list: [(id: UInt32, subtables: [Subtable])], slots: OptionSlots, serial: UInt64) {
    let total = list.reduce(0) { $0 + $1.subtables.count }
    unsafe groups = .allocate(capacity: max(1, list.count))
    unsafe subtables = .allocate(capacity: max(1, total))
    unsafe view = .allocate(capacity: 1)
    var next = unsafe subtables
    for (index, group) in list.sorted(by: { $0.id < $1.id }).enumerated() {
      unsafe (groups + index).initialize(
        to: GroupView(id: group.id, count: group.subtables.count, first: next))
      for table in group.subtables.sorted(by: { $0.best < $1.best }) {
        unsafe next.initialize(
          to: SubtableView(
            table: table.table, indices: table.indices, masks: table.masks, required: table.required,
            best: table.best, hasResidual: table.key.hasResidual))
        unsafe next += 1
      }
    }
    unsafe view.initialize(
      to: View(groups: groups, groupCount: list.count, subtables: subtables, slots: slots, serial: serial))
  }

  deinit {
    unsafe view.deallocate()
    unsafe groups.deallocate()
    unsafe subtables.deallocate()
  }
}
