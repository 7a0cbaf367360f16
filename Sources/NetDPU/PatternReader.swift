import CNetDPU
import Memory
import Rules

/// rte_flow's items as ours. A field that ours have not, and whose mask is not zero, is refused by its name.
struct PatternReader {
  /// Our items so far.
  private(set) var items: [Item] = []
  /// Where each stands in the library's list.
  private(set) var places: [Int] = []
  /// The tunnel that the pattern speaks of.
  private(set) var tunnel = TunnelKind.none
  /// From the library's ethdev to the model's port; nil when there is none.
  private let port: (UInt64) -> UInt16?

  init(_ pattern: [ForeignItem], port: @escaping (UInt64) -> UInt16?) throws(FlowError) {
    self.port = port
    for (place, item) in pattern.enumerated() {
      guard item.kind != NET_DPU_ITEM_VOID.rawValue else { continue }
      items.append(try read(item, place))
      places.append(place)
    }
  }

  private mutating func read(_ item: ForeignItem, _ place: Int) throws(FlowError) -> Item {
    let fields = try ItemFields(item, place)
    switch net_dpu_item_kind(item.kind) {
    case NET_DPU_ITEM_ETH:
      var eth = EthItem()
      eth.dst = fields.six(0)
      eth.src = fields.six(6)
      eth.type = fields.two(12)
      eth.hasVLAN = try fields.bit("has_more_vlan")
      try fields.finish(size: 14, used: [0..<14], "eth")
      return .eth(eth)
    case NET_DPU_ITEM_VLAN:
      var vlan = VLANItem()
      vlan.tci = fields.two(0)
      vlan.innerType = fields.two(2)
      guard try !fields.bit("has_more_vlan").isUsed else {
        throw .unsupported(.item(place), "vlan: has_more_vlan is not matched; a second vlan item is")
      }
      try fields.finish(size: 4, used: [0..<4], "vlan")
      return .vlan(vlan)
    case NET_DPU_ITEM_IPV4:
      var ip = IPv4Item()
      ip.tos = fields.one(1)
      ip.fragmentOffset = fields.two(6)
      ip.ttl = fields.one(8)
      ip.proto = fields.one(9)
      ip.src = fields.four(12)
      ip.dst = fields.four(16)
      try fields.finish(
        size: 20, used: [1..<2, 6..<10, 12..<20], "ipv4 (version, length, identification and checksum)")
      return .ipv4(ip)
    case NET_DPU_ITEM_IPV6:
      var ip = IPv6Item()
      let first: Field<UInt32> = fields.four(0)
      guard first.mask >> 28 == 0 else { throw .unsupported(.item(place), "ipv6: the version is not matched") }
      ip.tc = Field(UInt8(truncatingIfNeeded: first.spec >> 20), mask: UInt8(truncatingIfNeeded: first.mask >> 20))
      ip.flow = Field(first.spec & 0xfffff, mask: first.mask & 0xfffff)
      ip.proto = fields.one(6)
      ip.hop = fields.one(7)
      ip.src = fields.sixteen(8)
      ip.dst = fields.sixteen(24)
      ip.hasFragment = try fields.bit("extension header bits but has_frag_ext")
      try fields.finish(size: 40, used: [0..<4, 6..<40], "ipv6 (payload length)")
      return .ipv6(ip)
    case NET_DPU_ITEM_UDP:
      var udp = L4Item()
      udp.src = fields.two(0)
      udp.dst = fields.two(2)
      try fields.finish(size: 8, used: [0..<4], "udp (length and checksum)")
      return .udp(udp)
    case NET_DPU_ITEM_TCP:
      var tcp = TCPItem()
      tcp.src = fields.two(0)
      tcp.dst = fields.two(2)
      tcp.flags = fields.one(13)
      try fields.finish(size: 20, used: [0..<4, 13..<14], "tcp (all but ports and flags)")
      return .tcp(tcp)
    case NET_DPU_ITEM_ICMP, NET_DPU_ITEM_ICMP6:
      var icmp = ICMPItem()
      icmp.type = fields.one(0)
      icmp.code = fields.one(1)
      let isSix = item.kind == NET_DPU_ITEM_ICMP6.rawValue
      try fields.finish(size: isSix ? 4 : 8, used: [0..<2], "icmp (all but type and code)")
      return isSix ? .icmp6(icmp) : .icmp(icmp)
    case NET_DPU_ITEM_ESP:
      let spi: Field<UInt32> = fields.four(0)
      try fields.finish(size: 8, used: [0..<4], "esp (sequence number)")
      return .esp(spi)
    default: return try readTunnel(item, fields, place)
    }
  }

