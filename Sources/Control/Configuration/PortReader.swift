import Device
import Rules
import Wire

// One reader a section of the document, each beside the words it knows.

extension Configuration {
  static func readPorts(_ value: YAMLValue) throws(YAMLError) -> [NamedPort] {
    var ports: [NamedPort] = []
    var tenants: [String: UInt16] = [:]
    for entry in try value.list() {
      var map = try entry.map()
      let nameValue = try map.required("name")
      let name = try nameValue.string()
      let id = UInt16(try map.required("id").integer(0...65535))
      let kind: Port.Kind = try map.required("kind").choice([("uplink", .uplink), ("tenant", .tenant), ("host", .host)])
      var port = Port(id: id, kind: kind)
      if let mtu = map.optional("mtu") { port.mtu = UInt16(try mtu.integer(68...65535)) }
      if let mac = map.optional("mac") { port.mac = try mac.mac() }
      if let tenant = map.optional("tenant") {
        let text = try tenant.string()
        guard kind == .tenant else { throw tenant.error("only a port of kind tenant has a tenant") }
        guard tenants.count < 65535 || tenants[text] != nil else { throw tenant.error("more than 65,535 tenants") }
        port.tenant = tenants[text] ?? UInt16(tenants.count + 1)
        tenants[text] = port.tenant
      }
      if let miss = map.optional("miss") {
        port.miss = try miss.choice([("drop", .drop), ("host", .host), ("controller", .controller)])
      }
      if let coalesce = map.optional("coalesce") {
        port.coalesces = try coalesce.choice([("off", false), ("on", true)])
        guard kind != .uplink else { throw coalesce.error("frames to an uplink are not merged") }
      }
      let attachment = try map.optional("attach").map(readAttachment)
      var nextHops: NextHops?
      if let value = map.optional("next_hops") {
        guard kind == .uplink else { throw value.error("only an uplink has next hops") }
        nextHops = try readNextHops(value)
      }
      let function = try map.optional("function").map { (value) throws(YAMLError) in
        guard kind == .tenant else { throw value.error("only a port of kind tenant is a function") }
        return try PortFunction.read(value, mac: port.mac)
      }
      try map.finish()
      guard !name.isEmpty, !name.contains(where: { $0 == "=" || $0.isWhitespace }) else {
        throw nameValue.error("a port's name has no spaces and no '='")
      }
      guard !ports.contains(where: { $0.name == name }) else {
        throw nameValue.error("the name '\(name)' stands twice")
      }
      guard !ports.contains(where: { $0.port.id == id }) else { throw entry.error("the id \(id) stands twice") }
      ports.append(NamedPort(name: name, port: port, attachment: attachment, nextHops: nextHops, function: function))
    }
    guard !ports.isEmpty else { throw value.error("at least one port is needed") }
    for named in ports {
      guard let representor = named.function?.representor else { continue }
      guard ports.contains(where: { $0.name == representor && $0.name != named.name }) else {
        throw value.error("no other port is called '\(representor.prefix(60))', the representor of '\(named.name)'")
      }
      guard ports.filter({ $0.function?.representor == representor }).count == 1 else {
        throw value.error("'\(representor)' is the representor of two ports")
      }
    }
    return ports
  }

  static func readEndpoint(_ value: YAMLValue) throws(YAMLError) -> EndpointPolicy {
    var endpoint = EndpointPolicy()
    var map = try value.map()
    if let list = map.optional("addresses") {
      for entry in try list.list() {
        let text = try entry.string()
        if let address = Address.ipv4(text) {
          endpoint.ipv4.append(address)
        } else if let address = Address.ipv6(text) {
          endpoint.ipv6.append(address)
        } else {
          throw entry.error("expected an IPv4 or IPv6 address, found '\(text.prefix(60))'")
        }
      }
    }
    let accept = [("reject", false), ("accept", true)]
    if let port = map.optional("geneve_port") { endpoint.genevePort = UInt16(try port.integer(1...65535)) }
    if let port = map.optional("vxlan_port") {
      endpoint.vxlanPort = UInt16(try port.integer(1...65535))
    }
    if let zero = map.optional("zero_udp_checksum_ipv6") {
      endpoint.acceptsZeroUDPChecksumIPv6 = try zero.choice(accept)
    }
    if let vlan = map.optional("vxlan_inner_vlan") { endpoint.acceptsVXLANInnerVLAN = try vlan.choice(accept) }
    if let list = map.optional("known_critical_options") {
      let most = ParseOptions.mostCriticalOptions
      for (index, entry) in try list.list().enumerated() {
        guard index < most else { throw entry.error("more than \(most) known critical options") }
        var option = try entry.map()
        let optionClass = UInt32(try option.required("class").integer(0...0xffff))
        let type = UInt32(try option.required("type").integer(0x80...0xff))
        try option.finish()
        endpoint.knownCriticalOptions.append(optionClass << 8 | type)
      }
    }
    if let bounds = map.optional("reassembly") {
      var map = try bounds.map()
      let bytes = try map.required("bytes").integer(65536...(1 << 32))
      let seconds = try map.required("timeout_seconds").integer(1...120)
      try map.finish()
      endpoint.reassembly = .init(bytes: bytes, timeout: UInt64(seconds) * 1_000_000_000)
    }
    try map.finish()
    guard endpoint.genevePort != endpoint.vxlanPort else {
      throw value.error("geneve_port and vxlan_port are both \(endpoint.genevePort)")
    }
    return endpoint
  }

  /// Policies by the index of `set raw_encap`.
  static func readPolicies(_ value: YAMLValue) throws(YAMLError) -> [(index: UInt16, policy: EncapsulationPolicy)] {
    var policies: [(index: UInt16, policy: EncapsulationPolicy)] = []
    for entry in try value.list() {
      var map = try entry.map()
      let index = UInt16(try map.required("index").integer(0...65535))
      var policy = EncapsulationPolicy()
      if let word = map.optional("ecn") { policy.ecn = try word.choice([("copy", .copy), ("zero", .zero)]) }
      if let word = map.optional("dscp") { policy.dscp = try word.choice([("fixed", .fixed), ("copy", .copy)]) }
      if let word = map.optional("ttl") { policy.ttl = try word.choice([("fixed", .fixed), ("copy", .copy)]) }
      if let word = map.optional("df") {
        policy.df = try word.choice([("set", .set), ("clear", .clear), ("copy", .copy)])
      }
      if let word = map.optional("udp_checksum") {
        policy.udpChecksum = try word.choice([("on", .on), ("off", .off)])
      }
      try map.finish()
      guard !policies.contains(where: { $0.index == index }) else { throw entry.error("index \(index) stands twice") }
      policies.append((index, policy))
    }
    return policies
  }
}

extension YAMLValue {
  fileprivate func mac() throws(YAMLError) -> UInt64 {
    let text = try string()
    guard let mac = Address.mac(text) else {
      throw error("expected a MAC address such as 02:00:00:00:00:01, found '\(text.prefix(60))'")
    }
    return mac
  }
}
