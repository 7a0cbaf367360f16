import Device
import Rules

/// Whether the device can match a pattern: order (M2), items and fields (abilities), masks.
struct PatternChecks {
  let abilities: Abilities
  private var rank = 0
  private var tags = 0
  private var isInner = false
  private var tunnel = TunnelKind.none
  /// The IP version and the transport item of this level; nil when there was none.
  private var isIPv6: Bool?
  private var transport: Item?
  private var options: [(item: GeneveOptionItem, index: Int)] = []

  init(abilities: Abilities) { self.abilities = abilities }

  /// Passes, or says which item is out of order: no device would take the pattern (V6, 1).
  static func checkOrder(_ pattern: [Item]) throws(Refusal) {
    var checks = PatternChecks(abilities: Abilities())
    for (index, item) in pattern.enumerated() { try checks.order(item, index) }
  }

  /// Passes, or says which item is not taken (V6, 3). The pattern's order must have been checked.
  static func check(_ pattern: [Item], _ abilities: Abilities) throws(Refusal) {
    var checks = PatternChecks(abilities: abilities)
    for (index, item) in pattern.enumerated() {
      try checks.order(item, index)
      try checks.item(item, index)
    }
    try checks.checkOptions()
  }

  // Ranks: 0 ports, 1 Ethernet, 2 tags, 3 IP, 4 transport, 5 tunnel, 6 what belongs to the tunnel header.
  private mutating func order(_ item: Item, _ index: Int) throws(Refusal) {
    let refusal = Refusal(.invalid, index: index)
    switch item {
    case .representedPort, .portRepresentor: guard rank == 0, !isInner else { throw refusal }
    case .eth: try rise(to: 1, refusal)
    case .vlan:
      if rank == 2 {
        guard tags < 2 else { throw refusal }
      } else {
        try rise(to: 2, refusal)
      }
      tags += 1
    case .ipv4, .ipv6:
      try rise(to: 3, refusal)
      if case .ipv6 = item { isIPv6 = true } else { isIPv6 = false }
    case .udp, .tcp, .icmp, .icmp6, .esp:
      try rise(to: 4, refusal)
      if case .icmp = item, isIPv6 == true { throw refusal }
      if case .icmp6 = item, isIPv6 == false { throw refusal }
      transport = item
    case .geneve: try open(.geneve, overUDP: true, refusal)
    case .vxlan: try open(.vxlan, overUDP: true, refusal)
    case .gre: try open(.gre, overUDP: false, refusal)
    case .nvgre: try open(.nvgre, overUDP: false, refusal)
    case .geneveOption: guard isInner, rank == 0, tunnel == .geneve else { throw refusal }
    case .greKey:
      guard isInner, rank == 0, tunnel == .gre else { throw refusal }
      tunnel = .none
    }
  }

  private mutating func rise(to next: Int, _ refusal: Refusal) throws(Refusal) {
    guard rank < next else { throw refusal }
    rank = next
  }

  private mutating func open(_ kind: TunnelKind, overUDP: Bool, _ refusal: Refusal) throws(Refusal) {
    guard !isInner else { throw refusal }
    switch transport {
    case nil: break
    case .udp?: guard overUDP else { throw refusal }
    default: throw refusal
    }
    isIPv6 = nil
    transport = nil
    isInner = true
    tunnel = kind
    rank = 0
    tags = 0
  }

  private func need(_ ability: MatchAbilities, _ index: Int) throws(Refusal) {
    guard abilities.match.contains(ability) else { throw Refusal(.matchUnsupported, index: index) }
  }

  /// A mask is full when it is made of whole parts of the field; `parts` names them.
  private func mask<V>(_ field: Field<V>, _ parts: [UInt64], _ index: Int) throws(Refusal) {
    guard field.isUsed, !abilities.match.contains(.partialMask) else { return }
    var rest = UInt64(truncatingIfNeeded: field.mask)
    for part in parts where rest & part == part { rest &= ~part }
    guard rest == 0 else { throw Refusal(.partialMask, index: index) }
  }

  private func mask(_ field: Field<UInt128>, _ index: Int) throws(Refusal) {
    guard field.isUsed, !abilities.match.contains(.partialMask) else { return }
    guard field.mask == .max else { throw Refusal(.partialMask, index: index) }
  }

