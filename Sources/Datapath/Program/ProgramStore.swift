import Device
import Memory
import Rules

/// All compiled programs. The control side writes; queues read through views.
///
/// Rules with equal actions share a program. A program's place is reused only after the classifier says that no queue
/// can hold it any more.
final class ProgramStore {
  private let programs: SharedTable<RuleProgram>
  private let ops: SharedTable<Op>
  private var places: [[Action]: UInt32] = [:]
  private var entries: [UInt32: (actions: [Action], uses: Int, opCount: Int)] = [:]
  private var freePrograms: [UInt32] = []
  private var freeOps: [Int: [UInt32]] = [:]
  private var nextProgram: UInt32 = 0
  private var nextOp: UInt32 = 0
  private var sampleOps: [UInt16: UInt32] = [:]
  private var nextSerial: UInt32 = 0
  private let compiler: ProgramCompiler

  /// Room for the programs of `limit` rules.
  init(limit: Int, compiler: ProgramCompiler) throws(DatapathError) {
    programs = try SharedTable.make(count: limit + 1)
    ops = try SharedTable.make(count: limit * 4 + 4096)
    self.compiler = compiler
    for (index, actions) in compiler.overlay.sampleActions.sorted(by: { $0.key < $1.key }) {
      // A copy is not copied again, nor counted.
      let list = compiler.compile(actions, sampleOps: { _ in nil }).ops
        .filter { $0.code != .sample && $0.code != .countShared }
      sampleOps[index] = try place(list)
    }
  }

  var programView: TableView<RuleProgram> { programs.view }
  var opView: TableView<Op> { ops.view }
  /// Places of indirect counters, by id.
  var counterPlaces: [UInt32: Int] { compiler.counterPlaces }

  /// The place of the program for `actions`, one use more.
  ///
  /// - Throws: ``DatapathError/programsFull`` when there is no room.
  func use(_ actions: [Action]) throws(DatapathError) -> UInt32 {
    if let place = places[actions] {
      entries[place]?.uses += 1
      return place
    }
    let before = nextSerial
    var (program, list) = compiler.compile(
      actions,
      sampleOps: { index in
        guard let first = self.sampleOps[index] else { return nil }
        self.nextSerial &+= 1
        return (first, self.nextSerial)
      })
    program.firstOp = try place(list)
    let index: UInt32
    if let free = freePrograms.popLast() {
      index = free
    } else {
      guard Int(nextProgram) < programs.count else { throw .programsFull }
      index = nextProgram
      nextProgram += 1
    }
    programs.store(program, at: Int(index))
    // Programs that copy frames count them, which no two rules do together.
    if nextSerial == before { places[actions] = index }
    entries[index] = (actions, 1, list.count)
    return index
  }

  /// More uses of a program that is in use.
  func use(again index: UInt32, times: Int) { entries[index]?.uses += times }

  /// One use less of a program that no queue can hold for this use any more.
  func drop(_ index: UInt32) {
    guard var entry = entries[index] else { return }
    entry.uses -= 1
    if entry.uses > 0 {
      entries[index] = entry
      return
    }
    entries[index] = nil
    if places[entry.actions] == index { places[entry.actions] = nil }
    freeOps[entry.opCount, default: []].append(programs.view[Int(index)].firstOp)
    freePrograms.append(index)
  }

  private func place(_ list: [Op]) throws(DatapathError) -> UInt32 {
    let first: UInt32
    if let free = freeOps[list.count]?.popLast() {
      first = free
    } else {
      guard Int(nextOp) + list.count <= ops.count else { throw .programsFull }
      first = nextOp
      nextOp += UInt32(list.count)
    }
    for (offset, op) in list.enumerated() { ops.store(op, at: Int(first) + offset) }
    return first
  }
}
