import Device
import Memory
import Wire

/// What is known about the frame at hand on its way through its rules.
struct Work: BitwiseCopyable {
  /// An outer header that was put on: where it is, counted from the frame's end, which later headers do not move.
  struct Layer: BitwiseCopyable {
    var template: UInt32 = 0
    var l3FromEnd: Int32 = 0
    var l4FromEnd: Int32 = 0
  }

  /// Layers that are remembered; a frame with more of them is never cut (S1).
  static let mostLayers = 4

  var stack: HeaderStack
  /// The frame has changed since ``stack`` was parsed.
  var isStale = false
  /// Tunnels are looked into (P7, A2).
  var looksIntoTunnels: Bool
  /// Index of the in-port.
  var port: Int
  var mark: UInt32 = 0
  var jumps = 0
  /// The group that is searched, and the key of the tunnel that was taken off last.
  var group: UInt32 = 0
  var tunnelKey: UInt32 = 0
  /// Tunnel headers put on, and the first of them, outermost last.
  var layerCount = 0
  var layers = InlineArray<4, Layer>(repeating: Layer())
  /// The frame before its first encapsulation: its length, its debts, whether it began with IP.
  var carriedLength = 0
  var carriedOwed: Owed = []
  var carriedStartsAtIP = false
  /// A sample's copy: it is not sampled again.
  var isCopy = false

  init(_ stack: HeaderStack, port: Int, looksIntoTunnels: Bool) {
    self.stack = stack
    self.port = port
    self.looksIntoTunnels = looksIntoTunnels
  }
}

/// How a run of actions ended.
enum RunEnd {
  /// The frame has its fate.
  case done
  /// Matching goes on in this group.
  case jump(UInt32)
}

extension Work {
  /// Remembers an outer header that was put on. One too many is counted but not kept: such a frame is never cut.
  mutating func addLayer(template: UInt32, l3FromEnd: Int, l4FromEnd: Int) {
    if layerCount < Self.mostLayers {
      layers[layerCount] = Layer(
        template: template, l3FromEnd: Int32(truncatingIfNeeded: l3FromEnd),
        l4FromEnd: Int32(truncatingIfNeeded: l4FromEnd))
    }
    layerCount &+= 1
  }

  /// For a segment, which is `count` bytes shorter than the frame it was cut from and owes nothing: what is counted from
  /// the frame's end is nearer.
  mutating func shorten(by count: Int) {
    guard layerCount > 0 else { return }
    carriedLength &-= count
    carriedOwed = []
    for index in 0..<min(layerCount, Self.mostLayers) {
      layers[index].l3FromEnd &-= Int32(truncatingIfNeeded: count)
      layers[index].l4FromEnd &-= Int32(truncatingIfNeeded: count)
    }
  }

  /// Turns the order of the layers around: they were found from outside in.
  mutating func reverseLayers() {
    let count = min(layerCount, Self.mostLayers)
    for index in 0..<count / 2 { layers.swapAt(index, count &- 1 &- index) }
  }
}
