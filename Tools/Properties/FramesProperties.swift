import Datapath
import Device
import Memory

/// A TCP packet inside Geneve over IPv4, or alone, that owes segmentation; what it holds follows from `random`.
private func owingFrame(_ random: inout SplitMix, _ arena: inout FrameArena) throws -> Frame {
  let inTunnel = random.below(4) > 0
  let options = inTunnel ? random.below(9) * 4 : 0
  let size = 1 + random.below(1460)
  let payload = size + 1 + random.below(min(20 * size, 60000))
  let front = inTunnel ? 14 + 20 + 16 + options : 0
  var frame = try arena.takeFrame(length: front + 54 + payload, owner: 0)
  let bytes = frame.bytes
  bytes.copy(random.bytes(frame.length), at: 0)
  func network(_ at: Int, _ proto: UInt8) {
    bytes.store(UInt16(0x0800), at: at - 2)
    bytes.store(UInt16(0x4500), at: at)
    bytes.store(UInt16(frame.length - at), at: at + 2)
    bytes.store(UInt16(0), at: at + 6)
    bytes[at + 9] = proto
    bytes.store(UInt16(0), at: at + 10)
    var sum: UInt32 = 0
    for word in 0..<10 { sum += UInt32(bytes.u16(at + 2 * word)) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    bytes.store(~UInt16(sum), at: at + 10)
  }
  if inTunnel {
    network(14, 17)
    bytes.store(UInt16(6081), at: 36)
    bytes.store(UInt16(frame.length - 34), at: 38)
    bytes.store(UInt16(0), at: 40)
    bytes.store(UInt16(options / 4) << 8, at: 42)
    bytes.store(UInt16(0x6558), at: 44)
    frame.owed = [.checksum, .tcpSegmentation, .tunnelSegmentation, .outerUDPChecksum]
  } else {
    frame.owed = [.checksum, .tcpSegmentation]
  }
  let l3 = front + 14
  network(l3, 6)
  bytes[l3 + 32] = 0x50
  bytes[l3 + 33] = 0x10
  var pseudo = UInt32(frame.length - l3 - 20) + 6
  for word in 6..<10 { pseudo += UInt32(bytes.u16(l3 + 2 * word)) }
  while pseudo > 0xffff { pseudo = (pseudo & 0xffff) + (pseudo >> 16) }
  bytes.store(UInt16(pseudo), at: l3 + 36)
  frame.checksumStart = l3 + 20
  frame.checksumOffset = 16
  frame.segmentSize = UInt16(size)
  frame.segmentHeaderLength = l3 + 40
  return frame
}

let framesProperties = [
  Property(
    name: "frames-inverse",
    promise: "Cut and merged again a frame is what it was, and nothing is allocated or counted on the way.",
    cases: 50_000
  ) { seed, cases in
    var random = SplitMix(seed: seed)
    var large = try FrameArena(capacity: 4, bufferSize: 66560)
    var small = try FrameArena(capacity: 4, bufferSize: 2048)
    var coalescer = Coalescer(intoTunnels: true)
    for step in 0..<cases {
      let whole = try owingFrame(&random, &large)
      var merged: Frame?
      var pieces = 0
      var passed = 0
      let counts = try HotPathCounts.during {
        var segmenter = try Segmenter(whole)
        while let segment = try segmenter.next(&small, owner: 0) {
          let answer = coalescer.offer(segment, arena: &large, owner: 0)
          if !answer.absorbed { passed += 1 }
          if let flushed = answer.flushed { merged = flushed.frame }
          small.giveBack(segment)
          pieces += 1
        }
        if let rest = coalescer.flush() { merged = rest.frame }
      }
      guard counts == HotPathCounts() else { throw Counterexample("step \(step): \(counts)") }
      guard passed == 0, let merged, merged.bytes.array() == whole.bytes.array(), merged.owed == whole.owed else {
        throw Counterexample("step \(step): \(pieces) segments did not become the frame of \(whole.length) bytes")
      }
      large.giveBack(merged)
      large.giveBack(whole)
    }
  }
]
