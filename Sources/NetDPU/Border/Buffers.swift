import CNetDPU
import Device
import EmulatedDevice
import Memory

/// A packet buffer of the host's: its room, and where in it the frame is. The host keeps it alive until it is handed over
/// or freed.
@safe
struct HostBuffer {
  private let raw: net_dpu_buffer
  /// Where the frame is now.
  var start: Int
  var length: Int

  init(_ raw: net_dpu_buffer) {
    unsafe self.raw = unsafe raw
    start = unsafe Int(raw.start)
    length = unsafe Int(raw.length)
  }

  /// A record of the frame; nil when it lies outside of its room, is empty or too long for a record.
  func record(_ token: UInt32) -> Frame? {
    let room = unsafe Int(raw.room)
    guard let base = unsafe raw.buffer, length > 0, start + length <= room, length <= 0xffff, start <= 0xffff else {
      return nil
    }
    return Frame(buffer: unsafe Bytes(base: base, count: room), headroom: start, length: length, token: token)
  }

  /// Whether a frame lies in this buffer.
  func holds(_ frame: Frame) -> Bool {
    guard let base = unsafe raw.buffer else { return false }
    let first = UInt(bitPattern: base)
    let here = unsafe UInt(bitPattern: frame.bytes.unsafeBase)
    return unsafe here >= first && here + UInt(frame.length) <= first + UInt(raw.room)
  }

  fileprivate var cookie: UnsafeMutableRawPointer? { unsafe raw.cookie }
  fileprivate var moved: net_dpu_buffer {
    var copy = unsafe raw
    unsafe copy.start = UInt32(start)
    unsafe copy.length = UInt32(length)
    return unsafe copy
  }
}

/// The host's functions.
@safe
struct Host {
  private let raw: net_dpu_host
  init(_ raw: net_dpu_host) { unsafe self.raw = unsafe raw }

  /// Copies bytes into a fresh buffer for a port; nil when there is none.
  func copy(_ bytes: Bytes, port: UInt16) -> HostBuffer? {
    var buffer = unsafe net_dpu_buffer()
    let from = unsafe bytes.unsafeBase.assumingMemoryBound(to: UInt8.self)
    guard unsafe raw.copy?(raw.context, port, from, UInt32(bytes.count), &buffer) == 1 else { return nil }
    return unsafe HostBuffer(buffer)
  }

  /// Gives a buffer back.
  func free(_ buffer: HostBuffer) { unsafe raw.free?(raw.context, buffer.cookie) }

  /// Hands a frame to one of the host's ports.
  func receive(_ frame: Received, in buffer: HostBuffer) {
    var out = unsafe net_dpu_received()
    unsafe out.buffer = unsafe buffer.moved
    unsafe out.port = frame.port
    unsafe out.queue = frame.queue ?? 0
    unsafe out.has_queue = frame.queue == nil ? 0 : 1
    unsafe out.has_mark = frame.isFlagged ? 2 : frame.mark == nil ? 0 : 1
    unsafe out.mark = frame.mark ?? 0
    unsafe out.is_tunnel = frame.isTunnel ? 1 : 0
    unsafe out.has_restore = frame.group == nil ? 0 : 1
    unsafe out.group = frame.group ?? 0
    unsafe out.tunnel_key = frame.tunnelKey
    unsafe out.tunnel_removed = frame.isDecapsulated ? 1 : 0
    unsafe out.outer_l3 = frame.checksums[.outerL3].rawValue
    unsafe out.outer_l4 = frame.checksums[.outerL4].rawValue
    unsafe out.inner_l3 = frame.checksums[.innerL3].rawValue
    unsafe out.inner_l4 = frame.checksums[.innerL4].rawValue
    unsafe out.hash = frame.hash
    unsafe raw.receive?(raw.context, &out)
  }
}
