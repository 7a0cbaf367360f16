import Device
import Rules
import Testing

@testable import Control

@Suite("Judging packets that are too big")
struct SizeJudgeTests {
  static let tenant: UInt16 = 10

  /// One rule that puts Geneve of 50 bytes around what a tenant sends, out of an uplink of 1500.
  static func configuration() -> Configuration {
    var plan = FrameBlueprint()
    plan.outer.src128 = 0xc633_6401
    plan.outer.dst128 = 0xc633_6407
    plan.outer.dstPort = 6081
    plan.tunnel = FrameBlueprint.Tunnel(kind: .geneve)
    var overlay = Overlay()
    overlay.encapsulations[1] = Encapsulation(
      header: Array(plan.bytes().prefix(50)), kind: .geneve, l3: 14, l4: 34, isIPv6: false,
      policy: EncapsulationPolicy())
    let ports = [
      Configuration.NamedPort(name: "up", port: Port(id: 0, kind: .uplink, mtu: 1500)),
      .init(name: "vm", port: Port(id: tenant, kind: .tenant, mtu: 9000, tenant: 1)),
    ]
    overlay.ports = ports.map(\.port)
    var rule = Rule(pattern: [.eth(EthItem())], actions: [.count(id: 0), .rawEncap(index: 1), .representedPort(0)])
    rule.attributes.port = tenant
    rule.attributes.ingress = true
    return Configuration(
      file: "test", ports: ports, overlay: overlay, rules: [NumberedRule(id: 1, rule: rule)], wants: [],
      answers: .init())
  }

  static func frame(ipv6: Bool = false, df: Bool = true, payload: Int = 1600, options: [UInt8] = []) -> [UInt8] {
    var plan = FrameBlueprint()
    plan.outer.l3 = ipv6 ? .ipv6 : .ipv4
    plan.outer.src128 = ipv6 ? 0x2001_0db8 << 96 | 5 : 0x0a00_0005
    plan.outer.dst128 = ipv6 ? 0x2001_0db8 << 96 | 6 : 0x0a00_0006
    plan.outer.fragment = df ? 0x4000 : 0
    plan.outer.id = 77
    plan.outer.options = options
    plan.outer.l4 = .udp
    plan.payload = (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    return plan.bytes()
  }

  /// What the data path makes of a frame, and what is judged of it.
  static func judged(_ frame: [UInt8], _ change: (inout [Result]) -> Void = { _ in }) throws -> String? {
    var judge = SizeJudge(configuration())
    var results = try Engine(configuration(), plan: nil).process(frame, port: tenant, now: 0)
    #expect(results.count > 1)
    change(&results)
    return judge.fault(of: frame, port: tenant, now: 0, results) { _ in nil }
  }

  @Test("An answer is right in every byte that S1 speaks of, and one that is not is found", arguments: [false, true])
  func answers(ipv6: Bool) throws {
    let frame = Self.frame(ipv6: ipv6)
    #expect(try Self.judged(frame) == nil)
    let length = try Engine(Self.configuration(), plan: nil).process(frame, port: Self.tenant, now: 0)[1].bytes.count
    // Version and header length, lengths, checksums, addresses, ICMP and quote; not TOS, TTL, identification and DF.
    let free = ipv6 ? [14, 15, 16, 17, 21] : [15, 18, 19, 20, 21, 22]
    for at in Array(0..<80) + [length - 1] where !free.contains(at) {
      #expect(try Self.judged(frame) { $0[1].bytes[at] ^= 1 } != nil, "byte \(at)")
    }
    #expect(try Self.judged(frame) { $0[1].bytes.removeLast() } != nil)
    #expect(try Self.judged(frame) { $0.removeLast() } == "was not answered")
    #expect(try Self.judged(Self.frame(df: false)) { _ in } == nil)
    #expect(
      try Self.judged(Self.frame(df: false)) { $0 = [Result(fate: .dropped(.tooBig), rule: 1, bytes: [])] }
        == "is too big, and was not cut")
  }

  @Test("What must not be answered and was is found: groups, later fragments, errors, and no host's addresses")
  func unanswerable() throws {
    let good = Self.frame()
    let l3 = 14
    let changes: [(String, Int, UInt8)] = [
      ("group", 0, 1), ("group", 6, 1), ("fragment", l3 + 7, 9), ("this network", l3 + 12, 0),
      ("loopback", l3 + 12, 127),
      ("multicast", l3 + 16, 224),
    ]
    #expect(TooBigJudge.mayBeAnswered(good, l3) == true)
    for (what, at, value) in changes {
      var bad = good
      bad[at] = value
      #expect(TooBigJudge.mayBeAnswered(bad, l3) == false, "\(what)")
    }
    for type in UInt8(0)...40 {
      var icmp = good
      icmp[l3 + 9] = 1
      icmp[l3 + 20] = type
      #expect(TooBigJudge.mayBeAnswered(icmp, l3) == ![3, 4, 5, 11, 12].contains(type))
    }
  }

  @Test("Each tenant has ten answers at once and a hundred a second, no more and no fewer")
  func rate() throws {
    let frame = Self.frame()
    let engine = try Engine(Self.configuration(), plan: nil)
    var judge = SizeJudge(Self.configuration())
    var answered = 0
    for index in UInt64(0)..<300 {
      let now = index * 3_000_000
      let results = engine.process(frame, port: Self.tenant, now: now)
      answered += results.count - 1
      #expect(judge.fault(of: frame, port: Self.tenant, now: now, results) { _ in nil } == nil)
    }
    // 0.9 s, and the ten.
    #expect(answered == 99)
    let results = try Engine(Self.configuration(), plan: nil).process(frame, port: Self.tenant, now: 0)
    var strict = SizeJudge(Self.configuration())
    let faults = (0..<11).map { _ in strict.fault(of: frame, port: Self.tenant, now: 0, results) { _ in nil } }
    #expect(faults == [String?](repeating: nil, count: 10) + ["was answered over the tenant's rate"])
  }

  @Test("Pieces are the packet, and a byte of a header, an option or the data that is not its packet's is found")
  func pieces() throws {
    // A copied option, one that is not, and padding.
    let frame = Self.frame(df: false, payload: 3000, options: [0x94, 4, 1, 2, 0x44, 4, 5, 0, 1])
    #expect(try Self.judged(frame) == nil)
    for piece in 0..<3 {
      for at in [50, 56, 63, 64, 66, 67, 68, 70, 71, 72, 73, 74, 76, 80, 84, 85, 120] {
        #expect(try Self.judged(frame) { $0[piece].bytes[at] ^= 1 } != nil, "piece \(piece), byte \(at)")
      }
    }
    #expect(try Self.judged(frame) { $0.removeLast() } != nil)
    #expect(try Self.judged(frame) { $0.swapAt(0, 1) } != nil)
    var whole = try Engine(Self.configuration(), plan: nil).process(
      Self.frame(payload: 1300), port: Self.tenant, now: 0)
    whole += whole
    var judge = SizeJudge(Self.configuration())
    #expect(
      judge.fault(of: Self.frame(payload: 1300), port: Self.tenant, now: 0, whole) { _ in nil } == "was cut, and fits")
  }
}
