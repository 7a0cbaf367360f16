import Device
import Memory
import Rules
import Wire

/// What of the endpoint's policy a decapsulation asks for.
struct DecapsulationPolicy: BitwiseCopyable {
  var acceptsZeroUDPChecksumIPv6 = false
}

/// Takes tunnels off (D1–D3).
enum Decapsulator {
  /// Looks at everything that D1 asks for, in its order, and makes the inner ECN (D3). Nil when the tunnel may be taken
  /// off. The frame is changed only then.
  @inline(__always)
  static func check(
    _ frame: Frame, _ stack: HeaderStack, asked: TunnelKind, policy: DecapsulationPolicy
  ) -> DropReason? {
    let bytes = frame.bytes
    guard isAsked(bytes, stack, asked) else { return .decapsulateMismatch }
    if stack.fault != .none { return DropReason(stack.fault) }
    let l3 = Int(stack.outer.l3)
    let l4 = Int(stack.outer.l4)
    if stack.outer.l3Kind == .ipv4, !frame.owed.contains(.outerIPv4Checksum) {
      switch frame.checksums[.outerL3] {
      case .good: break
      case .bad: return .outerIPv4Checksum
      default:
        guard isIPv4HeaderValid(bytes, l3) else { return .outerIPv4Checksum }
      }
    }
    if stack.tunnel != .gre {
      let length = Int(stack.outer.l3End) &- l4
      guard Int(bytes.u16(l4 &+ 4)) == length else { return .outerUDPLength }
      let field = bytes.u16(l4 &+ 6)
      if field == 0 {
        if stack.outer.l3Kind == .ipv6, !policy.acceptsZeroUDPChecksumIPv6 { return .zeroUDPChecksumIPv6 }
      } else if let wrong = checkUDP(frame, bytes, stack, length: length) {
        return wrong
      }
    } else if asked == .nvgre {
      let vsid = stack.tunnelKey >> 8
      if vsid < 0x1000 || vsid == 0xff_ffff { return .nvgreReservedVSID }
      if stack.inner.vlanCount > 0 || isTag(stack.inner.firstType) { return .nvgreInnerVLAN }
    }
    return nil
  }

  @inline(__always)
  static func isTag(_ type: UInt16) -> Bool { type == 0x8100 || type == 0x88a8 || type == 0x9100 }

  @inline(__always)
  static func isAsked(_ bytes: Bytes, _ stack: HeaderStack, _ asked: TunnelKind) -> Bool {
    switch asked {
    case .geneve: return stack.tunnel == .geneve
    case .vxlan: return stack.tunnel == .vxlan
    case .gre: return stack.tunnel == .gre
    case .nvgre:
      // A faulty header may be NVGRE's all the same, and is then dropped under its fault's name.
      let l4 = Int(stack.outer.l4)
      return stack.tunnel == .gre && bytes.u16(l4) & 0xb000 == 0x2000 && bytes.u16(l4 &+ 2) == 0x6558
    case .none: return false
    }
  }

  /// 20 bytes in three loads; options are summed by the whole-checksum kernel.
  @inline(__always)
  static func isIPv4HeaderValid(_ bytes: Bytes, _ l3: Int) -> Bool {
    guard bytes[l3] == 0x45 else {
      let header = bytes.slice(l3, count: Int(bytes[l3] & 15) &* 4)
      return InternetChecksum.isValid(InternetChecksum.sum(header.span))
    }
    let first: UInt64 = bytes.load(l3)
    let second: UInt64 = bytes.load(l3 &+ 8)
    let sum =
      (first >> 32) &+ (first & 0xffff_ffff) &+ (second >> 32) &+ (second & 0xffff_ffff)
      &+ UInt64(bytes.u32(l3 &+ 16))
    return InternetChecksum.isValid(InternetChecksum.fold(sum))
  }

  /// The checksum of the UDP datagram at `l4` that ends at `end`, which owes nothing.
  @inline(never)
  static func isUDPValid(_ bytes: Bytes, l3: Int, l4: Int, isIPv6: Bool, end: Int) -> Bool {
    let addresses = isIPv6 ? bytes.slice(l3 &+ 8, count: 32) : bytes.slice(l3 &+ 12, count: 8)
    let sum =
      UInt64(InternetChecksum.sum(addresses.span)) &+ 17 &+ UInt64(truncatingIfNeeded: end &- l4)
      &+ UInt64(InternetChecksum.sum(bytes.slice(l4, count: end &- l4).span))
    return InternetChecksum.isValid(InternetChecksum.fold(sum))
  }

