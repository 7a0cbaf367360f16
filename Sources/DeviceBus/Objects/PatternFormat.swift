public import Rules

/// A pattern as a classifier (what is looked at) and keys (what is wanted), virtio's two objects of a flow filter.
///
/// A classifier is a u8 count, 7 zeros, and for each item a selector: u8 type, a zero, le16 length, and the masks of the
/// item's fields in the order of their declaration, each in its type's width, little-endian. The keys are the wanted values,
/// field by field in the same order. A Geneve option's class, type, length and number of words are compared in full and stand in the
/// selector, before its masks: le16, u8, u8, u8, three zeros.
public enum PatternFormat {
  enum Selector: UInt8 {
    case eth = 1
    case ipv4, ipv6, tcp, udp, esp
    case vlan = 0x81
    case icmp, icmp6, geneve, geneveOption, vxlan, gre, greKey, nvgre, representedPort, portRepresentor
  }

  /// Items at most.
  public static let mostItems = 255

  /// A pattern's classifier and keys; nil when it has more items than a classifier.
  public static func encode(_ pattern: [Item]) -> (classifier: [UInt8], keys: [UInt8])? {
    guard pattern.count <= mostItems else { return nil }
    var classifier = ByteWriter()
    var keys = ByteWriter()
    classifier.put(UInt8(pattern.count))
    classifier.zeros(7)
    for item in pattern {
      var fields = FieldWriter()
      let selector = write(item, &fields)
      classifier.put(selector.rawValue)
      classifier.zeros(1)
      classifier.put(UInt16(fields.masks.bytes.count))
      classifier.put(fields.masks.bytes)
      keys.put(fields.keys.bytes)
    }
    return (classifier.bytes, keys.bytes)
  }

  /// The pattern of a classifier and keys.
  ///
  /// - Throws: ``FormatError``; places are the classifier's.
  public static func decode(classifier: [UInt8], keys: ByteReader) throws(FormatError) -> [Item] {
    var reader = ByteReader(classifier)
    var keys = keys
    let count = Int(try reader.take(UInt8.self))
    try reader.zeros(7)
    var pattern: [Item] = []
    for _ in 0..<count {
      guard let selector = Selector(rawValue: try reader.take()) else { throw reader.unknown() }
      try reader.zeros(1)
      let length = Int(try reader.take(UInt16.self))
      var fields = FieldReader(masks: try reader.part(length), keys: keys)
      pattern.append(try read(selector, &fields))
      try fields.masks.ends()
      keys = fields.keys
    }
    try reader.ends()
    try keys.ends()
    return pattern
  }

  /// Whether a classifier is one: what making the object checks.
  ///
  /// - Throws: ``FormatError``.
  public static func check(classifier: [UInt8]) throws(FormatError) {
    // Keys are never longer than the selectors with their masks.
    let most = ByteReader([UInt8](repeating: 0, count: classifier.count))
    do throws(FormatError) {
      _ = try decode(classifier: classifier, keys: most)
    } catch {
      // Keys are left over: the classifier was read to its end.
      if error.expected != .end { throw error }
    }
  }

  private static func write(_ item: Item, _ fields: inout FieldWriter) -> Selector {
    switch item {
    case .eth(let eth):
      fields.put(eth.dst)
      fields.put(eth.src)
      fields.put(eth.type)
      fields.put(eth.hasVLAN)
      return .eth
    case .vlan(let vlan):
      fields.put(vlan.tci)
      fields.put(vlan.innerType)
      return .vlan
    case .ipv4(let ip):
      fields.put(ip.tos)
      fields.put(ip.ttl)
      fields.put(ip.proto)
      fields.put(ip.fragmentOffset)
      fields.put(ip.src)
      fields.put(ip.dst)
      return .ipv4
    case .ipv6(let ip):
      fields.put(ip.tc)
      fields.put(ip.flow)
      fields.put(ip.proto)
      fields.put(ip.hop)
      fields.put(ip.hasFragment)
      fields.put(ip.src)
      fields.put(ip.dst)
      return .ipv6
    case .udp(let udp):
      fields.put(udp.src)
      fields.put(udp.dst)
      return .udp
    case .tcp(let tcp):
      fields.put(tcp.src)
      fields.put(tcp.dst)
      fields.put(tcp.flags)
      return .tcp
    case .icmp(let icmp), .icmp6(let icmp):
      fields.put(icmp.type)
      fields.put(icmp.code)
      if case .icmp = item { return .icmp }
      return .icmp6
    case .geneve(let geneve):
      fields.put(geneve.vni)
      fields.put(geneve.proto)
      fields.put(geneve.optionLength)
      return .geneve
    case .geneveOption(let option):
      fields.masks.put(option.optionClass)
      fields.masks.put(option.type)
      fields.masks.put(option.length)
      fields.masks.put(UInt8(truncatingIfNeeded: option.data.count))
      fields.masks.zeros(3)
      for (data, mask) in zip(option.data, option.mask) { fields.put(Field(data, mask: mask)) }
      return .geneveOption
    case .vxlan(let vxlan):
      fields.put(vxlan.vni)
      return .vxlan
    case .gre(let gre):
      fields.put(gre.flags)
      fields.put(gre.proto)
      return .gre
    case .nvgre(let nvgre):
      fields.put(nvgre.tni)
      fields.put(nvgre.flowID)
      return .nvgre
    case .greKey(let key):
      fields.put(key)
      return .greKey
    case .esp(let spi):
      fields.put(spi)
      return .esp
    case .representedPort(let port):
      fields.put(port)
      return .representedPort
    case .portRepresentor(let port):
      fields.put(port)
      return .portRepresentor
    }
  }

