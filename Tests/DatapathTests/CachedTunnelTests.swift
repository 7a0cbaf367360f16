import Datapath
import Device
import Rules
import Testing

/// The flow cache stands in front of the rules: what a rule may look at must tell flows apart there, too.
@Suite("Flows in tunnels that the cache knows") struct CachedTunnelTests {
  private func frame(vni: UInt32 = 5, optionClass: Int = 0x0102, type: UInt8 = 1, data: UInt32 = 7) -> [UInt8] {
    let option = be16(optionClass) + [type, 1] + be32(data)
    return Craft.underlayUDP(6081, Craft.geneve(vni, Craft.tenant(), options: option))
  }

  private func option(_ optionClass: UInt16, _ type: UInt8, _ data: UInt32) -> Item {
    .geneveOption(GeneveOptionItem(optionClass: optionClass, type: type, length: 1, data: [data], mask: [.max]))
  }

  @Test("are told apart by each bit of key and options that a rule looks at")
  func apart() throws {
    var geneve = GeneveItem()
    geneve.vni = Field(5, mask: 0xff_ffff)
    var others: [[UInt8]] = []
    for bit in 0..<24 { others.append(frame(vni: 5 ^ 1 << UInt32(bit))) }
    for bit in 0..<16 { others.append(frame(optionClass: 0x0102 ^ 1 << bit)) }
    for bit in 0..<7 { others.append(frame(type: 1 ^ 1 << UInt8(bit))) }
    for bit in 0..<32 { others.append(frame(data: 7 ^ 1 << UInt32(bit))) }
    var lab = try Lab()
    try lab.rule(1, port: Lab.uplink, [.queue(1)], pattern: [.geneve(geneve), option(0x0102, 1, 7)])
    try lab.rule(2, port: Lab.uplink, [.queue(2)], priority: 1)
    for other in others {
      for round in 0..<6 {
        // Once the cache knows the one, the other comes; and the other way around, alone and in runs.
        for _ in 0..<3 { #expect(lab.send(frame(), port: Lab.uplink).first?.frame.queue == 1) }
        for _ in 0..<3 { #expect(lab.send(other, port: Lab.uplink).first?.frame.queue == 2, "round \(round)") }
      }
      let mixed = [frame(), other, other, frame(), frame(), other].map { (bytes: $0, port: Lab.uplink) }
      #expect(lab.sendTogether(mixed).map(\.frame.queue) == [1, 2, 2, 1, 1, 2])
    }
  }
}
