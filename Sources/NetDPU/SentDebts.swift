import CNetDPU
import Device
import Memory

/// What an mbuf's Tx flags ask for, as debts that the model pays. Flags are promises of the application: nothing in them
/// is trusted, and what does not fit the frame is no debt but a drop.
struct SentDebts {
  /// NET_DPU_OWES_… and NET_DPU_IS_TUNNEL.
  var flags: UInt32
  /// Offsets from the frame's first byte.
  var outerL3 = 0
  var outerL4 = 0
  var innerL2 = 0
  var l3 = 0
  var l4 = 0
  var segmentSize: UInt16 = 0
  /// Bytes in front of the payload that segmentation cuts.
  var headers = 0

  private func asks(_ flag: UInt32) -> Bool { flags & flag != 0 }

  /// Writes the debts into the record and what they start from into the frame; false when they do not fit it.
  func write(_ frame: inout Frame) -> Bool {
    let bytes = frame.bytes
    let isCut = asks(NET_DPU_OWES_TSO) || asks(NET_DPU_OWES_USO)
    if asks(NET_DPU_IS_TUNNEL) {
      guard places([outerL3, outerL4, innerL2, l3, l4]) else { return false }
      frame.outerL3 = outerL3
      frame.outerL4 = outerL4
      frame.innerL2 = innerL2
      frame.innerL3 = l3
      frame.innerL4 = l4
      guard fillIPv4(bytes, at: outerL3, when: asks(NET_DPU_OWES_OUTER_IPV4)) else { return false }
      if asks(NET_DPU_OWES_OUTER_UDP) { frame.owed.insert(.outerUDPChecksum) }
    }
    guard places([l3]), fillIPv4(bytes, at: l3, when: asks(NET_DPU_OWES_IPV4)) else { return false }
    if !asks(NET_DPU_IS_TUNNEL) { frame.outerL3 = l3 }
    guard isCut || asks(NET_DPU_OWES_TCP) || asks(NET_DPU_OWES_UDP) else { return true }
    guard places([l4]) else { return false }
    if !asks(NET_DPU_IS_TUNNEL) { frame.outerL4 = l4 }
    let isTCP = asks(NET_DPU_OWES_TSO) || asks(NET_DPU_OWES_TCP)
    let place = l4 + (isTCP ? 16 : 6)
    guard place + 2 <= bytes.count, let sum = pseudoHeader(bytes, proto: isTCP ? 6 : 17) else { return false }
    bytes.store(sum, at: place)
    frame.checksumStart = l4
    frame.checksumOffset = isTCP ? 16 : 6
    frame.owed.insert(.checksum)
    guard isCut else { return true }
    guard segmentSize > 0, places([headers]), headers <= bytes.count else { return false }
    frame.owed.insert(asks(NET_DPU_OWES_TSO) ? .tcpSegmentation : .udpSegmentation)
    if asks(NET_DPU_IS_TUNNEL) { frame.owed.insert(.tunnelSegmentation) }
    frame.segmentSize = segmentSize
    frame.segmentHeaderLength = headers
    return true
  }

  /// Whether a record can hold these offsets.
  private func places(_ offsets: [Int]) -> Bool {
    offsets.allSatisfy { $0 & 1 == 0 && 0...Frame.largestOffset ~= $0 }
  }

  /// An IPv4 header's checksum (RFC 791); nothing over IPv6.
  private func fillIPv4(_ bytes: Bytes, at l3: Int, when asked: Bool) -> Bool {
    guard asked else { return true }
    guard l3 + 20 <= bytes.count, bytes[l3] >> 4 == 4 else { return false }
    let end = l3 + Int(bytes[l3] & 15) * 4
    guard end >= l3 + 20, end <= bytes.count else { return false }
    bytes.store(UInt16(0), at: l3 + 10)
    bytes.store(~Self.folded(Self.sum(bytes, l3, end)), at: l3 + 10)
    return true
  }

  /// The folded sum over the pseudo-header, which the device completes; nil without an IP header in front.
  private func pseudoHeader(_ bytes: Bytes, proto: UInt64) -> UInt16? {
    guard l3 < bytes.count else { return nil }
    if bytes[l3] >> 4 == 4 {
      guard l4 >= l3 + 20, l3 + 20 <= bytes.count else { return nil }
      let end = min(bytes.count, l3 + Int(bytes.u16(l3 + 2)))
      return Self.folded(Self.sum(bytes, l3 + 12, l3 + 20) + proto + UInt64(max(0, end - l4)))
    }
    guard bytes[l3] >> 4 == 6, l4 >= l3 + 40, l3 + 40 <= bytes.count else { return nil }
    let end = min(bytes.count, l3 + 40 + Int(bytes.u16(l3 + 4)))
    return Self.folded(Self.sum(bytes, l3 + 8, l3 + 40) + proto + UInt64(max(0, end - l4)))
  }

  private static func sum(_ bytes: Bytes, _ from: Int, _ to: Int) -> UInt64 {
    stride(from: from, to: to - 1, by: 2).reduce(0) { $0 + UInt64(bytes.u16($1)) }
  }

  private static func folded(_ sum: UInt64) -> UInt16 {
    var sum = sum
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return UInt16(sum)
  }
}
