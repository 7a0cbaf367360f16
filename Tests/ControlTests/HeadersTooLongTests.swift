import Device
import Offload
import Rules
import Testing

@testable import Control

@Suite("A frame whose headers an action makes longer than can be recorded")
struct HeadersTooLongTests {
  @Test("is dropped by name, on a device's side too", arguments: [(55, false), (56, true)])
  func pushed(units: Int, isTooLong: Bool) throws {
    // UDP begins at 510 (or 502), and four bytes later behind a tag.
    var plan = FrameBlueprint()
    plan.outer.l3 = .ipv6
    plan.outer.src128 = 0x2001_0db8 << 96 | 5
    plan.outer.dst128 = 0x2001_0db8 << 96 | 6
    plan.outer.extensions = [(60, [UInt8(units)] + [UInt8](repeating: 0, count: 6 + units * 8))]
    plan.outer.l4 = .udp
    plan.payload = [1, 2, 3]
    let ports = [
      Configuration.NamedPort(name: "up", port: Port(id: 0, kind: .uplink)),
      .init(name: "vm", port: Port(id: 10, kind: .tenant, tenant: 1)),
    ]
    var overlay = Overlay()
    overlay.ports = ports.map(\.port)
    var rule = Rule(pattern: [.eth(EthItem())], actions: [.pushVLAN(etherType: 0x8100), .representedPort(0)])
    rule.attributes.transfer = true
    let configuration = Configuration(
      file: "test", ports: ports, overlay: overlay, rules: [NumberedRule(id: 1, rule: rule)], wants: [],
      answers: .init())
    let profile = try ProfileCatalog.standard().choose("ideal").profile
    let verifier = try Verifier(
      configuration, plan: Planner.plan(rules: [(1, rule)], overlay: overlay, profile: profile))
    let (device, software) = verifier.judge(.init(port: 10, bytes: plan.bytes(), time: 0))
    let wanted: Result.Fate = isTooLong ? .dropped(.headersTooLong) : .forwarded(port: 0)
    #expect(software.map(\.fate) == [wanted])
    #expect(device.map(\.fate) == [wanted])
    #expect(device.allSatisfy { $0.isWholeInHardware } == !isTooLong)
    #expect(verifier.differing == 0)
  }

  @Test("is cut first when it owes segmentation and a tag moves its headers behind what can be recorded")
  func owing() throws {
    // UDP begins at 502, and its payload at 510, or at 514 behind a tag.
    var plan = FrameBlueprint()
    plan.outer.l3 = .ipv6
    plan.outer.src128 = 0x2001_0db8 << 96 | 5
    plan.outer.dst128 = 0x2001_0db8 << 96 | 6
    plan.outer.extensions = [(60, [55] + [UInt8](repeating: 0, count: 6 + 55 * 8))]
    plan.outer.l4 = .udp
    plan.payload = [UInt8](repeating: 7, count: 400)
    let ports = [
      Configuration.NamedPort(name: "up", port: Port(id: 0, kind: .uplink)),
      .init(name: "vm", port: Port(id: 10, kind: .tenant, tenant: 1)),
    ]
    var overlay = Overlay()
    overlay.ports = ports.map(\.port)
    var rule = Rule(pattern: [.eth(EthItem())], actions: [.pushVLAN(etherType: 0x8100), .representedPort(0)])
    rule.attributes.transfer = true
    let configuration = Configuration(
      file: "test", ports: ports, overlay: overlay, rules: [NumberedRule(id: 1, rule: rule)], wants: [],
      answers: .init())
    var options = Engine.Options()
    options.debts = try DebtMaker(words: ["tso"], segmentSize: 150)
    let sent = try Engine(configuration, plan: nil, options: options).process(plan.bytes(), port: 10, now: 0)
    #expect(sent.map(\.bytes.count) == [514 + 150, 514 + 150, 514 + 100])
    for result in sent {
      #expect(result.fate == .forwarded(port: 0))
      #expect(result.bytes[12] == 0x81 && ChecksumJudge.isRight(result.bytes))
    }
  }
}
