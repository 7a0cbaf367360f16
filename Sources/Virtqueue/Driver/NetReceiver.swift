import CShim
public import Memory

/// A driver's receive queue: keeps buffers with the device, and copies what it puts into them.
///
/// A frame is copied once and its ring buffer goes straight back to the device, so that nothing the device writes later
/// changes a frame. One thread owns it.
@safe
public struct NetReceiver: ~Copyable, @unchecked Sendable {
  /// The ring.
  public var queue: DriverQueue
  /// What came.
  public private(set) var counters = QueueCounters()
  private var slots: FrameArena
  private let plan: QueuePlan
  private let base: UInt64
  private let headerLength: Int
  private let mayMerge: Bool
  // The used buffers of the frame that is next, kept when no buffer of ours was free for it.
  private var pieces: FlatTable<UsedChain>
  private var pieceCount = 0

  /// The receive queue that `plan` lays out in `region`, with all its buffers handed to the device; the first
  /// ``DriverQueue/publish()`` shows them.
  ///
  /// - Parameter base: the address that the device knows the region's first byte by.
  /// - Throws: ``RingFault``; a plan that does not fit is ``RingFault/ringOutsideMemory``.
  public init(
    _ plan: QueuePlan, region: SharedRegion, features: Features, base: UInt64 = 0, start: RingBase = RingBase()
  ) throws(RingFault) {
    let place = try plan.place(in: region)
    let queue = try DriverQueue(place, region: region, features: features, base: start)
    guard
      let slots = try? FrameArena(
        in: region, offset: plan.buffers, capacity: plan.ring.size, bufferSize: plan.bufferSize, headroom: 0)
    else { throw .ringOutsideMemory }
    self.queue = queue
    self.slots = slots
    self.plan = plan
    self.base = base
    headerLength = features.netHeaderLength
    mayMerge = features.contains(.mrgRxbuf)
    pieces = FlatTable(repeating: UsedChain(token: 0, written: 0), count: plan.ring.size)
    for slot in 0..<plan.ring.size { post(UInt32(slot)) }
  }

  @inline(__always)
  private mutating func post(_ slot: UInt32) {
    let part = BufferPart(
      address: base &+ UInt64(plan.buffers &+ Int(slot) &* plan.bufferSize),
      length: UInt32(truncatingIfNeeded: plan.bufferSize), isWritable: true)
    _ = queue.add(part, token: slot)
  }

  /// Takes frames that the device received, as many as there are, the burst has room for and buffers are free for. Call
  /// ``DriverQueue/publish()`` on ``queue`` afterwards, which gives the ring's buffers back.
  ///
  /// - Returns: how many frames were added to `burst`. Their tokens are `buffers`'.
  public mutating func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    let before = burst.count
    while burst.room > 0 {
      if pieceCount == 0 {
        guard let used = queue.reap() else { break }
        pieces[0] = used
        pieceCount = 1
        unsafe dpu_prefetch(slots.buffer(used.token).unsafeBase)
        guard Int(used.written) >= headerLength else {
          queue.fail(.usedShorterThanHeader)
          break
        }
        if mayMerge, !takeMerged() { break }
      }
      guard take(into: &burst, from: &buffers) else { break }
    }
    guard queue.checkMemory() else {
      for index in before..<burst.count { buffers.give(burst[index].token) }
      burst.truncate(before)
      return 0
    }
    return burst.count &- before
  }

  /// Takes the other buffers of a frame that lies in several.
  @inline(__always)
  private mutating func takeMerged() -> Bool {
    // Read once: the number decides how many buffers are taken.
    let word = unsafe load16(slots.buffer(pieces[0].token).unsafeBase + 10)
    if word == 1 { return true }
    guard word > 0, Int(word) <= plan.ring.size else {
      queue.fail(.mergeCountImpossible)
      return false
    }
    while pieceCount < Int(word) {
      guard let used = queue.reap() else {
        queue.fail(.mergeCountImpossible)
        return false
      }
      pieces[pieceCount] = used
      pieceCount &+= 1
    }
    return true
  }

  /// Copies the frame that lies in `pieces`; false when no buffer is free for it.
  @inline(__always)
  private mutating func take(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Bool {
    var total = 0
    for index in 0..<pieceCount { total &+= Int(pieces[index].written) }
    let length = total &- headerLength
    if length <= 0 || length > buffers.longest {
      if length <= 0 { counters.empty &+= 1 } else { counters.tooLong &+= 1 }
    } else {
      guard let token = buffers.take(length: length) else {
        counters.noBuffer &+= 1
        return false
      }
      let buffer = buffers.buffer(token)
      let start = buffers.headroom(token)
      let target = unsafe buffer.unsafeBase + (start &- headerLength)
      var done = 0
      for index in 0..<pieceCount {
        let piece = pieces[index]
        unsafe dpu_copy_once(target + done, slots.buffer(piece.token).unsafeBase, Int(piece.written))
        done &+= Int(piece.written)
      }
      burst.append(
        NetFrame(
          buffer: buffer, start: start, length: length, token: token,
          header: unsafe NetHeader(at: UnsafeRawPointer(target), length: headerLength)))
      counters.frames &+= 1
      counters.bytes &+= UInt64(truncatingIfNeeded: length)
    }
    for index in 0..<pieceCount { post(pieces[index].token) }
    pieceCount = 0
    return true
  }
}
