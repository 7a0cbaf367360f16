import Classifier
import Control
import Datapath
import Device
import Memory
import Ports
import Rules
import Runtime
import Testing

@Suite("Flows that no rule takes")
struct UpcallTests {
  private static let second: UInt64 = 1_000_000_000

  private static func configuration(_ rules: String) throws -> Configuration {
    try Configuration.read(
      """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, mtu: 9000}
        - {name: vm, id: 1, kind: tenant, miss: controller}
        - {name: other, id: 2, kind: tenant}
      endpoint: {addresses: ["198.51.100.1"]}
      rules: |
      \(rules)
      """, file: "c.yaml"
    ) { _ in throw YAMLError(file: "x", line: 0, column: 0, message: "none") }
  }

  private static func rule(_ configuration: Configuration, _ line: String) throws -> Rule {
    guard case .create(let request) = try FlowScript.command(line) else { fatalError("not a rule") }
    return request.rule
  }

  /// A frame of UDP flow `flow` that says its number.
  private static func frame(_ flow: Int, _ number: Int) -> [UInt8] {
    let ip: [UInt8] = [0x45, 0, 0, 48, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 1, UInt8(flow & 255)]
    let udp: [UInt8] = [UInt8(0x10 + flow >> 8), 1, 0, 9, 0, 28, 0, 0]
    return [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0] + ip + udp + [UInt8](repeating: UInt8(number & 255), count: 20)
  }

  /// The rules of a configuration.
  private static func book(_ configuration: Configuration) throws -> RuleBook {
    let rules = try RuleBook(configuration.overlay, limit: 64)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    return rules
  }

  /// A loop over captures whose tenant sends `frames`.
  private static func loop(
    _ configuration: Configuration, _ rules: RuleBook, _ box: UpcallBox, _ folder: Folder, _ frames: [[UInt8]],
    _ policy: UpcallPolicy = UpcallPolicy()
  ) throws -> PollLoop {
    var loop = try PollLoop(try Datapath(rules, buffers: 256))
    for (place, named) in configuration.ports.enumerated() {
      var options = CapturePort.Options()
      if named.port.id == 1 {
        options.input = folder.file("in.pcap")
        var writer = try CaptureWriter(path: folder.file("in.pcap"))
        for frame in frames { try writer.write(frame, .init(time: 0)) }
        try writer.close()
      }
      options.output = folder.file("\(named.name).pcap")
      let isAdded = loop.add(
        try CapturePort(options, name: named.name, id: named.port.id, owner: UInt8(place)), id: named.port.id)
      #expect(isAdded)
    }
    box.hasController = true
    loop.setController(policy, box, queue: 3)
    return loop
  }

  private static func sent(_ folder: Folder) throws -> [[UInt8]] { try PollLoopTests.read(folder.file("other.pcap")) }

  private static let toOther =
    "flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / ipv4 dst is 10.0.1.1 / end actions count / represented_port ethdev_port_id 2 / end"

  @Test(
    "are told once each, with their port and their first bytes; a rule and an answer let their frames go on, in order")
  func answered() throws {
    let configuration = try Self.configuration("")
    let folder = try Folder()
    let frames = (0..<4).map { Self.frame(1, $0) } + [Self.frame(2, 9)]
    let (rules, box) = (try Self.book(configuration), UpcallBox())
    var loop = try Self.loop(configuration, rules, box, folder, frames)
    while loop.pass(now: Self.second) > 0 {}
    let told = box.take()
    #expect(told.map(\.bytes) == [frames[0], frames[4]] && told.allSatisfy { $0.port == 1 && $0.group == 0 })
    #expect(told.map { $0.id >> 48 } == [3, 3] && told[0].id != told[1].id && told[0].flowHash != told[1].flowHash)
    #expect(told[0].deadline == 2 * Self.second)
    try rules.add(9, try Self.rule(configuration, Self.toOther), now: Self.second)
    let first = loop.answerUpcall(told[0].id, .again, now: Self.second)
    let again = loop.answerUpcall(told[0].id, .again, now: Self.second)
    let other = loop.answerUpcall(told[1].id, .drop, now: Self.second)
    #expect(first && !again && other)
    try loop.ports.close()
    #expect(try Self.sent(folder) == Array(frames[..<4]))
    #expect(rules.counts(of: 9)?.frames == 4)
    let dropped = loop.drops[.controllerTimeout]
    #expect(dropped == 1 && box.take().isEmpty)
  }

