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
  enum Way: UInt8, BitwiseCopyable {
    case none = 0
    case port, encap, decap
    /// An encapsulation whose template is plain (``HeaderTemplate/isPlain``).
    case plainEncap
    /// A decapsulation whose outer headers have no UDP checksum, mostly.
    case plainDecap
  }

  /// The rules that the entry was found under (``Classifier/Reader/generation``); 0 when the place is empty.
  var generation: UInt64 = 0
  /// Its in-port's index and its shape: ``kind(shape:inPort:)``.
  var frames: UInt32 = 0
  /// Where the shape's mask is, in bytes from the first mask.
  var mask: UInt32 = 0
  /// The rule's dense index and id.
  var index: UInt32 = 0
  var rule: UInt32 = 0
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
  /// Cache lines of the key, 1…3.
  var lines: UInt8 = 0
  var outer = LevelCheck()
  var inner = LevelCheck()
  // To a cache line.
  private var spare: UInt64 = 0

  /// What has to be the same for an entry to hold beside the key and the rules; not 0.
  @inline(__always)
  static func kind(shape: Int, inPort: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: inPort) &<< 8 | UInt32(truncatingIfNeeded: shape &+ 1)
  }

  /// Where a flow may be, as one word that is not 0: the slot's offset in bytes, and behind it ``kind(shape:inPort:)``.
  @inline(__always)
  static func candidate(_ place: Int, shape: Int, inPort: Int) -> UInt64 {
    UInt64(kind(shape: shape, inPort: inPort)) &<< 32
      | UInt64(truncatingIfNeeded: place &* MemoryLayout<FlowSlot>.stride)
  }

  /// The place that a candidate names.
  @inline(__always)
  static func place(_ candidate: UInt64) -> Int {
    Int(UInt32(truncatingIfNeeded: candidate)) / MemoryLayout<FlowSlot>.stride
  }
}
