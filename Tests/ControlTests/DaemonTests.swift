import Control
import Foundation
import Ports
import Testing

/// A daemon on a thread of its own, with capture files as ports, and its socket in a folder.
final class RunningDaemon {
  private final class Box: @unchecked Sendable {
    let daemon: Daemon
    init(_ daemon: Daemon) { self.daemon = daemon }
  }
  private let stop: @Sendable () -> Void
  private let ended = DispatchSemaphore(value: 0)
  let folder: TestFolder
  var socket: String { folder.file("s") }

  static let rules = """
      set raw_encap 1 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv4 src is 198.51.100.1 dst is 198.51.100.2 / udp dst is 6081 / geneve vni is 7 / end_set
      flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / end actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end
    """

  static func configuration(
    _ folder: TestFolder, rules: String = RunningDaemon.rules, ports: String = "", mtu: Int = 1600,
    more: String = ""
  ) -> String {
    """
    version: 1
    ports:
      - {name: up, id: 0, kind: uplink, mtu: \(mtu), attach: {capture: {output: \(folder.file("up.pcap"))}}}
      - {name: vm, id: 1, kind: tenant, attach: {capture: {input: \(folder.file("vm.pcap"))}}}
    \(ports)
    endpoint: {addresses: ["198.51.100.1"]}
    control: {socket: \(folder.file("s"))}
    journal: {rules: \(folder.file("j")), counters: \(folder.file("c")), sync: never}
    runtime: {rules: 100000}
    \(more)
    rules: |
    \(rules)
    """
  }

  init(_ folder: TestFolder, frames: Int = 0, more: String = "") throws {
    self.folder = folder
    var writer = try CaptureWriter(path: folder.file("vm.pcap"))
    let frame: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5] + [UInt8](repeating: 0, count: 46)
    for _ in 0..<frames { try writer.write(frame, .init(time: 0)) }
    try writer.close()
    let path = folder.file("config.yaml")
    if !FileManager.default.fileExists(atPath: path) {
      try Self.configuration(folder, more: more).write(toFile: path, atomically: true, encoding: .utf8)
    }
    let box = Box(try Daemon(file: path, log: EventLog(isQuiet: true)))
    stop = box.daemon.stopper
    let ended = ended
    Thread.detachNewThread {
      box.daemon.run()
      ended.signal()
    }
  }

  func client() throws -> ControlClient { try ControlClient(path: socket, timeout: 20) }

  func end() {
    stop()
    ended.wait()
  }
}

@Suite("A daemon")
struct DaemonTests {
  static func drop(_ address: String) -> String {
    "flow create 1 ingress transfer pattern represented_port ethdev_port_id is 1 / eth / ipv4 dst is \(address) / end actions drop / end"
  }

  static func shown(_ client: ControlClient) throws -> [JSON] {
    var rules: [JSON] = []
    try client.ask("rule.show") { rules += $0["rules"]?.list ?? [] }
    return rules
  }

  static func refusal(_ body: () throws -> Void) -> String? {
    do { try body() } catch ControlClient.Problem.refused(let failure) { return failure.code } catch {
      return "\(error)"
    }
    return nil
  }

