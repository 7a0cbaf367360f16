import CNet
import Device
import Memory
import Virtqueue

/// Where the kernel's next frames go: for each slot a small buffer, and a large one for what does not fit there.
///
/// A frame of usual size stays where it is. Of a larger one the small buffer's part is copied in front of the rest, so
/// that every frame is one segment and no more than 2048 bytes of it are moved.
struct ReceiveSlots: ~Copyable {
  var pool: FramePool
  var slots = KernelSlots()
  /// How many are in use.
  let count: Int
  private var small = FlatTable<UInt32>(repeating: 0, count: KernelSlots.capacity)
  private var large = FlatTable<UInt32>(repeating: 0, count: KernelSlots.capacity)

  /// `count` slots, 1…``KernelSlots/capacity``; fewer when the pool has not so many buffers.
  init(_ pool: consuming FramePool, count: Int) {
    let most = min(count, pool.smallAvailable, pool.largeAvailable)
    self.count = most
    for index in 0..<most {
      small[index] = pool.takeSmall() ?? 0
      large[index] = pool.takeLarge() ?? 0
    }
    self.pool = pool
    for index in 0..<most { aim(index) }
  }

  private mutating func aim(_ index: Int) {
    let room = FrameArena.defaultHeadroom
    slots.aim(
      index, first: pool.buffer(small[index]).slice(room, count: FramePool.smallLength),
      second: pool.buffer(large[index]).slice(
        room + FramePool.smallLength, count: FramePool.largeLength - FramePool.smallLength))
  }

  /// The frame that the kernel wrote to a slot, which gets a new buffer; nil when it was dropped and counted.
  mutating func take(_ index: Int, port: UInt16, _ terms: OffloadTerms, _ counters: inout PortCounters) -> Frame? {
    let length = Int(slots[index].length)
    let hasTag = slots[index].has_vlan != 0
    guard slots[index].is_truncated == 0, length <= 0xffff - (hasTag ? 4 : 0) else {
      counters.drops.count(.receiveTruncated)
      return nil
    }
    guard var frame = exchange(index, length) else {
      counters.drops.count(.noBuffer)
      return nil
    }
    frame.inPort = port
    if hasTag { putTag(&frame, tpid: slots[index].vlan_tpid, tci: slots[index].vlan_tci) }
    do throws(DebtFault) {
      try slots[index].header.apply(to: &frame, shift: hasTag ? 4 : 0, terms)
    } catch {
      counters.drops.count(.virtioHeader)
      pool.give(frame.token)
      return nil
    }
    counters.framesReceived &+= 1
    counters.bytesReceived &+= UInt64(truncatingIfNeeded: frame.length)
    return frame
  }

  /// Takes the buffer that holds the frame and leaves another in its place.
  private mutating func exchange(_ index: Int, _ length: Int) -> Frame? {
    if length <= FramePool.smallLength {
      guard let fresh = pool.takeSmall() else { return nil }
      let token = small[index]
      small[index] = fresh
      aim(index)
      return pool.frame(token, length: length)
    }
    guard let fresh = pool.takeLarge() else { return nil }
    let token = large[index]
    let room = FrameArena.defaultHeadroom
    pool.buffer(token).copy(pool.buffer(small[index]).slice(room, count: FramePool.smallLength), at: room)
    large[index] = fresh
    aim(index)
    return pool.frame(token, length: length)
  }

  /// Puts a tag back that the kernel took out, behind the addresses.
  private func putTag(_ frame: inout Frame, tpid: UInt16, tci: UInt16) {
    guard frame.length >= 12 else { return }
    frame.prepend(4)
    let bytes = frame.bytes
    bytes.copy(bytes.slice(4, count: 12), at: 0)
    bytes.store(tpid, at: 12)
    bytes.store(tci, at: 14)
  }
}
