import Device
import Memory
import Ports

/// Frames by plain arithmetic, so that a mistake of the rooms under test is not hidden by itself.
enum TestFrames {
  static func sum(_ bytes: ArraySlice<UInt8>, _ start: UInt32 = 0) -> UInt32 {
    var total = start
    for (place, byte) in bytes.enumerated() { total += place % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while total > 0xffff { total = total >> 16 + total & 0xffff }
    return total
  }

  static func put(_ value: Int, at place: Int, _ bytes: inout [UInt8]) {
    bytes[place] = UInt8(truncatingIfNeeded: value >> 8)
    bytes[place + 1] = UInt8(truncatingIfNeeded: value)
  }

  /// An Ethernet, IPv4, UDP or TCP frame. `owed`: the checksum's field has the pseudo-header's sum.
  static func ipv4(
    from: [UInt8] = [10, 1, 0, 2], to: [UInt8] = [10, 1, 0, 1], tcp: Bool = false, payload: [UInt8], owed: Bool = false,
    destination: UInt64 = 0x0200_0000_0001, source: UInt64 = 0x0200_0000_0002
  ) -> [UInt8] {
    let header = tcp ? 20 : 8
    var bytes = [UInt8](repeating: 0, count: 14 + 20 + header) + payload
    for place in 0..<6 {
      bytes[place] = UInt8(truncatingIfNeeded: destination >> (40 - 8 * UInt64(place)))
      bytes[6 + place] = UInt8(truncatingIfNeeded: source >> (40 - 8 * UInt64(place)))
    }
    put(0x0800, at: 12, &bytes)
    bytes[14] = 0x45
    put(bytes.count - 14, at: 16, &bytes)
    bytes[22] = 64
    bytes[23] = tcp ? 6 : 17
    bytes.replaceSubrange(26..<34, with: from + to)
    put(Int(~sum(bytes[14..<34]) & 0xffff), at: 24, &bytes)
    put(1234, at: 34, &bytes)
    put(9, at: 36, &bytes)
    if tcp {
      bytes[46] = 5 << 4
      bytes[47] = 0x10
    } else {
      put(bytes.count - 34, at: 38, &bytes)
    }
    let field = tcp ? 50 : 40
    let pseudo = sum(bytes[26..<34], UInt32(bytes.count - 34) + UInt32(bytes[23]))
    let whole = owed ? pseudo : ~sum(bytes[34...], pseudo) & 0xffff
    put(Int(whole), at: field, &bytes)
    return bytes
  }

  /// Whether the IPv4 header's and the UDP or TCP checksum are right.
  static func verifies(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 42, bytes[12] == 8, bytes[13] == 0, bytes[14] == 0x45 else { return false }
    let end = 14 + Int(bytes[16]) << 8 + Int(bytes[17])
    guard end <= bytes.count, sum(bytes[14..<34]) == 0xffff else { return false }
    let pseudo = sum(bytes[26..<34], UInt32(end - 34) + UInt32(bytes[23]))
    return sum(bytes[34..<end], pseudo) == 0xffff
  }
}

/// Buffers for frames that tests send.
struct Outbox: ~Copyable {
  var pool: FramePool
  var burst = FrameBurst()
  var free = TokenList()

  init() throws { pool = try FramePool(small: 256, large: 64, owner: 200) }

  mutating func frame(_ bytes: [UInt8]) throws -> Frame {
    let token = bytes.count <= FramePool.smallLength ? pool.takeSmall() : pool.takeLarge()
    guard let token else { throw Playground.Failure(description: "no buffer") }
    let frame = pool.frame(token, length: bytes.count)
    frame.bytes.copy(bytes, at: 0)
    return frame
  }

  /// Sends frames that `frames` makes, at most a burst at a time.
  mutating func send<Port: BurstPort & ~Copyable>(_ frames: [Frame], out port: inout Port) {
    var rest = frames[...]
    while !rest.isEmpty {
      for frame in rest.prefix(FrameBurst.capacity) { _ = burst.append(frame) }
      rest = rest.dropFirst(FrameBurst.capacity)
      port.transmit(&burst, now: 0, free: &free)
      for index in 0..<free.count { pool.give(free[index]) }
      free.removeAll()
    }
  }
}

extension BurstPort where Self: ~Copyable {
  /// Asks until `enough` frames that `wanted` likes came, or so many milliseconds are over; what they were.
  mutating func gather(
    _ enough: Int, within milliseconds: UInt64 = 10_000, wanted: ([UInt8]) -> Bool = { _ in true }
  ) -> [(record: Frame, bytes: [UInt8])] {
    var found: [(record: Frame, bytes: [UInt8])] = []
    var burst = FrameBurst()
    let end = MonotonicClock.now + milliseconds * 1_000_000
    while found.count < enough, MonotonicClock.now < end {
      burst.removeAll()
      receive(&burst, now: MonotonicClock.now)
      for index in 0..<burst.count {
        let bytes = burst[index].bytes.array()
        if wanted(bytes) { found.append((burst[index], bytes)) }
        recycle(burst[index].token)
      }
    }
    return found
  }
}
