import CShim
public import Memory

/// A driver's transmit queue: copies frames into buffers that it shares with the device, and hands them out.
///
/// Because each frame is copied, its buffer is the caller's again when ``send(_:from:)`` returns, whatever the device
/// does. One thread owns it.
@safe
public struct NetSender: ~Copyable, @unchecked Sendable {
  /// The ring.
  public var queue: DriverQueue
  /// What went through.
  public private(set) var counters = QueueCounters()
  // The buffers: free ones on a stack; those of one frame linked, the last one naming itself.
  private var slots: FrameArena
  private var following: FlatTable<UInt32>
  private var parts: FlatTable<BufferPart>
  private let plan: QueuePlan
  private let region: SharedRegion
  private let base: UInt64
  private let headerLength: Int
  private let isIndirect: Bool

  /// The transmit queue that `plan` lays out in `region`.
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
    following = FlatTable(repeating: 0, count: plan.ring.size)
    parts = FlatTable(
      repeating: BufferPart(address: 0, length: 0, isWritable: false), count: QueuePlan.tableEntries)
    self.plan = plan
    self.region = region
    self.base = base
    headerLength = features.netHeaderLength
    isIndirect = plan.hasTables && features.contains(.indirectDescriptors)
  }

  /// Frames that the device has now.
  public var outstanding: Int { queue.chainsOutstanding }

  /// Takes back what the device has sent.
  ///
  /// - Returns: how many frames it was.
  @discardableResult
  public mutating func reap() -> Int {
    var count = 0
    while let used = queue.reap() {
      var slot = used.token
      while true {
        slots.give(slot)
        let next = following[Int(slot)]
        if next == slot { break }
        slot = next
      }
      count &+= 1
    }
    return count
  }

  /// Hands frames to the device, from record `first` of `burst` on, as many as there is room for. Call
  /// ``DriverQueue/publish()`` on ``queue`` afterwards. A frame that is longer than the ring can ever take is dropped
  /// and counted.
  ///
  /// - Returns: how many records were dealt with; their buffers are the caller's again.
  public mutating func send(_ burst: borrowing NetBurst, from first: Int = 0) -> Int {
    var at = first
    reap()
    while at < burst.count, queue.fault == nil {
      let record = burst[at]
      let needed = Int(record.length) &+ headerLength
      if !record.continues, needed <= plan.bufferSize {
        guard queue.free > 0, let slot = slots.take() else { break }
        let target = unsafe slots.buffer(slot).unsafeBase
        unsafe record.header.write(to: target, length: headerLength)
        unsafe dpu_copy_once(
          target + headerLength, record.buffer.unsafeBase + Int(record.start), Int(record.length))
        following[Int(slot)] = slot
        let part = BufferPart(
          address: address(slot), length: UInt32(truncatingIfNeeded: needed), isWritable: false)
        _ = queue.add(part, token: slot)
        at &+= 1
        counters.frames &+= 1
        counters.bytes &+= UInt64(record.length)
      } else {
        guard let records = sendLong(burst, at) else { break }
        at &+= records
      }
    }
    return at &- first
  }

  @inline(__always)
  private func address(_ slot: UInt32) -> UInt64 {
    base &+ UInt64(plan.buffers &+ Int(slot) &* plan.bufferSize)
  }

  /// A frame in several records or buffers: how many records it was, or nil when there is no room now.
  private mutating func sendLong(_ burst: borrowing NetBurst, _ at: Int) -> Int? {
    var records = 1
    var length = Int(burst[at].length)
    while burst[at &+ records &- 1].continues, at &+ records < burst.count {
      length &+= Int(burst[at &+ records].length)
      records &+= 1
    }
    let count = (length &+ headerLength &+ plan.bufferSize &- 1) / plan.bufferSize
    guard count <= min(parts.count, plan.ring.size) else {
      counters.tooLong &+= 1
      return records
    }
    guard slots.available >= count, queue.free >= (isIndirect ? 1 : count), let head = slots.take() else {
      return nil
    }
    var slot = head
    var filled = headerLength
    var index = 0
    unsafe burst[at].header.write(to: slots.buffer(slot).unsafeBase, length: headerLength)
    for record in at..<at &+ records {
      var done = 0
      let source = burst[record].bytes
      while done < source.count {
        if filled == plan.bufferSize {
          parts[index] = BufferPart(
            address: address(slot), length: UInt32(truncatingIfNeeded: filled), isWritable: false)
          index &+= 1
          filled = 0
          // There are as many as were counted.
          guard let next = slots.take() else { return nil }
          following[Int(slot)] = next
          slot = next
        }
        let part = min(plan.bufferSize &- filled, source.count &- done)
        unsafe dpu_copy_once(
          slots.buffer(slot).unsafeBase + filled, source.unsafeBase + done, part)
        filled &+= part
        done &+= part
      }
    }
    parts[index] = BufferPart(address: address(slot), length: UInt32(truncatingIfNeeded: filled), isWritable: false)
    following[Int(slot)] = slot
    let (total, pieces) = (UInt64(length), index &+ 1)
    let offset = plan.tables &+ Int(head) &* QueuePlan.tableEntries &* 16
    if isIndirect, pieces > 1 {
      let table = region.shared.slice(offset, count: QueuePlan.tableEntries &* 16)
      _ = Self.add(to: &queue, parts, pieces, token: head, table: table, address: base &+ UInt64(offset))
    } else {
      _ = Self.add(to: &queue, parts, pieces, token: head, table: nil, address: 0)
    }
    counters.frames &+= 1
    counters.bytes &+= total
    return records
  }

  // Static, so that the parts are borrowed while the queue changes.
  private static func add(
    to queue: inout DriverQueue, _ parts: borrowing FlatTable<BufferPart>, _ count: Int, token: UInt32,
    table: SharedBytes?, address: UInt64
  ) -> Bool {
    let all = parts.span.extracting(0..<count)
    guard let table else { return queue.add(all, token: token) }
    return queue.add(all, indirect: table, address: address, token: token)
  }
}
