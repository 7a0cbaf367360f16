/// Where the model's two sides meet: the writer's stores, put off and let through one at a time, and the schedule.
///
/// The writer's code runs a *phase* at a time: what it stores is noted and taken back. Before every access of the reader
/// the schedule lets through none, one or more of the noted stores, or begins the next phase. A phase looks at the
/// reader's place at most once, at its beginning, so that nothing is decided earlier than in a real run.
final class ModelStage {
  @safe private struct Store {
    var place: UnsafeMutableRawPointer
    var old: UInt64
    var new: UInt64
    var isWide: Bool
  }

  private var noted: [Store] = []
  private var through = 0
  private var isNoting = false
  var phases: [() -> Void] = []
  private var nextPhase = 0
  /// Everything that the reader read so far: with the writer's place, the state of the run.
  private(set) var history: UInt64 = 0
  private(set) var accesses = 0
  /// Decisions to take, then those that were taken beyond them.
  var path: [Bool] = []
  private var taken = 0
  private var isKnown = false
  /// States that were seen, and ways to states that were not.
  var seen: Set<UInt64> = []
  var ways: [[Bool]] = []
  var isStepping = false

  /// Names of what the writer stored, by order: addresses differ from run to run.
  private var names: [UInt64: UInt64] = [:]
  private var stores: UInt64 = 0

  /// How often the reader forgot what it had read.
  private var stages = 0

  /// The reader keeps nothing of what it read but `known`: states that differ only in what is forgotten are one.
  func forget(all known: UInt64) {
    history = known
    accesses = 0
    stages += 1
  }

  func read(_ value: UInt64) -> UInt64 {
    guard isStepping else { return value }
    history = (history ^ (names[value] ?? value)) &* 0x9e37_79b9_7f4a_7c15
    history ^= history >> 29
    return value
  }

  /// The reader is about to look at or change a shared word.
  func beforeAccess() {
    guard isStepping else { return }
    // Stores count too: the states before and after one are two.
    accesses += 1
    while through < noted.count || nextPhase < phases.count, decide() { advance() }
  }

  /// Whether the writer takes a step now. Where the path ends, it does not, and the other way is noted.
  private func decide() -> Bool {
    defer { taken += 1 }
    if taken < path.count { return path[taken] }
    if !isKnown {
      var state = Hasher()
      state.combine(history)
      state.combine(stages)
      state.combine(accesses)
      state.combine(nextPhase)
      state.combine(through)
      if seen.insert(UInt64(bitPattern: Int64(state.finalize()))).inserted {
        ways.append(path + [true])
      } else {
        isKnown = true
      }
    }
    path.append(false)
    return false
  }

  private func advance() {
    if through < noted.count {
      let store = noted[through]
      through += 1
      unsafe write(store.place, store.new, store.isWide)
      return
    }
    noted = []
    through = 0
    isNoting = true
    phases[nextPhase]()
    isNoting = false
    nextPhase += 1
    for store in noted.reversed() { unsafe write(store.place, store.old, store.isWide) }
  }

  /// Lets the writer end.
  func finish() {
    while through < noted.count || nextPhase < phases.count { advance() }
    isStepping = false
  }

  func note(_ place: UnsafeMutableRawPointer, old: UInt64, new: UInt64, isWide: Bool) {
    stores += 1
    if isWide { names[new] = stores << 32 }
    if isNoting { unsafe noted.append(Store(place: place, old: old, new: new, isWide: isWide)) }
  }

  private func write(_ place: UnsafeMutableRawPointer, _ value: UInt64, _ isWide: Bool) {
    if isWide {
      unsafe Machine().release64(place, value)
    } else {
      unsafe Machine().release32(place, UInt32(truncatingIfNeeded: value))
    }
  }
}

/// Shared words of the model: one value for each side.
struct ModelWords: SharedWords {
  let stage: ModelStage
  let isReader: Bool
  private let machine = Machine()

  init(_ stage: ModelStage, isReader: Bool) {
    self.stage = stage
    self.isReader = isReader
  }

  func acquire32(_ place: UnsafeRawPointer) -> UInt32 {
    if isReader { stage.beforeAccess() }
    let value = unsafe machine.acquire32(place)
    if isReader { _ = stage.read(UInt64(value)) }
    return value
  }

  func acquire64(_ place: UnsafeRawPointer) -> UInt64 {
    if isReader { stage.beforeAccess() }
    let value = unsafe machine.acquire64(place)
    return isReader ? stage.read(value) : value
  }

  func match(_ place: UnsafeRawPointer, tag: UInt16) -> UInt32 {
    if isReader { stage.beforeAccess() }
    let value = unsafe machine.match(place, tag: tag)
    if isReader { _ = stage.read(UInt64(value)) }
    return value
  }

  func ordered64(_ place: UnsafeRawPointer) -> UInt64 { unsafe acquire64(place) }

  func release32(_ place: UnsafeMutableRawPointer, _ value: UInt32) {
    if isReader { stage.beforeAccess() }
    if !isReader {
      unsafe stage.note(place, old: UInt64(machine.acquire32(place)), new: UInt64(value), isWide: false)
    }
    unsafe machine.release32(place, value)
  }

  func release64(_ place: UnsafeMutableRawPointer, _ value: UInt64) {
    if isReader { stage.beforeAccess() }
    if !isReader {
      unsafe stage.note(place, old: machine.acquire64(place), new: value, isWide: true)
    }
    unsafe machine.release64(place, value)
  }

  func order64(_ place: UnsafeMutableRawPointer, _ value: UInt64) { unsafe release64(place, value) }
}
