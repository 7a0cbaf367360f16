import Device
import Memory
import Wire

/// A frame as the coalescer sees it: its flow, and whether it may be merged at all.
struct CoalescingCandidate: BitwiseCopyable {
  let walk: FrameWalk
  let isTCP: Bool
  /// All headers' bytes.
  let headers: Int
  let payload: Int
  /// For finding the flow's held frame quickly; equal flows have equal hashes.
  let hash: UInt32
  /// Sound, checksums right, nothing in it that segmentation would not make again.
  var mayMerge: Bool

  /// Of no frame.
  init() {
    walk = FrameWalk()
    isTCP = false
    headers = 0
    payload = 0
    hash = 0
    mayMerge = false
  }

  /// nil when the frame belongs to no TCP or UDP flow that could be held.
  init?(_ frame: Frame, ports: TunnelPorts, intoTunnels: Bool, udp: Bool) {
    guard frame.owed.isEmpty, frame.next == 0,
      let walk = FrameWalk(frame, ports: ports, intoTunnel: intoTunnels),
      walk.tunnel == .none || walk.inner.isThere
    else { return nil }
    let layer = walk.innermost
    isTCP = layer.proto == 6
    guard isTCP || udp, let headers = TransportHeader.end(frame.bytes, layer, isTCP: isTCP) else { return nil }
    self.walk = walk
    self.headers = headers
    payload = layer.end &- headers
    let bytes = frame.bytes
    hash =
      (bytes.u32(layer.l4) ^ bytes.u32(layer.finalDestination) &* 0x9e37_79b1) &* 0x85eb_ca6b
      ^ UInt32(truncatingIfNeeded: walk.innerStart)
    mayMerge = false
    mayMerge = isPlain(frame, bytes) && hasRightChecksums(frame, bytes)
  }

  /// Nothing that a segment made of a merged frame would not have: padding, odd lengths, fragments, authentication,
  /// sequence numbers of the tunnel, control bits, flags that end a flow.
  private func isPlain(_ frame: Frame, _ bytes: Bytes) -> Bool {
    let layer = walk.innermost
    guard payload > 0, payload <= 0xffff, headers <= Frame.largestOffset, layer.end == bytes.count,
      walk.outer.fragmentHeader == 0, layer.fragmentHeader == 0,
      !walk.outer.isAuthenticated, !layer.isAuthenticated
    else { return false }
    switch walk.tunnel {
    case .none: break
    case .geneve: if bytes.u16(walk.outer.l4 &+ 8) & 0xc080 != 0 { return false }
    case .vxlan, .otherUDP: break
    case .gre: if bytes.u16(walk.outer.l4) & 0x5fff & ~0x2000 != 0 { return false }
    }
    if walk.tunnel.isUDP, Int(bytes.u16(walk.outer.l4 &+ 4)) != walk.outer.end &- walk.outer.l4 { return false }
    if isTCP { return bytes[layer.l4 &+ 13] & TransportHeader.urgent == 0 }
    return Int(bytes.u16(layer.l4 &+ 4)) == layer.end &- layer.l4 && bytes.u16(layer.l4 &+ 6) != 0
  }

  /// Every checksum is right, and is the one of the two zeros that segmentation would write.
  private func hasRightChecksums(_ frame: Frame, _ bytes: Bytes) -> Bool {
    let layer = walk.innermost
    let length = layer.end &- layer.l4
    let pseudo = FrameSum.pseudoHeader(bytes, layer, length: length)
    if isTCP && bytes.u16(layer.l4 &+ 16) == 0xffff { return false }
    if frame.checksums[walk.inner.isThere ? .innerL4 : .outerL4] != .good {
      let sum = FrameSum.range(bytes, layer.l4, layer.end)
      guard InternetChecksum.isValid(FrameSum.add(sum, pseudo)) else { return false }
    }
    guard hasRightHeader(bytes, walk.outer), !walk.inner.isThere || hasRightHeader(bytes, layer) else { return false }
    // The rest is known to sum to the complement of its pseudo-header, so only headers are read.
    let l4 = walk.outer.l4
    let body = walk.tunnel == .none ? 0 : FrameSum.add(FrameSum.range(bytes, l4, layer.l4), ~pseudo)
    switch walk.tunnel {
    case .none: return true
    case .gre:
      guard bytes[l4] & 0x80 != 0 else { return true }
      return walk.innerStart &- l4 >= 8 && bytes.u16(l4 &+ 4) != 0xffff && InternetChecksum.isValid(body)
    case .geneve, .vxlan, .otherUDP:
      guard bytes.u16(l4 &+ 6) != 0 else { return true }
      let outer = FrameSum.pseudoHeader(bytes, walk.outer, length: walk.outer.end &- l4)
      return InternetChecksum.isValid(FrameSum.add(body, outer))
    }
  }

