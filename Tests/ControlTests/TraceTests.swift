import Device
import Offload
import Rules
import Testing

@testable import Control

@Suite("A trace")
struct TraceTests {
  static func plan(_ configuration: Configuration, _ profile: String) throws -> Plan {
    Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay,
      profile: try ProfileCatalog.standard().choose(profile).profile)
  }

  @Test(
    "foretells what hardware and software then do, for drawn configurations and frames on every kind of device",
    arguments: ["ideal", "bluefield3", "bluefield3-tc", "e810"])
  func agrees(profile: String) throws {
    var places: Set<String> = [], steps: Set<String> = []
    for seed in UInt64(0)..<6 {
      let configuration = RandomConfiguration.make(seed: seed)
      let plan = try Self.plan(configuration, profile)
      var traffic = TrafficGenerator(configuration, mix: .init(), seed: seed)
      for _ in 0..<8 {
        let frame = traffic.next()
        let trace = try FrameTrace.offline(configuration, plan: plan, bytes: frame.bytes, port: frame.port)
        #expect(
          trace.agrees == true,
          "seed \(seed), \(JSON.hex(frame.bytes)): \(trace.lines.map { "\($0.place) \($0.step) \($0.text) \(JSON.hex($0.after?.bytes ?? []))" })"
        )
        places.formUnion(trace.lines.map(\.place))
        steps.formUnion(trace.lines.map(\.step))
      }
    }
    #expect(places == ["port", "hardware", "software"])
    #expect(steps.isSuperset(of: ["arrive", "match", "action"]))
  }

  @Test("says for each line whether it was seen, where it was carried out, by which rule, and the headers behind it")
  func lines() throws {
    let configuration = try Configuration.read(
      """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, mtu: 1600}
        - {name: vm, id: 1, kind: tenant}
      endpoint: {addresses: ["198.51.100.1"]}
      rules: |
        set raw_decap 1 eth / ipv4 / udp / vxlan / end_set
        set vxlan ip-version ipv4 vni 77 udp-src 0 udp-dst 4789 ip-src 198.51.100.1 ip-dst 198.51.100.2 eth-src 02:00:00:00:00:01 eth-dst 02:00:00:00:00:02
        flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / ipv4 / end actions dec_ttl / jump group 5 / end
        flow create 1 transfer ingress group 5 pattern eth / ipv4 / end actions vxlan_encap / represented_port ethdev_port_id 0 / end
      """, file: "t"
    ) { _ in "" }
    let frame: [UInt8] =
      [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0] + [
        0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0x66, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9, 0, 8, 0, 0,
      ]
    for profile in ["ideal", nil] {
      let trace = try FrameTrace.offline(
        configuration, plan: try profile.map { try Self.plan(configuration, $0) }, bytes: frame, port: 1)
      let place = profile == nil ? "software" : "hardware"
      #expect(trace.agrees == true)
      #expect(trace.lines.map(\.step) == ["arrive", "match", "action", "action", "match", "action", "action", "leave"])
      #expect(trace.lines.map(\.rule) == [0, 1, 1, 1, 2, 2, 2, 2])
      #expect(trace.lines[1...].map(\.place) == Array(repeating: place, count: 7))
      #expect(
        trace.lines.map(\.certainty)
          == [.observed, .predicted, .predicted, .predicted, .observed, .predicted, .predicted, .observed])
      let headers = JSON.object(trace.members)["lines"]?.list?.map { line in
        (line["headers_after"]?.list ?? []).compactMap { $0.text?.split(separator: " ").first.map(String.init) }
      }
      #expect(headers?[4] == ["eth", "ipv4", "udp"])
      #expect(headers?[7] == ["eth", "ipv4", "udp", "vxlan", "inner", "inner", "inner"])
      let behind = JSON.object(trace.members)["lines"]?.list?[2]["headers_after"]?.list?[1].text
      #expect(behind?.contains("ttl 63 ") == true)
    }
  }

  @Test("of a daemon foretells without sending or counting anything")
  func daemon() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    let frame = JSON.hex([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5] + [UInt8](repeating: 0, count: 46))
    let answer = try client.ask("trace.frame", ["port": "vm", "frame_hex": .string(frame)])
    let lines = answer["lines"]?.list ?? []
    #expect(lines.compactMap { $0["step"]?.text } == ["arrive", "match", "action", "action", "action", "leave"])
    #expect(Set(lines.compactMap { $0["certainty"]?.text }) == ["predicted"])
    #expect(lines.last?["headers_after"]?.list?.compactMap(\.text)[3] == "geneve vni 7 type 0x6558")
    #expect(try DaemonTests.shown(client)[0]["packets"]?.whole == 0)
    #expect(try client.ask("stats.show")["tx_packets"]?.whole == 0)
    #expect(
      DaemonTests.refusal { try client.ask("trace.frame", ["port": "nobody", "frame_hex": ""]) } == "port.missing")
    #expect(
      DaemonTests.refusal { try client.ask("trace.frame", ["port": "vm", "frame_hex": "0g"]) } == "request.parameter")
    daemon.end()
  }

  @Test("takes frames as hexadecimal digits, with blanks and colons between them, and nothing else")
  func digits() {
    for count in 0..<300 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      let text = JSON.hex(bytes)
      #expect(JSON.bytes(hex: text) == bytes)
      #expect(JSON.bytes(hex: text.uppercased()) == bytes)
      if count > 0 { #expect(JSON.bytes(hex: String(text.dropLast())) == nil) }
    }
    #expect(JSON.bytes(hex: "02:00 fF") == [2, 0, 255])
    for wrong in ["0g", "0x00", "-1", "0\u{0}", "é0"] { #expect(JSON.bytes(hex: wrong) == nil) }
  }
}
