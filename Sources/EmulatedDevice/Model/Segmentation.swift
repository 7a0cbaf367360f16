import Device
import Memory

/// B3, B4: how one big frame becomes segments.
struct Segmentation {
  /// The headers whose payload is cut, and the tunnel's outer ones in front of them.
  private let cut: Layers
  private let outer: Layers?
  private let tunnel: Tunnel
  /// Bytes of headers that each segment repeats.
  let headers: Int
  private let payloadEnd: Int
  private let size: Int
  private let paysOuterUDP: Bool
  /// Segments, at least one.
  let count: Int

  /// Looks at what is to be cut; malformed debts are thrown.
  init(_ bytes: Bytes, _ frame: Frame, _ settings: Settings) throws(Exception) {
    let owed = frame.owed
    let packet = SentPacket(bytes, frame, settings)
    guard frame.segmentSize > 0, !owed.contains([.tcpSegmentation, .udpSegmentation]) else {
      throw .drop(.malformedDebt)
    }
    tunnel = packet.tunnel
    if owed.contains(.tunnelSegmentation) {
      guard let inner = packet.inner else { throw .drop(.malformedDebt) }
      cut = inner
      outer = packet.outer
    } else {
      cut = packet.outer
      outer = nil
    }
    let wanted: Transport = owed.contains(.tcpSegmentation) ? .tcp : .udp
    guard cut.l4 >= 0, cut.transport == wanted, !cut.hasAuthentication, !packet.outer.hasAuthentication else {
      throw .drop(.malformedDebt)
    }
    headers = cut.l4 + (wanted == .tcp ? Int(bytes[cut.l4 + 12] >> 4) * 4 : 8)
    payloadEnd = cut.l4End
    size = Int(frame.segmentSize)
    count = max(1, (payloadEnd - headers + size - 1) / size)
    paysOuterUDP =
      outer?.transport == .udp
      && (owed.contains(.outerUDPChecksum) || bytes.u16(packet.outer.l4 + 6) != 0)
  }

  /// Writes segment `index` of `whole` into `work`, which holds at least the headers.
  func write(_ index: Int, from whole: Bytes, to work: inout Work) {
    let from = headers + index * size
    let part = max(0, min(size, payloadEnd - from))
    work.end = work.start + headers + part
    if part > 0 { work.bytes.copy(whole.slice(from, count: part), at: headers) }
    let bytes = work.bytes
    setLength(bytes, cut, index)
    if cut.transport == .tcp {
      bytes.store(bytes.u32(cut.l4 + 4) &+ UInt32(truncatingIfNeeded: index * size), at: cut.l4 + 4)
      // FIN and PSH belong to the last, CWR to the first.
      if index < count - 1 { bytes[cut.l4 + 13] &= ~0x09 }
      if index > 0 { bytes[cut.l4 + 13] &= ~0x80 }
      bytes.fillTCPChecksum(cut, end: bytes.count)
    } else {
      bytes.store(UInt16(truncatingIfNeeded: bytes.count - cut.l4), at: cut.l4 + 4)
      bytes.fillUDPChecksum(cut, end: bytes.count)
    }
    guard let outer else { return }
    if outer.transport == .gre, bytes.u16(outer.l4) & 0x8000 != 0 {
      bytes.store(UInt16(0), at: outer.l4 + 4)
      bytes.store(~Sum.fold(Sum.words(bytes, outer.l4, bytes.count)), at: outer.l4 + 4)
    }
    setLength(bytes, outer, index)
    guard outer.transport == .udp else { return }
    bytes.store(UInt16(truncatingIfNeeded: bytes.count - outer.l4), at: outer.l4 + 4)
    if paysOuterUDP { bytes.fillUDPChecksum(outer, end: bytes.count) }
  }

  /// The IP header's length, and over IPv4 its identification and checksum.
  private func setLength(_ bytes: Bytes, _ layers: Layers, _ index: Int) {
    let l3 = layers.l3
    if layers.isIPv6 {
      bytes.store(UInt16(truncatingIfNeeded: bytes.count - l3 - 40), at: l3 + 4)
    } else {
      bytes.store(UInt16(truncatingIfNeeded: bytes.count - l3), at: l3 + 2)
      bytes.store(bytes.u16(l3 + 4) &+ UInt16(truncatingIfNeeded: index), at: l3 + 4)
      bytes.fillIPv4Checksum(l3)
    }
  }
}
