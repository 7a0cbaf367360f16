import Datapath
import Device
import Memory

/// Segmentation, coalescing, owed checksums and fragments, each beside a plain copy of the same bytes.
let framesBenches = [
  Bench(
    name: "frames", what: "segmentation and coalescing of 64 KB in Geneve, owed checksums, fragments, beside a copy"
  ) { options in
    let repeats = options.quick ? 2 : 200
    let bench = try FramesBench()
    let packet = [
      Variant(name: "a copy of its bytes") { for _ in 0..<repeats { bench.copy() } },
      Variant(name: "cut into segments of 1,400") { for _ in 0..<repeats { bench.cut() } },
      Variant(name: "merged from the segments") { for _ in 0..<repeats { bench.merge() } },
    ]
    report(
      "a frame of \(bench.whole.length) bytes with \(bench.segments.count) segments, a segment", packet,
      interleave(packet, operations: repeats * bench.segments.count, rounds: options.rounds))
    let debts = [
      Variant(name: "inner and outer checksum") { for _ in 0..<repeats * 50 { bench.pay(keeping: []) } },
      Variant(name: "outer only, the inner one kept") { for _ in 0..<repeats * 50 { bench.pay(keeping: .checksum) } },
    ]
    report(
      "a frame of \(bench.segments[0].length) bytes in Geneve that owes", debts,
      interleave(debts, operations: repeats * 50, rounds: options.rounds))
  }
]

/// The frames, and what is done to them; nothing here is a frame's way, so references are no matter.
private final class FramesBench {
  let whole: Frame
  let segments: [Frame]
  private var target: Frame
  private var merged: Frame?
  private var large: FrameArena
  private var small: FrameArena
  private var coalescer = Coalescer(intoTunnels: true)

  init() throws {
    var large = try FrameArena(capacity: 8, bufferSize: 66560)
    var small = try FrameArena(capacity: 64, bufferSize: 2048)
    let frame = try Self.owing(&large)
    var segmenter = try Segmenter(frame)
    var segments: [Frame] = []
    while let segment = try segmenter.next(&small, owner: 0) { segments.append(segment) }
    target = try large.takeFrame(length: frame.length, owner: 0)
    whole = frame
    self.segments = segments
    self.large = large
    self.small = small
  }

  /// TCP in IPv4 in Geneve with one option over IPv4, 44 full segments.
  private static func owing(_ arena: inout FrameArena) throws(DropReason) -> Frame {
    let front = 14 + 20 + 16 + 8
    var frame = try arena.takeFrame(length: front + 54 + 44 * 1400, owner: 0)
    let bytes = frame.bytes
    for at in 0..<bytes.count { bytes[at] = UInt8(truncatingIfNeeded: at &* 31) }
    func network(_ at: Int, _ proto: UInt8) {
      bytes.store(UInt16(0x0800), at: at - 2)
      bytes.store(UInt16(0x4500), at: at)
      bytes.store(UInt16(frame.length - at), at: at + 2)
      bytes.store(UInt16(0), at: at + 6)
      bytes[at + 9] = proto
    }
    network(14, 17)
    bytes.store(UInt16(6081), at: 36)
    bytes.store(UInt16(frame.length - 34), at: 38)
    bytes.copy([2, 0, 0x65, 0x58], at: 42)
    bytes.copy([1, 2, 3, 1], at: 50)
    network(front + 14, 6)
    bytes.copy([0x50, 0x10], at: front + 46)
    frame.owed = [.checksum, .tcpSegmentation, .tunnelSegmentation, .outerUDPChecksum]
    frame.segmentSize = 1400
    return frame
  }

  func copy() { target.bytes.copy(whole.bytes, at: 0) }

  func cut() {
    guard var segmenter = try? Segmenter(whole) else { return }
    while let segment = try? segmenter.next(&small, owner: 0) { small.giveBack(segment) }
  }

  func merge() {
    for segment in segments {
      if let flushed = coalescer.offer(segment, arena: &large, owner: 0).flushed { large.giveBack(flushed.frame) }
    }
    while let flushed = coalescer.flush() { large.giveBack(flushed.frame) }
  }

  func pay(keeping: Owed) {
    var frame = segments[0]
    frame.owed = [.checksum, .outerUDPChecksum]
    frame.checksumStart = 14 + 20 + 16 + 8 + 34
    frame.checksumOffset = 16
    frame.innerL2 = 14 + 20 + 16 + 8
    try? PayDebts.pay(&frame, keeping: keeping)
  }
}
