import Device
import Rules

@testable import Offload

/// Random rules, frames and devices from so few values that everything overlaps with everything.
struct TinyWorld {
  var random: Seeded
  init(_ seed: UInt64) { random = Seeded(seed) }

  static let keys = [
    OptionKey(optionClass: 0x102, type: 0x80, length: 1), OptionKey(optionClass: 1, type: 1, length: 2),
  ]

  private mutating func field<V>(_ values: [V], partial: V) -> Field<V> {
    switch Int.random(in: 0..<5, using: &random) {
    case 0...1: .any
    case 2: Field(random.pick(values), mask: partial)
    default: Field(random.pick(values))
    }
  }

  /// A rule that is well formed.
  mutating func rule() -> Rule {
    while true {
      let rule = anyRule()
      if Prediction.isWellFormed(rule) { return rule }
    }
  }

  private mutating func anyRule() -> Rule {
    var attributes = Attributes()
    attributes.group = random.oneIn(3) ? 1 : 0
    attributes.priority = UInt32.random(in: 0..<3, using: &random)
    attributes.transfer = !random.oneIn(3)
    attributes.port = UInt16.random(in: 0..<2, using: &random)
    var pattern: [Item] = random.oneIn(4) ? [.representedPort(Field(UInt16.random(in: 0..<2, using: &random)))] : []
    pattern += headers()
    if random.oneIn(2) {
      if random.oneIn(3) {
        var item = VXLANItem()
        item.vni = field([1, 2], partial: 2)
        pattern.append(.vxlan(item))
      } else {
        var item = GeneveItem()
        item.vni = Field(random.pick([1, 2]), mask: random.pick([0xffffff, 0xffffff, 0]))
        pattern.append(.geneve(item))
        for _ in 0..<Int.random(in: 0..<3, using: &random) { pattern.append(.geneveOption(option())) }
      }
      if random.oneIn(2) { pattern += headers() }
    }
    return Rule(attributes: attributes, pattern: pattern, actions: actions(attributes.group))
  }

  private mutating func option() -> GeneveOptionItem {
    let key = random.pick(Self.keys)
    let words = Int.random(in: 0...Int(key.length), using: &random)
    return GeneveOptionItem(
      optionClass: key.optionClass, type: key.type, length: key.length,
      data: (0..<words).map { _ in random.pick([0, 1, 2]) },
      mask: (0..<words).map { _ in random.pick([.max, .max, 1, 0]) })
  }

  private mutating func headers() -> [Item] {
    var items: [Item] = []
    if random.oneIn(2) {
      var eth = EthItem()
      eth.dst = Field(random.pick([1, 3]), mask: random.pick([0, 0xffff_ffff_ffff, 2]))
      if random.oneIn(4) { eth.type = Field(random.pick([0x0800, 0x0806])) }
      items.append(.eth(eth))
      if random.oneIn(4) {
        var vlan = VLANItem()
        vlan.tci = Field(random.pick([5, 6]), mask: random.pick([0xfff, 0, 3]))
        items.append(.vlan(vlan))
        if random.oneIn(2) { items.append(.vlan(vlan)) }
      }
    }
    if random.oneIn(4) {
      var ip = IPv6Item()
      ip.dst = field([2, 3], partial: 2)
      items.append(.ipv6(ip))
    } else if !random.oneIn(3) {
      var ip = IPv4Item()
      ip.dst = field([2, 3], partial: 2)
      ip.ttl = random.oneIn(4) ? Field(64) : .any
      ip.proto = random.oneIn(4) ? Field(random.pick([17, 16]), mask: random.pick([0xff, 0x11])) : .any
      ip.tos = Field(random.pick([0, 1]), mask: random.pick([0, 0, 3, 1]))
      items.append(.ipv4(ip))
    }
    if random.oneIn(2) {
      var l4 = L4Item()
      l4.dst = field([1, 2, 6081], partial: 2)
      items.append(.udp(l4))
    } else if random.oneIn(3) {
      items.append(random.oneIn(2) ? .tcp(TCPItem()) : .icmp(ICMPItem()))
    }
    return items
  }