  @Test("that missed behind a jump go on in that group, and what was counted before is not counted again")
  func resumed() throws {
    let configuration = try Self.configuration(
      """
        flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / end actions count / set_mac_src mac_addr 02:00:00:00:00:77 / jump group 5 / end
      """)
    let folder = try Folder()
    let (rules, box) = (try Self.book(configuration), UpcallBox())
    var loop = try Self.loop(configuration, rules, box, folder, [Self.frame(1, 0)])
    while loop.pass(now: Self.second) > 0 {}
    let told = try #require(box.take().first)
    #expect(told.group == 5 && told.lastRule == 1)
    let line = Self.toOther.replacing("create 1 ", with: "create 1 group 5 ")
    try rules.add(9, try Self.rule(configuration, line), now: Self.second)
    let isThere = loop.answerUpcall(told.id, .again, now: Self.second)
    #expect(isThere)
    try loop.ports.close()
    var wanted = Self.frame(1, 0)
    wanted[11] = 0x77
    #expect(try Self.sent(folder) == [wanted])
    #expect(rules.counts(of: 1)?.frames == 1 && rules.counts(of: 9)?.frames == 1)
  }

  @Test("are bounded: flows, frames of each, and flows a second; every frame that is given up has its reason")
  func bounded() throws {
    let folder = try Folder()
    var policy = UpcallPolicy()
    policy.flows = 8
    policy.burst = 10
    policy.perSecond = 1
    policy.deadline = Self.second
    let frames = (0..<100).map { Self.frame(1 + $0 % 20, $0) }
    let configuration = try Self.configuration("")
    let box = UpcallBox()
    var loop = try Self.loop(configuration, try Self.book(configuration), box, folder, frames, policy)
    while loop.pass(now: Self.second) > 0 {}
    #expect(box.take().count == 8)
    // Four frames of each of eight flows wait; twelve flows and the fifth frames do not.
    let (waiting, full) = (loop.upcalls?.waiting, loop.drops[.controllerFull])
    #expect(waiting == 8 && full == 100 - 32)
    _ = loop.pass(now: 2 * Self.second - 1)
    let early = loop.drops[.controllerTimeout]
    _ = loop.pass(now: 2 * Self.second)
    let (late, end) = (loop.drops[.controllerTimeout], loop.upcalls)
    #expect(early == 0 && late == 32 && end?.waiting == 0 && end?.statistics.expired == 8)
  }

  @Test("of one tenant take at most as many places as are free, and another's find room then")
  func boundedForTenants() throws {
    let folder = try Folder()
    var policy = UpcallPolicy()
    policy.flows = 8
    let configuration = try Self.configuration("")
    let box = UpcallBox()
    var loop = try Self.loop(
      configuration, try Self.book(configuration), box, folder, (1...20).map { Self.frame($0, 0) }, policy)
    loop.setShares([[1], [7]])
    while loop.pass(now: Self.second) > 0 {}
    // Four wait, four places are free: another tenant's.
    let (waiting, full, here) = (loop.upcalls?.waiting, loop.drops[.controllerFull], loop.waiting(from: 1))
    #expect(waiting == 4 && full == 16 && here == 4)
  }

  @Test("are told no faster than the rate, and not at all when nobody listens", arguments: [true, false])
  func rate(listens: Bool) throws {
    let folder = try Folder()
    var policy = UpcallPolicy()
    policy.burst = 5
    policy.perSecond = 1
    let configuration = try Self.configuration("")
    let box = UpcallBox()
    var loop = try Self.loop(
      configuration, try Self.book(configuration), box, folder, (1...30).map { Self.frame($0, 0) }, policy)
    box.hasController = listens
    while loop.pass(now: Self.second) > 0 {}
    #expect(box.take().count == (listens ? 5 : 0))
    let dropped = loop.drops[listens ? .controllerRate : .noController]
    #expect(dropped == (listens ? 25 : 30))
  }
}
