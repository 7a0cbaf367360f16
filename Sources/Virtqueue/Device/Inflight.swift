public import Memory

/// What of a ring is between taken and used, in memory that the other side keeps: a device that dies and comes back goes on
/// exactly there. The layout is vhost-user's inflight region, one queue of it.
///
/// This project's devices give chains back in the order in which they took them, within one burst. So a split ring
/// goes on at its used index; the region's marks are kept as vhost-user asks. A packed ring has no index in it: the
/// region has the used position, and of each used descriptor of a burst that is not yet shown what stood there
/// before, so that a burst that was cut off in the middle is taken back as a whole.
public struct Inflight: BitwiseCopyable, Sendable {
  let region: SharedBytes
  let size: Int
  let isPacked: Bool
  var counter: UInt64 = 1
  var batch: UInt16 = 0

  private static let splitEntries = 16
  private static let packedEntries = 32

  /// Bytes of the region of one queue of `size` descriptors, a multiple of 64.
  public static func bytes(size: Int, isPacked: Bool) -> Int {
    RingLayout.line(isPacked ? packedEntries + 32 * size : splitEntries + 16 * size)
  }

  /// The region of one queue: `region` has at least ``bytes(size:isPacked:)`` bytes, and its memory is kept by the
  /// caller as long as the queue uses it.
  public init(_ region: SharedBytes, size: Int, isPacked: Bool) {
    precondition(region.count >= Self.bytes(size: size, isPacked: isPacked))
    self.region = region
    self.size = size
    self.isPacked = isPacked
  }

  /// Writes an empty region: nothing taken, the ring at `base`.
  public func format(at base: RingBase = RingBase()) {
    for offset in stride(from: 0, to: Self.bytes(size: size, isPacked: isPacked), by: 8) {
      region.store64(0, at: offset)
    }
    region.store16(1, at: 8)
    region.store16(UInt16(truncatingIfNeeded: size), at: 10)
    guard isPacked else { return }
    store(used: base.used, wrap: base.usedWrap, at: 16, 20)
    store(used: base.used, wrap: base.usedWrap, at: 18, 21)
    // The free list of vhost-user: every entry names the next.
    for index in 0..<size {
      region.store16(UInt16(truncatingIfNeeded: (index + 1) % size), at: Self.packedEntries + 32 * index + 2)
    }
  }

  /// Where the ring goes on after the device died; marks of what was not used are cleared, to be taken again.
  ///
  /// - Parameter place: the ring that the region belongs to.
  /// - Returns: the base; nil when the region was never used, or is not of this ring (its size differs, or a position
  ///   is outside): then the base is what the other side says.
  public func recover(_ place: RingPlace) -> RingBase? {
    guard region.load16(8) == 1, Int(region.load16(10)) == size, place.size == size, place.isPacked == isPacked
    else { return nil }
    return isPacked ? recoverPacked(place) : recoverSplit(place)
  }

  private func recoverSplit(_ place: RingPlace) -> RingBase? {
    let used = place.device.load16(2)
    for index in 0..<size { region.store8(0, at: Self.splitEntries + 16 * index) }
    region.store16(used, at: 14)
    return RingBase(available: used, used: used)
  }

  private func recoverPacked(_ place: RingPlace) -> RingBase? {
    var used = Int(region.load16(16))
    var wrap = region.load8(20) & 1 != 0
    let old = Int(region.load16(18))
    let oldWrap = region.load8(21) & 1 != 0
    guard used < size, old < size else { return nil }
    if used != old || wrap != oldWrap {
      let flags = UInt16(truncatingIfNeeded: place.descriptors.load64(16 * old + 8) >> 48)
      let isUsed =
        (flags & DescriptorFlag.used != 0) == oldWrap && (flags & DescriptorFlag.available != 0) == oldWrap
      if !isUsed {
        // The burst was never shown: what stood in its descriptors goes back.
        // A burst as long as the ring ends where it began.
        var at = old
        for _ in 0..<size {
          let entry = Self.packedEntries + 32 * at
          let slots = Int(region.load16(entry + 6))
          guard slots > 0, slots <= size else { return nil }
          if at != old { place.descriptors.store64(region.load64(entry + 16), at: 16 * at + 8) }
          at += slots
          if at >= size { at -= size }
          if at == used { break }
        }
        guard at == used else { return nil }
        used = old
        wrap = oldWrap
      }
    }
    store(used: UInt16(truncatingIfNeeded: used), wrap: wrap, at: 16, 20)
    store(used: UInt16(truncatingIfNeeded: used), wrap: wrap, at: 18, 21)
    let position = UInt16(truncatingIfNeeded: used)
    return RingBase(available: position, availableWrap: wrap, used: position, usedWrap: wrap)
  }

