public import DPDKDevice
public import Device
import Memory
public import Ports

/// The ports of one poll thread, of every kind that there is. Each kind has a table of its own and every call switches
/// over the kinds, once a burst: nothing is boxed, and the calls are those of the kind's own type.
public struct PortSet: ~Copyable {
  /// Ports at most.
  public static let most = 128

  enum Kind: UInt8, BitwiseCopyable { case tap, packet, virtqueue, capture, dpdk }

  // Not private: the compiler (6.3.1) wants to see it from files that hold a set.
  struct Place: BitwiseCopyable {
    var kind: Kind
    var index: Int
    var id: UInt16
    var owner: UInt8
  }

  var places = FlatTable(repeating: Place(kind: .tap, index: 0, id: 0, owner: 0), count: Self.most)
  /// How many ports there are.
  public private(set) var count = 0
  private var taps = OwnedTable<TapPort>(capacity: Self.most)
  private var packets = OwnedTable<PacketPort>(capacity: Self.most)
  private var virtqueues = OwnedTable<VirtqueuePort>(capacity: Self.most)
  private var captures = OwnedTable<CapturePort>(capacity: Self.most)
  private var dpdks = OwnedTable<DPDKPort>(capacity: Self.most)
  // Index + 1 by owner, and by number in rules.
  private var byOwner = FlatTable<UInt8>(repeating: 0, count: 256)
  private var byID = FlatTable<UInt8>(repeating: 0, count: 65536)

  /// No ports.
  public init() {}

  /// Adds a TAP device as the port of this number in rules; its index. Nil when there are ``most``, or when the number or
  /// the port's owner byte stands for another.
  public mutating func add(_ port: consuming TapPort, id: UInt16) -> Int? {
    guard mayAdd(id, port.owner) else { return nil }
    let owner = port.owner
    return add(.tap, taps.append(port), id, owner)
  }

