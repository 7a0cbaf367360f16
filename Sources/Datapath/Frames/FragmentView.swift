import Device
import Memory
import Wire

/// A fragment as reassembly sees it (RFC 791, RFC 8200 section 4.5).
struct FragmentView: BitwiseCopyable {
  /// What all fragments of a packet have in common. IPv6's do not have the protocol in common (only the first one's
  /// counts), so `proto` is 0 there.
  struct Key: Equatable, BitwiseCopyable {
    var source: UInt128 = 0
    var destination: UInt128 = 0
    var id: UInt32 = 0
    var proto: UInt8 = 0
    var isIPv6 = false
  }

  let key: Key
  let l3: Int
  /// Behind the headers that come before the fragment's data, the fragment header not counted.
  let headerEnd: Int
  let dataStart: Int
  let dataEnd: Int
  /// Of the packet's data, in bytes.
  let offset: Int
  let more: Bool
  /// IPv6: the byte that names the fragment header, and what takes its place.
  let typeField: Int
  let nextHeader: UInt8
  let ecn: UInt8

  /// Bytes of data.
  var length: Int { dataEnd &- dataStart }

  /// nil when the frame is no fragment.
  ///
  /// - Throws: ``DropReason/outerIPv4Checksum``, ``DropReason/fragmentMalformed``, ``DropReason/headersTooLong``.
  init?(_ frame: Frame) throws(DropReason) {
    let bytes = frame.bytes
    guard let l3 = FrameWalk.networkOffset(frame), let layer = NetworkLayer(bytes, at: l3, limit: bytes.count),
      layer.isFragment
    else { return nil }
    self.l3 = l3
    dataEnd = layer.end
    if layer.isIPv6 {
      let header = layer.fragmentHeader
      headerEnd = header
      dataStart = header &+ 8
      let field = bytes.u16(header &+ 2)
      offset = Int(field & 0xfff8)
      more = field & 1 != 0
      typeField = layer.typeField
      nextHeader = bytes[header]
      ecn = bytes[l3 &+ 1] >> 4 & 3
      key = Key(
        source: bytes.load(l3 &+ 8), destination: bytes.load(l3 &+ 24), id: bytes.u32(header &+ 4), isIPv6: true)
    } else {
      headerEnd = l3 &+ Int(bytes[l3] & 15) &* 4
      guard InternetChecksum.isValid(FrameSum.range(bytes, l3, headerEnd)) else { throw .outerIPv4Checksum }
      dataStart = headerEnd
      let field = bytes.u16(l3 &+ 6)
      offset = Int(field & 0x1fff) &* 8
      more = field & 0x2000 != 0
      typeField = 0
      nextHeader = 0
      ecn = bytes[l3 &+ 1] & 3
      key = Key(
        source: UInt128(bytes.u32(l3 &+ 12)), destination: UInt128(bytes.u32(l3 &+ 16)),
        id: UInt32(bytes.u16(l3 &+ 4)), proto: bytes[l3 &+ 9])
    }
    let before = layer.isIPv6 ? headerEnd &- l3 &- 40 : headerEnd &- l3
    guard dataEnd > dataStart, !more || (dataEnd &- dataStart) & 7 == 0,
      before &+ offset &+ dataEnd &- dataStart <= 0xffff
    else { throw .fragmentMalformed }
    guard headerEnd <= Frame.largestOffset else { throw .headersTooLong }
  }
}
