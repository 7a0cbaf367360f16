public import Device
public import Memory

/// The answer a host expects to a packet that is too big (SPECIFICATION.md, S1): ICMP type 3 code 4 with the next hop's
/// MTU (RFC 792, RFC 1191), ICMPv6 type 2 (RFC 4443 section 3.2).
public enum TooBigAnswer {
  /// What came of it.
  public enum Result: Sendable, BitwiseCopyable {
    /// Send this out of the port that the frame came in through. Its buffer is the arena's.
    case answer(Frame)
    /// There must be no answer about such a frame.
    case unanswerable
    /// The tenant's rate is used up.
    case suppressed
    /// There was no buffer.
    case noBuffer
  }

  /// The largest inner packet that fits when a packet of `length` bytes became an outer one of `outerLength` and
  /// `portMTU` is the limit.
  @inlinable
  public static func fittingMTU(portMTU: Int, length: Int, outerLength: Int) -> Int {
    max(0, portMTU &- (outerLength &- length))
  }

  /// Answers `frame`, the frame before encapsulation; without an Ethernet header there is nobody to answer.
  ///
  /// - Parameters:
  ///   - mtu: the L3 length that would have fitted.
  ///   - buckets: the tenants' rates; a token is taken only for an answer that may be given.
  ///   - now: nanoseconds.
  public static func make(
    about frame: Frame, mtu: Int, buckets: inout TenantBuckets, now: UInt64, arena: inout FrameArena, owner: UInt8
  ) -> Result {
    let bytes = frame.bytes
    guard !frame.steps.contains(.startsAtIP), let l3 = FrameWalk.networkOffset(bytes, limit: bytes.count),
      let layer = NetworkLayer(bytes, at: l3, limit: bytes.count), mayAnswer(bytes, layer)
    else { return .unanswerable }
    guard buckets.take(tenant: frame.tenant, now: now) else { return .suppressed }
    let header = layer.isIPv6 ? 40 : 20
    let quoted = min(layer.length, (layer.isIPv6 ? 1280 : 576) &- header &- 8)
    guard var answer = try? arena.takeFrame(length: l3 &+ header &+ 8 &+ quoted, owner: owner) else {
      return .noBuffer
    }
    answer.inPort = frame.inPort
    answer.tenant = frame.tenant
    answer.queue = frame.queue
    answer.outerL3 = l3
    answer.outerL4 = l3 &+ header
    let out = answer.bytes
    out.copy(bytes.slice(0, count: l3), at: 0)
    out.copy(bytes.slice(6, count: 6), at: 0)
    out.copy(bytes.slice(0, count: 6), at: 6)
    out.fill(0, at: l3, count: header &+ 8)
    out.copy(bytes.slice(l3, count: quoted), at: l3 &+ header &+ 8)
    if layer.isIPv6 {
      fillIPv6(out, bytes, l3, mtu: mtu)
    } else {
      fillIPv4(out, bytes, l3, mtu: mtu)
    }
    return .answer(answer)
  }

  private static func fillIPv4(_ out: Bytes, _ bytes: Bytes, _ l3: Int, mtu: Int) {
    // Precedence 6, as RFC 1812 section 4.3.2.5 asks of errors.
    out.store(UInt16(0x45c0), at: l3)
    out.store(UInt16(truncatingIfNeeded: out.count &- l3), at: l3 &+ 2)
    out.store(UInt16(0x4000), at: l3 &+ 6)
    out.store(UInt16(64 << 8 | 1), at: l3 &+ 8)
    out.copy(bytes.slice(l3 &+ 16, count: 4), at: l3 &+ 12)
    out.copy(bytes.slice(l3 &+ 12, count: 4), at: l3 &+ 16)
    FrameSum.setIPv4Checksum(out, l3)
    let icmp = l3 &+ 20
    out.store(UInt16(3 << 8 | 4), at: icmp)
    out.store(UInt16(clamping: mtu), at: icmp &+ 6)
    out.store(~FrameSum.range(out, icmp, out.count), at: icmp &+ 2)
  }

  private static func fillIPv6(_ out: Bytes, _ bytes: Bytes, _ l3: Int, mtu: Int) {
    let length = out.count &- l3 &- 40
    out.store(UInt32(0x6000_0000), at: l3)
    out.store(UInt16(truncatingIfNeeded: length), at: l3 &+ 4)
    out.store(UInt16(58 << 8 | 64), at: l3 &+ 6)
    out.copy(bytes.slice(l3 &+ 24, count: 16), at: l3 &+ 8)
    out.copy(bytes.slice(l3 &+ 8, count: 16), at: l3 &+ 24)
    let icmp = l3 &+ 40
    out.store(UInt16(2 << 8), at: icmp)
    out.store(UInt32(clamping: mtu), at: icmp &+ 4)
    let pseudo = UInt64(FrameSum.range(out, l3 &+ 8, l3 &+ 40)) &+ UInt64(length) &+ 58
    out.store(~FrameSum.fold(pseudo &+ UInt64(FrameSum.range(out, icmp, out.count))), at: icmp &+ 2)
  }

  /// Whether an answer about the packet is allowed (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e).
  private static func mayAnswer(_ bytes: Bytes, _ layer: NetworkLayer) -> Bool {
    // To or from a group, by L2.
    guard bytes[0] & 1 == 0, bytes[6] & 1 == 0, !layer.isLaterFragment else { return false }
    let l3 = layer.l3
    if layer.isIPv6 {
      guard isHost(ipv6: bytes, l3 &+ 8), isHost(ipv6: bytes, l3 &+ 24), layer.l4 > 0 else { return false }
      if layer.proto == 58 {
        guard layer.l4 < layer.end else { return false }
        let type = bytes[layer.l4]
        return type >= 128 && type != 137
      }
      return true
    }
    guard isHost(ipv4: bytes.u32(l3 &+ 12)), isHost(ipv4: bytes.u32(l3 &+ 16)) else { return false }
    if layer.proto == 1 {
      guard layer.l4 < layer.end else { return false }
      return !isError(icmp: bytes[layer.l4])
    }
    return true
  }

  /// One host's address: not 0/8, loopback, multicast, class E or broadcast.
  private static func isHost(ipv4 address: UInt32) -> Bool {
    let top = address >> 24
    return top != 0 && top != 127 && top < 224
  }

  /// One host's address: not unspecified, loopback or multicast.
  private static func isHost(ipv6 bytes: Bytes, _ at: Int) -> Bool {
    let address: UInt128 = bytes.load(at)
    return address > 1 && bytes[at] != 0xff
  }

  /// Unreachable, source quench, redirect, time exceeded, parameter problem.
  private static func isError(icmp type: UInt8) -> Bool {
    type == 3 || type == 4 || type == 5 || type == 11 || type == 12
  }
}
