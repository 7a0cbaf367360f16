public import Device
public import Memory

/// Cuts a frame that owes segmentation into frames that owe nothing (SPECIFICATION.md, B3 and B4): TCP and UDP, plain
/// or inside a tunnel, whose headers are repeated on every segment with all options.
///
/// Segments are made one at a time, so that the caller may send one before it asks for the next. The source frame must
/// keep its buffer until the last one was made. A frame of several chained segments is made one by
/// ``Memory/FrameArena/linearise(_:burst:owner:)`` first.
///
/// The inverse of ``Coalescer``.
public struct Segmenter: BitwiseCopyable, Sendable {
  /// How many segments there are, at least one.
  public let count: Int
  /// How many were made.
  public private(set) var made = 0
  /// Bytes of the longest segment.
  public let longest: Int

  private let source: Frame
  private let walk: FrameWalk
  private let isTCP: Bool
  /// All headers' bytes.
  private let headers: Int
  private let payloadEnd: Int
  private let size: Int
  /// Whether the outer UDP checksum is to be computed.
  private let outerUDP: Bool
  private let outerGRE: Bool

  /// Looks at what `frame` owes.
  ///
  /// - Parameter ports: by which UDP ports Geneve and VXLAN are known.
  /// - Throws: ``DropReason/malformedDebt`` when no segmentation is owed, both are, the segment size is 0, or the
  ///   headers are not those of the segmentation that is owed.
  public init(_ frame: Frame, ports: TunnelPorts = TunnelPorts()) throws(DropReason) {
    let isTCP = frame.owed.contains(.tcpSegmentation)
    let isTunnel = frame.owed.contains(.tunnelSegmentation)
    guard isTCP != frame.owed.contains(.udpSegmentation), frame.segmentSize > 0,
      let walk = FrameWalk(frame, ports: ports, intoTunnel: isTunnel), isTunnel == walk.inner.isThere,
      let headers = TransportHeader.end(frame.bytes, walk.innermost, isTCP: isTCP),
      !walk.outer.isAuthenticated, !walk.innermost.isAuthenticated
    else { throw .malformedDebt }
    let bytes = frame.bytes
    source = frame
    self.walk = walk
    self.isTCP = isTCP
    self.headers = headers
    payloadEnd = walk.innermost.end
    size = Int(frame.segmentSize)
    count = max(1, (payloadEnd &- headers &+ size &- 1) / size)
    longest = headers &+ min(size, payloadEnd &- headers)
    outerUDP =
      walk.tunnel.isUDP
      && (frame.owed.contains(.outerUDPChecksum) || bytes.u16(walk.outer.l4 &+ 6) != 0)
    outerGRE = walk.tunnel == .gre && bytes[walk.outer.l4] & 0x80 != 0 && walk.innerStart &- walk.outer.l4 >= 8
  }

  /// Bytes of the longest segment's IP packet, from the outer IP header on: what is compared with an MTU.
  public var longestPacket: Int { longest &- walk.outer.l3 }

  /// The next segment in a buffer of `arena`, complete and without debts; nil when all were made.
  ///
  /// - Throws: ``DropReason/noBuffer``; the call may be repeated.
  public mutating func next(_ arena: inout FrameArena, owner: UInt8) throws(DropReason) -> Frame? {
    guard made < count else { return nil }
    let from = headers &+ made &* size
    let piece = min(size, payloadEnd &- from)
    var frame = try arena.takeFrame(length: headers &+ piece, owner: owner)
    frame.inherit(from: source)
    frame.steps.insert(.fillChecksum)
    let bytes = source.bytes
    let out = frame.bytes
    out.copy(bytes.slice(0, count: headers), at: 0)
    out.copy(bytes.slice(from, count: piece), at: headers)
    finish(out, offset: from &- headers)
    made &+= 1
    return frame
  }

