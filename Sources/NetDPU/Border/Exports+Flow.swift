// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CNetDPU
import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension ForeignItem {
  init(_ item: net_dpu_item) {
    let size = unsafe Int(item.size)
    let words = unsafe Int(min(item.data_words, 64)) * 4
    self = unsafe ForeignItem(
      kind: item.kind, number: item.number, spec: window(item.spec, size), last: window(item.last, size),
      mask: window(item.mask, size), specBits: item.spec_bits, maskBits: item.mask_bits,
      data: window(item.data, words), dataMask: window(item.data_mask, words))
  }
}

extension ForeignAction {
  init(_ action: net_dpu_action, depth: Int = 0) {
    self = unsafe ForeignAction(
      kind: action.kind, number: action.number, value: action.value, context: action.context,
      bytes: window(action.bytes, Int(min(action.size, 1024))), size: Int(action.size))
    if let queues = unsafe action.queues {
      for index in unsafe 0..<Int(min(action.queue_count, 1024)) { self.queues.append(unsafe queues[index]) }
    }
    if depth == 0, let list = unsafe action.list {
      for index in unsafe 0..<Int(min(action.list_count, 64)) {
        self.list.append(unsafe ForeignAction(list[index], depth: 1))
      }
    }
  }
}

extension ForeignRule {
  init(_ rule: net_dpu_rule) {
    unsafe self.init(
      group: rule.group, priority: rule.priority, ingress: rule.ingress != 0, egress: rule.egress != 0,
      transfer: rule.transfer != 0, port: rule.port, queues: rule.queues)
    if let items = unsafe rule.pattern {
      for index in unsafe 0..<Int(min(rule.items, 64)) { pattern.append(unsafe ForeignItem(items[index])) }
    }
    if let list = unsafe rule.actions {
      for index in unsafe 0..<Int(min(rule.action_count, 128)) { actions.append(unsafe ForeignAction(list[index])) }
    }
  }
}

/// A window on bytes that C lent for this call; nil for NULL. Nobody writes through it.
private func window(_ pointer: UnsafePointer<UInt8>?, _ count: Int) -> Bytes? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe Bytes(base: UnsafeMutableRawPointer(mutating: pointer), count: count)
}

extension FlowError {
  /// Fills in what C is told, and gives the errno.
  fileprivate func tell(_ error: UnsafeMutablePointer<net_dpu_error>?) -> CInt {
    guard let error = unsafe error else { return number }
    unsafe error.pointee.number = number
    let (part, index): (net_dpu_part, Int) =
      switch part {
      case .rule: (NET_DPU_PART_RULE, 0)
      case .attributes: (NET_DPU_PART_ATTRIBUTE, 0)
      case .item(let place): (NET_DPU_PART_ITEM, place)
      case .action(let place): (NET_DPU_PART_ACTION, place)
      }
    unsafe error.pointee.part = part.rawValue
    unsafe error.pointee.index = UInt32(index)
    unsafe withUnsafeMutableBytes(of: &error.pointee.message) { room in
      unsafe write(sentence, to: room.baseAddress?.assumingMemoryBound(to: CChar.self), room: room.count)
    }
    return number
  }

  fileprivate static let noDevice = FlowError(number: ENODEV, part: .rule, sentence: "there is no device")
}

extension NetDevice {
  /// Makes a rule: one of a shape that came often is not read again.
  func create(_ rule: net_dpu_rule, now: UInt64) throws(FlowError) -> UInt32 {
    let isOneOfMany = unsafe shapes.reader.read(rule)
    let place = isOneOfMany ? shapes.place() : nil
    if let place, shapes.isLearned(place) {
      let id = rules.nextID()
      // A refusal is asked for again below, where it gets its words.
      if (try? shapes.insert(place, id: id, into: &model, now: now)) != nil { return id }
    }
    let foreign = unsafe ForeignRule(rule)
    let id = try create(foreign, now: now)
    if isOneOfMany, let due = shapes.note(place), let room = try? Region(bytes: shapes.reader.valueCount) {
      shapes.learn(due) { values in
        room.bytes.copy(values, at: 0)
        return compile(foreign, values: room.bytes)
      }
    }
    return id
  }
}

