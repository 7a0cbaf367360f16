import Memory
import Virtqueue

/// Numbered frames: their contents follow from their number.
struct Traffic {
  let shortest: Int
  let longest: Int
  private(set) var sent: UInt64 = 0
  private(set) var received: UInt64 = 0
  private(set) var bytes: UInt64 = 0
  private(set) var complaint: String?
  /// Whether a knock came back.
  private(set) var isHeard = false

  init(shortest: Int, longest: Int) {
    self.shortest = shortest
    self.longest = longest
  }

  private func length(_ number: UInt64) -> Int {
    shortest + Int((number &* 0x9e37_79b9_7f4a_7c15 >> 33) % UInt64(longest - shortest + 1))
  }

  /// Fills the burst with the next frames, at most `count`.
  mutating func fill(_ burst: inout NetBurst, _ buffers: inout NetBuffers, count: Int) {
    for _ in 0..<count {
      let length = length(sent)
      guard burst.room > 0, let token = buffers.take(length: length) else { return }
      let frame = NetFrame(buffer: buffers.buffer(token), start: buffers.headroom(token), length: length, token: token)
      let bytes = frame.bytes
      bytes.copy([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5], at: 0)
      bytes.store(sent, at: 14)
      for at in stride(from: 22, to: length, by: 1) { bytes[at] = UInt8(truncatingIfNeeded: sent &+ UInt64(at)) }
      burst.append(frame)
      sent += 1
    }
  }

  /// A frame that counts for nothing.
  func knock(_ burst: inout NetBurst, _ buffers: inout NetBuffers) {
    guard let token = buffers.take(length: 60) else { return }
    let frame = NetFrame(buffer: buffers.buffer(token), start: buffers.headroom(token), length: 60, token: token)
    frame.bytes.copy([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb6], at: 0)
    frame.bytes.fill(0, at: 14, count: 46)
    burst.append(frame)
  }

  /// Checks a frame that came back: the next in number, unchanged.
  mutating func check(_ frame: NetFrame) {
    let bytes = frame.bytes
    // Others (an IPv6 stack at the far end) may send frames of their own.
    guard bytes.count >= 22, complaint == nil else { return }
    if bytes.u16(12) == 0x88b6 { isHeard = true }
    guard bytes.u16(12) == 0x88b5, isHeard else { return }
    let number: UInt64 = bytes.load(14)
    guard number == received else {
      complaint = "frame \(number) came, and \(received) was next"
      return
    }
    guard bytes.count == length(number) else {
      complaint = "frame \(number) has \(bytes.count) bytes, and \(length(number)) were sent"
      return
    }
    for at in 22..<bytes.count where bytes[at] != UInt8(truncatingIfNeeded: number &+ UInt64(at)) {
      complaint = "frame \(number) differs at byte \(at)"
      return
    }
    received += 1
    self.bytes += UInt64(bytes.count)
  }
}
