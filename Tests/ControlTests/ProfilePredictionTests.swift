import Device
import EmulatedDevice
import Foundation
import Rules
import Testing

@testable import Control
@testable import Offload

/// The planner's prediction and the emulated device read SPECIFICATION.md V6 each for itself; here they are compared.
@Suite("Prediction and emulated device")
struct ProfilePredictionTests {
  /// SplitMix64.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
    mutating func oneIn(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &self) == 0 }
    mutating func pick<T>(_ list: [T]) -> T { list[Int.random(in: 0..<list.count, using: &self)] }
    mutating func mask<V: FixedWidthInteger & UnsignedInteger & Sendable & BitwiseCopyable>(
      _ values: V...
    ) -> Field<V> { Field(V.random(in: 0...V.max, using: &self), mask: pick([0, 0, 0] + values)) }
  }

  static var overlay: Overlay {
    var overlay = Overlay()
    var number: UInt16 = 0
    func add(
      _ kind: TunnelKind, ttl: UInt8 = 64, options: Int = 0, announced: UInt8? = nil, _ policy: EncapsulationPolicy
    ) {
      var header = [UInt8](repeating: 0, count: 12) + [8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, ttl, 17, 0, 0]
      header += [10, 0, 0, 1, 10, 0, 0, 2]
      switch kind {
      case .geneve:
        header += [0, 0, 0x17, 0xc1, 0, 0, 0, 0, announced ?? UInt8(options * 2), 0, 0x65, 0x58, 0, 0, 1, 0]
        for _ in 0..<options { header += [1, 2, 3, 1, 0, 0, 0, 1] }
      case .vxlan: header += [0, 0, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0]
      case .gre: header += [0, 0, 0x65, 0x58]
      case .nvgre: header += [0x20, 0, 0x65, 0x58, 0, 0x20, 0, 0]
      case .none: header = Array(header.prefix(14))
      }
      let l3 = kind == .none ? 0 : 14, l4 = kind == .none ? 0 : 34
      overlay.encapsulations[number] = Encapsulation(
        header: header, kind: kind, l3: l3, l4: l4, isIPv6: false, policy: policy)
      number += 1
    }
    var plain = EncapsulationPolicy()
    plain.ecn = .zero
    plain.udpChecksum = .off
    var copies = plain
    copies.dscp = .copy
    var ttl = plain
    ttl.ttl = .copy
    var fragments = plain
    fragments.df = .copy
    var checksum = plain
    checksum.udpChecksum = .on
    var ecn = plain
    ecn.ecn = .copy
    for kind in TunnelKind.allCases { add(kind, plain) }
    for policy in [copies, ttl, fragments, checksum, ecn, EncapsulationPolicy()] { add(.geneve, options: 1, policy) }
    add(.geneve, ttl: 0, plain)
    add(.geneve, options: 1, announced: 0, plain)
    add(.geneve, options: 12, plain)
    for (index, kind) in TunnelKind.allCases.enumerated() where kind != .none {
      overlay.decapsulations[UInt16(index)] = .tunnel(kind)
    }
    overlay.decapsulations[9] = .ethernet
    overlay.sampleActions[0] = [.representedPort(1)]
    overlay.indirectActions[0] = .count(id: 0)
    overlay.ports = [Port(id: 0, kind: .uplink), Port(id: 1, kind: .tenant), Port(id: 2, kind: .host)]
    return overlay
  }

  static func headers(_ random: inout Seeded) -> [Item] {
    var items: [Item] = []
    if random.oneIn(2) {
      var eth = EthItem()
      eth.dst = random.mask(0xffff_ffff_ffff, 0xffff)
      eth.type = random.mask(0xffff)
      eth.hasVLAN = random.oneIn(5) ? Field(1, mask: 1) : .any
      items.append(.eth(eth))
    }
    for _ in 0..<random.pick([0, 0, 0, 1, 2]) {
      var vlan = VLANItem()
      vlan.tci = random.mask(0xfff, 0xe000, 0xff)
      items.append(.vlan(vlan))
    }
    if random.oneIn(3) {
      var ip = IPv6Item()
      ip.dst = random.mask(.max, 0xff)
      ip.tc = random.mask(0xfc, 3, 1)
      ip.flow = random.mask(0xfffff)
      ip.hop = random.mask(0xff)
      ip.hasFragment = random.oneIn(5) ? Field(1, mask: 1) : .any
      items.append(.ipv6(ip))
    } else if !random.oneIn(4) {
      var ip = IPv4Item()
      ip.dst = random.mask(.max, 0xff00_0000)
      ip.tos = random.mask(0xfc, 3, 1)
      ip.ttl = random.mask(0xff)
      ip.fragmentOffset = random.mask(0x2000, 0x1fff, 0xf)
      items.append(.ipv4(ip))
    }
    switch Int.random(in: 0..<7, using: &random) {
    case 0, 1, 2:
      var udp = L4Item()
      udp.dst = random.mask(0xffff, 0xff)
      items.append(.udp(udp))
    case 3:
      var tcp = TCPItem()
      tcp.flags = random.mask(2, 0xff)
      items.append(.tcp(tcp))
    case 4: items.append(.icmp(ICMPItem()))
    default: break
    }
    return items
  }

  static func rule(_ random: inout Seeded) -> Rule {
    var attributes = Attributes()
    attributes.transfer = random.oneIn(2)
    attributes.group = random.pick([0, 0, 0, 1, 70_000])
    attributes.priority = random.pick([0, 0, 0, 1, 5, 30_000])
    attributes.egress = random.oneIn(30)
    var pattern: [Item] = random.oneIn(5) ? [.representedPort(Field(1))] : []
    pattern += headers(&random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0, 1, 2:
      var geneve = GeneveItem()
      geneve.vni = random.mask(0xffffff, 0xff)
      geneve.optionLength = random.mask(0x3f)
      pattern.append(.geneve(geneve))
      for _ in 0..<random.pick([0, 1, 1, 2]) {
        let words = Int.random(in: 0...2, using: &random)
        pattern.append(
          .geneveOption(
            GeneveOptionItem(
              optionClass: 0x102, type: random.pick([0x80, 1]), length: 2,
              data: (0..<words).map { _ in random.pick([0, 1, 2]) },
              mask: (0..<words).map { _ in random.pick([.max, .max, 0, 1]) })))
      }
    case 3: pattern.append(.vxlan(VXLANItem()))
    case 4:
      pattern.append(.gre(GREItem()))
      if random.oneIn(2) { pattern.append(.greKey(Field(5))) }
    case 5: pattern.append(.nvgre(NVGREItem()))
    default: break
    }
    if pattern.contains(where: { [.geneve, .vxlan, .gre, .nvgre].contains($0.ability) }), random.oneIn(2) {
      pattern += headers(&random)
    }
    let rewrites: [Action] = [
      .count(id: 0), .mark(1), .age(timeout: 5), .decTTL, .popVLAN, .pushVLAN(etherType: 0x8100), .set(.macSource(1)),
      .set(.ipv4Source(1)), .set(.ipv6Source(1)), .set(.l4Source(1)), .set(.ttl(3)), .set(.ipv4DSCP(3)),
      .set(.vlanID(3)), .sample(ratio: 2, index: 0), .indirect(id: 0), .vxlanDecap, .nvgreDecap,
      .rawDecap(index: random.pick([1, 2, 3, 4, 9])), .rawEncap(index: UInt16.random(in: 0..<14, using: &random)),
      .rawEncap(index: UInt16.random(in: 0..<14, using: &random)),
    ]
    var actions: [Action] = []
    for _ in 0..<random.pick([0, 1, 2, 3]) { actions.append(random.pick(rewrites)) }
    actions.append(
      random.pick([
        .drop, .queue(1), .rss(RSSAction(queues: [1])), .representedPort(1), .portID(1), .portRepresentor(1),
        .jump(group: 1), .jump(group: 70_000),
      ]))
    return Rule(attributes: attributes, pattern: pattern, actions: actions)
  }

  /// A profile's abilities, or with some of them taken away.
  static func abilities(_ profile: DeviceProfile, _ random: inout Seeded) -> Abilities {
    var abilities = profile.abilities
    guard profile.name == "ideal" else { return abilities }
    for _ in 0..<2 {
      abilities.match.remove(random.pick(MatchAbilities.names).ability)
      abilities.actions.remove(random.pick(ActionAbilities.names).ability)
      abilities.frame.remove(random.pick(FrameAbilities.names).ability)
    }
    abilities.geneveOptions.refusesRepeats = random.oneIn(2)
    abilities.geneveOptions.refusesZeroMask = random.oneIn(2)
    abilities.geneveOptions.refusesZeroData = random.oneIn(2)
    abilities.geneveOptions.wordsPerOption = random.pick([0, 1])
    return abilities
  }

  @Test("A device of every profile refuses what is predicted, in the same words, and takes the rest", arguments: 1...6)
  func agree(seed: UInt64) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("DeviceProfiles").path
    var random = Seeded(state: seed)
    var taken = 0
    for profile in try ProfileCatalog(path: folder).profiles where profile.abilities.rules > 0 {
      let abilities = Self.abilities(profile, &random)
      var device = try EmulatedDevice(abilities: abilities, overlay: Self.overlay, maximumRules: 16)
      let prediction = Prediction(abilities: abilities, overlay: Self.overlay)
      var now: UInt64 = 0
      for _ in 0..<60 {
        let rule = Self.rule(&random)
        for count in 0...rule.actions.count {
          now += 1_000_000_000
          let asked = DeviceRule(id: 1, rule: rule, actionsOnDevice: count)
          let predicted = prediction.check(asked) ?? GeneveBudget.alone(abilities, rule.pattern)
          var answer: Refusal?
          do throws(Refusal) {
            try device.insert(asked, now: now)
            taken += 1
            _ = try device.remove(1, now: now)
          } catch { answer = error }
          // A malformed pattern has no agreed words; a rewrite before a jump is the planner's own caution.
          let isMalformed = predicted?.reason == .invalid || answer?.reason == .invalid
          let isCaution = predicted?.reason == .noResumePoint && answer == nil
          let isSame =
            isMalformed ? predicted != nil && answer != nil : isCaution || predicted?.reason == answer?.reason
          #expect(
            isSame,
            "\(profile.name), \(count) actions of \(rule): predicted \(predicted.debugDescription), answered \(answer.debugDescription)"
          )
        }
      }
    }
    #expect(taken > 100)
  }
}

extension GeneveBudget {
  /// What the whole device's budget says to one rule on an empty device.
  fileprivate static func alone(_ abilities: Abilities, _ pattern: [Item]) -> Refusal? {
    let limits = abilities.geneveOptions
    guard limits.perDevice != 0 || limits.words != 0 else { return nil }
    return GeneveBudget(limits: limits, patterns: [(pattern, true)]).refusal(pattern)
  }
}