/// Runs `body` and tells what it throws.
private func answered(
  _ pointer: UnsafeMutableRawPointer?, _ told: UnsafeMutablePointer<net_dpu_error>?,
  _ body: (NetDevice) throws(FlowError) -> Void
) -> CInt {
  do throws(FlowError) {
    guard let device = unsafe device(pointer) else { throw .noDevice }
    try body(device)
    return 0
  } catch { return unsafe error.tell(told) }
}

/// Whether a rule would be taken.
@c @implementation
public func net_dpu_flow_validate(
  _ device: UnsafeMutableRawPointer!, _ rule: UnsafePointer<net_dpu_rule>!, _ now: UInt64,
  _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in
    try device.validate(unsafe ForeignRule(rule.pointee), now: now)
  }
}

/// Makes a rule.
@c @implementation
public func net_dpu_flow_create(
  _ device: UnsafeMutableRawPointer!, _ rule: UnsafePointer<net_dpu_rule>!, _ now: UInt64,
  _ id: UnsafeMutablePointer<UInt32>!, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in
    unsafe id.pointee = try device.create(rule.pointee, now: now)
  }
}

/// Ends a rule.
@c @implementation
public func net_dpu_flow_destroy(
  _ device: UnsafeMutableRawPointer!, _ id: UInt32, _ now: UInt64, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in try device.destroy(id, now: now) }
}

/// What a rule counted.
@c @implementation
public func net_dpu_flow_query(
  _ device: UnsafeMutableRawPointer!, _ id: UInt32, _ now: UInt64, _ reset: CInt,
  _ count: UnsafeMutablePointer<net_dpu_count>!, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in
    unsafe count.pointee = net_dpu_count(try device.query(id, reset: reset != 0, now: now))
  }
}

/// Ends every rule of an ethdev.
@c @implementation
public func net_dpu_flow_flush(
  _ device: UnsafeMutableRawPointer!, _ port: UInt16, _ now: UInt64, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in try device.flush(port, now: now) }
}

/// Drops the misses of an ethdev, or passes them up again.
@c @implementation
public func net_dpu_flow_isolate(_ device: UnsafeMutableRawPointer!, _ port: UInt16, _ set: CInt) -> CInt {
  guard let device = unsafe NetDPU.device(device), Int(port) < device.isolated.count else { return EINVAL }
  device.isolated[Int(port)] = set != 0
  return 0
}

/// The contexts of aged rules.
@c @implementation
public func net_dpu_flow_aged(
  _ device: UnsafeMutableRawPointer!, _ port: UInt16, _ now: UInt64, _ contexts: UnsafeMutablePointer<UInt64>!,
  _ most: UInt32
) -> UInt32 {
  guard let device = unsafe NetDPU.device(device) else { return 0 }
  let told = device.aged(port, most: Int(most), now: now)
  if let contexts = unsafe contexts {
    for (index, context) in told.contexts.enumerated() { unsafe contexts[index] = context }
  }
  return UInt32(told.count)
}

/// Makes a shared action.
@c @implementation
public func net_dpu_indirect_create(
  _ device: UnsafeMutableRawPointer!, _ action: UnsafePointer<net_dpu_action>!, _ port: UInt16, _ queues: UInt16,
  _ id: UnsafeMutablePointer<UInt32>!, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in
    unsafe id.pointee = try device.share(unsafe ForeignAction(action.pointee), queues: queues)
  }
}

/// Ends a shared action.
@c @implementation
public func net_dpu_indirect_destroy(
  _ device: UnsafeMutableRawPointer!, _ id: UInt32, _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in try device.unshare(id) }
}

/// What the rules of a shared action counted.
@c @implementation
public func net_dpu_indirect_query(
  _ device: UnsafeMutableRawPointer!, _ id: UInt32, _ now: UInt64, _ count: UnsafeMutablePointer<net_dpu_count>!,
  _ error: UnsafeMutablePointer<net_dpu_error>!
) -> CInt {
  unsafe answered(device, error) { device throws(FlowError) in
    unsafe count.pointee = net_dpu_count(try device.querySharedAction(id, now: now))
  }
}

extension net_dpu_count {
  fileprivate init(_ count: RuleCount) {
    self.init(
      frames: count.frames, bytes: count.bytes, idle_seconds: count.idleSeconds, is_aged: count.isAged ? 1 : 0,
      is_age: count.isAge ? 1 : 0)
  }
}