  private mutating func item(_ item: Item, _ index: Int) throws(Refusal) {
    let belongsToTunnel =
      switch item {
      case .geneve, .geneveOption, .vxlan, .gre, .greKey, .nvgre: true
      default: false
      }
    if isInner && !belongsToTunnel { try need(.inner, index) }
    switch item {
    case .representedPort(let port):
      try need(.port, index)
      try mask(port, [0xffff], index)
    case .portRepresentor(let port):
      try need(.port, index)
      try mask(port, [0xffff], index)
    case .eth(let eth): try check(eth, index)
    case .vlan(let vlan):
      try need(tags > 1 ? [.vlan, .qinq] : .vlan, index)
      try mask(vlan.tci, [0xe000, 0x1000, 0x0fff], index)
      try mask(vlan.innerType, [0xffff], index)
    case .ipv4(let ip): try check(ip, index)
    case .ipv6(let ip): try check(ip, index)
    case .udp(let udp):
      try need(.udp, index)
      try mask(udp.src, [0xffff], index)
      try mask(udp.dst, [0xffff], index)
    case .tcp(let tcp):
      try need(tcp.flags.isUsed ? [.tcp, .tcpFlags] : .tcp, index)
      try mask(tcp.src, [0xffff], index)
      try mask(tcp.dst, [0xffff], index)
    case .icmp(let icmp), .icmp6(let icmp):
      try need(.icmp, index)
      try mask(icmp.type, [0xff], index)
      try mask(icmp.code, [0xff], index)
    case .esp(let spi):
      try need(.esp, index)
      try mask(spi, [0xffff_ffff], index)
    case .geneve, .geneveOption, .vxlan, .gre, .greKey, .nvgre: try checkTunnel(item, index)
    }
  }

  private func check(_ eth: EthItem, _ index: Int) throws(Refusal) {
    try need(eth.hasVLAN.isUsed ? [.eth, .vlan] : .eth, index)
    try mask(eth.dst, [0xffff_ffff_ffff], index)
    try mask(eth.src, [0xffff_ffff_ffff], index)
    try mask(eth.type, [0xffff], index)
  }

  private func check(_ ip: IPv4Item, _ index: Int) throws(Refusal) {
    try need(.ipv4, index)
    if ip.ttl.isUsed { try need(.ttl, index) }
    if ip.fragmentOffset.isUsed { try need(.fragment, index) }
    try mask(ip.tos, [0xfc, 0x03], index)
    try mask(ip.ttl, [0xff], index)
    try mask(ip.proto, [0xff], index)
    try mask(ip.fragmentOffset, [0x8000, 0x4000, 0x2000, 0x1fff], index)
    try mask(ip.src, [0xffff_ffff], index)
    try mask(ip.dst, [0xffff_ffff], index)
  }

  private func check(_ ip: IPv6Item, _ index: Int) throws(Refusal) {
    try need(.ipv6, index)
    if ip.hop.isUsed { try need(.ttl, index) }
    if ip.hasFragment.isUsed { try need(.fragment, index) }
    if ip.flow.isUsed { try need(.flowLabel, index) }
    try mask(ip.tc, [0xfc, 0x03], index)
    try mask(ip.flow, [0xf_ffff], index)
    try mask(ip.proto, [0xff], index)
    try mask(ip.hop, [0xff], index)
    try mask(ip.src, index)
    try mask(ip.dst, index)
  }

  private mutating func checkTunnel(_ item: Item, _ index: Int) throws(Refusal) {
    switch item {
    case .geneve(let geneve):
      try need(geneve.optionLength.isUsed ? [.geneve, .geneveOptionLength] : .geneve, index)
      try mask(geneve.vni, [0xff_ffff], index)
      try mask(geneve.proto, [0xffff], index)
      try mask(geneve.optionLength, [0x3f], index)
    case .geneveOption(let option):
      try need(.geneveOptions, index)
      options.append((option, index))
    case .vxlan(let vxlan):
      try need(.vxlan, index)
      try mask(vxlan.vni, [0xff_ffff], index)
    case .gre(let gre):
      try need(.gre, index)
      // Flags count one by one, as TCP's do.
      try mask(gre.proto, [0xffff], index)
    case .greKey(let key):
      try need(.greKey, index)
      try mask(key, [0xffff_ffff], index)
    case .nvgre(let nvgre):
      try need(.nvgre, index)
      try mask(nvgre.tni, [0xff_ffff], index)
      try mask(nvgre.flowID, [0xff], index)
    default: return
    }
  }

  /// What one rule may ask of the option parser; what all rules together may ask is ``OptionLedger``'s.
  private func checkOptions() throws(Refusal) {
    let limits = abilities.geneveOptions
    let most = Int(limits.perRule)
    guard options.count <= most else {
      throw Refusal(.geneveOptionBudget, index: options[most].index, limit: most, wanted: options.count)
    }
    for (place, (option, index)) in options.enumerated() {
      let words = option.mask.filter { $0 != 0 }.count
      if limits.refusesZeroMask, words == 0 { throw Refusal(.geneveOptionZeroMask, index: index) }
      if limits.refusesZeroData, option.data.allSatisfy({ $0 == 0 }) {
        throw Refusal(.geneveOptionZeroData, index: index)
      }
      if limits.wordsPerOption > 0, words > Int(limits.wordsPerOption) {
        throw Refusal(.geneveOptionBudget, index: index, limit: Int(limits.wordsPerOption), wanted: words)
      }
      let isRepeated = options[..<place].contains {
        $0.item.optionClass == option.optionClass && $0.item.type == option.type && $0.item.length == option.length
      }
      if limits.refusesRepeats, isRepeated { throw Refusal(.geneveOptionRepeated, index: index) }
      for word in option.mask { try mask(Field(word, mask: word), [0xffff_ffff], index) }
    }
  }
}
