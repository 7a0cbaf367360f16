import Memory
import Virtqueue

// Rings: what is said of them, starting and stopping.
extension BackendMachine {
  // A message with this bit has no descriptor: the driver polls, or is polled.
  private static let noDescriptor: UInt64 = 0x100

  func carryOutRing(_ request: Request, _ message: Message) throws(SessionFault) -> Message? {
    switch request {
    case .setVringNum:
      try expect(message, bytes: 8)
      let index = try ring(message.u32(0))
      let size = message.u32(4)
      guard size > 0, size <= UInt32(options.longestRing) else { throw .ring(index: index, .badRingSize) }
      try stopped(index, message)
      vrings[index].size = size
    case .setVringAddr:
      try expect(message, bytes: 40)
      let index = try ring(message.u32(0))
      let logs = message.u32(4) & 1 != 0
      vrings[index].addresses = RingAddresses(
        logs: logs, descriptors: message.u64(8), used: message.u64(16), available: message.u64(24),
        logAddress: message.u64(32))
      if queues[index].cell.isOpen { try restart(index) }
    case .setVringBase:
      try expect(message, bytes: 8)
      let index = try ring(message.u32(0))
      try stopped(index, message)
      vrings[index].base = message.u32(4)
      vrings[index].isFresh = true
    case .getVringBase:
      try expect(message, bytes: 8)
      let index = try ring(message.u32(0))
      stop(index)
      options.kept?.forget(index)
      vrings[index].hasKick = false
      vrings[index].kick = nil
      vrings[index].isFresh = false
      return Message(request, [.u32(UInt32(index)), .u32(vrings[index].base)], isReply: true)
    case .setVringKick:
      let (index, descriptor) = try event(message)
      stop(index)
      vrings[index].hasKick = true
      vrings[index].kick = descriptor
      try startIfReady(index)
    case .setVringCall:
      let (index, descriptor) = try event(message)
      let call = descriptor.map { EventDescriptor($0) }
      vrings[index].call = call
      let wasOpen = queues[index].cell.isOpen
      queues[index].cell.close { $0.call = call }
      if wasOpen { queues[index].cell.reopen() }
    case .setVringErr:
      let (index, descriptor) = try event(message)
      vrings[index].broken = descriptor.map { EventDescriptor($0) }
    default:
      try expect(message, bytes: 8)
      let index = try ring(message.u32(0))
      guard message.u32(4) <= 1 else { throw .badValue(request: message.request, "neither on nor off") }
      vrings[index].isEnabled = message.u32(4) == 1
      if vrings[index].isEnabled { try startIfReady(index) } else { stop(index) }
    }
    return nil
  }

  private func ring(_ index: UInt32) throws(SessionFault) -> Int {
    guard index < UInt32(queues.count) else { throw .noSuchRing(index: index) }
    return Int(index)
  }

  private func stopped(_ index: Int, _ message: Message) throws(SessionFault) {
    guard !queues[index].cell.isOpen else {
      throw .badValue(request: message.request, "ring \(index) runs")
    }
  }

  private func event(_ message: Message) throws(SessionFault) -> (Int, OwnedDescriptor?) {
    guard message.payload.count == 8 else {
      throw .payload(request: message.request, expected: 8, found: message.payload.count)
    }
    let word = message.u64(0)
    let expected = word & Self.noDescriptor == 0 ? 1 : 0
    guard message.descriptors.count == expected else {
      throw .descriptors(request: message.request, expected: expected, found: message.descriptors.count)
    }
    return (try ring(UInt32(word & 0xff)), message.descriptors.first)
  }

  /// Stops a ring, and keeps where it is.
  func stop(_ index: Int) {
    let isPacked = features.contains(.ringPacked)
    if let base = queues[index].cell.close({ $0.queue.base }) {
      vrings[index].base = base.word(isPacked: isPacked)
      vrings[index].isFresh = false
    }
    queues[index].cell.empty()
  }

  /// A ring that runs goes on with what has changed about it.
  func restart(_ index: Int) throws(SessionFault) {
    stop(index)
    try startIfReady(index)
  }

  /// Starts a ring of which everything is known.
  func startIfReady(_ index: Int) throws(SessionFault) {
    let vring = vrings[index]
    let isEnabled = vring.isEnabled || !features.contains(.protocolFeatures)
    guard !queues[index].cell.isOpen, vring.hasKick, isEnabled, vring.size > 0, let addresses = vring.addresses else {
      return
    }
    guard let map else { throw .ring(index: index, .ringOutsideMemory) }
    let isPacked = features.contains(.ringPacked)
    do {
      let place = try RingPlace(
        size: Int(vring.size), isPacked: isPacked, descriptors: addresses.descriptors, driver: addresses.available,
        device: addresses.used, map: map)
      var base = RingBase(word: vring.base, isPacked: isPacked)
      if !isPacked {
        // A ring that other chains were used of than the front end says goes on behind them: what is used must not be
        // taken again. Front ends that come back say 0 (DPDK's virtio_user does).
        base.available = place.usedIndex
      }
      var taken: Inflight?
      if let inflight, index < inflight.queues, inflight.size == Int(vring.size) {
        taken = Inflight(
          inflight.region.shared.slice(index * inflight.stride, count: inflight.stride), size: inflight.size,
          isPacked: isPacked)
        if vring.isFresh, let found = taken?.recover(place) { base = found }
      }
      var keeper = inflight?.region
      if inflight == nil, isPacked,
        let known = options.kept?.resume(
          index, place, size: Int(vring.size), at: addresses.descriptors, map, base: base, asks: vring.isFresh)
      {
        (taken, base) = known
        keeper = options.kept?.region
      }
      let dirty = features.contains(.logAll) ? log.map { DirtyLog($0.shared) } : nil
      let queue = try DeviceQueue(
        place, map: map, features: features, base: base, inflight: taken, dirty: dirty,
        deviceGuest: addresses.logs ? addresses.logAddress : nil)
      queues[index].cell.fill(
        RunningRing(queue: queue, call: vring.call, inflightRegion: keeper, logRegion: log))
    } catch {
      throw .ring(index: index, error)
    }
  }
}