  /// Adds a packet socket; see ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming PacketPort, id: UInt16) -> Int? {
    guard mayAdd(id, port.owner) else { return nil }
    let owner = port.owner
    return add(.packet, packets.append(port), id, owner)
  }

  /// Adds a port over virtio rings; see ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming VirtqueuePort, id: UInt16) -> Int? {
    guard mayAdd(id, port.owner) else { return nil }
    let owner = port.owner
    return add(.virtqueue, virtqueues.append(port), id, owner)
  }

  /// Adds a pair of capture files; see ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming CapturePort, id: UInt16) -> Int? {
    guard mayAdd(id, port.owner) else { return nil }
    let owner = port.owner
    return add(.capture, captures.append(port), id, owner)
  }

  /// Adds a port of a DPDK driver; see ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming DPDKPort, id: UInt16) -> Int? {
    guard mayAdd(id, port.owner) else { return nil }
    let owner = port.owner
    return add(.dpdk, dpdks.append(port), id, owner)
  }

  private func mayAdd(_ id: UInt16, _ owner: UInt8) -> Bool {
    count < Self.most && byID[Int(id)] == 0 && byOwner[Int(owner)] == 0
  }

  private mutating func add(_ kind: Kind, _ index: Int, _ id: UInt16, _ owner: UInt8) -> Int {
    places[count] = Place(kind: kind, index: index, id: id, owner: owner)
    count += 1
    byID[Int(id)] = UInt8(count)
    byOwner[Int(owner)] = UInt8(count)
    return count - 1
  }

  /// Takes a port out and ends it; the last one takes its index.
  mutating func remove(_ index: Int) {
    let place = places[index]
    byID[Int(place.id)] = 0
    byOwner[Int(place.owner)] = 0
    let last: Int
    switch place.kind {
    case .tap:
      _ = taps.remove(at: place.index)
      last = taps.count
    case .packet:
      _ = packets.remove(at: place.index)
      last = packets.count
    case .capture:
      _ = captures.remove(at: place.index)
      last = captures.count
    case .virtqueue:
      _ = virtqueues.remove(at: place.index)
      last = virtqueues.count
    case .dpdk:
      _ = dpdks.remove(at: place.index)
      last = dpdks.count
    }
    for other in 0..<count where places[other].kind == place.kind && places[other].index == last {
      places[other].index = place.index
    }
    count -= 1
    guard index < count else { return }
    places[index] = places[count]
    byID[Int(places[index].id)] = UInt8(index + 1)
    byOwner[Int(places[index].owner)] = UInt8(index + 1)
  }

  /// The index of the port with this number in rules; -1 for none.
  @inline(__always)
  public func index(of id: UInt16) -> Int { Int(byID[Int(id)]) &- 1 }

  /// The number in rules of the port at `index`.
  @inline(__always)
  public func id(_ index: Int) -> UInt16 { places[index].id }

  /// Whether no port has this owner byte.
  public func hasNoOwner(_ owner: UInt8) -> Bool { byOwner[Int(owner)] == 0 }

  /// The top byte of the tokens of the port at `index`.
  func owner(_ index: Int) -> UInt8 { places[index].owner }

  /// See ``Device/BurstPort/receive(_:now:)``.
  public mutating func receive(_ index: Int, _ burst: inout FrameBurst, now: UInt64) {
    let place = places[index]
    switch place.kind {
    case .tap: taps[place.index].receive(&burst, now: now)
    case .packet: packets[place.index].receive(&burst, now: now)
    case .virtqueue: virtqueues[place.index].receive(&burst, now: now)
    case .capture: captures[place.index].receive(&burst, now: now)
    case .dpdk: dpdks[place.index].receive(&burst, now: now)
    }
  }

  /// See ``Device/BurstPort/transmit(_:now:free:)``.
  public mutating func transmit(_ index: Int, _ burst: inout FrameBurst, now: UInt64, free: inout TokenList) {
    let place = places[index]
    switch place.kind {
    case .tap: taps[place.index].transmit(&burst, now: now, free: &free)
    case .packet: packets[place.index].transmit(&burst, now: now, free: &free)
    case .virtqueue: virtqueues[place.index].transmit(&burst, now: now, free: &free)
    case .capture: captures[place.index].transmit(&burst, now: now, free: &free)
    case .dpdk: dpdks[place.index].transmit(&burst, now: now, free: &free)
    }
  }

  /// Gives a buffer back to the port that it came from; false when no port has this owner.
  public mutating func recycle(_ token: UInt32) -> Bool {
    let index = Int(byOwner[Int(token >> 24)]) &- 1
    guard index >= 0 else { return false }
    let place = places[index]
    switch place.kind {
    case .tap: taps[place.index].recycle(token)
    case .packet: packets[place.index].recycle(token)
    case .virtqueue: virtqueues[place.index].recycle(token)
    case .capture: captures[place.index].recycle(token)
    case .dpdk: dpdks[place.index].recycle(token)
    }
    return true
  }

  /// See ``Device/BurstPort/look(now:)``, for every port.
  public mutating func look(now: UInt64) {
    for index in 0..<taps.count { taps[index].look(now: now) }
    for index in 0..<packets.count { packets[index].look(now: now) }
    for index in 0..<virtqueues.count { virtqueues[index].look(now: now) }
    for index in 0..<captures.count { captures[index].look(now: now) }
    for index in 0..<dpdks.count { dpdks[index].look(now: now) }
  }

  /// See ``Device/BurstPort/facts``.
  public func facts(_ index: Int) -> PortFacts {
    let place = places[index]
    return switch place.kind {
    case .tap: taps[place.index].facts
    case .packet: packets[place.index].facts
    case .virtqueue: virtqueues[place.index].facts
    case .capture: captures[place.index].facts
    case .dpdk: dpdks[place.index].facts
    }
  }

  /// See ``Device/BurstPort/link``.
  public func link(_ index: Int) -> LinkState {
    let place = places[index]
    return switch place.kind {
    case .tap: taps[place.index].link
    case .packet: packets[place.index].link
    case .virtqueue: virtqueues[place.index].link
    case .capture: captures[place.index].link
    case .dpdk: dpdks[place.index].link
    }
  }

  /// What there is to see of a DPDK port; nil for other kinds.
  public func dpdk(_ index: Int) -> DPDKSight? {
    let place = places[index]
    return place.kind == .dpdk ? dpdks[place.index].sight : nil
  }

  /// Who is at the other end of a port over virtio rings; nil for other kinds.
  public func peer(_ index: Int) -> RingPeer? {
    let place = places[index]
    return place.kind == .virtqueue ? virtqueues[place.index].peer : nil
  }

  /// See ``Device/BurstPort/arm(_:)``.
  public mutating func arm(_ index: Int, _ descriptors: inout [Int32]) -> Waking {
    let place = places[index]
    return switch place.kind {
    case .tap: taps[place.index].arm(&descriptors)
    case .packet: packets[place.index].arm(&descriptors)
    case .virtqueue: virtqueues[place.index].arm(&descriptors)
    case .capture: captures[place.index].arm(&descriptors)
    case .dpdk: dpdks[place.index].arm(&descriptors)
    }
  }

  /// See ``Device/BurstPort/awake(now:)``, for every port.
  public mutating func awake(now: UInt64) {
    for index in 0..<taps.count { taps[index].awake(now: now) }
    for index in 0..<packets.count { packets[index].awake(now: now) }
    for index in 0..<virtqueues.count { virtqueues[index].awake(now: now) }
    for index in 0..<captures.count { captures[index].awake(now: now) }
    for index in 0..<dpdks.count { dpdks[index].awake(now: now) }
  }

  /// What passed the port so far.
  public func counts(_ index: Int) -> PortCounts {
    let place = places[index]
    return switch place.kind {
    case .tap: PortCounts(taps[place.index].counters)
    case .packet: PortCounts(packets[place.index].counters)
    case .virtqueue: PortCounts(virtqueues[place.index].counters)
    case .capture: PortCounts(captures[place.index].counters)
    case .dpdk: PortCounts(dpdks[place.index].counters)
    }
  }

  /// Writes what capture files still have to be given, and closes them.
  ///
  /// - Throws: the first ``Ports/CaptureError`` that there was at any of them.
  public mutating func close() throws(CaptureError) {
    var failure: CaptureError?
    for index in 0..<captures.count {
      failure = failure ?? captures[index].failure
      do throws(CaptureError) { try captures[index].close() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }
}