  private mutating func readTunnel(_ item: ForeignItem, _ fields: ItemFields, _ place: Int) throws(FlowError) -> Item {
    switch net_dpu_item_kind(item.kind) {
    case NET_DPU_ITEM_GENEVE:
      tunnel = .geneve
      var geneve = GeneveItem()
      let first: Field<UInt16> = fields.two(0)
      guard first.mask & 0xc0ff == 0 else {
        throw .unsupported(.item(place), "geneve: version, O, C and reserved bits are not matched")
      }
      geneve.optionLength = Field(
        UInt8(truncatingIfNeeded: first.spec >> 8), mask: UInt8(truncatingIfNeeded: first.mask >> 8))
      geneve.proto = fields.two(2)
      geneve.vni = fields.three(4)
      try fields.finish(size: 8, used: [0..<7], "geneve (reserved bits)")
      return .geneve(geneve)
    case NET_DPU_ITEM_GENEVE_OPT: return .geneveOption(try option(item, fields, place))
    case NET_DPU_ITEM_VXLAN:
      tunnel = .vxlan
      var vxlan = VXLANItem()
      vxlan.vni = fields.three(4)
      try fields.finish(size: 8, used: [4..<7], "vxlan (flags and reserved bits)")
      return .vxlan(vxlan)
    case NET_DPU_ITEM_GRE:
      tunnel = .gre
      var gre = GREItem()
      gre.flags = fields.two(0)
      gre.proto = fields.two(2)
      try fields.finish(size: 4, used: [0..<4], "gre")
      return .gre(gre)
    case NET_DPU_ITEM_GRE_KEY:
      let key: Field<UInt32> = fields.four(0)
      try fields.finish(size: 4, used: [0..<4], "gre_key")
      return .greKey(key)
    case NET_DPU_ITEM_NVGRE:
      tunnel = .nvgre
      var nvgre = NVGREItem()
      nvgre.tni = fields.three(4)
      nvgre.flowID = fields.one(7)
      // Flags and protocol are NVGRE's own or no NVGRE at all.
      try fields.finish(size: 8, used: [0..<8], "nvgre")
      return .nvgre(nvgre)
    case NET_DPU_ITEM_REPRESENTED_PORT, NET_DPU_ITEM_PORT_REPRESENTOR:
      guard item.spec != nil else { return .representedPort(.any) }
      guard item.maskBits == 0xffff, let model = port(UInt64(item.specBits)) else {
        throw .malformed(.item(place), "ethdev \(item.specBits) is no port of this device, or its mask is not full")
      }
      let isRepresentor = item.kind == NET_DPU_ITEM_PORT_REPRESENTOR.rawValue
      return isRepresentor ? .portRepresentor(Field(model)) : .representedPort(Field(model))
    default:
      throw .unsupported(
        .item(place), "item type \(Int32(bitPattern: item.number)) of rte_flow is not known to this driver")
    }
  }

