extension Command: CustomStringConvertible {
  /// The command as one line of testpmd; it parses to this value.
  public var description: String {
    switch self {
    case .create(let request): "flow create " + request.text
    case .validate(let request): "flow validate " + request.text
    case .destroy(let port, let rules, let byUserID):
      "flow destroy \(port)" + rules.map { " rule \($0)" }.joined() + (byUserID ? " user_id" : "")
    case .flush(let port): "flow flush \(port)"
    case .query(let port, let rule, let action): "flow query \(port) \(rule) \(action.rawValue)"
    case .list(let port, let groups): "flow list \(port)" + groups.map { " group \($0)" }.joined()
    case .dump(let port, let rule, let file):
      "flow dump \(port) " + (rule.map { "rule \($0)" } ?? "all") + (file.map { " " + $0 } ?? "")
    case .isolate(let port, let on): "flow isolate \(port) \(on ? 1 : 0)"
    case .aged(let port, let destroy): "flow aged \(port)" + (destroy ? " destroy" : "")
    case .createIndirect(let port, let id, let direction, let action):
      "flow indirect_action \(port) create" + (id.map { " action_id \($0)" } ?? "") + direction.text
        + " action \(action.text) / end"
    case .updateIndirect(let port, let id, let action):
      "flow indirect_action \(port) update \(id) action \(action.text) / end"
    case .destroyIndirect(let port, let ids):
      "flow indirect_action \(port) destroy" + ids.map { " action_id \($0)" }.joined()
    case .queryIndirect(let port, let id): "flow indirect_action \(port) query \(id)"
    case .createTunnel(let port, let kind): "flow tunnel create \(port) type \(kind.word)"
    case .destroyTunnel(let port, let id): "flow tunnel destroy \(port) id \(id)"
    case .listTunnels(let port): "flow tunnel list \(port)"
    case .setRawEncap(let index, let items): "set raw_encap \(index) " + Rule.list(items.map(\.text)) + "end_set"
    case .setRawDecap(let index, let items): "set raw_decap \(index) " + Rule.list(items.map(\.text)) + "end_set"
    case .setSampleActions(let index, let actions):
      "set sample_actions \(index) " + Rule.list(actions.map(\.text)) + "end"
    case .setTunnel(let setting): setting.text
    }
  }
}

extension Command.Direction {
  var text: String { (ingress ? " ingress" : "") + (egress ? " egress" : "") + (transfer ? " transfer" : "") }
}

extension RuleRequest {
  /// What stands behind `flow create`.
  var text: String {
    var attributes = rule.attributes.text
    switch tunnel {
    case .set(let id): attributes += " tunnel_set \(id)"
    case .match(let id): attributes += " tunnel_match \(id)"
    case nil: break
    }
    if let userID { attributes += " user_id \(userID)" }
    return attributes + " " + rule.body
  }
}

extension Attributes {
  /// Port and attributes, those at their defaults left out.
  var text: String {
    var text = "\(port)"
    if group != 0 { text += " group \(group)" }
    if priority != 0 { text += " priority \(priority)" }
    if ingress { text += " ingress" }
    if egress { text += " egress" }
    if transfer { text += " transfer" }
    return text
  }
}

extension Rule: CustomStringConvertible {
  /// `flow create …`, as one line of testpmd; it parses to this rule.
  public var description: String { "flow create \(attributes.text) \(body)" }

  /// `pattern … end actions … end`.
  public var body: String {
    "pattern " + Self.list(pattern.map(\.text)) + "end actions " + Self.list(actions.map(\.text)) + "end"
  }

  static func list(_ parts: [String]) -> String { parts.map { $0 + " / " }.joined() }
}

extension TunnelSetting {
  /// The line that sets this tunnel, parameters in testpmd's order.
  var text: String {
    var text = "set " + kind.word
    if vlanTCI != nil { text += "-with-vlan" } else if tosTTL != nil { text += "-tos-ttl" }
    text += " ip-version \(isIPv6 ? "ipv6" : "ipv4") \(kind == .vxlan ? "vni" : "tni") \(key)"
    if kind == .vxlan { text += " udp-src \(udpSource) udp-dst \(udpDestination)" }
    if let tosTTL { text += " ip-tos \(tosTTL.tos) ip-ttl \(tosTTL.ttl)" }
    text += " ip-src \(address(ipSource)) ip-dst \(address(ipDestination))"
    if let vlanTCI { text += " vlan-tci \(vlanTCI)" }
    return text + " eth-src \(MACText.print(ethSource)) eth-dst \(MACText.print(ethDestination))"
  }

  private func address(_ value: UInt128) -> String {
    isIPv6 ? IPv6Text.print(value) : IPv4Text.print(UInt32(truncatingIfNeeded: value))
  }
}
