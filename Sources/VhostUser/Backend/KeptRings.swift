public import Memory
import Virtqueue

/// Where packed rings are, in a file that outlives this process: for front ends that keep no inflight region and do not
/// know a packed ring's place themselves (QEMU's network devices). A process that takes the socket over after this one was
/// killed goes on where it was.
///
/// A place is that of one ring: of its size, its address and the memory it lies in, all of which are compared, and the ring
/// itself has to agree (``Virtqueue/Inflight/fits(_:_:)``). One process uses a file.
public final class KeptRings: Sendable {
  /// The longest ring that is kept.
  static let longestRing = 1024
  private static let header = 64
  private static let magic: UInt64 = 0x3150_454b_5550_4400

  let region: SharedRegion
  private let rings: Int

  /// Bytes of a region for `rings` rings.
  public static func bytes(rings: Int) -> Int { rings * slot }

  private static var slot: Int { header + Inflight.bytes(size: longestRing, isPacked: true) }

  /// The places in `region`, which has at least ``bytes(rings:)`` bytes; zeros when nothing is known yet.
  public init(_ region: SharedRegion, rings: Int) {
    precondition(region.count >= Self.bytes(rings: rings))
    self.region = region
    self.rings = rings
  }

  /// The places in the file at `path`, which is made where there is none.
  ///
  /// - Throws: why the file cannot be used.
  public convenience init(path: String, rings: Int) throws(SharedMemoryError) {
    self.init(try SharedRegion(path: path, bytes: Self.bytes(rings: rings)), rings: rings)
  }

  /// The note of the packed ring `index` at `place`, and where it goes on: from `base`, unless it is known to be elsewhere.
  /// nil for a ring that is too long to be kept.
  ///
  /// - Parameters:
  ///   - address: where the ring is named to be.
  ///   - map: the driver's memory.
  ///   - asks: whether it is asked what is known; else `base` is the place.
  func resume(
    _ index: Int, _ place: RingPlace, size: Int, at address: UInt64, _ map: AddressMap, base: RingBase, asks: Bool
  ) -> (inflight: Inflight, base: RingBase)? {
    guard index < rings, size <= Self.longestRing else { return nil }
    let bytes = region.shared.slice(index * Self.slot, count: Self.slot)
    let inflight = Inflight(
      bytes.slice(Self.header, count: Self.slot - Self.header), size: size, isPacked: true)
    let name = [Self.magic, UInt64(size), address, Self.print(map)]
    let isKnown = name.enumerated().allSatisfy { bytes.load64(8 * $0.offset) == $0.element }
    if isKnown, !asks { return (inflight, base) }
    if isKnown, let found = inflight.recover(place), inflight.fits(found, place) { return (inflight, found) }
    // Nothing is known while it is written.
    forget(index)
    inflight.format(at: base)
    for (word, value) in name.enumerated().reversed() { bytes.store64(value, at: 8 * word) }
    return (inflight, base)
  }

  /// The front end was told where the ring is, and says so when it is to go on.
  func forget(_ index: Int) {
    if index < rings { region.shared.store64(0, at: index * Self.slot) }
  }

  /// What tells one driver's memory from another's: addresses and sizes.
  private static func print(_ map: AddressMap) -> UInt64 {
    var print: UInt64 = 0xcbf2_9ce4_8422_2325
    for entry in map.entries {
      for word in [entry.guest, entry.user, UInt64(entry.region.count)] {
        print = (print ^ word) &* 0x100_0000_01b3
        print ^= print >> 29
      }
    }
    return print
  }
}
