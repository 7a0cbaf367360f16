public import Device
import Rules

/// What a device is told before it is started, an object each: ports, templates, lists, the endpoint's policy. All
/// little-endian; see README.md for the tables.
public enum OverlayFormat {
  /// The commands that tell a device `overlay`; nil when a part of it is longer than an object can be.
  public static func commands(_ overlay: Overlay) -> [AdminCommand]? {
    var list: [AdminCommand] = []
    for port in overlay.ports {
      list.append(AdminCommand(.create, .port, id: UInt32(port.id), body: encode(port)))
    }
    for (index, template) in overlay.encapsulations.sorted(by: { $0.key < $1.key }) {
      guard let body = encode(template) else { return nil }
      list.append(AdminCommand(.create, .encapsulation, id: UInt32(index), body: body))
    }
    for (index, what) in overlay.decapsulations.sorted(by: { $0.key < $1.key }) {
      list.append(AdminCommand(.create, .decapsulation, id: UInt32(index), body: encode(what)))
    }
    for (index, actions) in overlay.sampleActions.sorted(by: { $0.key < $1.key }) {
      guard let body = ActionFormat.encode(actions), body.count <= mostBody else { return nil }
      list.append(AdminCommand(.create, .sampleList, id: UInt32(index), body: body))
    }
    for (id, action) in overlay.indirectActions.sorted(by: { $0.key < $1.key }) {
      guard let body = ActionFormat.encode([action]), body.count <= mostBody else { return nil }
      list.append(AdminCommand(.create, .indirectAction, id: id, body: body))
    }
    guard let endpoint = encode(overlay.endpoint) else { return nil }
    list.append(AdminCommand(.create, .endpoint, id: 0, body: endpoint))
    return list
  }

  static let mostBody = BusLayout.adminBuffer - AdminCommand.headerSize

  /// Takes an object into `overlay`.
  ///
  /// - Returns: false when the type is none of an overlay's.
  /// - Throws: ``FormatError``.
  public static func take(
    _ type: ObjectType, id: UInt32, body: [UInt8], into overlay: inout Overlay
  ) throws(FormatError) -> Bool {
    let reader = ByteReader(body)
    switch type {
    case .port:
      let port = try port(reader, id: id)
      guard !overlay.ports.contains(where: { $0.id == port.id }), overlay.ports.count < 4096 else {
        throw reader.unknown()
      }
      overlay.ports.append(port)
    case .encapsulation: overlay.encapsulations[try index(id)] = try encapsulation(reader)
    case .decapsulation: overlay.decapsulations[try index(id)] = try decapsulation(reader)
    case .sampleList: overlay.sampleActions[try index(id)] = try ActionFormat.decode(reader)
    case .indirectAction:
      let actions = try ActionFormat.decode(reader)
      guard actions.count == 1 else { throw reader.unknown() }
      overlay.indirectActions[id] = actions[0]
    case .endpoint: overlay.endpoint = try endpoint(reader)
    default: return false
    }
    return true
  }

  private static func index(_ id: UInt32) throws(FormatError) -> UInt16 {
    guard let index = UInt16(exactly: id) else { throw FormatError(at: 28, expected: .known) }
    return index
  }

  // MARK: Ports: u8 kind, u8 miss, le16 mtu, le16 tenant, le16 zero, le64 mac

  private static func encode(_ port: Port) -> [UInt8] {
    var writer = ByteWriter()
    writer.put(port.kind.rawValue)
    writer.put(port.miss.rawValue)
    writer.put(port.mtu)
    writer.put(port.tenant)
    writer.zeros(2)
    writer.put(port.mac)
    return writer.bytes
  }

  private static func port(_ from: ByteReader, id: UInt32) throws(FormatError) -> Port {
    var reader = from
    guard let kind = Port.Kind(rawValue: try reader.take()) else { throw reader.unknown() }
    guard let miss = Port.Miss(rawValue: try reader.take()) else { throw reader.unknown() }
    let mtu: UInt16 = try reader.take()
    let tenant: UInt16 = try reader.take()
    try reader.zeros(2)
    let mac: UInt64 = try reader.take()
    try reader.ends()
    return Port(id: try index(id), kind: kind, mtu: mtu, tenant: tenant, mac: mac, miss: miss)
  }

  // MARK: Templates: u8 kind, u8 is-IPv6, le16 l3, le16 l4, u8 ×5 policy (ECN, DSCP, TTL, DF, UDP checksum), zero, header

