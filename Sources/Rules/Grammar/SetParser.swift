extension Cursor {
  private static let settings = [
    "raw_encap", "raw_decap", "sample_actions", "vxlan", "vxlan-with-vlan", "vxlan-tos-ttl", "nvgre", "nvgre-with-vlan",
  ]

  /// Reads what follows `set`.
  mutating func set() throws(GrammarError) -> Command {
    guard let word, Self.settings.contains(word) else {
      if let word, ["l2_encap", "l2_decap", "l2_encap-with-vlan"].contains(word) {
        throw error(at: next, "`set \(word)` is not supported here; use `set raw_encap` and `set raw_decap`")
      }
      throw unexpected(Self.settings, "what to set")
    }
    advance()
    switch word {
    case "raw_encap": return .setRawEncap(index: try index(), try items(until: ["end_set"], purpose: .header))
    case "raw_decap": return .setRawDecap(index: try index(), try items(until: ["end_set"], purpose: .header))
    // testpmd ends this list with `end`; `end_set`, as the other lists have it, is taken too.
    case "sample_actions":
      return .setSampleActions(index: try index(), try actions(until: ["end", "end_set"]))
    default: return .setTunnel(try tunnelSetting(word))
    }
  }

  /// The index, or 0 where none is given.
  private mutating func index() throws(GrammarError) -> UInt16 {
    guard let first = bytes.first, first >= 0x30, first <= 0x39 else { return 0 }
    return UInt16(try number("an index", 0...UInt64(ScriptState.largestIndex)))
  }

  /// Reads `name value` pairs. testpmd wants one order; here any will do.
  private mutating func tunnelSetting(_ variant: String) throws(GrammarError) -> TunnelSetting {
    let isVXLAN = variant.hasPrefix("vxlan")
    var setting = TunnelSetting(kind: isVXLAN ? .vxlan : .nvgre)
    var wanted = ["ip-version", isVXLAN ? "vni" : "tni", "ip-src", "ip-dst", "eth-src", "eth-dst"]
    if isVXLAN { wanted += ["udp-src", "udp-dst"] }
    if variant.hasSuffix("vlan") { wanted.append("vlan-tci") }
    if variant == "vxlan-tos-ttl" { wanted += ["ip-tos", "ip-ttl"] }
    let known = wanted + (variant == "vxlan-tos-ttl" ? [] : ["ip-tos", "ip-ttl"])
    var seen: Set<String> = []
    // The addresses' form depends on ip-version, which may stand behind them only where it is read again.
    var addresses: [(name: String, token: Int)] = []
    while let name = word {
      guard known.contains(name) else { throw unexpected(known, "a parameter of `\(variant)`") }
      advance()
      seen.insert(name)
      switch name {
      case "ip-version":
        if take("ipv6") {
          setting.isIPv6 = true
        } else {
          guard take("ipv4") else { throw unexpected(["ipv4", "ipv6"], "the version of IP") }
          setting.isIPv6 = false
        }
      case "ip-src", "ip-dst":
        guard !isAtEnd else { throw unexpected([], "an address") }
        addresses.append((name, next))
        advance()
      case "eth-src": setting.ethSource = UInt64(try value(of: FieldWord(name, 48, .mac)))
      case "eth-dst": setting.ethDestination = UInt64(try value(of: FieldWord(name, 48, .mac)))
      case "vni", "tni": setting.key = UInt32(try value(of: FieldWord(name, 24)))
      case "udp-src": setting.udpSource = UInt16(try value(of: FieldWord(name, 16)))
      case "udp-dst": setting.udpDestination = UInt16(try value(of: FieldWord(name, 16)))
      case "vlan-tci": setting.vlanTCI = UInt16(try value(of: FieldWord(name, 16)))
      case "ip-tos":
        setting.tosTTL = .init(tos: UInt8(try value(of: FieldWord(name, 8))), ttl: setting.tosTTL?.ttl ?? 0)
      default: setting.tosTTL = .init(tos: setting.tosTTL?.tos ?? 0, ttl: UInt8(try value(of: FieldWord(name, 8))))
      }
    }
    let missing = wanted.filter { !seen.contains($0) }
    guard missing.isEmpty else { throw unexpected(missing, "`\(missing[0])`") }
    for (name, token) in addresses {
      let field = FieldWord(name, setting.isIPv6 ? 128 : 32, setting.isIPv6 ? .ipv6 : .ipv4)
      guard let address = field.parse(source[tokens[token].start..<tokens[token].end]) else {
        throw error(at: token, "expected \(field.wanted), found `\(shown(token))`")
      }
      if name == "ip-src" { setting.ipSource = address } else { setting.ipDestination = address }
    }
    return setting
  }
}
