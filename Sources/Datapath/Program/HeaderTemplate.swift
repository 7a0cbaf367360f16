import Device
import Memory
import Rules
import Wire

/// An encapsulation as the frame's way needs it: which bytes go in front, what is left to patch, and the sums over
/// everything that is the same in every frame. The bytes stand in a ``TemplateStore``.
struct HeaderTemplate: BitwiseCopyable {
  /// Which buffer of the store holds the bytes.
  var slot: UInt32 = 0
  var length: UInt16 = 0
  /// ``length`` rounded up to whole 32-byte blocks.
  var padded: UInt16 = 0
  /// Offsets in the header, 0 when there is none.
  var l3: UInt16 = 0
  var l4: UInt16 = 0
  var kind: TunnelKind = .none
  var isIPv6 = false
  /// There is a UDP header, its checksum is computed, the GRE header has a checksum.
  var hasUDP = false
  var sumsUDP = false
  var sumsGRE = false
  var copiesECN = false
  var copiesDSCP = false
  var copiesTTL = false
  var copiesDF = false
  /// DF where it is not copied.
  var setsDF = true
  /// Nothing but ECN, lengths, port and header checksum is left to patch: IPv4, UDP, no UDP checksum, Ethernet inside.
  var isPlain = false
  /// The template's DSCP, ECN bits 0, in the place they have in TOS.
  var dscp: UInt8 = 0
  var ttl: UInt8 = 64
  /// What must be inside: 0x6558, 0x0800 or 0x86DD; 0 for an Ethernet header alone.
  var inside: UInt16 = 0
  /// UDP source port, 0 for a port from the flow's hash.
  var sourcePort: UInt16 = 0
  /// IPv4: the sum of the header with TOS, total length, identification, flags, TTL and checksum 0.
  var headerSum: UInt16 = 0
  /// The sum of the UDP or GRE header (port, length, checksum 0) and everything behind it, for UDP with the
  /// pseudo-header's addresses and protocol.
  var bodySum: UInt16 = 0

  /// The largest outer packet that the path to this end carries, as errors told (I3); all ones when none did.
  var pathMTU: UInt16 = .max
  /// Bytes that the outer IP packet is longer than the frame that is carried, for a comparison with an uplink's MTU: on a
  /// path that is narrower than the widest uplink so many more.
  private(set) var overhead: UInt32 = 0
  /// Of a plain header: what of TOS is the inner packet's, and the sum of the IPv4 header with these bits and total length 0.
  private(set) var ecnMask: UInt8 = 0
  private(set) var plainSum: UInt32 = 0

  /// Sets ``pathMTU`` where `widest` is the widest uplink's MTU.
  mutating func setPath(mtu: UInt16, widest: UInt16) {
    pathMTU = mtu
    overhead = UInt32(length) &- UInt32(l3) &+ (mtu < widest ? UInt32(widest &- mtu) : 0)
  }
}

/// The templates of one queue, and the window on their bytes, which all queues share (``TemplateBytes``).
struct TemplateStore: ~Copyable {
  /// A template has at most 400 bytes.
  static let slotSize = 448
  private(set) var templates: FlatTable<HeaderTemplate>
  private let bytes: Bytes
  /// The first slot of the half that this burst sees.
  var first = 0

  /// Compiles `encapsulations`; the index in the store is the place in the list. `bytes` must outlive the store.
  ///
  /// - Throws: ``DatapathError/malformedTemplate(index:)``.
  init(_ encapsulations: [(index: UInt16, value: Encapsulation)], _ bytes: TemplateBytes) throws(DatapathError) {
    self.bytes = bytes.window
    templates = try Self.compile(encapsulations) { _, _ in }
  }

  /// Compiles `encapsulations`; `each` is given the slot and bytes of every header.
  static func compile(
    _ encapsulations: [(index: UInt16, value: Encapsulation)], each: (Int, [UInt8]) -> Void
  ) throws(DatapathError) -> FlatTable<HeaderTemplate> {
    var templates = FlatTable(repeating: HeaderTemplate(), count: encapsulations.count)
    for (slot, (index, encapsulation)) in encapsulations.enumerated() {
      var header = encapsulation.header
      guard var template = HeaderTemplate(encapsulation, header: &header) else {
        throw .malformedTemplate(index: index)
      }
      template.slot = UInt32(slot)
      each(slot, header)
      templates[slot] = template
    }
    return templates
  }

  /// Sets the path's MTU (I3) of the template at `place`.
  mutating func setPath(_ place: Int, mtu: UInt16, widest: UInt16) {
    templates[place].setPath(mtu: mtu, widest: widest)
  }

  /// The last `count` bytes of a template's slot.
  @inline(__always)
  func tail(_ slot: UInt32, count: Int) -> Bytes {
    bytes.slice((first &+ Int(slot) &+ 1) &* Self.slotSize &- count, count: count)
  }
}

