import Device
import Rules
import Wire

/// Where one level of a cached flow's headers is, and which lengths every frame of the flow has to bear out. The rest of
/// what the parser looks at is in the flow's key.
struct LevelCheck: BitwiseCopyable {
  /// Offset of the IP header, at most ``FlowShape/reach``.
  var l3: UInt8 = 0
  /// Offset of the transport header.
  var l4: UInt8 = 0
  var isIPv6 = false
  var l4Kind: TransportKind = .none
  /// Bytes that the transport header has at least.
  var shortest: UInt8 = 0

  /// The level as the parser found it; nil for what is not cached: no L4, IP options, extension headers.
  init?(_ layers: LayerStack) {
    let behind = layers.l3 &+ (layers.l3Kind == .ipv6 ? 40 : 20)
    guard layers.l3Kind != .none, layers.l4Kind != .none, layers.l4 == behind, behind < FlowShape.reach else {
      return nil
    }
    isIPv6 = layers.l3Kind == .ipv6
    l4Kind = layers.l4Kind
    shortest = l4Kind == .tcp ? 20 : l4Kind == .gre ? 4 : 8
    l3 = UInt8(truncatingIfNeeded: layers.l3)
    l4 = UInt8(truncatingIfNeeded: behind)
  }

  init() {}
}

/// A flow that is known: what is done with its frames, and the bytes that they are known by, as they lie in memory.
///
/// 256 bytes, so that both are in one page.
struct FlowSlot: BitwiseCopyable {
  var entry = FlowEntry()
  var key = InlineArray<24, UInt64>(repeating: 0)
}

/// What is to be done with the frames of a flow: the rule that they hit and its program, flattened. One cache line.
struct FlowEntry: BitwiseCopyable {
  enum Way: UInt8, BitwiseCopyable { case none = 0, port, encap, decap }

  /// What has to be the same for the entry to hold: ``stamp(generation:shape:inPort:)``; 0 when the place is empty.
  var stamp: UInt64 = 0
  /// The rule's dense index and id, and its program.
  var index: UInt32 = 0
  var rule: UInt32 = 0
  var payload: UInt32 = 0
  /// Template of an encapsulation.
  var template: UInt32 = 0
  /// The tunnel's key where one is taken off.
  var tunnelKey: UInt32 = 0
  /// The port sent to and its MTU.
  var port: UInt16 = 0
  var mtu: UInt16 = 0
  /// UDP source port of the outer header.
  var entropy: UInt16 = 0
  var way: Way = .none
  var counts = false
  var ages = false
  var kind: TunnelKind = .none
  /// Where the inner frame begins; 0 without a tunnel.
  var innerStart: UInt8 = 0
  var outer = LevelCheck()
  var inner = LevelCheck()
  // To a cache line.
  private var spare: UInt64 = 0

  /// The rules that an entry was found under, its shape and its in-port's index, as one word that is not 0.
  @inline(__always)
  static func stamp(generation: UInt64, shape: Int, inPort: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: inPort) &<< 48 | UInt64(truncatingIfNeeded: shape &+ 1) &<< 40 | generation
  }

  /// The place that a candidate names.
  @inline(__always)
  static func place(_ candidate: UInt64) -> Int { Int(truncatingIfNeeded: candidate & 0xff_ffff_ffff) }
}
