/// One encapsulation of a nest, for ``MTUSolver``; listed from the outermost inwards.
///
/// A tunnel that needs an IP header in front and has none gets one of the version last named, IPv4 at first.
public enum MTULayer: Equatable, Sendable {
  /// What a tunnel carries.
  public enum Payload: Equatable, Sendable {
    /// Ethernet without tags: 14 bytes more.
    case ethernet
    /// IP at once.
    case ip
  }

  /// An IPv4 header without options; the last of a list is IP in IP (RFC 2003).
  case ipv4
  /// An IPv6 header without extension headers.
  case ipv6
  /// An 802.1Q tag on the Ethernet header before it. On the outermost it takes nothing of an L3 MTU.
  case vlan
  /// Geneve (RFC 8926) with so many bytes of options: 0…252, a multiple of 4.
  case geneve(options: Int, payload: Payload)
  /// VXLAN (RFC 7348).
  case vxlan
  /// GRE (RFC 2784, 2890): 4 bytes, and 4 for each optional field.
  case gre(key: Bool, checksum: Bool, sequence: Bool, payload: Payload)
  /// NVGRE (RFC 7637).
  case nvgre
  /// ESP in tunnel mode with AES-GCM and a 16-byte ICV (RFC 4303, 4106): a whole IP packet inside.
  case espTunnel
  /// The same in transport mode: what the IP header in front carried is inside, that is the tunnel listed next.
  case espTransport
  /// UDP in front of the ESP listed next (RFC 3948).
  case natT
  /// WireGuard: padding to 16 bytes is capped at the MTU, so it costs nothing at full size.
  case wireguard

  /// The layer's word in the grammar of ``init(parsing:)``.
  public var name: String {
    func tail(_ payload: Payload, _ plain: Payload) -> String {
      payload == plain ? "" : payload == .ip ? ":ip" : ":eth"
    }
    switch self {
    case .ipv4: return "ipv4"
    case .ipv6: return "ipv6"
    case .vlan: return "vlan"
    case .geneve(let options, let payload):
      return "geneve" + (options > 0 ? ":\(options)" : "") + tail(payload, .ethernet)
    case .vxlan: return "vxlan"
    case .gre(let key, let checksum, let sequence, let payload):
      return "gre" + (key ? ":key" : "") + (checksum ? ":csum" : "") + (sequence ? ":seq" : "") + tail(payload, .ip)
    case .nvgre: return "nvgre"
    case .espTunnel: return "esp-tunnel"
    case .espTransport: return "esp-transport"
    case .natT: return "nat-t"
    case .wireguard: return "wireguard"
    }
  }

  /// Reads a layer's word: `ipv4`, `ipv6`, `vlan`, `geneve[:BYTES|ovn|gwlb|max][:ip]`, `vxlan`,
  /// `gre[:key][:csum][:seq][:eth]`, `nvgre`, `esp-tunnel`, `esp-transport`, `nat-t`, `wireguard`.
  ///
  /// `ovn` is OVN's one option (8 bytes), `gwlb` AWS Gateway Load Balancer's three and IP inside (32 bytes), `max` all
  /// that fits (252 bytes).
  ///
  /// - Throws: ``MTUError/unknownWord(_:in:)``, ``MTUError/optionLength(_:)``.
  public init(parsing text: String) throws(MTUError) {
    let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let options = words.dropFirst()
    switch words.first ?? "" {
    case "geneve": self = try Self.geneve(options, in: text)
    case "gre": self = try Self.gre(options, in: text)
    case let word:
      let plain: [MTULayer] = [
        .ipv4, .ipv6, .vlan, .vxlan, .nvgre, .espTunnel, .espTransport, .natT, .wireguard,
      ]
      guard let layer = plain.first(where: { $0.name == word }) else { throw .unknownWord(word, in: text) }
      if let extra = options.first { throw .unknownWord(extra, in: text) }
      self = layer
    }
  }

  private static func geneve(_ words: ArraySlice<String>, in text: String) throws(MTUError) -> MTULayer {
    var bytes = 0
    var payload = Payload.ethernet
    for word in words {
      switch word {
      case "ip": payload = .ip
      case "eth": payload = .ethernet
      case "ovn": bytes = 8
      case "max": bytes = 252
      case "gwlb":
        bytes = 32
        payload = .ip
      default:
        guard let number = Int(word) else { throw .unknownWord(word, in: text) }
        guard (0...252).contains(number), number % 4 == 0 else { throw .optionLength(number) }
        bytes = number
      }
    }
    return .geneve(options: bytes, payload: payload)
  }

  private static func gre(_ words: ArraySlice<String>, in text: String) throws(MTUError) -> MTULayer {
    for word in words where !["key", "csum", "seq", "eth", "ip"].contains(word) { throw .unknownWord(word, in: text) }
    return .gre(
      key: words.contains("key"), checksum: words.contains("csum"), sequence: words.contains("seq"),
      payload: words.contains("eth") ? .ethernet : .ip)
  }
}

/// Why a nest has no MTU.
public enum MTUError: Error, Equatable, Sendable, CustomStringConvertible {
  /// `word` of the layer `in` is not in the grammar.
  case unknownWord(String, in: String)
  /// Geneve options are 0…252 bytes, a multiple of 4.
  case optionLength(Int)
  /// Layer `index` does not fit: of `room` bytes it needs more.
  case noRoom(index: Int, layer: String, room: Int)
  /// A tag at `index` without an Ethernet header before it.
  case tagWithoutEthernet(index: Int)
  /// `nat-t` at `index` and no ESP behind it.
  case natTWithoutESP(index: Int)
  /// Layer `index` cannot be what an IP header, or ESP in transport mode, carries.
  case notAPayload(index: Int, layer: String)
  /// An MTU is 1…65535.
  case range(Int)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .unknownWord(let word, let text):
      "'\(word)' in '\(text)' is not known: expected ipv4, ipv6, vlan, geneve[:BYTES|ovn|gwlb|max][:ip], vxlan, "
        + "gre[:key][:csum][:seq][:eth], nvgre, esp-tunnel, esp-transport, nat-t or wireguard"
    case .optionLength(let bytes): "Geneve options have 0…252 bytes, a multiple of 4; found \(bytes)"
    case .noRoom(let index, let layer, let room): "layer \(index + 1), \(layer), does not fit into \(room) bytes"
    case .tagWithoutEthernet(let index): "layer \(index + 1), vlan: expected an Ethernet header before it, found none"
    case .natTWithoutESP(let index): "layer \(index + 1), nat-t: expected esp-tunnel or esp-transport behind it"
    case .notAPayload(let index, let layer):
      "layer \(index + 1), \(layer): expected ipv4, ipv6 or a tunnel that IP carries, found \(layer)"
    case .range(let mtu): "an MTU is 1…65535; found \(mtu)"
    }
  }
}
