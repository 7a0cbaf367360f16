import Device
import Memory
import Rules

/// Why an action did not go through: the frame is passed up as it came, and software says what becomes of it.
enum Exception: Error {
  /// The drop that software will name.
  case drop(DropReason)
  /// The device lacks the ability that this frame asks for.
  case ability
  /// More copies for one frame than the device has buffers.
  case copies
}

/// The device's own copy of a frame, on which actions are carried out. The frame that came in is not touched before
/// its fate is known, so that it can be passed up exactly as it came.
struct Work {
  /// Bytes kept free in front of a fresh copy: sixteen of the largest headers.
  static let headroom = 8192
  /// Bytes of one work buffer: headroom and the largest frame, and as much again behind it for what is added.
  static let bufferSize = headroom + 65_536

  /// The whole buffer.
  let buffer: Bytes
  /// Where the frame is in it.
  var start = 0
  var end = 0
  /// What the parser finds in it now.
  var parsed = Parsed()
  /// Whether it begins with Ethernet.
  var hasEthernet = true
  /// P7: tunnels are looked into only at an uplink, and only before a tunnel was removed or put on.
  var looksInside = false
  /// What was done.
  var steps: Steps = []
  var tunnelKey: UInt32 = 0
  var mark: UInt32 = 0
  /// What is known about its checksums.
  var checksums = ChecksumKnowledge()

  init(buffer: Bytes) { self.buffer = buffer }

  /// The frame's bytes.
  var bytes: Bytes { buffer.slice(start, count: end - start) }
  var length: Int { end - start }

  /// Takes a frame in.
  mutating func load(_ source: Bytes, looksInside: Bool) {
    start = Work.headroom
    end = start + source.count
    buffer.copy(source, at: start)
    hasEthernet = true
    self.looksInside = looksInside
    steps = []
    tunnelKey = 0
    mark = 0
    checksums = ChecksumKnowledge()
  }

  /// Takes over all of another copy.
  mutating func copy(_ other: Work) {
    let mine = buffer
    self = Work(buffer: mine, like: other)
    buffer.copy(other.bytes, at: start)
  }

  private init(buffer: Bytes, like other: Work) {
    self.buffer = buffer
    start = other.start
    end = other.end
    parsed = other.parsed
    hasEthernet = other.hasEthernet
    looksInside = other.looksInside
    steps = other.steps
    tunnelKey = other.tunnelKey
    mark = other.mark
    checksums = other.checksums
  }

  mutating func parse(_ settings: Settings) {
    parsed = Parsed.read(bytes, asEthernet: hasEthernet, lookInside: looksInside, settings)
  }

  /// Bytes of the L3 packet that a port's MTU is about (S1, S2).
  var packetLength: Int {
    if parsed.outer.l3 >= 0 { return parsed.outer.l3End - parsed.outer.l3 }
    return hasEthernet ? length - parsed.outer.ethernetLength : length
  }

  /// Writes the offsets and what else the device knows into a frame's record.
  func describe(_ frame: inout Frame) {
    let inner = parsed.hasSoundTunnel
    frame.outerL3 = offset(parsed.outer.l3)
    frame.outerL4 = offset(parsed.outer.l4)
    frame.innerL2 = inner ? offset(parsed.tunnel.inner) : 0
    frame.innerL3 = inner ? offset(parsed.inner.l3) : 0
    frame.innerL4 = inner ? offset(parsed.inner.l4) : 0
    frame.checksums = checksums
    frame.steps.formUnion([.parse, .verifyChecksum])
  }

  private func offset(_ at: Int) -> Int { at > 0 && at <= Frame.largestOffset ? at : 0 }
}