  @Test("takes rules, shows and deletes them, refuses wrong ones whole, and has every acknowledged one after a restart")
  func rules() throws {
    let folder = try TestFolder()
    var expected: [Int] = []
    do {
      let daemon = try RunningDaemon(folder)
      let client = try daemon.client()
      let added = try client.ask(
        "rule.add", ["rules": [.string(Self.drop("10.0.0.1")), .string(Self.drop("10.0.0.2"))]])
      let ids = (added["ids"]?.list ?? []).compactMap(\.whole)
      #expect(ids.count == 2)
      #expect(
        Self.refusal {
          try client.ask("rule.add", ["rules": [.string(Self.drop("10.0.0.3")), "flow create nonsense"]])
        } == "rule.grammar")
      #expect(
        Self.refusal { try client.ask("rule.add", ["rules": ["flow create 9 pattern eth / end actions drop / end"]]) }
          == "rule.port")
      #expect(Self.refusal { try client.ask("rule.delete", ["ids": [1]]) } == "rule.configured")
      #expect(Self.refusal { try client.ask("rule.delete", ["ids": [.integer(ids[0]), 77]]) } == "rule.missing")
      try client.ask("rule.delete", ["ids": [.integer(ids[0])]])
      expected = [1, ids[1]]
      #expect(try Self.shown(client).compactMap { $0["id"]?.whole } == expected)
      #expect(try client.ask("change.wait", ["number": 2])["change"]?.whole == 2)
      #expect(Self.refusal { try client.ask("change.wait", ["number": 99, "timeout_ms": 10]) } == "timeout")
      daemon.end()
    }
    let daemon = try RunningDaemon(folder)
    let client = try daemon.client()
    let shown = try Self.shown(client)
    #expect(shown.compactMap { $0["id"]?.whole } == expected)
    #expect(shown.last?["rule"]?.text == Self.drop("10.0.0.2"))
    #expect(try client.ask("rule.flush")["count"]?.whole == 1)
    daemon.end()
  }

  @Test("adds packed rows as the rules they stand for, names those it refuses, and has them after a restart")
  func rows() throws {
    let folder = try TestFolder()
    for time in 0..<2 {
      let daemon = try RunningDaemon(folder)
      let client = try daemon.client()
      if time == 0 {
        let made = try client.ask(
          "template.add",
          [
            "rule": .string(Self.drop("0.0.0.0")), "fields": ["ipv4_dst"],
            "actions": ["drop / end", "count / drop / end"],
          ])
        #expect(made["row_bytes"]?.whole == 6)
        var rows: [UInt8] = []
        for row in 0..<1000 { rows += [10, 1, UInt8(row >> 8), UInt8(row & 255), 0, row == 500 ? 2 : UInt8(row & 1)] }
        let id = try client.send(
          Request(id: 0, method: "rule.rows", parameters: ["template": made["template"] ?? .null], rows: rows))
        let answer = try client.answer(id)
        #expect(answer["added"]?.whole == 999)
        #expect(answer["refused_rows"]?.list?.first?["row"]?.whole == 500)
        let first = try #require(answer["first"]?.whole)
        try client.ask("rule.delete", ["ids": [.integer(first + 3)]])
      }
      let shown = try Self.shown(client).dropFirst()
      let wanted = (0..<1000).filter { $0 != 500 && $0 != 3 }.map { row in
        Self.drop("10.1.\(row >> 8).\(row & 255)").replacing(
          "actions drop", with: row & 1 == 1 ? "actions count / drop" : "actions drop")
      }
      #expect(shown.compactMap { $0["rule"]?.text } == wanted)
      daemon.end()
    }
  }

  @Test("sends out what came in before it ends, and counts on from there after a restart")
  func counters() throws {
    let folder = try TestFolder()
    for time in 1...2 {
      let daemon = try RunningDaemon(folder, frames: 1000)
      let client = try daemon.client()
      while (try client.ask("stats.show")["rx_packets"]?.whole ?? 0) < 1000 * time {}
      daemon.end()
      var reader = try CaptureReader(path: folder.file("up.pcap"))
      var frames = 0
      while try reader.next() != nil { frames += 1 }
      #expect(frames == 1000)
    }
    let daemon = try RunningDaemon(folder)
    let client = try daemon.client()
    #expect(try Self.shown(client)[0]["packets"]?.whole == 2000)
    #expect(try client.ask("stats.show")["tx_packets"]?.whole == 2000)
    daemon.end()
  }

  @Test(
    "reloads rules, ports and tables while it runs, keeps counts and the socket's rules, and refuses a wrong file whole"
  )
  func reload() throws {
    let folder = try TestFolder()
    let daemon = try RunningDaemon(folder, frames: 100)
    let client = try daemon.client()
    try client.ask("rule.add", ["rules": [.string(Self.drop("10.0.0.1"))]])
    while (try Self.shown(client)[0]["packets"]?.whole ?? 0) < 100 {}
    func put(_ text: String) throws {
      try text.write(toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    }
    try put(RunningDaemon.configuration(folder, rules: RunningDaemon.rules + "\n  " + Self.drop("10.9.9.9")))
    #expect(try client.ask("config.reload")["rules_changed"]?.whole == 1)
    #expect(try Self.shown(client).count == 3)
    try put(
      RunningDaemon.configuration(
        folder, ports: "  - {name: vm2, id: 2, kind: tenant, attach: {capture: {}}}", mtu: 1700))
    let answer = try client.ask("config.reload")
    #expect(answer["tables"]?.text == "new")
    let ports = try client.ask("port.show")["ports"]?.list ?? []
    #expect(ports.compactMap { $0["name"]?.text } == ["up", "vm", "vm2"])
    #expect(ports.compactMap { $0["link"]?.text }.contains("absent") == false)
    let shown = try Self.shown(client)
    #expect(shown.count == 2 && shown[0]["packets"]?.whole == 100)
    try put("version: 1\nports: [\n")
    #expect(Self.refusal { try client.ask("config.reload") } == "config.invalid")
    #expect(try Self.shown(client).count == 2)
    daemon.end()
  }

  @Test("describes itself: every method in its list has help, and a wrong name or parameter is told the right one")
  func help() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    let names = (try client.ask("list")["methods"]?.list ?? []).compactMap(\.text)
    #expect(names.contains("rule.add"))
    for name in names { #expect(try client.ask("help", ["method": .string(name)])["help"]?.text?.isEmpty == false) }
    #expect(Self.refusal { try client.ask("rule.ad") } == "request.method")
    #expect(Self.refusal { try client.ask("rule.add", ["rule": "x"]) } == "request.parameter")
    daemon.end()
  }

  @Test("takes a function's rate, address and representor from the configuration, and refuses what cannot be")
  func functions() throws {
    let folder = try TestFolder()
    let text = RunningDaemon.configuration(
      folder,
      ports: """
          - {name: vf, id: 5, kind: tenant, miss: host, mac: "02:00:00:00:00:05", attach: {vhost_user: {socket: \(folder.file("vf"))}}, function: {rate_bytes: 1000000, check_mac: true, representor: vf-rep}}
          - {name: vf-rep, id: 6, kind: tenant, attach: {capture: {}}}
        """)
    try text.write(toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    let daemon = try RunningDaemon(folder)
    let client = try daemon.client()
    let ports = try client.ask("port.show")["ports"]?.list ?? []
    #expect(ports.first { $0["name"]?.text == "vf" }?["attached_to"]?.text?.hasSuffix("vf,server,device") == true)
    let changes = [
      ("representor: vf-rep", "representor: nobody"), ("mac: \"02:00:00:00:00:05\", ", ""), ("check_mac", "check_mack"),
      ("vhost_user: {socket: ", "vhost_user: {rings: packed, socket: "),
    ]
    for (old, new) in changes {
      let wrong = text.replacing(old, with: new)
      #expect(wrong != text)
      try wrong.write(toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
      #expect(Self.refusal { try client.ask("config.reload") } == "config.invalid")
    }
    daemon.end()
  }
}
