public import Memory

/// The driver's memory as the device sees it: which addresses in descriptors are which bytes of which shared region. It never
/// changes; a new table is a new map.
///
/// Descriptors and rings may be addressed differently (vhost-user: guest-physical addresses and the front end's own
/// virtual addresses), so each region has two.
@safe
public final class AddressMap: @unchecked Sendable {
  /// Regions at most.
  public static let most = 64

  /// One region of the map.
  public struct Entry: Sendable {
    /// Its first address in descriptors.
    public var guest: UInt64
    /// Its first address where ring parts are named.
    public var user: UInt64
    /// The memory; the whole of it is mapped.
    public var region: SharedRegion

    /// An entry.
    public init(guest: UInt64, user: UInt64, region: SharedRegion) {
      self.guest = guest
      self.user = user
      self.region = region
    }
  }

  /// Why a map cannot be.
  public enum MapError: Error, Equatable, Sendable {
    /// More than ``AddressMap/most`` regions.
    case tooMany(Int)
    /// A region that ends behind the last address.
    case wrapsAround(guest: UInt64)
    /// Two regions that overlap in descriptors' addresses.
    case overlap(guest: UInt64)
  }

  // Plain data for the hot path: no reference is counted when a descriptor is looked up.
  @safe
  struct Place: BitwiseCopyable {
    var guest: UInt64
    var count: UInt64
    var host: UnsafeMutableRawPointer
  }

  /// The regions.
  public let entries: [Entry]
  let places: FlatTable<Place>

  /// A map of `entries`.
  ///
  /// - Throws: ``MapError``.
  public init(_ entries: [Entry]) throws(MapError) {
    guard entries.count <= Self.most else { throw .tooMany(entries.count) }
    let sorted = entries.sorted { $0.guest < $1.guest }
    var end: UInt64 = 0
    for (index, entry) in sorted.enumerated() {
      let count = UInt64(entry.region.count)
      guard !entry.guest.addingReportingOverflow(count).overflow, !entry.user.addingReportingOverflow(count).overflow
      else { throw .wrapsAround(guest: entry.guest) }
      guard index == 0 || entry.guest >= end else { throw .overlap(guest: entry.guest) }
      end = entry.guest + count
    }
    self.entries = entries
    guard let first = entries.first else {
      places = FlatTable(repeating: unsafe Place(guest: 0, count: 0, host: Self.nowhere), count: 0)
      return
    }
    let empty = unsafe Place(guest: 0, count: 0, host: first.region.shared.unsafeBase)
    var places = FlatTable(repeating: empty, count: entries.count)
    for (index, entry) in entries.enumerated() {
      places[index] = unsafe Place(
        guest: entry.guest, count: UInt64(entry.region.count), host: entry.region.shared.unsafeBase)
    }
    self.places = places
  }

  /// One region whose addresses are offsets: between our own sides.
  public init(offsetsIn region: SharedRegion) {
    entries = [Entry(guest: 0, user: 0, region: region)]
    places = unsafe FlatTable(
      repeating: Place(guest: 0, count: UInt64(region.count), host: region.shared.unsafeBase), count: 1)
  }

  // An address that is never used: a map of nothing has no bytes.
  private static var nowhere: UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(bitPattern: 64) ?? UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
  }

  /// Whether any of its memory turned out to be cut short.
  public var isLost: Bool { entries.contains { $0.region.isLost } }

  /// The ring part of `bytes` bytes at `user`.
  ///
  /// - Throws: ``RingFault/ringMisaligned`` or ``RingFault/ringOutsideMemory``.
  public func ringPart(user: UInt64, bytes: Int, alignment: UInt64) throws(RingFault) -> SharedBytes {
    for entry in entries where user >= entry.user && user - entry.user < UInt64(entry.region.count) {
      let offset = user - entry.user
      guard UInt64(bytes) <= UInt64(entry.region.count) - offset else { throw .ringOutsideMemory }
      let base = unsafe entry.region.shared.unsafeBase + Int(offset)
      // Where the bytes are is what counts for an atomic access, whatever the peer's addresses are.
      guard UInt(bitPattern: base) & UInt(alignment - 1) == 0 else { throw .ringMisaligned }
      return unsafe SharedBytes(base: base, count: bytes)
    }
    throw .ringOutsideMemory
  }

  /// The address in descriptors of what is at `user`, for the dirty log.
  public func guest(ofUser user: UInt64) -> UInt64? {
    for entry in entries where user >= entry.user && user - entry.user < UInt64(entry.region.count) {
      return entry.guest + (user - entry.user)
    }
    return nil
  }
}

/// The three parts of one ring in our address space, checked to be as long as the ring's size asks.
@safe
public struct RingPlace: Sendable {
  let size: Int
  let isPacked: Bool
  let descriptors: SharedBytes
  let driver: SharedBytes
  let device: SharedBytes

  /// A ring of our own at `offset` (a multiple of 64) of a region.
  ///
  /// - Throws: ``RingFault/ringOutsideMemory`` when it does not fit.
  public init(_ layout: RingLayout, in region: SharedBytes, at offset: Int) throws(RingFault) {
    guard offset >= 0, offset & 63 == 0, offset <= region.count, layout.bytes <= region.count - offset else {
      throw .ringOutsideMemory
    }
    size = layout.size
    isPacked = layout.isPacked
    let all = region.slice(offset, count: layout.bytes)
    descriptors = all.slice(layout.descriptors, count: 16 * layout.size)
    driver = all.slice(layout.driver, count: RingLayout.driverBytes(layout.size, layout.isPacked))
    device = all.slice(layout.device, count: RingLayout.deviceBytes(layout.size, layout.isPacked))
  }

  /// A peer's ring, its parts at the `user` addresses of `map`.
  ///
  /// - Throws: ``RingFault/badRingSize``, ``RingFault/ringMisaligned`` or ``RingFault/ringOutsideMemory``.
  public init(
    size: Int, isPacked: Bool, descriptors: UInt64, driver: UInt64, device: UInt64, map: AddressMap
  ) throws(RingFault) {
    guard RingLayout.isPossible(size: size, isPacked: isPacked) else { throw .badRingSize }
    self.size = size
    self.isPacked = isPacked
    self.descriptors = try map.ringPart(user: descriptors, bytes: 16 * size, alignment: 16)
    self.driver = try map.ringPart(
      user: driver, bytes: RingLayout.driverBytes(size, isPacked), alignment: isPacked ? 4 : 2)
    self.device = try map.ringPart(user: device, bytes: RingLayout.deviceBytes(size, isPacked), alignment: 4)
  }

  /// Split: the used index as the ring has it. A device that uses what it takes in order, and all of it before it stops,
  /// goes on at this available index. 0 in a packed ring, which has no index.
  public var usedIndex: UInt16 { isPacked ? 0 : device.load16(2) }

  /// Makes the ring empty: as a driver does before it hands it over.
  public func clear() {
    for part in [descriptors, driver, device] {
      for offset in stride(from: 0, to: part.count & ~1, by: 2) { part.store16(0, at: offset) }
    }
  }
}
