/// Writes the headers of a template one behind the other.
struct HeaderWriter {
  let items: [Item]
  let shape: HeaderShape
  private(set) var bytes: [UInt8] = []
  private(set) var l3 = 0
  private(set) var l4 = 0

  init(items: [Item], shape: HeaderShape) {
    self.items = items
    self.shape = shape
  }

  private mutating func put<T: FixedWidthInteger>(_ value: T) {
    for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }

  private mutating func put48(_ value: UInt64) {
    put(UInt16(truncatingIfNeeded: value >> 32))
    put(UInt32(truncatingIfNeeded: value))
  }

  /// The EtherType of the item behind `index`; nil behind the last.
  private func etherType(after index: Int) -> UInt16? {
    guard index + 1 < items.count else { return nil }
    return switch items[index + 1] {
    case .vlan: 0x8100
    case .ipv4: 0x0800
    case .ipv6: 0x86dd
    default: nil
    }
  }

  /// The IP protocol of the item behind `index`.
  private func ipProtocol(after index: Int) -> UInt8 {
    guard index + 1 < items.count, case .udp = items[index + 1] else { return 47 }
    return 17
  }

  /// The type to write: what follows decides, except that a tag may have another TPID.
  private func type(_ given: Field<UInt16>, after index: Int) throws(EncapsulationError) -> UInt16 {
    guard let follows = etherType(after: index) else { return given.spec }
    guard given.isUsed, given.spec != follows else { return follows }
    if follows == 0x8100, given.spec == 0x88a8 || given.spec == 0x9100 { return given.spec }
    throw .init(
      index: index,
      "type 0x\(String(given.spec, radix: 16)) does not announce `\(items[index + 1].name)`, which follows")
  }

  mutating func write(_ index: Int) throws(EncapsulationError) {
    switch items[index] {
    case .eth(let eth):
      put48(eth.dst.spec)
      put48(eth.src.spec)
      put(try type(eth.type, after: index))
    case .vlan(let vlan):
      put(vlan.tci.spec)
      put(try type(vlan.innerType, after: index))
    case .ipv4(let ip): try write(ip, index)
    case .ipv6(let ip): try write(ip, index)
    case .udp(let udp):
      l4 = bytes.count
      put(udp.src.spec)
      put(udp.dst.spec != 0 ? udp.dst.spec : shape.kind == .geneve ? 6081 : 4789)
      put(UInt32(0))
    case .geneve(let geneve):
      put(geneve.optionLength.spec & 0x3f)
      put(UInt8(0))
      put(geneve.proto.spec != 0 ? geneve.proto.spec : 0x6558)
      put(geneve.vni.spec << 8)
    case .geneveOption(let option):
      put(option.optionClass)
      put(option.type)
      put(option.length)
      for word in 0..<Int(option.length) { put(word < option.data.count ? option.data[word] : 0) }
    case .vxlan(let vxlan):
      put(UInt32(0x0800_0000))
      put(vxlan.vni.spec << 8)
    case .gre(let gre): try write(gre, index)
    case .greKey(let key): put(key.spec)
    case .nvgre(let nvgre):
      l4 = bytes.count
      put(UInt16(0x2000))
      put(UInt16(0x6558))
      put(nvgre.tni.spec << 8 | UInt32(nvgre.flowID.spec))
    // HeaderShape has refused every other item.
    default: throw .init(index: index, "`\(items[index].name)` cannot stand in a header template")
    }
  }

  private mutating func write(_ ip: IPv4Item, _ index: Int) throws(EncapsulationError) {
    guard ip.fragmentOffset.spec & 0xbfff == 0 else {
      throw .init(index: index, "an outer header is no fragment: only DF (0x4000) may be set in fragment_offset")
    }
    l3 = bytes.count
    put(UInt8(0x45))
    put(ip.tos.spec)
    put(UInt32(0))
    put(ip.fragmentOffset.spec)
    put(ip.ttl.spec)
    put(try nextProtocol(ip.proto, index))
    put(UInt16(0))
    put(ip.src.spec)
    put(ip.dst.spec)
  }

  private mutating func write(_ ip: IPv6Item, _ index: Int) throws(EncapsulationError) {
    guard ip.hasFragment.spec == 0 else {
      throw .init(index: index, "an outer header is no fragment: has_frag_ext cannot be set")
    }
    l3 = bytes.count
    put(UInt32(6) << 28 | UInt32(ip.tc.spec) << 20 | ip.flow.spec & 0xf_ffff)
    put(UInt16(0))
    put(try nextProtocol(ip.proto, index))
    put(ip.hop.spec)
    put(ip.src.spec)
    put(ip.dst.spec)
  }

  private func nextProtocol(_ given: Field<UInt8>, _ index: Int) throws(EncapsulationError) -> UInt8 {
    let follows = ipProtocol(after: index)
    guard given.spec == 0 || given.spec == follows else {
      throw .init(
        index: index, "protocol \(given.spec) does not announce `\(items[index + 1].name)`, which follows")
    }
    return follows
  }

  private mutating func write(_ gre: GREItem, _ index: Int) throws(EncapsulationError) {
    var flags = gre.flags.spec
    guard flags & ~0xa000 == 0 else {
      throw .init(index: index, "only the C and K bits of GRE's first two bytes may be set, no sequence number")
    }
    let hasKey = index + 1 < items.count
    guard hasKey || flags & 0x2000 == 0 else { throw .init(index: index, "the K bit is set and no `gre_key` follows") }
    if hasKey { flags |= 0x2000 }
    l4 = bytes.count
    put(flags)
    put(gre.proto.spec != 0 ? gre.proto.spec : 0x6558)
    if flags & 0x8000 != 0 { put(UInt32(0)) }
  }
}

extension Item {
  /// The item's word in the grammar.
  public var name: String {
    switch self {
    case .eth: "eth"
    case .vlan: "vlan"
    case .ipv4: "ipv4"
    case .ipv6: "ipv6"
    case .udp: "udp"
    case .tcp: "tcp"
    case .icmp: "icmp"
    case .icmp6: "icmp6"
    case .geneve: "geneve"
    case .geneveOption: "geneve-opt"
    case .vxlan: "vxlan"
    case .gre: "gre"
    case .greKey: "gre_key"
    case .nvgre: "nvgre"
    case .esp: "esp"
    case .representedPort: "represented_port"
    case .portRepresentor: "port_representor"
    }
  }
}
