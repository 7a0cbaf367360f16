public import Memory

/// A part of a chain that a driver hands to its device.
@frozen
public struct BufferPart: BitwiseCopyable, Sendable {
  /// Its address as the device knows it.
  public var address: UInt64
  /// Its bytes, 1 and up.
  public var length: UInt32
  /// Whether the device writes it; else it reads it. Parts to read come first.
  public var isWritable: Bool

  /// A part.
  @inlinable
  public init(address: UInt64, length: UInt32, isWritable: Bool) {
    self.address = address
    self.length = length
    self.isWritable = isWritable
  }
}

/// A chain that the device gave back.
@frozen
public struct UsedChain: BitwiseCopyable, Sendable {
  /// What the driver called the chain.
  public var token: UInt32
  /// Bytes that the device says it wrote; at most what the chain has to write.
  public var written: UInt32
}

/// The driver's side of one virtqueue, split or packed: hands chains to a device and takes them back.
///
/// The device is not trusted: what was handed out is known from private memory alone, and nothing that the device can
/// write is believed before it is compared with it. The first thing that cannot be sets ``fault``. One thread owns a queue.
/// No call allocates, waits or traps on what the peer wrote.
///
///     queue.add(part, token: 7)            // as often as there is room
///     if queue.publish() { kick.signal() }
///     while let used = queue.reap() { … }
@safe
public struct DriverQueue: ~Copyable, @unchecked Sendable {
  /// Descriptors of the ring.
  public let size: Int
  /// Whether the ring is packed.
  public let isPacked: Bool
  /// What was negotiated.
  public let features: Features
  /// Why the device is to be cut off; nil as long as it behaves.
  public internal(set) var fault: RingFault?
  /// Descriptors that are free.
  public internal(set) var free: Int

  // The region keeps the ring mapped; the pointers are into it.
  let region: SharedRegion
  let table: UnsafeMutableRawPointer
  let driver: UnsafeMutableRawPointer
  let device: UnsafeMutableRawPointer
  let byIndex: Bool
  var losses: UInt64

  // What is made available next and what is used next, as the device's side has them.
  var next: UInt16
  var nextWrap: Bool
  var used: UInt16
  var usedWrap: Bool
  var seen: UInt16
  var unpublished: UInt16 = 0
  var firstSlot: UInt16 = 0
  var firstWord: UInt64 = 0

  var shadows: FlatTable<Shadow>
  var freeHead: UInt16 = 0
  var outstanding = 0

  /// What was handed out under a descriptor's index (split) or a buffer id (packed).
  struct Shadow: BitwiseCopyable {
    var token: UInt32 = 0
    var writable: UInt32 = 0
    /// The next descriptor of the chain, or of the free list.
    var next: UInt16 = 0
    /// Descriptors of the chain; 0: the device does not have it.
    var slots: UInt16 = 0
  }

  /// The driver's side of the ring at `place`, which lies in `region`. The ring is made empty.
  ///
  /// - Throws: ``RingFault/badRingBase`` when `base` is outside of the ring.
  public init(
    _ place: RingPlace, region: SharedRegion, features: Features, base: RingBase = RingBase()
  ) throws(RingFault) {
    guard !place.isPacked || Int(base.available) < place.size else { throw .badRingBase }
    size = place.size
    isPacked = place.isPacked
    self.features = features
    self.region = region
    unsafe table = place.descriptors.unsafeBase
    unsafe driver = place.driver.unsafeBase
    unsafe device = place.device.unsafeBase
    byIndex = features.contains(.eventIndex)
    losses = SharedRegion.losses
    free = place.size
    next = base.available
    nextWrap = base.availableWrap
    used = base.available
    usedWrap = base.availableWrap
    seen = base.available
    shadows = FlatTable(repeating: Shadow(), count: place.size)
    for index in 0..<place.size { shadows[index].next = UInt16(truncatingIfNeeded: index + 1) }
    place.clear()
    if isPacked {
      // Neither available nor used to whoever looks: both bits as the counter before this one has them.
      for index in 0..<size {
        let isBefore = index < Int(base.available)
        let flags: UInt64 = isBefore != base.availableWrap ? 0 : UInt64(DescriptorFlag.available | DescriptorFlag.used)
        unsafe store64(flags << 48, table + 16 * index + 8)
      }
    } else {
      unsafe store16(base.available, driver + 2)
      unsafe store16(base.available, device + 2)
    }
  }

  /// Where the ring is: for the device that takes over.
  public var base: RingBase {
    RingBase(available: next, availableWrap: nextWrap, used: used, usedWrap: usedWrap)
  }

  /// Chains that the device has.
  public var chainsOutstanding: Int { outstanding }

  mutating func fail(_ reason: RingFault) { if fault == nil { fault = reason } }

  @inline(__always)
  mutating func checkMemory() -> Bool {
    let now = SharedRegion.losses
    if now == losses { return true }
    losses = now
    guard region.isLost else { return true }
    fault = .memoryLost
    return false
  }
}
