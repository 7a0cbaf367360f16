/// When asking the cache pays: a queue whose frames are hardly ever recognised does without it for a while, longer each
/// time, and replaces few flows.
struct FlowCachePace: BitwiseCopyable {
  /// Frames after which the share is looked at.
  private static let window: UInt32 = 1024
  private var asked: UInt32 = 0
  private var known: UInt32 = 0
  /// Bursts to do without, now and the next time.
  private var closed: UInt32 = 0
  private var next: UInt32 = 64
  private(set) var turn: UInt32 = 0

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
    if known &* 8 < asked {
      closed = next
      next = min(next &* 2, 1024)
    } else {
      next = 64
    }
    asked = 0
    known = 0
  }

  /// One flow in four that finds both its places taken takes one.
  mutating func mayReplace() -> Bool {
    turn &+= 1
    return turn & 3 == 0
  }
}
