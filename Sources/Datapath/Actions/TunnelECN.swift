/// Explicit congestion notification through tunnels (RFC 6040). Codepoints: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
public enum TunnelECN {
  /// What the inner header gets on the way out of a tunnel (RFC 6040 section 4.2, figure 4); nil when the packet is to
  /// be dropped: its ends do not understand ECN and the underlay says congestion experienced.
  ///
  /// Only the low two bits of both are looked at.
  @inlinable @inline(__always)
  public static func decapsulated(inner: UInt8, outer: UInt8) -> UInt8? {
    // Two bits an entry, entry inner * 4 + outer; the one drop is told apart before.
    if inner & 3 == 0 && outer & 3 == 3 { return nil }
    let table: UInt32 = 0b11_11_11_11__11_10_01_10__11_01_01_01__00_00_00_00
    return UInt8(truncatingIfNeeded: table >> UInt32((inner & 3) &* 8 &+ (outer & 3) &* 2)) & 3
  }

  /// What the outer header gets on the way in: normal mode copies (RFC 6040 section 4.1).
  @inlinable @inline(__always)
  public static func encapsulated(inner: UInt8) -> UInt8 { inner & 3 }
}