  /// Sets what differs from segment to segment, and all checksums, in the segment at `out`.
  private func finish(_ out: Bytes, offset: Int) {
    let layer = walk.innermost
    setLengths(out, walk.outer)
    if walk.inner.isThere { setLengths(out, layer) }
    let length = out.count &- layer.l4
    if isTCP {
      setTCP(out, layer.l4, offset: offset)
    } else {
      out.store(UInt16(truncatingIfNeeded: length), at: layer.l4 &+ 4)
    }
    let field = layer.l4 &+ (isTCP ? 16 : 6)
    let pseudo = FrameSum.pseudoHeader(out, layer, length: length)
    out.store(UInt16(0), at: field)
    let sum = FrameSum.add(pseudo, FrameSum.range(out, layer.l4, out.count))
    out.store(isTCP ? ~sum : FrameSum.udpField(sum), at: field)
    if walk.tunnel != .none { setTunnel(out, innerSum: ~pseudo) }
  }

  private func setLengths(_ out: Bytes, _ layer: NetworkLayer) {
    let length = out.count &- layer.l3
    if layer.isIPv6 {
      out.store(UInt16(truncatingIfNeeded: length &- 40), at: layer.l3 &+ 4)
    } else {
      out.store(UInt16(truncatingIfNeeded: length), at: layer.l3 &+ 2)
      out.store(out.u16(layer.l3 &+ 4) &+ UInt16(truncatingIfNeeded: made), at: layer.l3 &+ 4)
      FrameSum.setIPv4Checksum(out, layer.l3)
    }
  }

  private func setTCP(_ out: Bytes, _ l4: Int, offset: Int) {
    out.store(out.u32(l4 &+ 4) &+ UInt32(truncatingIfNeeded: offset), at: l4 &+ 4)
    if made > 0 { out[l4 &+ 13] &= ~TransportHeader.cwr }
    if made < count &- 1 { out[l4 &+ 13] &= ~(TransportHeader.fin | TransportHeader.psh) }
  }

  /// The outer UDP length and the outer checksums; `innerSum` is what the inner transport header and payload sum to.
  private func setTunnel(_ out: Bytes, innerSum: UInt16) {
    let l4 = walk.outer.l4
    let length = out.count &- l4
    if walk.tunnel.isUDP { out.store(UInt16(truncatingIfNeeded: length), at: l4 &+ 4) }
    guard outerUDP || outerGRE else { return }
    let field = outerUDP ? l4 &+ 6 : l4 &+ 4
    out.store(UInt16(0), at: field)
    let body = FrameSum.add(FrameSum.range(out, l4, walk.innermost.l4), innerSum)
    if outerUDP {
      let pseudo = FrameSum.pseudoHeader(out, walk.outer, length: length)
      out.store(FrameSum.udpField(FrameSum.add(body, pseudo)), at: field)
    } else {
      out.store(~body, at: field)
    }
  }
}

/// TCP and UDP header facts that segmentation and coalescing share.
enum TransportHeader {
  static let fin: UInt8 = 0x01
  static let psh: UInt8 = 0x08
  static let cwr: UInt8 = 0x80
  /// URG, SYN and RST: such segments are never merged.
  static let urgent: UInt8 = 0x26

  /// Where the payload of the TCP or UDP packet `layer` begins; nil when it is no such packet, or a fragment.
  @inline(__always)
  static func end(_ bytes: Bytes, _ layer: NetworkLayer, isTCP: Bool) -> Int? {
    guard layer.l4 > 0, !layer.isFragment, layer.proto == (isTCP ? 6 : 17) else { return nil }
    let room = layer.end &- layer.l4
    if isTCP {
      guard room >= 20 else { return nil }
      let header = Int(bytes[layer.l4 &+ 12] >> 4) &* 4
      return header >= 20 && header <= room ? layer.l4 &+ header : nil
    }
    guard room >= 8 else { return nil }
    let length = Int(bytes.u16(layer.l4 &+ 4))
    return length >= 8 && length <= room ? layer.l4 &+ 8 : nil
  }
}