  /// A Geneve option: class, type and length are compared in full or not at all, and not at all is not possible.
  private func option(_ item: ForeignItem, _ fields: ItemFields, _ place: Int) throws(FlowError) -> GeneveOptionItem {
    let optionClass: Field<UInt16> = fields.two(0)
    let type: Field<UInt8> = fields.one(2)
    let length: Field<UInt8> = fields.one(3)
    try fields.finish(size: 4, used: [0..<4], "geneve_opt")
    guard optionClass.mask == 0xffff, type.mask == 0xff, length.mask & 0x1f == 0x1f else {
      throw .unsupported(
        .item(place),
        "geneve_opt: class, type and length are compared in full or the option is not found; give each with a full mask"
      )
    }
    let count = Int(length.spec)
    guard count < 32 else {
      throw .malformed(.item(place), "geneve_opt: \(count) words of data; an option has at most 31")
    }
    var (data, mask) = ([UInt32](), [UInt32]())
    if let wanted = item.data {
      guard wanted.count == 4 * count, item.dataMask.map({ $0.count == wanted.count }) ?? true else {
        throw .malformed(.item(place), "geneve_opt: \(wanted.count) bytes of data for a length of \(count) words")
      }
      for word in 0..<count {
        data.append(wanted.u32(4 * word))
        mask.append(item.dataMask.map { $0.u32(4 * word) } ?? .max)
      }
    }
    return GeneveOptionItem(optionClass: optionClass.spec, type: type.spec, length: length.spec, data: data, mask: mask)
  }
}

/// The fields of one item's header.
struct ItemFields {
  private let item: ForeignItem
  private let place: Int

  /// Takes spec and mask; a range (`last`) has to be no range.
  init(_ item: ForeignItem, _ place: Int) throws(FlowError) {
    self.item = item
    self.place = place
    guard let spec = item.spec else {
      guard item.last == nil else { throw .malformed(.item(place), "an end of a range without its beginning (spec)") }
      return
    }
    guard let mask = item.mask, mask.count == spec.count else {
      throw .malformed(.item(place), "spec without a mask of its size")
    }
    guard let last = item.last else { return }
    for at in 0..<min(spec.count, last.count)
    where last[at] & mask[at] != 0 && last[at] & mask[at] != spec[at] & mask[at] {
      throw .unsupported(.item(place), "ranges (last) are not matched by this device: one rule a value")
    }
  }

  private func field<V>(_ at: Int, _ width: Int, _ type: V.Type) -> Field<V> {
    guard let spec = item.spec, let mask = item.mask, at + width <= spec.count, at + width <= mask.count else {
      return .any
    }
    var (value, bits): (V, V) = (0, 0)
    for byte in at..<at + width {
      value = (width == 1 ? 0 : value << 8) | V(spec[byte])
      bits = (width == 1 ? 0 : bits << 8) | V(mask[byte])
    }
    return Field(value, mask: bits)
  }

  func one(_ at: Int) -> Field<UInt8> { field(at, 1, UInt8.self) }
  func two(_ at: Int) -> Field<UInt16> { field(at, 2, UInt16.self) }
  func three(_ at: Int) -> Field<UInt32> { field(at, 3, UInt32.self) }
  func four(_ at: Int) -> Field<UInt32> { field(at, 4, UInt32.self) }
  func six(_ at: Int) -> Field<UInt64> { field(at, 6, UInt64.self) }
  func sixteen(_ at: Int) -> Field<UInt128> { field(at, 16, UInt128.self) }

  /// The one bit beside the header that ours know.
  func bit(_ name: String) throws(FlowError) -> Field<UInt8> {
    guard item.spec != nil else { return .any }
    guard item.maskBits <= 1 else { throw .unsupported(.item(place), "\(name): bits that are not matched") }
    return Field(UInt8(truncatingIfNeeded: item.specBits & 1), mask: UInt8(truncatingIfNeeded: item.maskBits))
  }

  /// Says no to a mask on bytes outside of `used`, and to a header of another size.
  func finish(size: Int, used: [Range<Int>], _ name: String) throws(FlowError) {
    guard let spec = item.spec, let mask = item.mask else { return }
    guard spec.count == size else {
      throw .malformed(.item(place), "\(name): \(spec.count) bytes of header, expected \(size)")
    }
    for at in 0..<mask.count where mask[at] != 0 && !used.contains(where: { $0.contains(at) }) {
      throw .unsupported(.item(place), "\(name): fields that this device does not match (mask at byte \(at))")
    }
  }
}