  private static func encode(_ template: Encapsulation) -> [UInt8]? {
    guard let l3 = UInt16(exactly: template.l3), let l4 = UInt16(exactly: template.l4),
      template.header.count <= mostBody - 12
    else { return nil }
    var writer = ByteWriter()
    writer.put(template.kind.rawValue)
    writer.put(template.isIPv6)
    writer.put(l3)
    writer.put(l4)
    writer.put(template.policy.ecn.rawValue)
    writer.put(template.policy.dscp.rawValue)
    writer.put(template.policy.ttl.rawValue)
    writer.put(template.policy.df.rawValue)
    writer.put(template.policy.udpChecksum.rawValue)
    writer.zeros(1)
    writer.put(template.header)
    return writer.bytes
  }

  private static func encapsulation(_ from: ByteReader) throws(FormatError) -> Encapsulation {
    var reader = from
    guard let kind = TunnelKind(rawValue: try reader.take()) else { throw reader.unknown() }
    let isIPv6 = try reader.flag()
    let l3: UInt16 = try reader.take()
    let l4: UInt16 = try reader.take()
    var policy = EncapsulationPolicy()
    guard let ecn = EncapsulationPolicy.ECN(rawValue: try reader.take()),
      let dscp = EncapsulationPolicy.DSCP(rawValue: try reader.take()),
      let ttl = EncapsulationPolicy.TTL(rawValue: try reader.take()),
      let df = EncapsulationPolicy.DF(rawValue: try reader.take()),
      let checksum = EncapsulationPolicy.Checksum(rawValue: try reader.take())
    else { throw reader.unknown() }
    policy.ecn = ecn
    policy.dscp = dscp
    policy.ttl = ttl
    policy.df = df
    policy.udpChecksum = checksum
    try reader.zeros(1)
    return Encapsulation(
      header: try reader.take(reader.left), kind: kind, l3: Int(l3), l4: Int(l4), isIPv6: isIPv6, policy: policy)
  }

  // MARK: Decapsulations: u8 tunnel kind, u8 1 when it is the Ethernet header alone

  private static func encode(_ what: Decapsulation) -> [UInt8] {
    switch what {
    case .tunnel(let kind): [kind.rawValue, 0]
    case .ethernet: [0, 1]
    }
  }

  private static func decapsulation(_ from: ByteReader) throws(FormatError) -> Decapsulation {
    var reader = from
    guard let kind = TunnelKind(rawValue: try reader.take()) else { throw reader.unknown() }
    let isEthernet = try reader.flag()
    try reader.ends()
    return isEthernet ? .ethernet : .tunnel(kind)
  }

  // MARK: Endpoint: le16 Geneve and VXLAN port, u8 ×3 flags, zero, le64 ×2 reassembly, le32 ×3 counts, options, addresses

  private static func encode(_ endpoint: EndpointPolicy) -> [UInt8]? {
    var writer = ByteWriter()
    writer.put(endpoint.genevePort)
    writer.put(endpoint.vxlanPort)
    writer.put(endpoint.acceptsZeroUDPChecksumIPv6)
    writer.put(endpoint.acceptsVXLANInnerVLAN)
    writer.put(endpoint.reassembly != nil)
    writer.zeros(1)
    writer.put(UInt64(clamping: endpoint.reassembly?.bytes ?? 0))
    writer.put(endpoint.reassembly?.timeout ?? 0)
    writer.put(UInt32(clamping: endpoint.knownCriticalOptions.count))
    writer.put(UInt32(clamping: endpoint.ipv4.count))
    writer.put(UInt32(clamping: endpoint.ipv6.count))
    for option in endpoint.knownCriticalOptions { writer.put(option) }
    for address in endpoint.ipv4 { writer.put(address) }
    for address in endpoint.ipv6 { writer.put(address) }
    return writer.bytes.count <= mostBody ? writer.bytes : nil
  }

  private static func endpoint(_ from: ByteReader) throws(FormatError) -> EndpointPolicy {
    var reader = from
    var endpoint = EndpointPolicy()
    endpoint.genevePort = try reader.take()
    endpoint.vxlanPort = try reader.take()
    endpoint.acceptsZeroUDPChecksumIPv6 = try reader.flag()
    endpoint.acceptsVXLANInnerVLAN = try reader.flag()
    let reassembles = try reader.flag()
    try reader.zeros(1)
    let bytes: UInt64 = try reader.take()
    let timeout: UInt64 = try reader.take()
    if reassembles { endpoint.reassembly = EndpointPolicy.Reassembly(bytes: Int(clamping: bytes), timeout: timeout) }
    let options: UInt32 = try reader.take()
    let ipv4: UInt32 = try reader.take()
    let ipv6: UInt32 = try reader.take()
    for _ in 0..<options { endpoint.knownCriticalOptions.append(try reader.take()) }
    for _ in 0..<ipv4 { endpoint.ipv4.append(try reader.take()) }
    for _ in 0..<ipv6 { endpoint.ipv6.append(try reader.take()) }
    try reader.ends()
    return endpoint
  }
}