extension HeaderTemplate {
  /// Looks at `encapsulation` and sets the constant fields in `header` (E2–E4); nil when it is no header that can be put
  /// in front.
  init?(_ encapsulation: Encapsulation, header: inout [UInt8]) {
    guard (14...400).contains(header.count), header.count & 1 == 0 else { return nil }
    length = UInt16(header.count)
    padded = (length + 31) & ~31
    overhead = UInt32(length)
    kind = encapsulation.kind
    guard kind != .none else { return }
    let l3 = encapsulation.l3
    let l4 = encapsulation.l4
    isIPv6 = encapsulation.isIPv6
    hasUDP = kind == .geneve || kind == .vxlan
    let shortest = hasUDP ? 16 : kind == .nvgre ? 8 : 4
    guard l3 >= 14, l3 & 1 == 0, l4 & 1 == 0, l4 >= l3 + (isIPv6 ? 40 : 20), l4 + shortest <= header.count else {
      return nil
    }
    guard header[l3] >> 4 == (isIPv6 ? 6 : 4), isIPv6 || Int(header[l3] & 15) * 4 == l4 - l3 else { return nil }
    self.l3 = UInt16(l3)
    self.l4 = UInt16(l4)
    let policy = encapsulation.policy
    copiesECN = policy.ecn == .copy
    copiesDSCP = policy.dscp == .copy
    copiesTTL = policy.ttl == .copy
    copiesDF = policy.df == .copy
    setsDF = policy.df != .clear
    sumsUDP = hasUDP && policy.udpChecksum == .on
    prepareTunnel(&header)
    prepareIP(&header)
    overhead = UInt32(length) - UInt32(self.l3)
    ecnMask = copiesECN ? 3 : 0
    plainSum = UInt32(headerSum) + UInt32(dscp) + UInt32(ttl) << 8 + 0x4000
    isPlain = !isIPv6 && hasUDP && !sumsUDP && inside == 0x6558 && !copiesDSCP && !copiesTTL && !copiesDF && setsDF
  }

  private mutating func prepareTunnel(_ header: inout [UInt8]) {
    let l4 = Int(self.l4)
    if hasUDP {
      sourcePort = UInt16(header[l4]) << 8 | UInt16(header[l4 + 1])
      for at in l4 + 4..<l4 + 8 { header[at] = 0 }
    }
    let tunnel = hasUDP ? l4 + 8 : l4
    switch kind {
    case .geneve:
      let options = header.count - tunnel - 8
      header[tunnel] = UInt8(options / 4) & 0x3f
      header[tunnel + 1] &= 0x80
      if Self.hasCriticalOption(header[(tunnel + 8)...]) { header[tunnel + 1] |= 0x40 }
      header[tunnel + 7] = 0
      inside = UInt16(header[tunnel + 2]) << 8 | UInt16(header[tunnel + 3])
    case .vxlan:
      header[tunnel] |= 8
      inside = 0x6558
    default:
      inside = UInt16(header[tunnel + 2]) << 8 | UInt16(header[tunnel + 3])
      sumsGRE = header[tunnel] & 0x80 != 0 && header.count >= tunnel + 8
      if sumsGRE { for at in tunnel + 4..<tunnel + 6 { header[at] = 0 } }
    }
    bodySum = Self.sum(header[l4...])
    if hasUDP {
      // The source port is added a frame at a time, from the template or from the hash.
      bodySum = InternetChecksum.add(bodySum, ~sourcePort)
      let from = isIPv6 ? Int(l3) + 8 : Int(l3) + 12
      bodySum = InternetChecksum.add(bodySum, Self.sum(header[from..<from + (isIPv6 ? 32 : 8)]))
      bodySum = InternetChecksum.add(bodySum, 17)
    }
  }

  private mutating func prepareIP(_ header: inout [UInt8]) {
    let l3 = Int(self.l3)
    if isIPv6 {
      dscp = (header[l3] << 4 | header[l3 + 1] >> 4) & 0xfc
      ttl = header[l3 + 7] == 0 ? 64 : header[l3 + 7]
      return
    }
    dscp = header[l3 + 1] & 0xfc
    ttl = header[l3 + 8] == 0 ? 64 : header[l3 + 8]
    for at in [1, 2, 3, 4, 5, 6, 7, 8, 10, 11] { header[l3 + at] = 0 }
    headerSum = Self.sum(header[l3..<l3 + Int(header[l3] & 15) * 4])
    // What every frame of this template has stands in the bytes already.
    header[l3 + 1] = dscp
    header[l3 + 6] = setsDF ? 0x40 : 0
    header[l3 + 8] = ttl
  }

  private static func hasCriticalOption(_ options: ArraySlice<UInt8>) -> Bool {
    var at = options.startIndex
    while at + 4 <= options.endIndex {
      if options[at + 2] & 0x80 != 0 { return true }
      at += 4 + Int(options[at + 3] & 31) * 4
    }
    return false
  }

  private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var total: UInt64 = 0
    var at = bytes.startIndex
    while at < bytes.endIndex {
      total += UInt64(bytes[at]) << 8 | (at + 1 < bytes.endIndex ? UInt64(bytes[at + 1]) : 0)
      at += 2
    }
    return InternetChecksum.fold(total)
  }
}
