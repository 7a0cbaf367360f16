/// Makes header templates from items, as testpmd's `set raw_encap` does.
///
/// Fields that are not given are 0, except those that say what comes next: EtherType, IP protocol, GRE's and Geneve's
/// protocol (0x6558 behind them), the UDP destination port of the tunnel, VXLAN's I flag, GRE's K bit. (testpmd fills
/// EtherType and IP protocol, leaves ports and tunnel protocols 0, and gives an item without any field all ones.)
/// Lengths, checksums, a TTL of 0 and Geneve's option length stay as given: SPECIFICATION.md E2–E4 say who sets them.
public enum EncapsulationBuilder {
  /// The longest template, in bytes.
  public static let longestHeader = 400

  /// The template of these items, outermost first: Ethernet, tags, IP, and a tunnel; or Ethernet and tags alone.
  public static func encapsulation(
    of items: [Item], policy: EncapsulationPolicy = EncapsulationPolicy()
  ) throws(EncapsulationError) -> Encapsulation {
    let shape = try HeaderShape(items)
    var writer = HeaderWriter(items: items, shape: shape)
    for index in items.indices { try writer.write(index) }
    guard writer.bytes.count <= longestHeader else {
      throw .init(index: items.count - 1, "the headers have \(writer.bytes.count) bytes, more than \(longestHeader)")
    }
    return Encapsulation(
      header: writer.bytes, kind: shape.kind, l3: writer.l3, l4: writer.l4, isIPv6: shape.isIPv6, policy: policy)
  }

  /// What these headers, asked to be removed, amount to: a tunnel, or the Ethernet header.
  public static func decapsulation(of items: [Item]) throws(EncapsulationError) -> Decapsulation {
    let kind = try HeaderShape(items).kind
    return kind == .none ? .ethernet : .tunnel(kind)
  }

  /// The items of `set vxlan` and `set nvgre`.
  public static func items(of setting: TunnelSetting) -> [Item] {
    var eth = EthItem()
    eth.src = Field(setting.ethSource, mask: 0xffff_ffff_ffff)
    eth.dst = Field(setting.ethDestination, mask: 0xffff_ffff_ffff)
    var items: [Item] = [.eth(eth)]
    if let tci = setting.vlanTCI {
      var vlan = VLANItem()
      vlan.tci = Field(tci)
      items.append(.vlan(vlan))
    }
    if setting.isIPv6 {
      var ip = IPv6Item()
      (ip.src, ip.dst) = (Field(setting.ipSource), Field(setting.ipDestination))
      if let tosTTL = setting.tosTTL { (ip.tc, ip.hop) = (Field(tosTTL.tos), Field(tosTTL.ttl)) }
      items.append(.ipv6(ip))
    } else {
      var ip = IPv4Item()
      ip.src = Field(UInt32(truncatingIfNeeded: setting.ipSource))
      ip.dst = Field(UInt32(truncatingIfNeeded: setting.ipDestination))
      if let tosTTL = setting.tosTTL { (ip.tos, ip.ttl) = (Field(tosTTL.tos), Field(tosTTL.ttl)) }
      items.append(.ipv4(ip))
    }
    if setting.kind == .nvgre {
      var nvgre = NVGREItem()
      nvgre.tni = Field(setting.key, mask: 0xff_ffff)
      return items + [.nvgre(nvgre)]
    }
    var udp = L4Item()
    (udp.src, udp.dst) = (Field(setting.udpSource), Field(setting.udpDestination))
    var vxlan = VXLANItem()
    vxlan.vni = Field(setting.key, mask: 0xff_ffff)
    return items + [.udp(udp), .vxlan(vxlan)]
  }
}

/// Why items are no header template: which item, and what is wrong with it.
public struct EncapsulationError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The item, from 0.
  public let index: Int
  /// What is wrong, without a full stop.
  public let sentence: String

  init(index: Int, _ sentence: String) {
    self.index = index
    self.sentence = sentence
  }

  /// `item N: sentence`, items counted from 1.
  public var description: String { "item \(index + 1): \(sentence)" }
}

/// What a list of headers is, once its order is known to be right.
struct HeaderShape {
  var kind = TunnelKind.none
  var isIPv6 = false

  /// Bytes of Geneve options; the header's length field can say 252.
  private var options = 0

  init(_ items: [Item]) throws(EncapsulationError) {
    guard case .eth? = items.first else { throw .init(index: 0, "a header template begins with `eth`") }
    var layer = 0
    var tags = 0
    for (index, item) in items.enumerated() {
      let name = item.name
      let (wants, becomes): ([Int], Int)
      switch item {
      case .eth: (wants, becomes) = ([0], 1)
      case .vlan:
        tags += 1
        guard tags <= 2 else { throw .init(index: index, "more than two VLAN tags") }
        (wants, becomes) = ([1], 1)
      case .ipv4: (wants, becomes) = ([1], 2)
      case .ipv6:
        isIPv6 = true
        (wants, becomes) = ([1], 2)
      case .udp: (wants, becomes) = ([2], 3)
      case .geneve: (wants, becomes, kind) = ([3], 4, .geneve)
      case .geneveOption(let option):
        options += 4 + 4 * Int(option.length)
        guard options <= 252 else { throw .init(index: index, "more than 252 bytes of Geneve options") }
        (wants, becomes) = ([4], 4)
      case .vxlan: (wants, becomes, kind) = ([3], 5, .vxlan)
      case .gre: (wants, becomes, kind) = ([2], 6, .gre)
      case .greKey: (wants, becomes) = ([6], 5)
      case .nvgre: (wants, becomes, kind) = ([2], 5, .nvgre)
      default: throw .init(index: index, "`\(name)` cannot stand in a header template")
      }
      guard wants.contains(layer) else {
        if layer >= 4 {
          throw .init(index: index, "`\(name)` behind the tunnel header: a template ends there, use a second one")
        }
        throw .init(index: index, "`\(name)` cannot stand behind `\(index == 0 ? "" : items[index - 1].name)`")
      }
      layer = becomes
    }
    if layer == 2 || layer == 3 {
      throw .init(
        index: items.count - 1,
        "the headers end with `\(items[items.count - 1].name)`: a tunnel (geneve, vxlan, gre, nvgre) must follow")
    }
  }
}
