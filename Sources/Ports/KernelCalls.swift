import CNet
import Device
import Memory
import Virtqueue

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// The one reason for `unsafe` here: the C functions take addresses of buffers, slots and names. None is kept behind a
// call. The oracles are the tests over real devices, which compare every byte.

/// What the system says about an error number.
func errorWords(_ number: Int32) -> String {
  let text = unsafe strerror(number)
  return unsafe text.map { unsafe String(cString: $0) } ?? "error \(number)"
}

/// Sleeps until one of the descriptors is readable.
func waitFor(_ descriptors: [Int32], _ nanoseconds: Int64) -> Int32 {
  unsafe dpu_wait(descriptors, Int32(descriptors.count), nanoseconds)
}

/// A descriptor that is closed with its owner.
struct Descriptor: ~Copyable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { dpu_close(number) }
}

/// Frames on their way to or from the kernel.
@safe
struct KernelSlots: ~Copyable {
  /// Slots at most: a burst.
  static let capacity = 32
  private let slots: UnsafeMutablePointer<dpu_slot>

  init() {
    unsafe slots = .allocate(capacity: Self.capacity)
    unsafe slots.initialize(repeating: dpu_slot(), count: Self.capacity)
  }

  deinit { unsafe slots.deallocate() }

  /// The slot at `index`, 0..<``capacity``; outside it is the caller's bug and traps.
  subscript(index: Int) -> dpu_slot {
    unsafeAddress {
      precondition(index >= 0 && index < Self.capacity)
      return unsafe UnsafePointer(slots + index)
    }
    unsafeMutableAddress {
      precondition(index >= 0 && index < Self.capacity)
      return unsafe slots + index
    }
  }

  /// Where the slot's frame goes: `first`, and what does not fit there to `second`.
  mutating func aim(_ index: Int, first: Bytes, second: Bytes) {
    self[index].first = unsafe UInt64(UInt(bitPattern: first.unsafeBase))
    self[index].first_length = UInt32(first.count)
    self[index].second = unsafe UInt64(UInt(bitPattern: second.unsafeBase))
    self[index].second_length = UInt32(second.count)
  }

  /// Puts a frame into the slot.
  mutating func put(_ bytes: Bytes, _ header: NetHeader, at index: Int) {
    self[index].header = header
    self[index].first = unsafe UInt64(UInt(bitPattern: bytes.unsafeBase))
    self[index].first_length = UInt32(bytes.count)
  }

  func readTap(_ descriptor: borrowing Descriptor, at index: Int, withHeader: Bool) -> Int32 {
    precondition(index >= 0 && index < Self.capacity)
    return unsafe dpu_tap_read(descriptor.number, slots + index, withHeader ? 1 : 0)
  }

  func writeTap(_ descriptor: borrowing Descriptor, at index: Int, withHeader: Bool) -> Int32 {
    precondition(index >= 0 && index < Self.capacity)
    return unsafe dpu_tap_write(descriptor.number, slots + index, withHeader ? 1 : 0)
  }

  func receivePackets(_ descriptor: borrowing Descriptor, count: Int) -> Int32 {
    precondition(count >= 0 && count <= Self.capacity)
    return unsafe dpu_packet_receive(descriptor.number, slots, Int32(count))
  }

  func sendPackets(_ descriptor: borrowing Descriptor, from: Int, count: Int) -> Int32 {
    precondition(from >= 0 && count >= 0 && from + count <= Self.capacity)
    return unsafe dpu_packet_send(descriptor.number, slots + from, Int32(count))
  }
}

extension dpu_slot {
  /// The virtio-net header in it.
  var header: NetHeader {
    get {
      var header = NetHeader()
      header.flags = flags
      header.segmentation = gso_type
      header.headerLength = header_length
      header.segmentSize = segment_size
      header.checksumStart = checksum_start
      header.checksumOffset = checksum_offset
      return header
    }
    set {
      flags = newValue.flags
      gso_type = newValue.segmentation
      header_length = newValue.headerLength
      segment_size = newValue.segmentSize
      checksum_start = newValue.checksumStart
      checksum_offset = newValue.checksumOffset
    }
  }
}

/// The calls that are made seldom.
enum Kernel {
  /// Opens a TAP device; its descriptor and the name it has.
  static func openTap(
    _ name: String, withHeader: Bool, multiQueue: Bool
  ) throws(PortError) -> (descriptor: Int32, name: String) {
    var given = [CChar](repeating: 0, count: 16)
    let answer = unsafe dpu_tap_open(name, withHeader ? 1 : 0, multiQueue ? 1 : 0, &given)
    guard answer >= 0 else { throw PortError("TAP device '\(name)'", answer: answer) }
    return (answer, String(decoding: given.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  static func interface(_ socket: Int32, _ name: String) throws(PortError) -> dpu_interface {
    var interface = dpu_interface()
    let answer = unsafe dpu_interface_get(socket, name, &interface)
    guard answer >= 0 else { throw PortError("interface '\(name)'", answer: answer) }
    return interface
  }

  static func setMAC(_ socket: Int32, _ name: String, _ mac: UInt64) throws(PortError) {
    let bytes = (0..<6).map { UInt8(truncatingIfNeeded: mac >> (40 - 8 * UInt64($0))) }
    let answer = unsafe dpu_interface_set_mac(socket, name, bytes)
    guard answer >= 0 else { throw PortError("the address of '\(name)'", answer: answer) }
  }

  static func setMTU(_ socket: Int32, _ name: String, _ mtu: Int) throws(PortError) {
    let answer = unsafe dpu_interface_set_mtu(socket, name, UInt32(clamping: mtu))
    guard answer >= 0 else { throw PortError("the MTU of '\(name)'", answer: answer) }
  }

  static func setUp(_ socket: Int32, _ name: String, _ isUp: Bool) throws(PortError) {
    let answer = unsafe dpu_interface_set_up(socket, name, isUp ? 1 : 0)
    guard answer >= 0 else { throw PortError("the link of '\(name)'", answer: answer) }
  }

  static func openFile(_ path: String) throws(PortError) -> Int32 {
    let answer = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard answer >= 0 else { throw PortError(path, answer: -errno) }
    return answer
  }
}

extension dpu_interface {
  /// The address, 48 bits.
  var address: UInt64 {
    [mac.0, mac.1, mac.2, mac.3, mac.4, mac.5].reduce(0) { $0 << 8 | UInt64($1) }
  }
}
