import CNetDPU
import Memory

@testable import NetDPU

/// A program in DPDK's place: buffers that it counts, and what its ports received.
@safe
final class TestHost {
  struct Arrival {
    var port: UInt16
    var queue: UInt16?
    var mark: UInt32?
    var bytes: [UInt8]
    var group: UInt32?
    var outerL4: UInt8
  }

  static let room = 2176
  private(set) var arrivals: [Arrival] = []
  /// Buffers that are out: given to the device and not come back.
  private var outside: Set<UInt> = []
  /// Buffers that came back twice, or never were out.
  private(set) var faults = 0
  /// Whether `copy` gives anything.
  var hasBuffers = true
  private var device: UnsafeMutableRawPointer?
  /// What the last refusal said.
  var words = ""

  init?(_ arguments: String) {
    var message = [CChar](repeating: 0, count: Int(NET_DPU_MESSAGE))
    var host = unsafe net_dpu_host()
    unsafe host.context = Unmanaged.passUnretained(self).toOpaque()
    unsafe host.copy = { context, _, bytes, length, out in
      guard let host = unsafe TestHost.of(context), host.hasBuffers, length <= TestHost.room - 128,
        let bytes = unsafe bytes, let out = unsafe out
      else { return 0 }
      unsafe out.pointee = host.buffer(Array(UnsafeBufferPointer(start: bytes, count: Int(length))))
      return 1
    }
    unsafe host.free = { context, cookie in unsafe TestHost.of(context)?.takeBack(cookie) }
    unsafe host.receive = { context, frame in
      if let frame = unsafe frame { unsafe TestHost.of(context)?.take(frame.pointee) }
    }
    let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    unsafe device = net_dpu_attach(arguments, "/" + folder, &host, &message)
    guard unsafe device != nil else { return nil }
  }

  deinit {
    unsafe net_dpu_detach(device)
    for address in outside { unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> TestHost? {
    unsafe context.map { unsafe Unmanaged<TestHost>.fromOpaque($0).takeUnretainedValue() }
  }

  /// A fresh buffer with these bytes behind 128 bytes of headroom.
  private func buffer(_ bytes: [UInt8]) -> net_dpu_buffer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.room, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0xee, count: Self.room)
    for (at, byte) in bytes.enumerated() { unsafe memory.storeBytes(of: byte, toByteOffset: 128 + at, as: UInt8.self) }
    outside.insert(UInt(bitPattern: memory))
    return unsafe net_dpu_buffer(
      cookie: memory, buffer: memory.assumingMemoryBound(to: UInt8.self), room: UInt32(Self.room), start: 128,
      length: UInt32(bytes.count))
  }

  private func takeBack(_ cookie: UnsafeMutableRawPointer?) {
    guard let cookie = unsafe cookie, outside.remove(UInt(bitPattern: cookie)) != nil else {
      faults += 1
      return
    }
    unsafe cookie.deallocate()
  }

  private func take(_ frame: net_dpu_received) {
    let from = unsafe frame.buffer.buffer.map { unsafe $0 + Int(frame.buffer.start) }
    let bytes = unsafe Array(UnsafeBufferPointer(start: from, count: Int(frame.buffer.length)))
    unsafe arrivals.append(
      Arrival(
        port: frame.port, queue: frame.has_queue == 1 ? frame.queue : nil, mark: frame.has_mark == 1 ? frame.mark : nil,
        bytes: bytes, group: frame.has_restore == 1 ? frame.group : nil, outerL4: frame.outer_l4))
    unsafe takeBack(frame.buffer.cookie)
  }

  /// Software sends bytes at a port; what arrived because of it.
  func send(_ bytes: [UInt8], port: UInt16 = 0, now: UInt64 = 0, debts: SentDebts? = nil) -> [Arrival] {
    let before = arrivals.count
    var sent = unsafe net_dpu_sent()
    if let debts {
      unsafe sent.flags = debts.flags
      unsafe (sent.outer_l3, sent.outer_l4) = (UInt16(debts.outerL3), UInt16(debts.outerL4))
      unsafe (sent.inner_l2, sent.l3, sent.l4) = (UInt16(debts.innerL2), UInt16(debts.l3), UInt16(debts.l4))
      unsafe (sent.segment_size, sent.headers) = (debts.segmentSize, UInt16(debts.headers))
    }
    unsafe sent.buffer = unsafe buffer(bytes)
    unsafe net_dpu_send(device, port, now, &sent, 1)
    return Array(arrivals[before...])
  }

  /// The model behind the pointer.
  var model: NetDevice {
    guard let model = unsafe NetDPU.device(device) else { preconditionFailure("init gives nil without a device") }
    return model
  }
  /// The device, for calls over the border.
  var pointer: UnsafeMutableRawPointer? { unsafe device }
  /// Buffers that are out.
  var held: Int { outside.count }
  var isAlive: Bool { unsafe net_dpu_state(device) == NET_DPU_ALIVE }
  func recover() -> Bool { unsafe net_dpu_recover(device, 1) == 0 }
}

/// Bytes as the windows that a library lends, alive as long as this is.
final class Lent {
  private var regions: [OwnedRegion] = []
  private final class OwnedRegion {
    let region: Region
    init(_ count: Int) throws { region = try Region(bytes: count) }
  }

  /// A window on a copy of these bytes.
  func bytes(_ bytes: [UInt8]) throws -> Bytes {
    let owned = try OwnedRegion(bytes.count)
    owned.region.bytes.copy(bytes, at: 0)
    regions.append(owned)
    return owned.region.bytes.slice(0, count: bytes.count)
  }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// Frames and headers by hand.
enum Sample {
  static let ethernet: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]

  static func ipv4(_ proto: UInt8, _ payload: [UInt8], ttl: UInt8 = 64) -> [UInt8] {
    let length = 20 + payload.count
    var header: [UInt8] = [
      0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 0, 0x40, 0, ttl, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]
    let sum = fold(header)
    (header[10], header[11]) = (UInt8(~sum >> 8), UInt8(~sum & 255))
    return header + payload
  }

  static func udp(_ from: UInt16, _ to: UInt16, _ payload: [UInt8]) -> [UInt8] {
    let length = 8 + payload.count
    return [from, to, UInt16(length), 0].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } + payload
  }

  /// An inner frame of UDP.
  static var inner: [UInt8] { ethernet + ipv4(17, udp(1000, 2000, Array(0..<32))) }

  /// Headers of Geneve with VNI 5 and one option (class 0x0102, type 0x80, one word).
  static func geneve(_ word: UInt32 = 1, ttl: UInt8 = 64, inside: [UInt8] = []) -> [UInt8] {
    let option: [UInt8] = [1, 2, 0x80, 1] + (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
    return ethernet + ipv4(17, udp(0xc001, 6081, [2, 0x40, 0x65, 0x58, 0, 0, 5, 0] + option + inside), ttl: ttl)
  }

  static func fold(_ bytes: [UInt8], _ start: UInt32 = 0) -> UInt16 {
    var sum = start
    for at in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return UInt16(sum)
  }
}