  private static func read(_ selector: Selector, _ fields: inout FieldReader) throws(FormatError) -> Item {
    switch selector {
    case .eth:
      var eth = EthItem()
      eth.dst = try fields.take()
      eth.src = try fields.take()
      eth.type = try fields.take()
      eth.hasVLAN = try fields.take()
      return .eth(eth)
    case .vlan:
      var vlan = VLANItem()
      vlan.tci = try fields.take()
      vlan.innerType = try fields.take()
      return .vlan(vlan)
    case .ipv4:
      var ip = IPv4Item()
      ip.tos = try fields.take()
      ip.ttl = try fields.take()
      ip.proto = try fields.take()
      ip.fragmentOffset = try fields.take()
      ip.src = try fields.take()
      ip.dst = try fields.take()
      return .ipv4(ip)
    case .ipv6:
      var ip = IPv6Item()
      ip.tc = try fields.take()
      ip.flow = try fields.take()
      ip.proto = try fields.take()
      ip.hop = try fields.take()
      ip.hasFragment = try fields.take()
      ip.src = try fields.take()
      ip.dst = try fields.take()
      return .ipv6(ip)
    case .udp:
      var udp = L4Item()
      udp.src = try fields.take()
      udp.dst = try fields.take()
      return .udp(udp)
    case .tcp:
      var tcp = TCPItem()
      tcp.src = try fields.take()
      tcp.dst = try fields.take()
      tcp.flags = try fields.take()
      return .tcp(tcp)
    case .icmp, .icmp6:
      var icmp = ICMPItem()
      icmp.type = try fields.take()
      icmp.code = try fields.take()
      return selector == .icmp ? .icmp(icmp) : .icmp6(icmp)
    case .geneve:
      var geneve = GeneveItem()
      geneve.vni = try fields.take()
      geneve.proto = try fields.take()
      geneve.optionLength = try fields.take()
      return .geneve(geneve)
    case .geneveOption: return try readOption(&fields)
    case .vxlan:
      var vxlan = VXLANItem()
      vxlan.vni = try fields.take()
      return .vxlan(vxlan)
    case .gre:
      var gre = GREItem()
      gre.flags = try fields.take()
      gre.proto = try fields.take()
      return .gre(gre)
    case .nvgre:
      var nvgre = NVGREItem()
      nvgre.tni = try fields.take()
      nvgre.flowID = try fields.take()
      return .nvgre(nvgre)
    case .greKey: return .greKey(try fields.take())
    case .esp: return .esp(try fields.take())
    case .representedPort: return .representedPort(try fields.take())
    case .portRepresentor: return .portRepresentor(try fields.take())
    }
  }

  private static func readOption(_ fields: inout FieldReader) throws(FormatError) -> Item {
    let optionClass: UInt16 = try fields.masks.take()
    let type: UInt8 = try fields.masks.take()
    let length: UInt8 = try fields.masks.take()
    let words: UInt8 = try fields.masks.take()
    guard length < 32, words <= length else { throw fields.masks.unknown() }
    try fields.masks.zeros(3)
    var data: [UInt32] = []
    var mask: [UInt32] = []
    for _ in 0..<words {
      let field: Field<UInt32> = try fields.take()
      data.append(field.spec)
      mask.append(field.mask)
    }
    return .geneveOption(GeneveOptionItem(optionClass: optionClass, type: type, length: length, data: data, mask: mask))
  }
}

struct FieldWriter {
  var masks = ByteWriter()
  var keys = ByteWriter()

  mutating func put<T>(_ field: Field<T>) {
    masks.put(field.mask)
    keys.put(field.spec)
  }
}

struct FieldReader {
  var masks: ByteReader
  var keys: ByteReader

  mutating func take<T>() throws(FormatError) -> Field<T> {
    let mask: T = try masks.take()
    let spec: T = try keys.take()
    return Field(spec, mask: mask)
  }
}
