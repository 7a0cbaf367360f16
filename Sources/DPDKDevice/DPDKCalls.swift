import CDPDK
import Device
import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// The one reason for `unsafe` here: the C functions take addresses of strings, structs and frames, and give addresses of
// mbufs. Oracle: DPDKPortTests, which compares every byte that went through real drivers.
enum DPDKCalls {
  static var version: String { unsafe String(cString: dpu_dpdk_version()) }
  static var isStarted: Bool { dpu_dpdk_is_started() != 0 }
  static var words: String { unsafe String(cString: dpu_dpdk_words()) }
  /// The cores that the process may run on.
  static var cores: [Int32] { (0..<1024).filter { dpu_dpdk_may_run_on($0) != 0 } }

  /// What a call answered, and what DPDK said meanwhile.
  static func failure(_ place: String, _ answer: Int32) -> DPDKError {
    let text = unsafe strerror(-answer)
    let system = unsafe text.map { unsafe String(cString: $0) } ?? "error \(-answer)"
    let words = words
    return DPDKError(place, words.isEmpty ? system : "\(system); DPDK says: \(words)", number: -answer)
  }

  static func start(_ arguments: [String]) -> Int32 {
    let copies = unsafe arguments.map { unsafe UnsafePointer(strdup($0)) }
    defer { unsafe copies.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
    return unsafe copies.withUnsafeBufferPointer { unsafe dpu_dpdk_start(Int32($0.count), $0.baseAddress) }
  }

  /// The ports of a device.
  static func probe(_ devargs: String) -> (answer: Int32, ports: [UInt16]) {
    var ports = [UInt16](repeating: 0, count: 64)
    let answer = unsafe dpu_dpdk_probe(devargs, &ports, Int32(ports.count))
    return (answer, Array(ports.prefix(max(0, min(ports.count, Int(answer))))))
  }

  static func facts(_ port: UInt16) -> dpu_dpdk_facts? {
    var facts = dpu_dpdk_facts()
    return unsafe dpu_dpdk_facts(port, &facts) == 0 ? facts : nil
  }

  static func open(_ port: UInt16, _ wanted: dpu_dpdk_wanted) -> Int32 {
    var wanted = wanted
    return unsafe dpu_dpdk_open(port, &wanted)
  }

  static func stats(_ port: UInt16) -> dpu_dpdk_stats? {
    var stats = dpu_dpdk_stats()
    return unsafe dpu_dpdk_read_stats(port, &stats) == 0 ? stats : nil
  }

  static func xstats(_ port: UInt16) -> [(name: String, value: UInt64)] {
    var list = [dpu_dpdk_xstat](repeating: dpu_dpdk_xstat(), count: 512)
    let count = unsafe dpu_dpdk_read_xstats(port, &list, Int32(list.count))
    return list.prefix(max(0, Int(count))).map { (text($0.name), $0.value) }
  }

  /// The text of a C array of characters.
  static func text<Characters>(_ characters: Characters) -> String {
    unsafe withUnsafeBytes(of: characters) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

/// Frames on their way to or from a device: a burst.
@safe
struct DPDKFrames: ~Copyable {
  static let capacity = 64
  private let frames: UnsafeMutablePointer<dpu_dpdk_frame>

  init() {
    unsafe frames = .allocate(capacity: Self.capacity)
    unsafe frames.initialize(repeating: dpu_dpdk_frame(), count: Self.capacity)
  }

  deinit { unsafe frames.deallocate() }

  /// The frame at `index`, 0..<``capacity``; outside it is the caller's bug and traps.
  subscript(index: Int) -> dpu_dpdk_frame {
    unsafeAddress {
      precondition(index >= 0 && index < Self.capacity)
      return unsafe UnsafePointer(frames + index)
    }
    unsafeMutableAddress {
      precondition(index >= 0 && index < Self.capacity)
      return unsafe frames + index
    }
  }

  func receive(_ port: UInt16, queue: UInt16, count: Int, tooLong: inout UInt64) -> Int {
    precondition(count >= 0 && count <= Self.capacity)
    return unsafe Int(dpu_dpdk_receive(port, queue, frames, Int32(count), &tooLong))
  }

  func send(_ port: UInt16, queue: UInt16, count: Int) {
    precondition(count >= 0 && count <= Self.capacity)
    unsafe dpu_dpdk_send(port, queue, frames, Int32(count))
  }

  /// The frame that was received to the place at `index`.
  func record(_ index: Int) -> Frame? {
    let frame = self[index]
    let (front, length, back) = (Int(frame.headroom), Int(frame.length), Int(frame.tailroom))
    guard let base = unsafe UnsafeMutableRawPointer(bitPattern: UInt(frame.address) &- UInt(front)) else { return nil }
    let buffer = unsafe Bytes(base: base, count: front &+ length &+ back)
    return Frame(buffer: buffer, headroom: front, length: length, token: UInt32(frame.owner) << 24 | frame.index)
  }

  /// Puts a frame of the runtime's to be sent to the place at `index`.
  mutating func put(_ frame: Frame, at index: Int) {
    self[index].address = unsafe UInt64(UInt(bitPattern: frame.bytes.unsafeBase))
    self[index].length = UInt16(truncatingIfNeeded: frame.length)
    self[index].owner = UInt8(truncatingIfNeeded: frame.token >> 24)
    self[index].index = frame.token & 0xff_ffff
  }
}
