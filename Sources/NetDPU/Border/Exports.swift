// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CNetDPU
import Device
import EmulatedDevice
import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// The driver's Swift half as C sees it (net_dpu.h). Pointers become values here and nowhere else.

/// The device behind an opaque pointer that `net_dpu_attach` gave; nil for NULL.
func device(_ pointer: UnsafeMutableRawPointer?) -> NetDevice? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe Unmanaged<NetDevice>.fromOpaque(pointer).takeUnretainedValue()
}

/// Writes words into a C array, cut off where it ends and closed with a 0.
func write(_ words: String, to target: UnsafeMutablePointer<CChar>?, room: Int) {
  guard let target = unsafe target, room > 0 else { return }
  var at = 0
  for byte in words.utf8 where at < room - 1 {
    unsafe target[at] = CChar(bitPattern: byte)
    at += 1
  }
  unsafe target[at] = 0
}

private func text(_ pointer: UnsafePointer<CChar>?) -> String {
  guard let pointer = unsafe pointer else { return "" }
  return unsafe String(cString: pointer)
}

/// Makes a device.
@c @implementation
public func net_dpu_attach(
  _ arguments: UnsafePointer<CChar>!, _ folder: UnsafePointer<CChar>!, _ host: UnsafePointer<net_dpu_host>!,
  _ message: UnsafeMutablePointer<CChar>!
) -> UnsafeMutableRawPointer! {
  do throws(AttachError) {
    guard let host = unsafe host else { throw AttachError("no host") }
    let asked = try DeviceArguments(unsafe text(arguments))
    let made = unsafe try NetDevice(asked, folder: text(folder), host: Host(host.pointee))
    return unsafe Unmanaged.passRetained(made).toOpaque()
  } catch {
    unsafe write(error.sentence, to: message, room: Int(NET_DPU_MESSAGE))
    return nil
  }
}

/// Ends a device.
@c @implementation
public func net_dpu_detach(_ device: UnsafeMutableRawPointer!) {
  guard let pointer = unsafe device else { return }
  unsafe Unmanaged<NetDevice>.fromOpaque(pointer).release()
}

/// What a device is.
@c @implementation
public func net_dpu_facts(_ device: UnsafeMutableRawPointer!, _ facts: UnsafeMutablePointer<net_dpu_facts>!) {
  guard let device = unsafe NetDPU.device(device), let facts = unsafe facts else { return }
  unsafe facts.pointee = device.facts
}

/// Software sends frames.
@c @implementation
public func net_dpu_send(
  _ device: UnsafeMutableRawPointer!, _ port: UInt16, _ now: UInt64, _ frames: UnsafePointer<net_dpu_sent>!,
  _ count: UInt32
) {
  guard let device = unsafe NetDPU.device(device), let frames = unsafe frames else { return }
  for index in 0..<Int(count) {
    let sent = unsafe frames[index]
    unsafe device.send(
      HostBuffer(sent.buffer), debts: SentDebts(sent), isStaged: sent.flags & NET_DPU_STAGED != 0, at: port, now: now)
  }
}

extension SentDebts {
  /// What an mbuf owes; nil when that is nothing.
  fileprivate init?(_ sent: net_dpu_sent) {
    guard unsafe sent.flags & ~NET_DPU_STAGED != 0 else { return nil }
    unsafe self.init(
      flags: sent.flags, outerL3: Int(sent.outer_l3), outerL4: Int(sent.outer_l4), innerL2: Int(sent.inner_l2),
      l3: Int(sent.l3), l4: Int(sent.l4), segmentSize: sent.segment_size, headers: Int(sent.headers))
  }
}

/// Takes what the wire has.
@c @implementation
public func net_dpu_poll_wire(_ device: UnsafeMutableRawPointer!, _ now: UInt64, _ most: UInt32) -> UInt32 {
  0
}

/// Another MTU.
@c @implementation
public func net_dpu_set_mtu(_ device: UnsafeMutableRawPointer!, _ port: UInt16, _ mtu: UInt16) -> CInt {
  guard let device = unsafe NetDPU.device(device), let side = device.side(port), mtu >= 68 else { return EINVAL }
  return device.model.setMTU(mtu, ofPort: side.port) ? 0 : EINVAL
}

/// Counters.
@c @implementation
public func net_dpu_statistics(
  _ device: UnsafeMutableRawPointer!, _ names: UnsafeMutablePointer<CChar>!, _ values: UnsafeMutablePointer<UInt64>!,
  _ most: UInt32
) -> UInt32 {
  guard let device = unsafe NetDPU.device(device) else { return 0 }
  let lines = device.statistics
  for (index, line) in lines.prefix(Int(most)).enumerated() {
    let room = Int(NET_DPU_NAME)
    if let names = unsafe names { unsafe write(line.name, to: names + index * room, room: room) }
    if let values = unsafe values { unsafe values[index] = line.count }
  }
  return UInt32(lines.count)
}

/// Whether the device answers.
@c @implementation
public func net_dpu_state(_ device: UnsafeMutableRawPointer!) -> CInt {
  guard let device = unsafe NetDPU.device(device), !device.isRemoved else { return CInt(NET_DPU_REMOVED) }
  return CInt(device.model.isAlive ? NET_DPU_ALIVE : NET_DPU_RESET)
}

/// Acknowledges a reset.
@c @implementation
public func net_dpu_recover(_ device: UnsafeMutableRawPointer!, _ now: UInt64) -> CInt {
  guard let device = unsafe NetDPU.device(device), !device.isRemoved else { return ENODEV }
  device.model.recover(now: now)
  device.rules.forgetAll()
  return 0
}
