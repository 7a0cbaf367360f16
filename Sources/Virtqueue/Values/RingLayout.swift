/// Where the three parts of a ring of our own lie, and how many bytes they take.
///
/// Split (virtio 1.2, 2.7): descriptor table, available ring, used ring. Packed (2.8): descriptor ring, driver event
/// suppression, device event suppression. Each part begins on a cache line of its own.
@frozen
public struct RingLayout: Equatable, Sendable {
  /// Descriptors.
  public let size: Int
  /// Whether the ring is packed.
  public let isPacked: Bool
  /// Offset of the descriptors from the ring's first byte.
  public let descriptors: Int
  /// Offset of what the driver writes: available ring or event suppression.
  public let driver: Int
  /// Offset of what the device writes: used ring or event suppression.
  public let device: Int
  /// Bytes of all of it, a multiple of 64.
  public let bytes: Int

  /// The layout of a ring of `size` descriptors.
  ///
  /// - Throws: ``RingFault/badRingSize``.
  public init(size: Int, isPacked: Bool) throws(RingFault) {
    guard RingLayout.isPossible(size: size, isPacked: isPacked) else { throw .badRingSize }
    self.size = size
    self.isPacked = isPacked
    descriptors = 0
    driver = RingLayout.line(16 * size)
    device = RingLayout.line(driver + RingLayout.driverBytes(size, isPacked))
    bytes = RingLayout.line(device + RingLayout.deviceBytes(size, isPacked))
  }

  static func isPossible(size: Int, isPacked: Bool) -> Bool {
    size > 0 && size <= 32768 && (isPacked || size & (size - 1) == 0)
  }

  static func line(_ bytes: Int) -> Int { (bytes + 63) & ~63 }
  static func driverBytes(_ size: Int, _ isPacked: Bool) -> Int { isPacked ? 4 : 6 + 2 * size }
  static func deviceBytes(_ size: Int, _ isPacked: Bool) -> Int { isPacked ? 4 : 6 + 8 * size }
}

/// Where a ring is to go on: after a reconnect, or as the other side says. Carried by vhost-user's vring base.
@frozen
public struct RingBase: Equatable, Sendable, BitwiseCopyable {
  /// Split: the available index to look at next. Packed: the descriptor to look at next.
  public var available: UInt16
  /// Packed: the driver's wrap counter there.
  public var availableWrap: Bool
  /// Packed: the descriptor that is used next. Split rings have it in the used ring.
  public var used: UInt16
  /// Packed: the device's wrap counter there.
  public var usedWrap: Bool

  /// The beginning of a fresh ring.
  @inlinable
  public init(available: UInt16 = 0, availableWrap: Bool = true, used: UInt16 = 0, usedWrap: Bool = true) {
    self.available = available
    self.availableWrap = availableWrap
    self.used = used
    self.usedWrap = usedWrap
  }

  /// From vhost-user's 32 bits: of a split ring the available index; of a packed ring the available position in bits
  /// 0…14 and its wrap counter in bit 15.
  ///
  /// A packed ring's bits 16…31 have the used position in the protocol's text, and nothing in what DPDK sends. A ring
  /// is stopped when everything taken from it is used, so both are the same, and the lower half says it.
  @inlinable
  public init(word: UInt32, isPacked: Bool) {
    self.init()
    available = UInt16(truncatingIfNeeded: isPacked ? word & 0x7fff : word)
    availableWrap = !isPacked || word & 0x8000 != 0
    used = available
    usedWrap = availableWrap
  }

  /// As vhost-user's 32 bits.
  @inlinable
  public func word(isPacked: Bool) -> UInt32 {
    guard isPacked else { return UInt32(available) }
    return UInt32(available) | (availableWrap ? 0x8000 : 0) | UInt32(used) << 16 | (usedWrap ? 0x8000_0000 : 0)
  }
}
