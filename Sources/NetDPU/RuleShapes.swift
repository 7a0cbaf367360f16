import CNetDPU
import Device
import EmulatedDevice
import Memory

/// What was learned of rules of one shape: their compiled program, and where in it each value lands.
struct RuleShape {
  let shape: [UInt8]
  /// How many rules of this shape came.
  var seen = 0
  /// The program of the rule with ``base``; nil before it was learned.
  var compiled: CompiledRule?
  /// Values of the rule that `compiled` was made of.
  var base: [UInt8] = []
  var patches: [Patch] = []
  /// Values decide more than single bytes of the program: rules of this shape are read one by one.
  var isHopeless = false

  /// `program[at] = base ^ (value ^ base's value) & mask`.
  struct Patch: Equatable {
    var at: Int
    var value: Int
    var mask: UInt8
    var fixed: UInt8
  }

  /// Puts values into the program.
  mutating func fill(_ values: Bytes) {
    for patch in patches {
      compiled?.program[patch.at] = patch.fixed ^ (values[patch.value] ^ base[patch.value]) & patch.mask
    }
  }
}

/// Shapes of rules that came often. What a rule of a known shape compiles to is found by changing one byte of its values at
/// a time and looking which bytes of the program change: nothing here knows the program's layout, and rules of random
/// values are compared before a shape is trusted.
struct RuleShapes: ~Copyable {
  var reader: ShapeReader
  private var shapes: [RuleShape] = []
  private var last = 0
  /// A shape is learned when so many rules of it came.
  static let often = 32
  private static let most = 16

  init() throws(ArenaError) { reader = try ShapeReader() }

  /// The place of the last read rule's shape; nil when it was not seen yet.
  mutating func place() -> Int? {
    if last < shapes.count, reader.isShape(shapes[last].shape) { return last }
    for index in shapes.indices where reader.isShape(shapes[index].shape) {
      last = index
      return index
    }
    return nil
  }

  /// Takes note that a rule of the shape that was read last was taken the slow way; gives its place when it is time to learn it.
  mutating func note(_ place: Int?) -> Int? {
    guard let place else {
      if shapes.count == Self.most { shapes.removeFirst() }
      shapes.append(RuleShape(shape: reader.shape.array()))
      return nil
    }
    shapes[place].seen += 1
    return shapes[place].seen >= Self.often && shapes[place].compiled == nil && !shapes[place].isHopeless ? place : nil
  }

  /// Whether rules of the shape at a place need not be read.
  func isLearned(_ place: Int) -> Bool { shapes[place].compiled != nil }

  /// Inserts a rule of the shape at a place with the values that were read last.
  mutating func insert(_ place: Int, id: UInt32, into device: inout EmulatedDevice, now: UInt64) throws(Refusal) {
    shapes[place].fill(reader.values)
    guard let compiled = shapes[place].compiled else { throw Refusal(.invalid) }
    try device.insert(compiled, id: id, now: now)
  }

  /// Learns the shape at a place. `compile` compiles the rule that was read last under other values.
  mutating func learn(_ place: Int, compile: ([UInt8]) -> CompiledRule?) {
    shapes[place].isHopeless = true
    let values = reader.values.array()
    guard let first = compile(values) else { return }
    var learned = shapes[place]
    learned.base = values
    learned.compiled = first
    for index in values.indices {
      var other = values
      other[index] ^= 0xff
      guard let changed = compile(other), changed.program.count == first.program.count else { return }
      for at in first.program.indices where first.program[at] != changed.program[at] {
        learned.patches.append(
          RuleShape.Patch(at: at, value: index, mask: first.program[at] ^ changed.program[at], fixed: first.program[at])
        )
      }
    }
    // One place of the program follows from one byte of the values.
    guard Set(learned.patches.map(\.at)).count == learned.patches.count else { return }
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    for _ in 0..<8 {
      var other = values
      for index in other.indices {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        other[index] = UInt8(truncatingIfNeeded: state >> 56)
      }
      guard let slow = compile(other) else { return }
      var program = first.program
      for patch in learned.patches {
        program[patch.at] = patch.fixed ^ (other[patch.value] ^ values[patch.value]) & patch.mask
      }
      guard program == slow.program else { return }
    }
    learned.isHopeless = false
    shapes[place] = learned
  }
}
