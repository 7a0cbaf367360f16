import CNetDPU
import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Tells a rule's *shape* from its *values*. The shape is everything but the bytes that items want and the number of a
/// mark; rules that are made in their thousands differ in values alone.
///
/// Both are written into memory that was there at the start: nothing is allocated for a rule.
@safe
struct ShapeReader: ~Copyable {
  private let memory: Region
  private static let room = 4096
  /// Bytes of the last rule's shape and of its values.
  private(set) var shapeCount = 0
  private(set) var valueCount = 0

  init() throws(ArenaError) { memory = try Region(bytes: 2 * Self.room) }

  var shape: Bytes { memory.bytes.slice(0, count: shapeCount) }
  var values: Bytes { memory.bytes.slice(Self.room, count: valueCount) }
  private var shapeRoom: Bytes { memory.bytes.slice(0, count: Self.room) }
  private var valueRoom: Bytes { memory.bytes.slice(Self.room, count: Self.room) }

  /// Whether the last rule's shape is this one.
  func isShape(_ other: [UInt8]) -> Bool {
    guard other.count == shapeCount else { return false }
    let mine = shape
    return unsafe other.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return true }
      return unsafe memcmp(base, mine.unsafeBase, bytes.count) == 0
    }
  }

  /// Reads a rule; false when it is none of those that come in thousands: with ranges, Geneve options (they have a
  /// budget), aging, shared actions or samples.
  mutating func read(_ rule: net_dpu_rule) -> Bool {
    shapeCount = 0
    valueCount = 0
    guard unsafe rule.items <= 16, unsafe rule.action_count <= 16 else { return false }
    unsafe put(rule.group)
    unsafe put(rule.priority)
    unsafe put(UInt32(rule.port) << 16 | UInt32(rule.queues))
    unsafe put(UInt32(rule.ingress) << 16 | UInt32(rule.egress) << 8 | UInt32(rule.transfer))
    unsafe put(rule.items << 16 | rule.action_count)
    if let pattern = unsafe rule.pattern {
      for index in unsafe 0..<Int(rule.items) { guard unsafe readItem(pattern[index]) else { return false } }
    }
    if let actions = unsafe rule.actions {
      for index in unsafe 0..<Int(rule.action_count) { guard unsafe readAction(actions[index]) else { return false } }
    }
    return true
  }

  private mutating func put(_ value: UInt32) {
    shapeRoom.store(value, at: shapeCount)
    shapeCount += 4
  }

  /// Copies bytes behind those that are there; false when there is no room.
  private static func copy(_ from: UnsafePointer<UInt8>, _ count: Int, to room: Bytes, _ used: inout Int) -> Bool {
    guard count <= 512, used + count + 64 <= room.count else { return false }
    unsafe (room.unsafeBase + used).copyMemory(from: from, byteCount: count)
    used += count
    return true
  }

  private mutating func readItem(_ item: net_dpu_item) -> Bool {
    guard unsafe item.last == nil, unsafe item.kind != NET_DPU_ITEM_GENEVE_OPT.rawValue,
      unsafe item.kind != NET_DPU_ITEM_UNKNOWN.rawValue
    else { return false }
    let hasSpec = unsafe item.spec != nil
    unsafe put(item.kind << 16 | item.size << 1 | (hasSpec ? 1 : 0))
    guard hasSpec, let spec = unsafe item.spec, let mask = unsafe item.mask else { return !hasSpec }
    unsafe put(item.spec_bits)
    unsafe put(item.mask_bits)
    let size = unsafe Int(item.size)
    return unsafe Self.copy(mask, size, to: shapeRoom, &shapeCount) && Self.copy(spec, size, to: valueRoom, &valueCount)
  }

  private mutating func readAction(_ action: net_dpu_action) -> Bool {
    unsafe put(action.kind)
    switch net_dpu_action_kind(unsafe action.kind) {
    case NET_DPU_ACTION_UNKNOWN, NET_DPU_ACTION_AGE, NET_DPU_ACTION_INDIRECT, NET_DPU_ACTION_SAMPLE: return false
    case NET_DPU_ACTION_MARK:
      guard unsafe action.value > 0, unsafe action.value <= ActionReader.largestMark else { return false }
      unsafe valueRoom.store(UInt32(truncatingIfNeeded: action.value), at: valueCount)
      valueCount += 4
      return true
    case NET_DPU_ACTION_RSS:
      unsafe put(UInt32(truncatingIfNeeded: action.value))
      unsafe put(action.queue_count)
      guard let queues = unsafe action.queues, unsafe action.queue_count <= 64 else { return false }
      for index in unsafe 0..<Int(action.queue_count) { unsafe put(UInt32(queues[index])) }
    default:
      unsafe put(UInt32(truncatingIfNeeded: action.value))
      unsafe put(UInt32(truncatingIfNeeded: action.value >> 32))
      unsafe put(action.size)
      if let bytes = unsafe action.bytes {
        return unsafe Self.copy(bytes, Int(action.size), to: shapeRoom, &shapeCount)
      }
    }
    return shapeCount + 64 <= Self.room
  }
}
