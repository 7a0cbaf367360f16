public import Device
import Memory

/// Fills in the checksums that a frame owes (SPECIFICATION.md, B1, B2, B5).
///
/// Debts are paid at the last moment that is still correct: before a port that cannot carry them, or before ESP.
public enum PayDebts {
  /// The debts of checksums; segmentation is ``Segmenter``'s.
  public static var checksums: Owed { [.checksum, .outerUDPChecksum, .outerIPv4Checksum] }

  /// Pays the checksums that `frame` owes, except those in `keeping`, which the port pays.
  ///
  /// A frame that still owes segmentation is left as it is: its checksums are made with its segments. The outer UDP
  /// checksum over an inner frame that owes its own is computed from the inner pseudo-header's sum, without reading the
  /// payload (local checksum offload), so it may be paid while the inner one is kept.
  ///
  /// - Throws: ``DropReason/malformedDebt`` for offsets outside of the packet, a checksum offset that is neither 6 nor
  ///   16, and an outer header that is not there. The frame is then unchanged, or has other checksums paid.
  public static func pay(
    _ frame: inout Frame, keeping: Owed = [], ports: TunnelPorts = TunnelPorts()
  ) throws(DropReason) {
    let owed = frame.owed
    guard owed.isDisjoint(with: [.tcpSegmentation, .udpSegmentation]) else { return }
    let due = owed.intersection(checksums).subtracting(keeping)
    if due.isEmpty { return }
    let bytes = frame.bytes
    let walk = FrameWalk(frame, ports: ports, intoTunnel: frame.innerL2 > 0 || owed.contains(.outerUDPChecksum))
    let inner = try InnerDebt(frame, walk)
    if due.contains(.outerUDPChecksum) {
      guard let walk, walk.outer.proto == 17, walk.outer.l4 > 0, !walk.outer.isFragment else { throw .malformedDebt }
      try payOuterUDP(bytes, walk.outer, inner)
    }
    if due.contains(.outerIPv4Checksum) {
      guard let walk, !walk.outer.isIPv6 else { throw .malformedDebt }
      FrameSum.setIPv4Checksum(bytes, walk.outer.l3)
    }
    if due.contains(.checksum), let inner {
      let sum = FrameSum.range(bytes, inner.start, inner.end)
      bytes.store(frame.checksumOffset == 6 ? FrameSum.udpField(sum) : ~sum, at: inner.field)
    }
    frame.owed = owed.subtracting(due)
    if frame.owed.isEmpty { frame.steps.insert(.fillChecksum) }
  }

  private static func payOuterUDP(_ bytes: Bytes, _ outer: NetworkLayer, _ inner: InnerDebt?) throws(DropReason) {
    guard outer.l4 &+ 8 <= outer.end else { throw .malformedDebt }
    let length = Int(bytes.u16(outer.l4 &+ 4))
    guard length >= 8, outer.l4 &+ length <= outer.end else { throw .malformedDebt }
    bytes.store(UInt16(0), at: outer.l4 &+ 6)
    let body = InnerDebt.sum(bytes, from: outer.l4, to: outer.l4 &+ length, inner)
    let sum = FrameSum.add(body, FrameSum.pseudoHeader(bytes, outer, length: length))
    bytes.store(FrameSum.udpField(sum), at: outer.l4 &+ 6)
  }

  /// Computes the checksum of the GRE header of an encapsulated frame, when it has the C bit (RFC 2784); an inner
  /// checksum that is owed is reckoned with as in local checksum offload. There is no debt for this one: the
  /// encapsulator calls it.
  ///
  /// - Throws: ``DropReason/malformedDebt`` when the frame has no such GRE header or its inner debt is malformed.
  public static func setGREChecksum(_ frame: Frame) throws(DropReason) {
    let bytes = frame.bytes
    guard let walk = FrameWalk(frame, ports: TunnelPorts(), intoTunnel: true), walk.tunnel == .gre,
      walk.outer.l4 &+ 8 <= walk.outer.end, bytes[walk.outer.l4] & 0x80 != 0
    else { throw .malformedDebt }
    let at = walk.outer.l4
    bytes.store(UInt16(0), at: at &+ 4)
    let inner = try InnerDebt(frame, walk)
    bytes.store(~InnerDebt.sum(bytes, from: at, to: walk.outer.end, inner), at: at &+ 4)
  }
}

/// An owed transport checksum: where its sum begins and ends and where it goes.
struct InnerDebt: BitwiseCopyable {
  let start: Int
  /// The packet's end (B5).
  let end: Int
  let field: Int

  /// The debt of `frame`, nil when it owes no checksum.
  init?(_ frame: Frame, _ walk: FrameWalk?) throws(DropReason) {
    guard frame.owed.contains(.checksum) else { return nil }
    start = frame.checksumStart
    field = start &+ Int(frame.checksumOffset)
    var end = frame.length
    if let walk {
      if walk.inner.isThere, walk.inner.l3 < start {
        end = walk.inner.end
      } else if walk.outer.l3 < start {
        end = walk.outer.end
      }
    }
    self.end = end
    guard frame.checksumOffset == 6 || frame.checksumOffset == 16, field &+ 2 <= end else { throw .malformedDebt }
  }

  /// The sum of `from..<to` as it is once the debt inside is paid: the region from the debt's start to its end then
  /// sums to the complement of what its field holds now.
  static func sum(_ bytes: Bytes, from: Int, to: Int, _ debt: InnerDebt?) -> UInt16 {
    guard let debt, debt.start >= from &+ 8, debt.end <= to else { return FrameSum.range(bytes, from, to) }
    let headers = FrameSum.range(bytes, from, debt.start)
    let padding = FrameSum.range(bytes, debt.end, to, from: from)
    return FrameSum.fold(UInt64(headers) &+ UInt64(~bytes.u16(debt.field)) &+ UInt64(padding))
  }
}
