import Foundation
import Memory

@testable import Virtqueue

/// The generator behind every seed (SplitMix64).
struct Draw: RandomNumberGenerator {
  private var state: UInt64
  init(_ salt: UInt64) {
    let seed = ProcessInfo.processInfo.environment["DPU_SEED"].flatMap { UInt64($0) } ?? 1
    state = seed &* 0x1_0000_0001 &+ salt
  }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  /// `count` (at most 65,536) bytes: a part of a random pool, because a debug build draws slowly.
  mutating func bytes(_ count: Int) -> [UInt8] {
    let at = below(Draw.pool.count - count)
    return Array(Draw.pool[at..<at + count])
  }
  private static let pool: [UInt8] = {
    var draw = Draw(0)
    var bytes: [UInt8] = []
    for _ in 0..<100_000 { bytes.append(UInt8(truncatingIfNeeded: draw.next())) }
    return bytes
  }()
  mutating func header() -> NetHeader {
    var header = NetHeader(first: next(), second: UInt32(truncatingIfNeeded: next()))
    header.bufferCount = 0
    return header
  }
}

/// What a test ring is made of.
struct Shape: Sendable, CustomStringConvertible {
  var size: Int
  var isPacked: Bool
  var hasIndirect = false
  var byIndex = false
  var merges = true
  var bufferSize = 2048
  /// Where the ring begins: near the end of its indices, so that they wrap early.
  var start = RingBase()
  var description: String {
    "\(isPacked ? "packed" : "split") \(size)\(hasIndirect ? " indirect" : "")\(byIndex ? " event_idx" : "") \(bufferSize) at \(start.available)"
  }

  var features: Features {
    var features: Features = [.version1]
    if isPacked { features.insert(.ringPacked) }
    if hasIndirect { features.insert(.indirectDescriptors) }
    if byIndex { features.insert(.eventIndex) }
    if merges { features.insert(.mrgRxbuf) }
    return features
  }

  func plan() throws -> QueuePlan {
    try QueuePlan(offset: 0, size: size, isPacked: isPacked, bufferSize: bufferSize, hasTables: hasIndirect)
  }

  /// Shapes of every kind, wrapped around in every way.
  static let all: [Shape] = {
    var shapes: [Shape] = []
    for isIndirect in [false, true] {
      for byIndex in [false, true] {
        for (size, at) in [(1, 65535), (2, 65533), (8, 0), (64, 65500), (256, 32760)] as [(Int, UInt16)] {
          let start = RingBase(available: at, used: at)
          shapes.append(
            Shape(size: size, isPacked: false, hasIndirect: isIndirect, byIndex: byIndex, start: start))
        }
        for (size, at, wrap) in [(1, 0, true), (3, 2, false), (8, 0, true), (100, 99, true), (256, 17, false)]
          as [(Int, UInt16, Bool)]
        {
          let start = RingBase(available: at, availableWrap: wrap, used: at, usedWrap: wrap)
          shapes.append(
            Shape(size: size, isPacked: true, hasIndirect: isIndirect, byIndex: byIndex, start: start))
        }
      }
    }
    return shapes
  }()
}

/// Puts a frame of these bytes into the burst, in a buffer of `buffers`.
func append(
  _ bytes: [UInt8], _ header: NetHeader, to burst: inout NetBurst, from buffers: inout NetBuffers
) -> Bool {
  guard let token = buffers.take(length: bytes.count) else { return false }
  let buffer = buffers.buffer(token)
  let start = buffers.headroom(token)
  buffer.copy(bytes, at: start)
  burst.append(NetFrame(buffer: buffer, start: start, length: bytes.count, token: token, header: header))
  return true
}

/// The frames of a burst, and their buffers back.
func drain(_ burst: inout NetBurst, _ buffers: inout NetBuffers) -> [([UInt8], NetHeader)] {
  var found: [([UInt8], NetHeader)] = []
  for index in 0..<burst.count {
    found.append((burst[index].bytes.array(), burst[index].header))
    buffers.give(burst[index].token)
  }
  burst.removeAll()
  return found
}

extension NetHeader {
  /// As another device of this ring gave it: the count of buffers is the ring's own.
  var withoutCount: NetHeader {
    var header = self
    header.bufferCount = 0
    return header
  }
}
