import Classifier
import Device
import Memory
import Wire

/// The exact-match cache in front of parsing and of the classifier, one a queue: from the first bytes of a frame to
/// what is done with its flow.
///
/// A frame is recognised by its raw bytes under the mask of its ``FlowShape``; neither parsing nor a search of the tables
/// is needed then. An entry holds for the set of rules it was found under (``Classifier/Reader/generation``) and never
/// longer. What a cache says is what parsing and searching would say: tests run every frame with and without it.
struct FlowCache: ~Copyable {
  /// Shapes of each direction: tenant side first, uplink side behind.
  static let mostShapes = 16
  /// Guesses of each direction.
  static let guesses = 32
  /// Flows at most: a slot's offset has 32 bits.
  static let mostFlows = 1 << 24

  /// Places, a power of two; 0 is no cache.
  let capacity: Int
  private var tags: FlatTable<UInt8>
  private var slots: FlatTable<FlowSlot>
  private var shapes: FlatTable<FlowShape>
  private var masks: FlatTable<UInt64>
  private var guesses: FlatTable<UInt8>
  private var tenantShapes = 0
  private var uplinkShapes = 0
  /// What the shapes were made for.
  private var looks = FlowKey()
  private var looksSerial: UInt64 = 0
  private var generation: UInt64 = 0
  private var pace = FlowCachePace()

  /// A cache of `capacity` flows, rounded up to a power of two; 0 for none.
  init(capacity: Int) {
    var places = capacity > 0 ? 64 : 0
    while places < min(capacity, Self.mostFlows) { places *= 2 }
    self.capacity = places
    tags = FlatTable(repeating: 0, count: places)
    slots = FlatTable(repeating: FlowSlot(), count: places)
    let kinds = places > 0 ? 2 * Self.mostShapes : 0
    shapes = FlatTable(repeating: FlowShape(), count: kinds)
    masks = FlatTable(repeating: 0, count: kinds * FlowShape.words)
    guesses = FlatTable(repeating: 0, count: 2 * Self.guesses)
  }

  /// Whether this burst of `reader`'s asks the cache.
  @inline(__always)
  mutating func begin(_ reader: borrowing Reader) -> Bool {
    guard capacity > 0, pace.isOpen() else { return false }
    if generation != reader.generation {
      generation = reader.generation
      pace.forget()
    }
    if reader.looksSerial != looksSerial { look(reader) }
    return true
  }

  /// The tables for the length of a burst; only after ``begin(_:)`` said yes.
  @inline(__always)
  var view: FlowView {
    unsafe FlowView(
      tags: unsafe tags.place(0), slots: unsafe slots.place(0),
      shapes: unsafe shapes.place(0), masks: unsafe masks.place(0), guesses: unsafe guesses.place(0),
      last: capacity &- 1, generation: generation,
      tenantShapes: tenantShapes, uplinkShapes: uplinkShapes)
  }

  /// The rules look at other bits than before, perhaps: then no mask holds any more, and no entry is of this generation.
  @inline(never)
  private mutating func look(_ reader: borrowing Reader) {
    looksSerial = reader.looksSerial
    let now = reader.looks(group: 0)
    var isSame = true
    for word in 0..<FlowKey.wordCount where now.words[word] != looks.words[word] { isSame = false }
    if isSame { return }
    looks = now
    tenantShapes = 0
    uplinkShapes = 0
  }

  /// Says how a burst went: `asked` frames, of which `known` were recognised.
  @inline(__always)
  mutating func end(asked: Int, known: Int) { pace.note(asked: asked, known: known) }

  /// Keeps what is done with the frames of a flow. `entry` comes with everything but stamp and levels. Entries
  /// that frames of this burst are still to be carried out by stay: those of `flows`, but for the slots in `rest`.
  ///
  /// - Returns: whether it was kept.
  @inline(never)
  mutating func learn(
    _ frame: Frame, _ stack: HeaderStack, inPort: Int, uplink: Bool, _ entry: FlowEntry,
    _ flows: borrowing FlatTable<UInt64>, but rest: UInt64
  ) -> Bool {
    var entry = entry
    guard let outer = LevelCheck(stack.outer) else { return false }
    entry.outer = outer
    if stack.hasSoundTunnel {
      guard let inner = LevelCheck(stack.inner), outer.l4Kind == .udp, stack.innerStart < 0x100 else { return false }
      entry.inner = inner
      entry.innerStart = UInt8(truncatingIfNeeded: stack.innerStart)
    }
    guard let index = shape(frame, stack, uplink: uplink) else { return false }
    let window = frame.window(Int(shapes[index].lines) * 64)
    guess(window, index, uplink: uplink)
    let hash = unsafe view.hash(UnsafeRawPointer(window.unsafeBase), shape: index)
    let tag = FlowShape.tag(hash)
    let first = Int(truncatingIfNeeded: hash) & (capacity &- 1)
    let place = room(tag, first, (first ^ FlowShape.distance(tag)) & (capacity &- 1))
    for slot in 0..<flows.count where rest & 1 &<< UInt64(slot) == 0 && FlowEntry.place(flows[slot]) == place {
      return false
    }
    entry.generation = generation
    entry.frames = FlowEntry.kind(shape: index, inPort: inPort)
    entry.mask = UInt32(truncatingIfNeeded: index * FlowShape.reach)
    entry.lines = shapes[index].lines
    slots[place].entry = entry
    tags[place] = tag
    pace.take()
    for word in 0..<Int(shapes[index].lines) * 8 {
      slots[place].key[word] = window.load(word * 8, as: UInt64.self).byteSwapped
    }
    return true
  }

  private mutating func guess(_ window: Bytes, _ index: Int, uplink: Bool) {
    let place = unsafe FlowView.guess(UnsafeRawPointer(window.unsafeBase), uplink: uplink)
    guesses[place] = UInt8(truncatingIfNeeded: index)
  }

  /// Whether an unknown frame's flow is to be learned.
  @inline(__always)
  mutating func mayLearn() -> Bool { pace.mayLearn(capacity: capacity) }

  /// The place for a flow: its own, an unused one, or that of another flow.
  private func room(_ tag: UInt8, _ first: Int, _ second: Int) -> Int {
    if tags[first] == tag || isOld(first) { return first }
    if tags[second] == tag || isOld(second) { return second }
    return pace.turn & 16 == 0 ? first : second
  }

  private func isOld(_ place: Int) -> Bool { slots[place].entry.generation != generation }

  /// The place of the frame's shape, made when there is none yet; nil when there is no room or the key does not fit.
  private mutating func shape(_ frame: Frame, _ stack: HeaderStack, uplink: Bool) -> Int? {
    let first = uplink ? Self.mostShapes : 0
    let count = uplink ? uplinkShapes : tenantShapes
    let id = FlowShape.id(of: stack)
    for index in first..<first + count where shapes[index].id == id {
      return frame.length >= Int(shapes[index].shortest) && frame.reaches(Int(shapes[index].lines) * 64) ? index : nil
    }
    guard count < Self.mostShapes else { return nil }
    var words = InlineArray<24, UInt64>(repeating: 0)
    let bytes = frame.window(min(frame.length, FlowShape.reach))
    guard let shape = FlowShape(stack, bytes, looks: looks, mask: &words), frame.reaches(Int(shape.lines) * 64) else {
      return nil
    }
    let index = first + count
    shapes[index] = shape
    for word in 0..<FlowShape.words { masks[index * FlowShape.words + word] = words[word] }
    if uplink { uplinkShapes += 1 } else { tenantShapes += 1 }
    return index
  }
}
