import Device
import Rules

extension Item {
  /// The ability of the item's layer.
  var ability: MatchAbilities {
    switch self {
    case .eth: .eth
    case .vlan: .vlan
    case .ipv4: .ipv4
    case .ipv6: .ipv6
    case .udp: .udp
    case .tcp: .tcp
    case .icmp, .icmp6: .icmp
    case .geneve: .geneve
    case .geneveOption: .geneveOptions
    case .vxlan: .vxlan
    case .gre: .gre
    case .greKey: .greKey
    case .nvgre: .nvgre
    case .esp: .esp
    case .representedPort, .portRepresentor: .port
    }
  }

  /// The item's word in the grammar.
  var word: String {
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

  /// Whether items behind it are about inner headers.
  var isTunnel: Bool {
    switch self {
    case .geneve, .vxlan, .gre, .nvgre: true
    default: false
    }
  }

  /// The fields that are looked at (Geneve options are not fields).
  var uses: [FieldUse] {
    var list: [FieldUse] = []
    func add<V>(_ field: ItemField, _ value: Field<V>) {
      guard value.isUsed else { return }
      list.append(
        FieldUse(
          field: field, spec: UInt128(truncatingIfNeeded: value.spec), mask: UInt128(truncatingIfNeeded: value.mask)))
    }
    switch self {
    case .eth(let item):
      add(.ethDst, item.dst)
      add(.ethSrc, item.src)
      add(.ethType, item.type)
      add(.ethHasVLAN, item.hasVLAN)
    case .vlan(let item):
      add(.vlanTCI, item.tci)
      add(.vlanInnerType, item.innerType)
    case .ipv4(let item):
      add(.ipv4TOS, item.tos)
      add(.ipv4TTL, item.ttl)
      add(.ipv4Proto, item.proto)
      add(.ipv4Fragment, item.fragmentOffset)
      add(.ipv4Src, item.src)
      add(.ipv4Dst, item.dst)
    case .ipv6(let item):
      add(.ipv6TC, item.tc)
      add(.ipv6Flow, item.flow)
      add(.ipv6Proto, item.proto)
      add(.ipv6Hop, item.hop)
      add(.ipv6HasFragment, item.hasFragment)
      add(.ipv6Src, item.src)
      add(.ipv6Dst, item.dst)
    case .udp(let item):
      add(.l4Src, item.src)
      add(.l4Dst, item.dst)
    case .tcp(let item):
      add(.l4Src, item.src)
      add(.l4Dst, item.dst)
      add(.tcpFlags, item.flags)
    case .icmp(let item), .icmp6(let item):
      add(.icmpType, item.type)
      add(.icmpCode, item.code)
    case .geneve(let item):
      add(.geneveVNI, item.vni)
      add(.geneveProto, item.proto)
      add(.geneveOptionLength, item.optionLength)
    case .geneveOption: break
    case .vxlan(let item): add(.vxlanVNI, item.vni)
    case .gre(let item):
      add(.greFlags, item.flags)
      add(.greProto, item.proto)
    case .greKey(let key): add(.greKey, key)
    case .nvgre(let item):
      add(.nvgreTNI, item.tni)
      add(.nvgreFlow, item.flowID)
    case .esp(let spi): add(.espSPI, spi)
    case .representedPort(let port): add(.inPort, port)
    case .portRepresentor(let port): add(.representor, port)
    }
    return list
  }

  /// The item with another mask (and value) for one of its fields.
  func replacing(_ field: ItemField, spec: UInt128, mask: UInt128) -> Item {
    func make<V>(_ type: V.Type) -> Field<V> { Field(V(truncatingIfNeeded: spec), mask: V(truncatingIfNeeded: mask)) }
    switch (self, field) {
    case (.eth(var item), _):
      switch field {
      case .ethDst: item.dst = make(UInt64.self)
      case .ethSrc: item.src = make(UInt64.self)
      case .ethType: item.type = make(UInt16.self)
      default: item.hasVLAN = make(UInt8.self)
      }
      return .eth(item)
    case (.vlan(var item), _):
      if field == .vlanTCI { item.tci = make(UInt16.self) } else { item.innerType = make(UInt16.self) }
      return .vlan(item)
    case (.ipv4(var item), _):
      switch field {
      case .ipv4TOS: item.tos = make(UInt8.self)
      case .ipv4TTL: item.ttl = make(UInt8.self)
      case .ipv4Proto: item.proto = make(UInt8.self)
      case .ipv4Fragment: item.fragmentOffset = make(UInt16.self)
      case .ipv4Src: item.src = make(UInt32.self)
      default: item.dst = make(UInt32.self)
      }
      return .ipv4(item)
    case (.ipv6(var item), _):
      switch field {
      case .ipv6TC: item.tc = make(UInt8.self)
      case .ipv6Flow: item.flow = make(UInt32.self)
      case .ipv6Proto: item.proto = make(UInt8.self)
      case .ipv6Hop: item.hop = make(UInt8.self)
      case .ipv6HasFragment: item.hasFragment = make(UInt8.self)
      case .ipv6Src: item.src = make(UInt128.self)
      default: item.dst = make(UInt128.self)
      }
      return .ipv6(item)
    case (.udp(var item), _):
      if field == .l4Src { item.src = make(UInt16.self) } else { item.dst = make(UInt16.self) }
      return .udp(item)
    case (.tcp(var item), _):
      switch field {
      case .l4Src: item.src = make(UInt16.self)
      case .l4Dst: item.dst = make(UInt16.self)
      default: item.flags = make(UInt8.self)
      }
      return .tcp(item)
    case (.icmp(var item), _):
      if field == .icmpType { item.type = make(UInt8.self) } else { item.code = make(UInt8.self) }
      return .icmp(item)
    case (.icmp6(var item), _):
      if field == .icmpType { item.type = make(UInt8.self) } else { item.code = make(UInt8.self) }
      return .icmp6(item)
    case (.geneve(var item), _):
      switch field {
      case .geneveVNI: item.vni = make(UInt32.self)
      case .geneveProto: item.proto = make(UInt16.self)
      default: item.optionLength = make(UInt8.self)
      }
      return .geneve(item)
    case (.geneveOption, _): return self
    case (.vxlan, _):
      var item = VXLANItem()
      item.vni = make(UInt32.self)
      return .vxlan(item)
    case (.gre(var item), _):
      if field == .greFlags { item.flags = make(UInt16.self) } else { item.proto = make(UInt16.self) }
      return .gre(item)
    case (.greKey, _): return .greKey(make(UInt32.self))
    case (.nvgre(var item), _):
      if field == .nvgreTNI { item.tni = make(UInt32.self) } else { item.flowID = make(UInt8.self) }
      return .nvgre(item)
    case (.esp, _): return .esp(make(UInt32.self))
    case (.representedPort, _): return .representedPort(make(UInt16.self))
    case (.portRepresentor, _): return .portRepresentor(make(UInt16.self))
    }
  }

  /// The item with one of its fields not looked at.
  func dropping(_ field: ItemField) -> Item { replacing(field, spec: 0, mask: 0) }
}