  private func hasRightHeader(_ bytes: Bytes, _ layer: NetworkLayer) -> Bool {
    if layer.isIPv6 { return true }
    let end = layer.l3 &+ Int(bytes[layer.l3] & 15) &* 4
    return bytes.u16(layer.l3 &+ 10) != 0xffff && InternetChecksum.isValid(FrameSum.range(bytes, layer.l3, end))
  }

  /// Whether two frames are of one flow: addresses, ports, protocol, tunnel endpoints and tunnel key.
  static func sameFlow(_ one: Self, _ a: Bytes, _ other: Self, _ b: Bytes) -> Bool {
    let left = one.walk
    let right = other.walk
    guard one.hash == other.hash, one.isTCP == other.isTCP, left.tunnel == right.tunnel,
      left.innerStart == right.innerStart, sameAddresses(left.innermost, a, right.innermost, b),
      a.u32(left.innermost.l4) == b.u32(right.innermost.l4)
    else { return false }
    if left.tunnel == .none { return true }
    guard sameAddresses(left.outer, a, right.outer, b) else { return false }
    let l4 = left.outer.l4
    if left.tunnel.isUDP { return a.u32(l4 &+ 12) == b.u32(l4 &+ 12) }
    let flags = a[l4]
    guard flags == b[l4], flags & 0x20 != 0 else { return flags == b[l4] }
    let key = l4 &+ (flags & 0x80 != 0 ? 8 : 4)
    return a.u32(key) == b.u32(key)
  }

  private static func sameAddresses(_ left: NetworkLayer, _ a: Bytes, _ right: NetworkLayer, _ b: Bytes) -> Bool {
    guard left.isIPv6 == right.isIPv6, left.l3 == right.l3, left.l4 == right.l4 else { return false }
    let from = left.l3 &+ (left.isIPv6 ? 8 : 12)
    return equal(a, b, from, from &+ (left.isIPv6 ? 32 : 8))
  }

  /// Whether the bytes `from..<to` are the same in both.
  static func equal(_ a: Bytes, _ b: Bytes, _ from: Int, _ to: Int) -> Bool {
    var at = from
    while at &+ 8 <= to {
      if a.load(at, as: UInt64.self) != b.load(at, as: UInt64.self) { return false }
      at &+= 8
    }
    while at < to {
      if a[at] != b[at] { return false }
      at &+= 1
    }
    return true
  }

  /// Whether the headers are the same but for lengths, identifications, checksums, and TCP's sequence number and flags.
  /// Both are laid out alike and sound.
  static func sameHeaders(_ one: Self, _ a: Bytes, _ other: Self, _ b: Bytes) -> Bool {
    guard one.headers == other.headers else { return false }
    var headers = HeaderComparison(a, b)
    let outer = one.walk.outer
    headers.skip(outer)
    let inner = one.walk.inner
    if inner.isThere {
      if one.walk.tunnel.isUDP {
        headers.skip(outer.l4 &+ 4, 4)
        if (a.u16(outer.l4 &+ 6) == 0) != (b.u16(outer.l4 &+ 6) == 0) { return false }
      } else if a[outer.l4] & b[outer.l4] & 0x80 != 0 {
        headers.skip(outer.l4 &+ 4, 2)
      }
      headers.skip(inner)
    }
    let l4 = one.walk.innermost.l4
    if one.isTCP {
      headers.skip(l4 &+ 4, 4)
      headers.skip(l4 &+ 13, 1)
      headers.skip(l4 &+ 16, 2)
    } else {
      headers.skip(l4 &+ 4, 4)
    }
    return headers.isSame(to: one.headers)
  }
}

/// Walks two headers side by side and compares what is not skipped. Places come in ascending order.
private struct HeaderComparison {
  private let left: Bytes
  private let right: Bytes
  private var at = 0
  private var same = true

  init(_ left: Bytes, _ right: Bytes) {
    self.left = left
    self.right = right
  }

  /// Compares up to `from` and goes on behind the `count` bytes there.
  mutating func skip(_ from: Int, _ count: Int) {
    same = same && CoalescingCandidate.equal(left, right, at, from)
    at = from &+ count
  }

  /// Skips an IP header's length, identification and checksum.
  mutating func skip(_ layer: NetworkLayer) {
    if layer.isIPv6 {
      skip(layer.l3 &+ 4, 2)
    } else {
      skip(layer.l3 &+ 2, 4)
      skip(layer.l3 &+ 10, 2)
    }
  }

  /// Whether all that was not skipped is the same, the rest up to `end` included.
  func isSame(to end: Int) -> Bool { same && CoalescingCandidate.equal(left, right, at, end) }
}
