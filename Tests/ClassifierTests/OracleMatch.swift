import Rules

/// M1–M6 by looking at every rule.
extension OracleFrame {
  /// The id of the rule that wins among `rules`, by a linear scan.
  static func best(_ rules: [UInt32: Rule], _ frame: OracleFrame, group: UInt32, port: UInt16) -> UInt32? {
    var best: (priority: UInt32, id: UInt32)?
    for (id, rule) in rules where rule.attributes.group == group && frame.matches(rule, port) {
      let candidate = (rule.attributes.priority, id)
      if best.map({ candidate < $0 }) ?? true { best = candidate }
    }
    return best?.id
  }

  private func matches(_ rule: Rule, _ port: UInt16) -> Bool {
    guard rule.attributes.transfer || rule.attributes.port == port else { return false }
    var level = outer
    var tag = 0
    for item in rule.pattern {
      switch item {
      case .geneve(let item):
        guard tunnel == "geneve", item.vni.matches(key), item.proto.matches(proto),
          item.optionLength.matches(optionWords), let inner
        else { return false }
        (level, tag) = (inner, 0)
      case .geneveOption(let item):
        let head = UInt32(item.optionClass) << 16 | UInt32(item.type) << 8 | UInt32(item.length)
        let found = options.contains { option in
          option.head == head && item.data.indices.allSatisfy { option.data[$0] & item.mask[$0] == item.data[$0] }
        }
        guard found else { return false }
      case .vxlan(let item):
        guard tunnel == "vxlan", item.vni.matches(key), let inner else { return false }
        (level, tag) = (inner, 0)
      case .gre(let item):
        guard tunnel == "gre", item.flags.matches(u16(outer.l4At)), item.proto.matches(proto), let inner else {
          return false
        }
        (level, tag) = (inner, 0)
      case .greKey(let field):
        guard hasKey, field.matches(key) else { return false }
      case .nvgre(let item):
        guard isNVGRE, item.tni.matches(key >> 8), item.flowID.matches(UInt8(key & 255)), let inner else {
          return false
        }
        (level, tag) = (inner, 0)
      case .representedPort(let field):
        guard field.matches(port) else { return false }
      case .portRepresentor: return false
      default:
        guard matches(item, level, &tag) else { return false }
      }
    }
    return true
  }

  private func matches(_ item: Item, _ level: Level, _ tag: inout Int) -> Bool {
    let (l3, l4) = (level.l3, level.l4At)
    switch item {
    case .eth(let item):
      guard let at = level.ethernet else { return false }
      return item.dst.matches(u48(at)) && item.src.matches(u48(at + 6)) && item.type.matches(u16(at + 12))
        && item.hasVLAN.matches(level.tags.isEmpty ? 0 : 1)
    case .vlan(let item):
      guard tag < level.tags.count else { return false }
      tag += 1
      return item.tci.matches(level.tags[tag - 1].tci) && item.innerType.matches(level.tags[tag - 1].type)
    case .ipv4(let item):
      return level.ip == 4 && item.tos.matches(bytes[l3 + 1]) && item.ttl.matches(bytes[l3 + 8])
        && item.proto.matches(bytes[l3 + 9]) && item.fragmentOffset.matches(u16(l3 + 6))
        && item.src.matches(u32(l3 + 12)) && item.dst.matches(u32(l3 + 16))
    case .ipv6(let item):
      guard level.ip == 6 else { return false }
      let first = u32(l3)
      return item.tc.matches(UInt8(first >> 20 & 255)) && item.flow.matches(first & 0xf_ffff)
        && item.proto.matches(bytes[l3 + 6]) && item.hop.matches(bytes[l3 + 7])
        && item.hasFragment.matches(level.fragmentHeader ? 1 : 0)
        && item.src.matches(u128(l3 + 8)) && item.dst.matches(u128(l3 + 24))
    case .udp(let item): return level.l4 == "udp" && item.src.matches(u16(l4)) && item.dst.matches(u16(l4 + 2))
    case .tcp(let item):
      return level.l4 == "tcp" && item.src.matches(u16(l4)) && item.dst.matches(u16(l4 + 2))
        && item.flags.matches(bytes[l4 + 13])
    case .icmp(let item):
      return level.l4 == "icmp" && item.type.matches(bytes[l4]) && item.code.matches(bytes[l4 + 1])
    case .icmp6(let item):
      return level.l4 == "icmp6" && item.type.matches(bytes[l4]) && item.code.matches(bytes[l4 + 1])
    case .esp(let spi): return level.l4 == "esp" && spi.matches(u32(l4))
    default: return false
    }
  }
}
