import Device
import Memory
import Wire

/// Header fields set in place, with the checksums that cover them brought along by RFC 1624 equation 3 (R1, R2).
///
/// Sums of old words are taken word by word complemented, never as the complement of a folded sum: the two differ in
/// which of the two zeros comes out.
enum Rewriter {
  /// Sets the IPv4 TOS byte of the header at `l3`.
  @inline(__always)
  static func setTOS(_ bytes: Bytes, _ l3: Int, _ tos: UInt8) {
    let old = bytes.u16(l3)
    let new = old & 0xff00 | UInt16(tos)
    bytes.store(new, at: l3)
    bytes.store(InternetChecksum.update16(bytes.u16(l3 &+ 10), old: old, new: new), at: l3 &+ 10)
  }

  /// Sets TTL or hop limit; nothing without IP.
  static func setTTL(_ bytes: Bytes, _ layers: LayerStack, _ ttl: UInt8) {
    let l3 = Int(layers.l3)
    switch layers.l3Kind {
    case .ipv4:
      let old = bytes.u16(l3 &+ 8)
      let new = UInt16(ttl) << 8 | old & 0xff
      bytes.store(new, at: l3 &+ 8)
      bytes.store(InternetChecksum.update16(bytes.u16(l3 &+ 10), old: old, new: new), at: l3 &+ 10)
    case .ipv6: bytes[l3 &+ 7] = ttl
    case .none: break
    }
  }

  /// Lowers TTL or hop limit; false when it ran out.
  static func decrementTTL(_ bytes: Bytes, _ layers: LayerStack) -> Bool {
    let l3 = Int(layers.l3)
    let ttl: UInt8
    switch layers.l3Kind {
    case .ipv4: ttl = bytes[l3 &+ 8]
    case .ipv6: ttl = bytes[l3 &+ 7]
    case .none: return true
    }
    guard ttl > 1 else { return false }
    setTTL(bytes, layers, ttl &- 1)
    return true
  }

  /// Sets the DSCP of an IPv4 or IPv6 header, 6 bits, ECN kept.
  static func setDSCP(_ bytes: Bytes, _ layers: LayerStack, _ dscp: UInt8) {
    let l3 = Int(layers.l3)
    if layers.l3Kind == .ipv4 {
      setTOS(bytes, l3, bytes[l3 &+ 1] & 3 | dscp << 2)
    } else {
      let first = bytes.u16(l3)
      bytes.store(first & 0xf03f | UInt16(dscp & 0x3f) << 6, at: l3)
    }
  }

  /// Sets a 48-bit Ethernet address at `offset`.
  static func setMAC(_ bytes: Bytes, _ offset: Int, _ address: UInt64) {
    bytes.store(UInt16(truncatingIfNeeded: address >> 32), at: offset)
    bytes.store(UInt32(truncatingIfNeeded: address), at: offset &+ 2)
  }

  /// Sets the IPv4 address at `offset` from the header's start: 12 source, 16 destination.
  static func setIPv4(_ frame: Frame, _ layers: LayerStack, _ offset: Int, _ address: UInt32) {
    let bytes = frame.bytes
    let l3 = Int(layers.l3)
    let old = bytes.u32(l3 &+ offset)
    bytes.store(address, at: l3 &+ offset)
    bytes.store(InternetChecksum.update32(bytes.u16(l3 &+ 10), old: old, new: address), at: l3 &+ 10)
    let delta = UInt64(~old) &+ UInt64(address)
    updateTransport(frame, bytes, layers, delta: delta, isPort: false)
  }

  /// Sets the IPv6 address at `offset` from the header's start: 8 source, 24 destination.
  static func setIPv6(_ frame: Frame, _ layers: LayerStack, _ offset: Int, high: UInt64, low: UInt64) {
    let bytes = frame.bytes
    let at = Int(layers.l3) &+ offset
    let delta =
      words(~bytes.load(at, as: UInt64.self)) &+ words(~bytes.load(at &+ 8, as: UInt64.self)) &+ words(high)
      &+ words(low)
    bytes.store(high, at: at)
    bytes.store(low, at: at &+ 8)
    updateTransport(frame, bytes, layers, delta: delta, isPort: false)
  }

  /// Sets the TCP or UDP port at `offset` from the header's start: 0 source, 2 destination.
  static func setPort(_ frame: Frame, _ layers: LayerStack, _ offset: Int, _ port: UInt16) {
    guard layers.l4Kind == .udp || layers.l4Kind == .tcp else { return }
    let bytes = frame.bytes
    let at = Int(layers.l4) &+ offset
    let delta = UInt64(~bytes.u16(at)) &+ UInt64(port)
    bytes.store(port, at: at)
    updateTransport(frame, bytes, layers, delta: delta, isPort: true)
  }

  @inline(__always)
  private static func words(_ value: UInt64) -> UInt64 { (value >> 32) &+ (value & 0xffff_ffff) }

  /// Adds `delta` (complemented old words plus new ones) into the transport checksum. Ports do not change an owed
  /// checksum, which holds the pseudo-header's sum; addresses do.
  private static func updateTransport(
    _ frame: Frame, _ bytes: Bytes, _ layers: LayerStack, delta: UInt64, isPort: Bool
  ) {
    let l4 = Int(layers.l4)
    let at: Int
    switch layers.l4Kind {
    case .udp: at = l4 &+ 6
    case .tcp: at = l4 &+ 16
    case .icmp6: at = l4 &+ 2
    default: return
    }
    let field = bytes.u16(at)
    if frame.owed.contains(.checksum), frame.checksumStart == l4 {
      if !isPort { bytes.store(InternetChecksum.fold(UInt64(field) &+ delta), at: at) }
      return
    }
    if layers.l4Kind == .udp, field == 0 { return }
    let updated = ~InternetChecksum.fold(UInt64(~field) &+ delta)
    bytes.store(layers.l4Kind == .udp && updated == 0 ? 0xffff : updated, at: at)
  }
}