  /// Whether a packed ring can be where ``recover(_:)`` said: its descriptor there is not used yet, and the one that was
  /// used last is, or was made available again behind it. A ring that its driver began anew meanwhile is not there.
  public func fits(_ base: RingBase, _ place: RingPlace) -> Bool {
    guard isPacked, place.size == size, Int(base.used) < size else { return false }
    func bits(_ at: Int) -> (available: Bool, used: Bool) {
      let flags = UInt16(truncatingIfNeeded: place.descriptors.load64(16 * at + 8) >> 48)
      return (flags & DescriptorFlag.available != 0, flags & DescriptorFlag.used != 0)
    }
    let here = bits(Int(base.used))
    if here == (base.usedWrap, base.usedWrap) { return false }
    let isAvailable = here == (base.usedWrap, !base.usedWrap)
    var at = Int(base.used), wrap = base.usedWrap
    var wasUsed = false
    for distance in 1...size {
      at = at == 0 ? size - 1 : at - 1
      if at == size - 1 { wrap.toggle() }
      // Entries of chains that ended elsewhere stand between.
      guard Int(region.load16(Self.packedEntries + 32 * at + 6)) == distance else { continue }
      let last = bits(at)
      if last == (wrap, wrap) || isAvailable && last.used == wrap { return true }
      wasUsed = true
    }
    return !wasUsed && base.used == 0 && base.usedWrap
  }

  private func store(used: UInt16, wrap: Bool, at index: Int, _ counter: Int) {
    region.store16(used, at: index)
    region.store8(wrap ? 1 : 0, at: counter)
  }

  /// A chain was taken. `id` is below the ring's size.
  @inline(__always)
  mutating func taken(_ id: UInt16, _ slots: UInt16) {
    guard !isPacked else { return }
    let entry = Self.splitEntries &+ 16 &* Int(id)
    region.store64(counter, at: entry &+ 8)
    counter &+= 1
    region.store8(1, at: entry)
  }

  /// A chain of a split ring is given back.
  @inline(__always)
  mutating func completing(_ id: UInt16) {
    guard !isPacked else { return }
    region.store16(region.load16(12), at: Self.splitEntries &+ 16 &* Int(id) &+ 6)
    region.store16(id, at: 12)
    batch &+= 1
  }

  /// In a packed ring: what stands in the descriptor at `position` will be overwritten; the next is `following`.
  @inline(__always)
  mutating func overwriting(_ word: UInt64, at position: UInt16, slots: UInt16, following: UInt16, wrap: Bool) {
    let entry = Self.packedEntries &+ 32 &* Int(position)
    region.store64(word, at: entry &+ 16)
    region.store16(slots, at: entry &+ 6)
    region.store8(wrap ? 1 : 0, at: 20)
    // Before the descriptor itself is written.
    region.release16(following, at: 16)
  }

  /// Everything given back so far is shown to the driver.
  @inline(__always)
  mutating func completed(used: UInt16, wrap: Bool) {
    if isPacked {
      region.store8(wrap ? 1 : 0, at: 21)
      region.release16(used, at: 18)
      return
    }
    var id = Int(region.load16(12))
    for _ in 0..<batch where id < size {
      let entry = Self.splitEntries &+ 16 &* id
      region.store8(0, at: entry)
      id = Int(region.load16(entry &+ 6))
    }
    batch = 0
    region.release16(used, at: 14)
  }
}
