import Memory
import Virtqueue

// The driver's memory, the dirty log, the inflight region.
extension BackendMachine {
  func carryOutMemory(_ request: Request, _ message: Message) throws(SessionFault) -> Message? {
    switch request {
    case .setMemTable:
      try setMemTable(message)
      return nil
    case .getMaxMemSlots:
      try expect(message, bytes: 0)
      try expect(.configureMemSlots, message)
      return Message(request, [.u64(UInt64(options.memorySlots))], isReply: true)
    case .addMemReg:
      try expect(.configureMemSlots, message)
      try expect(message, bytes: 40, descriptors: 1)
      guard (map?.entries.count ?? 0) < options.memorySlots else { throw .regionCount(options.memorySlots + 1) }
      let entry = try region(message, at: 8, message.descriptors[0])
      try change((map?.entries ?? []) + [entry])
      return nil
    case .remMemReg:
      try expect(.configureMemSlots, message)
      guard message.payload.count == 40 else {
        throw .payload(request: message.request, expected: 40, found: message.payload.count)
      }
      let (guest, size, user) = (message.u64(8), message.u64(16), message.u64(24))
      guard let entries = map?.entries,
        let index = entries.firstIndex(where: {
          $0.guest == guest && $0.user == user && UInt64($0.region.count) == size
        })
      else { throw .badValue(request: message.request, "no such region") }
      try change(entries.enumerated().filter { $0.offset != index }.map(\.element))
      return nil
    case .setLogBase:
      try expect(.logShmFd, message)
      try expect(message, bytes: 16, descriptors: 1)
      log = try map(message.descriptors[0], offset: message.u64(8), bytes: message.u64(0))
      for index in queues.indices where queues[index].cell.isOpen { try restart(index) }
      return Message(request, [.u64(0)], isReply: true)
    case .setLogFd:
      // An event that is signalled when the log is written: the log is read, not waited for.
      try expect(message, bytes: 8, descriptors: 1)
      return nil
    case .getInflightFd:
      return try makeInflight(message)
    default:
      try setInflight(message)
      return nil
    }
  }

  private func setMemTable(_ message: Message) throws(SessionFault) {
    guard message.payload.count >= 8 else {
      throw .payload(request: message.request, expected: 8, found: message.payload.count)
    }
    let count = Int(message.u32(0))
    guard count > 0, count <= options.memorySlots else { throw .regionCount(count) }
    // Front ends are allowed to send the whole table of eight, filled or not.
    guard message.payload.count >= 8 + 32 * count, message.payload.count <= 8 + 32 * max(8, count) else {
      throw .payload(request: message.request, expected: 8 + 32 * count, found: message.payload.count)
    }
    guard message.descriptors.count == count else {
      throw .descriptors(request: message.request, expected: count, found: message.descriptors.count)
    }
    var entries: [AddressMap.Entry] = []
    for index in 0..<count { entries.append(try region(message, at: 8 + 32 * index, message.descriptors[index])) }
    try change(entries)
  }

  private func region(
    _ message: Message, at offset: Int, _ descriptor: OwnedDescriptor
  ) throws(SessionFault) -> AddressMap.Entry {
    let region = try map(descriptor, offset: message.u64(offset + 24), bytes: message.u64(offset + 8))
    return AddressMap.Entry(guest: message.u64(offset), user: message.u64(offset + 16), region: region)
  }

  private func map(
    _ descriptor: OwnedDescriptor, offset: UInt64, bytes: UInt64
  ) throws(SessionFault) -> SharedRegion {
    do { return try SharedRegion(peer: descriptor, offset: offset, bytes: bytes) } catch {
      throw .memory(error.description)
    }
  }

  /// The new memory; rings that run go on in it, or their peer is cut off.
  private func change(_ entries: [AddressMap.Entry]) throws(SessionFault) {
    let new: AddressMap
    do { new = try AddressMap(entries) } catch {
      switch error {
      case .tooMany(let count): throw .regionCount(count)
      case .wrapsAround(let guest): throw .memory("the region at \(guest) ends behind the last address")
      case .overlap(let guest): throw .memory("the region at \(guest) overlaps another")
      }
    }
    map = new
    for index in queues.indices where queues[index].cell.isOpen { try restart(index) }
  }

  private func makeInflight(_ message: Message) throws(SessionFault) -> Message? {
    let (count, size) = try inflightShape(message, descriptors: 0)
    let stride = inflightStride(size)
    let region: SharedRegion
    do { region = try SharedRegion(bytes: stride * count, name: "dpu-inflight") } catch {
      throw .memory(error.description)
    }
    for index in 0..<count {
      Inflight(
        region.shared.slice(index * stride, count: stride), size: size, isPacked: features.contains(.ringPacked)
      ).format()
    }
    inflight = InflightMemory(region: region, queues: count, size: size, stride: stride)
    return Message(
      .getInflightFd,
      [.u64(UInt64(stride * count)), .u64(0), .u16(UInt16(count)), .u16(UInt16(truncatingIfNeeded: size)), .u32(0)],
      descriptors: [region.descriptor], isReply: true)
  }

  private func setInflight(_ message: Message) throws(SessionFault) {
    let (count, size) = try inflightShape(message, descriptors: 1)
    let stride = inflightStride(size)
    guard message.u64(0) >= UInt64(stride * count) else {
      throw .badValue(request: message.request, "an inflight region of \(message.u64(0)) bytes")
    }
    let region = try map(message.descriptors[0], offset: message.u64(8), bytes: message.u64(0))
    inflight = InflightMemory(region: region, queues: count, size: size, stride: stride)
  }

  private func inflightStride(_ size: Int) -> Int {
    Inflight.bytes(size: size, isPacked: features.contains(.ringPacked))
  }

  private func inflightShape(_ message: Message, descriptors: Int) throws(SessionFault) -> (count: Int, size: Int) {
    try expect(.inflightShmFd, message)
    // The structure has 20 bytes, and 24 where a compiler has rounded it up.
    guard message.payload.count == 20 || message.payload.count == 24 else {
      throw .payload(request: message.request, expected: 20, found: message.payload.count)
    }
    guard message.descriptors.count == descriptors else {
      throw .descriptors(request: message.request, expected: descriptors, found: message.descriptors.count)
    }
    let (count, size) = (Int(message.u16(16)), Int(message.u16(18)))
    guard count > 0, count <= queues.count, size > 0, size <= options.longestRing else {
      throw .badValue(request: message.request, "\(count) rings of \(size)")
    }
    return (count, size)
  }
}
