/// When asking the cache pays: a queue of whose frames fewer than two in three are recognised does without it for a while,
/// longer each time. The frames that are left are those whose rows are in no cache either, and a burst of few of them
/// overlaps few of their misses (`benchmarks datapath-million`).
struct FlowCachePace: BitwiseCopyable {
  /// Frames after which the share is looked at.
  private static let window: UInt32 = 1024
  private var asked: UInt32 = 0
  private var known: UInt32 = 0
  /// Bursts to do without, now and the next time.
  private var closed: UInt32 = 0
  private var next: UInt32 = 64
  private(set) var turn: UInt32 = 0
  /// Flows taken in under the present rules.
  private var taken = 0

  /// Whether this burst asks.
  @inline(__always)
  mutating func isOpen() -> Bool {
    guard closed > 0 else { return true }
    closed &-= 1
    return false
  }

  /// A burst that asked for `asked` frames and got answers for `known`.
  @inline(__always)
  mutating func note(asked: Int, known: Int) {
    self.asked &+= UInt32(truncatingIfNeeded: asked)
    self.known &+= UInt32(truncatingIfNeeded: known)
    if self.asked >= Self.window { judge() }
  }

  @inline(never)
  private mutating func judge() {
    if known &* 3 < asked &* 2 {
      closed = next
      next = min(next &* 2, 1024)
    } else {
      next = 64
    }
    asked = 0
    known = 0
  }

  /// Other rules: no flow is known any more.
  mutating func forget() { taken = 0 }

  /// A flow was taken in.
  mutating func take() { taken &+= 1 }

  /// Whether an unknown flow is taken in: always while at least half of the `capacity` places are free, then one in
  /// sixteen, so that flows of many frames are and those of few are not.
  @inline(__always)
  mutating func mayLearn(capacity: Int) -> Bool {
    turn &+= 1
    return taken &* 2 < capacity || turn & 15 == 0
  }
}
