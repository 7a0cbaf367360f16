import Classifier
import Memory
import Wire

/// A reader with memory for frames: looks bytes up as the data path does.
struct TestQueue: ~Copyable {
  var reader: Reader
  private var arena: FrameArena
  private let options = ParseOptions()

  init(_ reader: consuming Reader) throws {
    self.reader = reader
    arena = try FrameArena(capacity: 1, bufferSize: 1 << 17, headroom: 0)
    _ = arena.take()
  }

  /// What each frame hits, in one burst; `nil` for frames that are dropped before any rule.
  mutating func lookUp(_ frames: [[UInt8]], port: UInt16, group: UInt32, now: UInt64 = 1) -> [RuleHit?] {
    var parsed: [Bool] = []
    reader.enter(now: now)
    for (slot, frame) in frames.enumerated() {
      let window = arena.buffer(0).slice(slot * 2048, count: frame.count)
      window.copy(frame, at: 0)
      if let stack = try? HeaderStack.parse(window.span, options: options) {
        reader.prepare(slot, stack, window, inPort: port)
        parsed.append(true)
      } else {
        reader.prepare(slot, key: FlowKey())
        parsed.append(false)
      }
    }
    reader.lookup(count: frames.count, group: group)
    var hits: [RuleHit?] = []
    for slot in frames.indices { hits.append(parsed[slot] ? reader.hit(slot) : nil) }
    for (slot, frame) in frames.enumerated() where parsed[slot] { reader.count(reader.hit(slot), bytes: frame.count) }
    reader.leave()
    return hits
  }
}
