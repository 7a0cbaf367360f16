import Classifier
import Memory
import Wire

/// One kind of headers: which bits of a frame's first bytes decide what is done with it, given the rules that there are.
///
/// Two frames of one shape that agree in these bits, and whose lengths bear out their headers (``LevelCheck``), parse
/// alike and hit the same rule.
struct FlowShape: BitwiseCopyable {
  /// Bytes that a key has at most: three cache lines.
  static let reach = 192
  /// Words of a key.
  static let words = reach / 8

  /// What tells this kind from the others: 16-bit values, as they lie in memory.
  struct Test: BitwiseCopyable {
    var offset: UInt8 = 0
    var mask: UInt16 = 0
    var value: UInt16 = 0
  }

  /// Eight bytes that the hash covers.
  struct Window: BitwiseCopyable {
    var offset: UInt8 = 0
    var mask: UInt64 = 0

    init() {}
    init(_ mask: ShapeMask, at offset: Int) {
      self.offset = UInt8(clamping: offset)
      self.mask = mask.word(at: offset)
    }
  }

  /// Identifies the kind: ``id(of:)``; 0 for an unused place.
  var id: UInt64 = 0
  /// Cache lines of the key, 1…3.
  var lines: UInt8 = 0
  /// A frame that is shorter is not of this kind.
  var shortest: UInt8 = 0
  var tests = (Test(), Test(), Test(), Test())
  /// The third and fourth window are in use.
  var isWide = false
  var windows = (Window(), Window(), Window(), Window())

  /// Never 0, and odd: the second place is another than the first.
  @inline(__always)
  static func tag(_ hash: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: hash &>> 56) | 1 }

  /// How far a flow's two places are apart; odd.
  @inline(__always)
  static func distance(_ tag: UInt8) -> Int { Int(tag) &* 0x5bd1 }

  /// What the layout of a frame's headers comes down to: equal for frames whose keys lie at the same places.
  static func id(of stack: HeaderStack) -> UInt64 {
    var id = level(stack.outer) << 1 | 1
    if stack.hasSoundTunnel {
      id |= level(stack.inner) << 12 | UInt64(stack.tunnel.rawValue) << 24 | UInt64(stack.optionsLength) << 28
    }
    return id
  }

  private static func level(_ layers: LayerStack) -> UInt64 {
    UInt64(layers.vlanCount) | UInt64(layers.l3Kind.rawValue) << 2 | UInt64(layers.l4Kind.rawValue) << 4
      | (layers.hasEthernet ? 0x80 : 0)
  }
}

/// The mask of a shape while it is made.
struct ShapeMask {
  private(set) var bytes = InlineArray<192, UInt8>(repeating: 0)
  /// One behind the last byte that is looked at.
  private(set) var end = 0
  private(set) var overruns = false

  private mutating func add(_ offset: Int, _ mask: UInt8) {
    guard mask != 0 else { return }
    guard offset < FlowShape.reach else {
      overruns = true
      return
    }
    bytes[offset] |= mask
    end = max(end, offset + 1)
  }

  private mutating func add(_ range: Range<Int>) {
    for offset in range { add(offset, 0xff) }
  }

  /// The first `count` bytes of a key's word, which stand at `offset` of the frame.
  private mutating func add(_ word: UInt64, at offset: Int, _ places: Range<Int> = 0..<8) {
    for place in places {
      add(offset + place - places.lowerBound, UInt8(truncatingIfNeeded: word >> UInt64(8 * place)))
    }
  }

  /// What the parser and the rules (`looks`: all bits that a rule of the group looks at) ask of one level.
  mutating func addLevel(_ layers: LayerStack, _ level: Int, looks: FlowKey) {
    typealias Layout = FlowKey.Layout
    let first = Layout.level(level)
    let (l2, l3, l4) = (Int(layers.l2), Int(layers.l3), Int(layers.l4))
    if layers.hasEthernet {
      add(looks.words[first + Layout.ethernet0], at: l2)
      add(looks.words[first + Layout.ethernet1], at: l2 + 8, 0..<6)
      let tags = Int(layers.vlanCount)
      for tag in 0...tags { add(l2 + 12 + 4 * tag..<l2 + 14 + 4 * tag) }
      if tags > 0 { add(looks.words[first + Layout.ethernet1], at: l2 + 14, 6..<8) }
      if tags > 1 { add(looks.words[first + Layout.extra], at: l2 + 18, 2..<4) }
    }
    if layers.l3Kind == .ipv4 {
      // Version and length; MF and offset; protocol; addresses.
      add(l3..<l3 + 1)
      add(l3 + 6, 0x3f)
      add(l3 + 7..<l3 + 8)
      add(l3 + 9..<l3 + 10)
      add(looks.words[first + Layout.extra], at: l3 + 1, 6..<7)
      add(looks.words[first + Layout.network], at: l3 + 4)
      add(looks.words[first + Layout.addresses], at: l3 + 12)
    } else {
      add(l3, 0xf0)
      add(l3 + 6..<l3 + 7)
      add(looks.words[first + Layout.network], at: l3)
      for place in 0..<4 { add(looks.words[FlowKey.Layout.ipv6(level) + place], at: l3 + 8 + 8 * place) }
    }
    guard layers.l4Kind != .none else { return }
    add(looks.words[first + Layout.transport], at: l4, 0..<(layers.l4Kind == .gre ? 4 : 8))
    if layers.l4Kind == .tcp { add(looks.words[first + Layout.extra], at: l4 + 13, 7..<8) }
  }

