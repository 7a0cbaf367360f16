import Device
import Memory

/// A flow's frame that waits for more (``Coalescer``).
struct HeldFlow: BitwiseCopyable {
  /// How a flow's IPv4 identification goes on: not known yet, one up a segment, or always the same (DF only).
  private enum Identification: UInt8, BitwiseCopyable { case unknown = 0, counts, stands }

  private var frame = Frame()
  private var first = CoalescingCandidate()
  private var count = 0
  /// The port that the frame goes to.
  private(set) var port: UInt16 = 0
  private var outerID = Identification.unknown
  private var innerID = Identification.unknown
  /// Nothing may follow any more.
  private(set) var isClosed = false

  /// Nothing held.
  init() {}

  /// Holds `frame`, the first of its flow to `port`.
  init(_ frame: Frame, _ first: CoalescingCandidate, port: UInt16) {
    self.frame = frame
    self.port = port
    self.first = first
    count = 1
  }

  /// Whether `other` is of this flow, came the same way and goes to the same port.
  func isFlow(of other: Frame, _ new: CoalescingCandidate, port: UInt16) -> Bool {
    guard self.port == port, frame.inPort == other.inPort, frame.tenant == other.tenant,
      frame.tunnelKey == other.tunnelKey, frame.rule == other.rule, frame.group == other.group,
      frame.queue == other.queue, frame.steps == other.steps
    else { return false }
    return CoalescingCandidate.sameFlow(first, frame.bytes, new, other.bytes)
  }

  /// Appends `other` when it is the flow's next segment; false when it is not.
  mutating func merge(_ other: Frame, _ new: CoalescingCandidate) -> Bool {
    guard !isClosed, new.payload <= first.payload, frame.tailroom >= new.payload,
      frame.length &+ new.payload <= 0xffff, first.isTCP || count < Coalescer.mostDatagrams,
      CoalescingCandidate.sameHeaders(first, frame.bytes, new, other.bytes)
    else { return false }
    let bytes = frame.bytes
    let from = other.bytes
    let l4 = first.walk.innermost.l4
    var flags: UInt8 = 0
    if first.isTCP {
      flags = from[l4 &+ 13]
      let ends = TransportHeader.fin | TransportHeader.psh
      let expected = bytes.u32(l4 &+ 4) &+ UInt32(truncatingIfNeeded: frame.length &- first.headers)
      // What the first has with CWR, the others have without; FIN and PSH are the last one's.
      guard flags & ~ends == bytes[l4 &+ 13] & ~(ends | TransportHeader.cwr), from.u32(l4 &+ 4) == expected
      else { return false }
      flags &= ends
    }
    guard let outerID = next(first.walk.outer, outerID, from) else { return false }
    var innerID = innerID
    if first.walk.inner.isThere {
      guard let next = next(first.walk.inner, innerID, from) else { return false }
      innerID = next
    }
    self.outerID = outerID
    self.innerID = innerID
    let at = frame.length
    frame.setLength(at &+ new.payload)
    frame.bytes.copy(from.slice(new.headers, count: new.payload), at: at)
    if first.isTCP { bytes[l4 &+ 13] |= flags }
    count &+= 1
    isClosed = flags != 0 || new.payload < first.payload
    return true
  }

  /// How the identification goes on with the header at `layer` of the new frame; nil when it does not.
  private func next(_ layer: NetworkLayer, _ known: Identification, _ from: Bytes) -> Identification? {
    if layer.isIPv6 { return .unknown }
    let first = frame.bytes.u16(layer.l3 &+ 4)
    let new = from.u16(layer.l3 &+ 4)
    if new == first &+ UInt16(truncatingIfNeeded: count), known != .stands { return .counts }
    if new == first, known != .counts, from[layer.l3 &+ 6] & 0x40 != 0 { return .stands }
    return nil
  }

  /// The frame as it goes on: as it came when it is alone, else owing segmentation.
  func finished() -> Frame {
    guard count > 1 else { return frame }
    var frame = frame
    let out = frame.bytes
    let walk = first.walk
    let layer = walk.innermost
    setLengths(out, walk.outer)
    if walk.inner.isThere { setLengths(out, layer) }
    let length = out.count &- layer.l4
    if !first.isTCP { out.store(UInt16(truncatingIfNeeded: length), at: layer.l4 &+ 4) }
    frame.checksumStart = layer.l4
    frame.checksumOffset = first.isTCP ? 16 : 6
    out.store(
      FrameSum.pseudoHeader(out, layer, length: length), at: layer.l4 &+ Int(frame.checksumOffset))
    frame.owed = [.checksum, first.isTCP ? .tcpSegmentation : .udpSegmentation]
    frame.checksums[walk.inner.isThere ? .innerL4 : .outerL4] = .partial
    frame.segmentSize = UInt16(truncatingIfNeeded: first.payload)
    frame.segmentHeaderLength = first.headers
    frame.outerL3 = walk.outer.l3
    frame.outerL4 = walk.outer.l4
    let inner = walk.inner
    if inner.isThere {
      frame.owed.insert(.tunnelSegmentation)
      frame.innerL2 = walk.innerStart
      frame.innerL3 = inner.l3
      frame.innerL4 = inner.l4
      setTunnel(&frame, walk)
    }
    return frame
  }

  private func setLengths(_ out: Bytes, _ layer: NetworkLayer) {
    let length = out.count &- layer.l3
    if layer.isIPv6 {
      out.store(UInt16(truncatingIfNeeded: length &- 40), at: layer.l3 &+ 4)
    } else {
      out.store(UInt16(truncatingIfNeeded: length), at: layer.l3 &+ 2)
      FrameSum.setIPv4Checksum(out, layer.l3)
    }
  }

  /// The outer UDP length; outer checksums are 0 until they are made with the segments.
  private func setTunnel(_ frame: inout Frame, _ walk: FrameWalk) {
    let out = frame.bytes
    let l4 = walk.outer.l4
    if walk.tunnel.isUDP {
      out.store(UInt16(truncatingIfNeeded: out.count &- l4), at: l4 &+ 4)
      if out.u16(l4 &+ 6) != 0 {
        frame.owed.insert(.outerUDPChecksum)
        out.store(UInt16(0), at: l4 &+ 6)
      }
    } else if out[l4] & 0x80 != 0 {
      out.store(UInt16(0), at: l4 &+ 4)
    }
  }
}
