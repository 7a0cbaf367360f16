import Device
import Memory
import Rules
import Wire

/// What an outer header takes over from the packet it carries.
struct CarriedFacts: BitwiseCopyable {
  /// TOS or traffic class; 0 for a frame without IP.
  var tos: UInt8 = 0
  /// TTL or hop limit; 64 for a frame without IP.
  var ttl: UInt8 = 64
  /// IPv4's DF; set for everything else.
  var df = true

  /// TOS or traffic class alone.
  @inline(__always)
  static func tos(_ bytes: Bytes, _ layers: LayerStack) -> UInt8 {
    switch layers.l3Kind {
    case .ipv4: bytes[Int(layers.l3) &+ 1]
    case .ipv6: UInt8(truncatingIfNeeded: bytes.u16(Int(layers.l3)) >> 4)
    case .none: 0
    }
  }

  /// A frame without IP.
  init() {}

  @inline(__always)
  init(_ bytes: Bytes, _ layers: LayerStack) {
    if layers.l3Kind == .none {
      self.init()
    } else {
      self.init(bytes, l3: Int(layers.l3), isIPv6: layers.l3Kind == .ipv6)
    }
  }

  /// Of the IP header at `l3`.
  @inline(__always)
  init(_ bytes: Bytes, l3: Int, isIPv6: Bool) {
    if isIPv6 {
      tos = UInt8(truncatingIfNeeded: bytes.u16(l3) >> 4)
      ttl = bytes[l3 &+ 7]
    } else {
      tos = bytes[l3 &+ 1]
      ttl = bytes[l3 &+ 8]
      df = bytes[l3 &+ 6] & 0x40 != 0
    }
  }
}

extension HeaderTemplate {
  /// Whether a frame of these layers may be carried (E1).
  @inline(__always)
  func takes(_ layers: LayerStack) -> Bool {
    switch inside {
    case 0x6558: layers.hasEthernet
    case 0x0800: !layers.hasEthernet && layers.l3Kind == .ipv4
    case 0x86dd: !layers.hasEthernet && layers.l3Kind == .ipv6
    case 0: !layers.hasEthernet && layers.l3Kind != .none && kind == .none
    default: false
    }
  }

  /// Puts the bytes of the template in front; the caller has seen that ``length`` fits in the headroom and that the
  /// frame stays under 65,536 bytes.
  @inline(__always)
  func prepend(to frame: inout Frame, from store: borrowing TemplateStore) {
    let length = Int(self.length)
    let padded = Int(self.padded)
    if frame.headroom >= padded, frame.length &+ padded <= 0xffff {
      frame.prepend(padded)
      frame.bytes.copyBlocks(store.tail(slot, count: padded), at: 0)
      frame.removeFirst(padded &- length)
    } else {
      frame.prepend(length)
      frame.bytes.copy(store.tail(slot, count: length), at: 0)
    }
  }

  /// E2 and E3 for an outer IPv4 header with UDP and no UDP checksum around Ethernet, the common case: everything but
  /// ECN, lengths, port and header checksum stands in the template.
  @inline(__always)
  func finishPlain(_ out: Bytes, tos inner: UInt8, port: UInt16) {
    let l3 = Int(self.l3)
    let l4 = Int(self.l4)
    let total = out.count &- l3
    let tos = dscp | (copiesECN ? inner & 3 : 0)
    let sum = UInt32(headerSum) &+ UInt32(tos) &+ UInt32(truncatingIfNeeded: total) &+ 0x4000 &+ UInt32(ttl) << 8
    let folded = (sum & 0xffff) &+ sum >> 16
    let checksum = ~UInt16(truncatingIfNeeded: (folded & 0xffff) &+ folded >> 16)
    out[l3 &+ 1] = tos
    out.store(UInt16(truncatingIfNeeded: total), at: l3 &+ 2)
    out.store(checksum, at: l3 &+ 10)
    out.store(port, at: l4)
    out.store(UInt16(truncatingIfNeeded: out.count &- l4), at: l4 &+ 4)
  }

  @inline(__always)
  func port(_ hash: UInt32) -> UInt16 {
    sourcePort != 0 ? sourcePort : 0xc000 | UInt16(truncatingIfNeeded: hash & 0x3fff)
  }

  /// E2 and E3 in full. `bodySum` is the sum of everything behind the header, read only where a checksum covers it.
  @inline(never)
  func finish(_ out: Bytes, _ carried: CarriedFacts, port: UInt16, carriedSum: UInt16, identification: inout UInt16) {
    guard kind != .none else { return }
    let tos =
      (copiesDSCP ? carried.tos & 0xfc : dscp) | (copiesECN ? TunnelECN.encapsulated(inner: carried.tos) : 0)
    let ttl = copiesTTL ? carried.ttl : self.ttl
    let l3 = Int(self.l3)
    if isIPv6 {
      let first = out.u32(l3) & 0xf00f_ffff | UInt32(tos) << 20
      out.store(first, at: l3)
      out[l3 &+ 7] = ttl
    } else {
      let df = copiesDF ? carried.df : setsDF
      if !df { identification &+= 1 }
      out[l3 &+ 1] = tos
      out.store(df ? 0 : identification, at: l3 &+ 4)
      out.store(UInt16(df ? 0x4000 : 0), at: l3 &+ 6)
      out[l3 &+ 8] = ttl
    }
    if hasUDP { out.store(port, at: Int(l4)) }
    setLengths(out, l3: l3, l4: Int(l4), carriedSum: carriedSum)
  }

  /// Lengths and checksums of an outer header whose other fields stand, at `l3` and `l4` of `out`, which ends where the
  /// packet ends.
  func setLengths(_ out: Bytes, l3: Int, l4: Int, carriedSum: UInt16) {
    let total = out.count &- l3
    if isIPv6 {
      out.store(UInt16(truncatingIfNeeded: total &- 40), at: l3 &+ 4)
    } else {
      out.store(UInt16(truncatingIfNeeded: total), at: l3 &+ 2)
      let sum =
        UInt64(headerSum) &+ UInt64(out[l3 &+ 1]) &+ UInt64(truncatingIfNeeded: total) &+ UInt64(out.u16(l3 &+ 4))
        &+ UInt64(out.u16(l3 &+ 6)) &+ UInt64(out[l3 &+ 8]) << 8
      out.store(InternetChecksum.finish(InternetChecksum.fold(sum)), at: l3 &+ 10)
    }
    let behind = out.count &- l4
    if hasUDP {
      out.store(UInt16(truncatingIfNeeded: behind), at: l4 &+ 4)
      if sumsUDP {
        // The length counts twice: in the header and in the pseudo-header.
        let sum =
          UInt64(bodySum) &+ UInt64(out.u16(l4)) &+ UInt64(truncatingIfNeeded: behind) &* 2 &+ UInt64(carriedSum)
        out.store(InternetChecksum.finishUDP(InternetChecksum.fold(sum)), at: l4 &+ 6)
      }
    } else if sumsGRE {
      out.store(InternetChecksum.finish(InternetChecksum.add(bodySum, carriedSum)), at: l4 &+ 4)
    }
  }
}