  /// What the flow's hash covers: entropy is the same for all frames of an entry.
  mutating func addFlow(_ layers: LayerStack) {
    let l3 = Int(layers.l3)
    add(layers.l3Kind == .ipv4 ? l3 + 12..<l3 + 20 : l3 + 8..<l3 + 40)
    if layers.l4Kind == .udp || layers.l4Kind == .tcp { add(Int(layers.l4)..<Int(layers.l4) + 4) }
  }

  /// The tunnel: that there is one, and its whole header with its options.
  mutating func addTunnel(_ stack: HeaderStack) {
    let l4 = Int(stack.outer.l4)
    add(l4 + 2..<l4 + 4)
    add(l4 + 8..<Int(stack.innerStart))
  }

  /// Eight bytes of the mask, as they lie in memory.
  func word(at offset: Int) -> UInt64 {
    var word: UInt64 = 0
    for place in 0..<8 where offset + place < FlowShape.reach {
      word |= UInt64(bytes[offset + place]) << UInt64(8 * place)
    }
    return word
  }
}

extension FlowShape {
  /// The shape of a frame with these headers, whose first bytes are `bytes`; nil when its key does not fit.
  init?(_ stack: HeaderStack, _ bytes: Bytes, looks: FlowKey, mask out: inout InlineArray<24, UInt64>) {
    var mask = ShapeMask()
    mask.addLevel(stack.outer, 0, looks: looks)
    let last = stack.hasSoundTunnel ? stack.inner : stack.outer
    if stack.hasSoundTunnel {
      mask.addTunnel(stack)
      mask.addLevel(last, 1, looks: looks)
    }
    mask.addFlow(last)
    guard !mask.overruns, mask.end <= bytes.count else { return nil }
    id = Self.id(of: stack)
    lines = UInt8((mask.end + 63) / 64)
    shortest = UInt8(mask.end)
    for word in 0..<Self.words { out[word] = mask.word(at: 8 * word) }
    let l3 = Int(last.l3)
    let isIPv4 = last.l3Kind == .ipv4
    let proto = isIPv4 ? l3 + 8 : l3 + 6
    tests.0 = Self.test(bytes, Int(stack.outer.l2) + 12 + 4 * Int(stack.outer.vlanCount), 0xffff)
    tests.1 = Self.test(bytes, proto, isIPv4 ? 0xff00 : 0x00ff)
    tests.2 = Self.test(bytes, Int(last.l2) + 12 + 4 * Int(last.vlanCount), 0xffff)
    let tunnel = stack.hasSoundTunnel ? Int(stack.tunnelOffset) : 12
    tests.3 = Self.test(bytes, tunnel, 0xffff)
    // Addresses, ports and the tunnel's key: what flows differ in.
    windows.0 = Window(mask, at: isIPv4 ? l3 + 8 : l3 + 16)
    windows.1 = Window(mask, at: isIPv4 ? l3 + 16 : l3 + 32)
    if !isIPv4 { windows.2 = Window(mask, at: l3 + 40) }
    if stack.hasSoundTunnel { windows.3 = Window(mask, at: tunnel) }
    isWide = !isIPv4 || stack.hasSoundTunnel
    // Every load of a window stays within the key's lines.
    let reach = max(windows.0.offset, windows.1.offset, windows.2.offset, windows.3.offset)
    guard Int(reach) + 8 <= Int(lines) * 64 else { return nil }
  }

  private static func test(_ bytes: Bytes, _ offset: Int, _ mask: UInt16) -> Test {
    let value = UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
    return Test(offset: UInt8(offset), mask: mask, value: value & mask)
  }
}
