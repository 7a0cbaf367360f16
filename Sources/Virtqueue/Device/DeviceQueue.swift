import Memory

/// The device's side of one virtqueue, split or packed: takes the chains that a driver made available, reads and
/// writes their bytes, and gives them back used.
///
/// The driver is not trusted. Every word of the ring is read once; what it says is checked when it is used; frames are
/// copied out before anybody looks at them. The first thing that cannot be sets ``fault``, and from then on the queue
/// does nothing: the caller cuts the peer off. One thread owns a queue. No call allocates, waits or traps on what the
/// peer wrote.
///
/// Frames: ``receive(into:from:)`` and ``deliver(_:from:)``. Anything else (control, administration): ``takeChain()``,
/// ``read(_:at:)``, ``write(_:at:)`` and ``finish(written:)``. Then ``needsCall()``, once a burst.
@safe
public struct DeviceQueue: ~Copyable, @unchecked Sendable {
  /// Chains of one burst at most.
  public static let burst = 128

  /// Descriptors of the ring.
  public let size: Int
  /// Whether the ring is packed.
  public let isPacked: Bool
  /// What was negotiated.
  public let features: Features
  /// Why the peer is to be cut off; nil as long as it behaves.
  public internal(set) var fault: RingFault?
  /// What went through.
  public internal(set) var counters = QueueCounters()

  // The map keeps the memory of ring and buffers mapped; the pointers and places below are into it.
  let map: AddressMap
  let table: UnsafeMutableRawPointer
  let driver: UnsafeMutableRawPointer
  let device: UnsafeMutableRawPointer
  let headerLength: Int
  let mayIndirect: Bool
  let mayMerge: Bool
  let byIndex: Bool
  var hit = 0
  var losses: UInt64

  // Where we are: what is looked at next, and what is used next. `seen` is the split ring's available index when
  // last read.
  var next: UInt16
  var nextWrap: Bool
  var seen: UInt16
  var used: UInt16
  var usedWrap: Bool
  // Used since the last publication, and since the last question whether to call.
  var unpublished: UInt16 = 0
  var uncalled: UInt16 = 0
  // Packed: the first used descriptor since the last publication, written last.
  var firstUsed: UInt16 = 0
  var firstWord: UInt64 = 0

  var chains: FlatTable<Chain>
  var segments: FlatTable<Segment>
  var chainCount = 0
  var segmentCount = 0
  var inflight: Inflight?
  var dirty: DirtyLog?
  // Address, in the driver's memory, of what we write of the ring, for the log.
  let deviceGuest: UInt64?

  /// The device's side of the ring at `place`.
  ///
  /// - Parameters:
  ///   - place: the ring's parts.
  ///   - map: the driver's memory.
  ///   - features: what was negotiated; decides on the header's length, indirect descriptors, events and merging.
  ///   - base: where to go on.
  ///   - inflight: where what is taken and not used is noted, if it is.
  ///   - dirty: where writes to the driver's memory are logged, if they are.
  ///   - deviceGuest: the address under which the part that the device writes is logged.
  /// - Throws: ``RingFault/badRingBase`` when `base` is outside of the ring.
  public init(
    _ place: RingPlace, map: AddressMap, features: Features, base: RingBase = RingBase(), inflight: Inflight? = nil,
    dirty: DirtyLog? = nil, deviceGuest: UInt64? = nil
  ) throws(RingFault) {
    guard !place.isPacked || Int(base.available) < place.size && Int(base.used) < place.size else {
      throw .badRingBase
    }
    size = place.size
    isPacked = place.isPacked
    self.features = features
    self.map = map
    unsafe table = place.descriptors.unsafeBase
    unsafe driver = place.driver.unsafeBase
    unsafe device = place.device.unsafeBase
    headerLength = features.netHeaderLength
    mayIndirect = features.contains(.indirectDescriptors)
    mayMerge = features.contains(.mrgRxbuf)
    byIndex = features.contains(.eventIndex)
    losses = SharedRegion.losses
    next = base.available
    nextWrap = base.availableWrap
    seen = base.available
    used = place.isPacked ? base.used : unsafe load16(place.device.unsafeBase + 2)
    usedWrap = base.usedWrap
    let nothing = unsafe Segment(host: place.descriptors.unsafeBase, count: 0, guest: 0)
    chains = FlatTable(repeating: Chain(), count: Self.burst)
    segments = FlatTable(repeating: nothing, count: Self.burst + 2 * place.size)
    self.inflight = inflight
    self.dirty = dirty
    self.deviceGuest = deviceGuest
    if map.isLost { fault = .memoryLost }
  }

  /// Where a successor goes on: everything taken so far is used.
  public var base: RingBase {
    RingBase(available: next, availableWrap: nextWrap, used: used, usedWrap: usedWrap)
  }

  /// Cuts the peer off; the first reason stays.
  mutating func fail(_ reason: RingFault) { if fault == nil { fault = reason } }

  /// Cuts the peer off when its memory is not there any more.
  ///
  /// - Returns: whether all is well.
  @inline(__always)
  mutating func checkMemory() -> Bool {
    let now = SharedRegion.losses
    if now == losses { return true }
    return checkEachRegion(now)
  }

  @inline(never)
  mutating func checkEachRegion(_ now: UInt64) -> Bool {
    losses = now
    guard map.isLost else { return true }
    // What else looked wrong came of the zeros.
    fault = .memoryLost
    return false
  }
}

/// A part of a chain in our address space, checked to lie in the peer's memory.
@safe
struct Segment: BitwiseCopyable {
  var host: UnsafeMutableRawPointer
  var count: UInt32
  var guest: UInt64
}

/// A chain that was taken: its segments, and where the ring was before it.
struct Chain: BitwiseCopyable {
  /// Of the segments: the first, how many, and how many of those are to be read; the others are to be written.
  var first: UInt32 = 0
  var count: UInt32 = 0
  var readable: UInt32 = 0
  var readableBytes = 0
  var writableBytes = 0
  /// Split: the head descriptor. Packed: the buffer id.
  var id: UInt16 = 0
  /// Packed: descriptors of the ring that it takes.
  var slots: UInt16 = 1
  var next: UInt16 = 0
  var nextWrap = false
}
