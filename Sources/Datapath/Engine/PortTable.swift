import Device
import Memory

/// A port as the frame's way needs it: plain data.
struct PortEntry: BitwiseCopyable {
  var id: UInt16 = 0
  var mtu: UInt16 = 0
  var kind: Port.Kind = .host
  var miss: Port.Miss = .drop
  /// Debts that the port pays itself.
  var carries: Owed = []
  /// Frames to it are merged: asked for, and it carries TCP segmentation.
  var coalesces = false
  var tenant: UInt16 = 0
  /// Index of the port that a miss goes to; ``PortTable/none`` for the first host port.
  var missPort = PortTable.none
}

/// The overlay's ports, found by id in one load.
struct PortTable: ~Copyable {
  /// No such port.
  static let none = -1

  private(set) var entries: FlatTable<PortEntry>
  // Index + 1 by port id; 0 for none.
  private let indices: FlatTable<UInt16>
  /// Index of the first port of kind host, or ``none``.
  let firstHost: Int
  /// The largest MTU of an uplink; 0 without one.
  let widestUplink: UInt16
  /// Ports to which frames are to be merged, and whether there is one that can take that.
  private let wantsCoalescing: Set<Int>
  private(set) var coalesces = false
  /// The highest tenant of a port.
  let highestTenant: UInt16

  init(_ ports: [Port]) {
    entries = FlatTable(repeating: PortEntry(), count: ports.count)
    var indices = FlatTable<UInt16>(repeating: 0, count: Int(ports.map(\.id).max() ?? 0) + 1)
    for (index, port) in ports.enumerated() {
      entries[index] = PortEntry(
        id: port.id, mtu: port.mtu, kind: port.kind, miss: port.miss, carries: [], tenant: port.tenant)
      if indices[Int(port.id)] == 0 { indices[Int(port.id)] = UInt16(index + 1) }
    }
    self.indices = indices
    firstHost = ports.firstIndex { $0.kind == .host } ?? Self.none
    widestUplink = ports.filter { $0.kind == .uplink }.map(\.mtu).max() ?? 0
    wantsCoalescing = Set(ports.indices.filter { ports[$0].coalesces })
    highestTenant = ports.map(\.tenant).max() ?? 0
  }

  /// The index of port `id`, or ``none``.
  @inline(__always)
  func index(of id: UInt16) -> Int {
    Int(id) < indices.count ? Int(indices[Int(id)]) &- 1 : Self.none
  }

  /// Says where a port's misses go.
  mutating func setMissPort(_ other: Int, at index: Int) { entries[index].missPort = other }

  /// Says which debts a port pays itself.
  mutating func setCarried(_ debts: Owed, at index: Int) {
    entries[index].carries = debts
    entries[index].coalesces = wantsCoalescing.contains(index) && debts.isSuperset(of: [.checksum, .tcpSegmentation])
    coalesces = wantsCoalescing.contains { entries[$0].coalesces }
  }
}