  @inline(never)
  static func checkUDP(_ frame: Frame, _ bytes: Bytes, _ stack: HeaderStack, length: Int) -> DropReason? {
    let l4 = Int(stack.outer.l4)
    switch frame.checksums[.outerL4] {
    case .good: return nil
    case .bad: return .outerUDPChecksum
    default: break
    }
    // A checksum that is still owed is not there to be wrong.
    if frame.owed.contains(.outerUDPChecksum) || frame.owed.contains(.checksum) && frame.checksumStart == l4 {
      return nil
    }
    let l3 = Int(stack.outer.l3)
    let addresses =
      stack.outer.l3Kind == .ipv4 ? bytes.slice(l3 &+ 12, count: 8) : bytes.slice(l3 &+ 8, count: 32)
    let datagram = bytes.slice(l4, count: length)
    var sum = UInt64(InternetChecksum.sum(addresses.span)) &+ 17 &+ UInt64(truncatingIfNeeded: length)
    if frame.owed.contains(.checksum), frame.checksumStart > l4 {
      sum &+= UInt64(LocalChecksum.sum(bytes, from: l4, count: length, frame, stack.inner))
    } else {
      sum &+= UInt64(InternetChecksum.sum(datagram.span))
    }
    return InternetChecksum.isValid(InternetChecksum.fold(sum)) ? nil : .outerUDPChecksum
  }

  /// The inner ECN by RFC 6040, written into the inner header; false when the packet is to be dropped.
  @inline(__always)
  static func combineECN(_ bytes: Bytes, _ stack: HeaderStack) -> Bool {
    let outer = ecn(bytes, stack.outer)
    // Not-ECT outside changes nothing inside.
    if outer == 0 { return true }
    return combineECN(bytes, stack, outer: outer)
  }

  @inline(__always)
  private static func combineECN(_ bytes: Bytes, _ stack: HeaderStack, outer: UInt8) -> Bool {
    stack.inner.l3Kind == .none
      || combineECN(bytes, Int(stack.inner.l3), isIPv6: stack.inner.l3Kind == .ipv6, outer: outer)
  }

  /// For the inner header at `l3` under an outer ECN that is not 0.
  @inline(never)
  static func combineECN(_ bytes: Bytes, _ l3: Int, isIPv6: Bool, outer: UInt8) -> Bool {
    let inner = ecn(bytes, l3, isIPv6: isIPv6)
    guard let result = TunnelECN.decapsulated(inner: inner, outer: outer) else { return false }
    guard result != inner else { return true }
    if !isIPv6 {
      Rewriter.setTOS(bytes, l3, bytes[l3 &+ 1] & 0xfc | result)
    } else {
      bytes[l3 &+ 1] = bytes[l3 &+ 1] & 0xcf | result << 4
    }
    return true
  }

  @inline(__always)
  static func ecn(_ bytes: Bytes, _ layers: LayerStack) -> UInt8 {
    layers.l3Kind == .none ? 0 : ecn(bytes, Int(layers.l3), isIPv6: layers.l3Kind == .ipv6)
  }

  @inline(__always)
  static func ecn(_ bytes: Bytes, _ l3: Int, isIPv6: Bool) -> UInt8 {
    isIPv6 ? bytes[l3 &+ 1] >> 4 & 3 : bytes[l3 &+ 1] & 3
  }

  /// Takes everything around the inner frame off, and moves what the record says to what is left (D2).
  @inline(__always)
  static func strip(_ frame: inout Frame, _ stack: HeaderStack, asked: TunnelKind) {
    let start = Int(stack.innerStart)
    frame.removeFirst(start)
    frame.setLength(Int(stack.outer.l3End) &- start)
    frame.tunnelKey = asked == .nvgre ? stack.tunnelKey >> 8 : stack.tunnelKey
    frame.steps.insert(.decapsulate)
    if stack.tunnelProtocol != 0x6558 { frame.steps.insert(.startsAtIP) }
    frame.clearOffsets()
    frame.checksums.rawValue >>= 4
    if !frame.owed.isEmpty { FrameDebts.move(&frame, by: -start) }
  }
}