  private mutating func actions(_ group: UInt32) -> [Action] {
    var list: [Action] = random.oneIn(2) ? [.count(id: 0)] : []
    if random.oneIn(4) { list.append(.rawDecap(index: 0)) }
    if random.oneIn(4) { list.append(.set(.ipv4Destination(3))) }
    if random.oneIn(4) { list.append(.mark(7)) }
    if random.oneIn(4) { list.append(.rawEncap(index: 0)) }
    if random.oneIn(3) { list.append(.decTTL) }
    list.append(group == 0 && random.oneIn(3) ? .jump(group: 1) : random.pick([.drop, .queue(1), .representedPort(1)]))
    return list
  }

  mutating func frame() -> TinyFrame {
    var frame = TinyFrame()
    frame.inPort = UInt16.random(in: 0..<2, using: &random)
    frame.outer = someHeaders()
    frame.tunnel = random.pick([.none, .geneve, .geneve, .vxlan])
    frame.vni = random.pick([1, 2, 3])
    if frame.tunnel == .geneve {
      for _ in 0..<Int.random(in: 0..<3, using: &random) {
        let key = random.pick(Self.keys)
        frame.options.append((key, (0..<Int(key.length)).map { _ in random.pick([0, 1, 2, 3]) }))
      }
    }
    frame.inner = someHeaders()
    if frame.tunnel != .none {
      frame.outer.l4 = 17
      frame.outer.ports.1 = frame.tunnel == .geneve ? 6081 : 4789
    }
    return frame
  }

  private mutating func someHeaders() -> TinyFrame.Headers {
    var headers = TinyFrame.Headers()
    headers.l3 = random.pick([4, 4, 6])
    headers.eth = (random.pick([1, 3]), 2, headers.l3 == 4 ? 0x0800 : 0x86dd)
    headers.tags = random.pick([[], [], [5], [6, 5], [5, 5]])
    headers.dst = random.pick([2, 3, 5])
    headers.ttl = random.pick([64, 1])
    headers.tos = random.pick([0, 1, 3])
    headers.l4 = random.pick([17, 17, 6, 1])
    headers.ports = (1, random.pick([1, 2, 3]))
    return headers
  }

  mutating func abilities() -> Abilities {
    var abilities = Abilities()
    for entry in MatchAbilities.names where !random.oneIn(6) { abilities.match.insert(entry.ability) }
    for entry in ActionAbilities.names where !random.oneIn(6) { abilities.actions.insert(entry.ability) }
    for entry in FrameAbilities.names where !random.oneIn(4) { abilities.frame.insert(entry.ability) }
    abilities.rules = random.pick([3, 8, 100, 100])
    abilities.groups = random.pick([1, 2, 8])
    abilities.priorities = random.pick([2, 3, 100])
    abilities.largestHeader = random.pick([50, 200])
    var options = GeneveOptionLimits()
    options.perRule = random.pick([1, 2, 255])
    options.perDevice = random.pick([0, 1])
    options.words = random.pick([0, 1, 2])
    options.wordsPerOption = random.pick([0, 1])
    options.classCostsWord = random.oneIn(2)
    options.refusesZeroData = random.oneIn(2)
    options.refusesZeroMask = random.oneIn(2)
    options.refusesRepeats = random.oneIn(2)
    abilities.geneveOptions = options
    return abilities
  }

  /// An overlay with one Geneve encapsulation (58 bytes, one option of four) and one decapsulation.
  static var overlay: Overlay {
    var overlay = Overlay()
    overlay.encapsulations[0] = geneve(options: [[0x01, 0x02, 0x80, 0x01, 0, 0, 0, 1]])
    overlay.decapsulations[0] = .tunnel(.geneve)
    return overlay
  }

  static func geneve(options: [[UInt8]], policy: EncapsulationPolicy = EncapsulationPolicy()) -> Encapsulation {
    var header = [UInt8](repeating: 0, count: 12) + [8, 0]
    header += [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
    header += [0, 0, 0x17, 0xc1, 0, 0, 0, 0]
    let bytes = options.flatMap { $0 }
    header += [UInt8(bytes.count / 4), 0, 0x65, 0x58, 0, 0, 1, 0] + bytes
    return Encapsulation(header: header, kind: .geneve, l3: 14, l4: 34, isIPv6: false, policy: policy)
  }

  mutating func profile() -> DeviceProfile {
    var profile = DeviceProfile(name: "tiny")
    profile.abilities = abilities()
    return profile
  }
}
