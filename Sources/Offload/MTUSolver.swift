/// How large an IP packet may be inside a nest of encapsulations, and how large the link must be for one: the
/// arithmetic behind `dpuctl mtu`, with each layer's bytes.
public struct MTUSolver: Equatable, Sendable {
  /// One line of the derivation: what a header takes of what is there.
  public struct Step: Equatable, Sendable {
    /// The header's name.
    public var name: String
    /// Bytes that it takes at full size, padding included.
    public var bytes: Int
    /// Bytes that are left for what is inside.
    public var left: Int
    /// Index of the layer that brought it.
    public var layer: Int
  }

  /// The layers, outermost first.
  public let layers: [MTULayer]

  /// A nest of these layers, outermost first; an empty one is the plain link.
  public init(_ layers: [MTULayer]) { self.layers = layers }

  /// The largest inner IP packet for a link's L3 MTU of `outer`, 1…65535, and how it comes about line by line.
  ///
  /// - Throws: an ``MTUError`` that names the layer.
  public func solve(outer: Int) throws(MTUError) -> (inner: Int, steps: [Step]) {
    guard (1...0xffff).contains(outer) else { throw .range(outer) }
    var left = outer
    var steps: [Step] = []
    for part in try parts() {
      let before = left
      switch part.cost {
      case .header(let bytes): left -= bytes
      case .aligned(let unit, let trailer): left = left / unit * unit - trailer
      }
      guard left > 0 else { throw .noRoom(index: part.layer, layer: layers[part.layer].name, room: max(0, before)) }
      steps.append(Step(name: part.name, bytes: before - left, left: left, layer: part.layer))
    }
    return (left, steps)
  }

  /// The smallest L3 MTU of the link for inner IP packets of `inner` bytes, 1…65535.
  ///
  /// - Throws: an ``MTUError`` that names the layer; ``MTUError/range(_:)`` when no link could be so large.
  public func outer(inner: Int) throws(MTUError) -> Int {
    guard (1...0xffff).contains(inner) else { throw .range(inner) }
    var size = inner
    for part in try parts().reversed() {
      switch part.cost {
      case .header(let bytes): size += bytes
      case .aligned(let unit, let trailer): size = (size + trailer + unit - 1) / unit * unit
      }
    }
    guard size <= 0xffff else { throw .range(size) }
    return size
  }

  /// How a part makes less of what is there.
  private enum Cost {
    case header(Int)
    /// What is inside, and a trailer of so many bytes, fill whole units.
    case aligned(Int, trailer: Int)
  }

  private struct Part {
    var name: String
    var cost: Cost
    var layer: Int
  }

  /// What stands where the next layer begins.
  private enum Place: Equatable {
    /// An IP packet, behind Ethernet or not.
    case packet(behindEthernet: Bool)
    /// What an IP header of so many bytes carries; `sealed` inside ESP in transport mode.
    case payload(header: Int, sealed: Bool)
  }

  /// Every header of the nest, in order.
  private func parts() throws(MTUError) -> [Part] {
    var parts: [Part] = []
    var place = Place.packet(behindEthernet: true)
    var isIPv6 = false
    for (index, layer) in layers.enumerated() {
      func add(_ name: String, _ bytes: Int) { parts.append(Part(name: name, cost: .header(bytes), layer: index)) }
      func addIP() { add(isIPv6 ? "IPv6 header" : "IPv4 header", isIPv6 ? 40 : 20) }
      switch layer {
      case .ipv4, .ipv6:
        isIPv6 = layer == .ipv6
        addIP()
        place = .payload(header: isIPv6 ? 40 : 20, sealed: false)
        continue
      case .vlan:
        guard case .packet(behindEthernet: true) = place else { throw .tagWithoutEthernet(index: index) }
        let isOutermost = layers[..<index].allSatisfy { $0 == .vlan }
        add(isOutermost ? "802.1Q tag (not part of an L3 MTU)" : "802.1Q tag", isOutermost ? 0 : 4)
        continue
      default: break
      }
      if case .packet = place {
        addIP()
        place = .payload(header: isIPv6 ? 40 : 20, sealed: false)
      }
      place = try enter(layer, index, place, add) { parts.append($0) }
    }
    if case .payload(let header, sealed: true) = place {
      // Transport mode of the packet's own: its IP header counts as inside.
      parts.append(
        Part(name: "the packet's own IP header, counted above", cost: .header(-header), layer: layers.count - 1))
    }
    return parts
  }

  /// Adds the headers of a tunnel that an IP header or ESP carries, and says what stands behind.
  private func enter(
    _ layer: MTULayer, _ index: Int, _ place: Place, _ add: (String, Int) -> Void, _ append: (Part) -> Void
  ) throws(MTUError) -> Place {
    func addEthernet(_ payload: MTULayer.Payload) -> Place {
      if payload == .ethernet { add("inner Ethernet header", 14) }
      return .packet(behindEthernet: payload == .ethernet)
    }
    func addESP() {
      add("ESP header", 8)
      add("AES-GCM IV", 8)
      add("AES-GCM ICV", 16)
      append(Part(name: "ESP padding to 4, pad length, next header", cost: .aligned(4, trailer: 2), layer: index))
    }
    switch layer {
    case .geneve(let options, let payload):
      guard (0...252).contains(options), options % 4 == 0 else { throw .optionLength(options) }
      add("UDP header", 8)
      add("Geneve header", 8)
      if options > 0 { add("Geneve options", options) }
      return addEthernet(payload)
    case .vxlan:
      add("UDP header", 8)
      add("VXLAN header", 8)
      return addEthernet(.ethernet)
    case .gre(let key, let checksum, let sequence, let payload):
      add("GRE header", 4)
      if checksum { add("GRE checksum", 4) }
      if key { add("GRE key", 4) }
      if sequence { add("GRE sequence number", 4) }
      return addEthernet(payload)
    case .nvgre:
      add("NVGRE header", 8)
      return addEthernet(.ethernet)
    case .natT:
      guard index + 1 < layers.count, layers[index + 1] == .espTunnel || layers[index + 1] == .espTransport else {
        throw .natTWithoutESP(index: index)
      }
      add("UDP header (NAT-T)", 8)
      return place
    case .espTunnel:
      addESP()
      return .packet(behindEthernet: false)
    case .espTransport:
      guard case .payload(let header, sealed: false) = place else {
        throw .notAPayload(index: index, layer: layer.name)
      }
      addESP()
      return .payload(header: header, sealed: true)
    case .wireguard:
      add("UDP header", 8)
      add("WireGuard header", 16)
      add("Poly1305 tag", 16)
      return .packet(behindEthernet: false)
    case .ipv4, .ipv6, .vlan: throw .notAPayload(index: index, layer: layer.name)
    }
  }
}
