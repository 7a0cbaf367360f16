import Foundation
import Ports
import Testing

@testable import Control

@Suite("A capture of a daemon")
struct CaptureTests {
  /// The frames of a capture until `count` were seen, or ten seconds went by.
  static func read(_ client: ControlClient, _ capture: JSON, count: Int) throws -> [JSON] {
    var frames: [JSON] = []
    let end = Date(timeIntervalSinceNow: 10)
    while frames.count < count, Date() < end {
      let answer = try client.ask("capture.read", ["capture": capture, "wait_ms": 100])
      frames += answer["frames"]?.list ?? []
    }
    return frames
  }

  /// A daemon whose tenant port is a new capture of `frames` frames after a reload: they come while somebody looks.
  static func feed(
    _ daemon: RunningDaemon, _ client: ControlClient, _ frames: [[UInt8]], more: String = ""
  ) throws {
    let path = daemon.folder.file("vm2.pcap")
    var writer = try CaptureWriter(path: path)
    for frame in frames { try writer.write(frame, .init(time: 0)) }
    try writer.close()
    let port = "  - {name: vm2, id: 2, kind: tenant, attach: {capture: {input: \(path)}}}"
    let rule =
      "\n  flow create 2 transfer ingress pattern represented_port ethdev_port_id is 2 / eth / ipv4 / end actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end"
    try RunningDaemon.configuration(daemon.folder, rules: RunningDaemon.rules + rule, ports: port, more: more)
      .write(toFile: daemon.folder.file("config.yaml"), atomically: true, encoding: .utf8)
    try client.ask("config.reload")
  }

  static func frame(_ last: UInt8, type: UInt8 = 0) -> [UInt8] {
    [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, type] + [
      0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0x66, 0xcd, 10, 0, 0, 1, 10, 0, 0, last, 0, 7, 0, 9, 0, 8, 0, 0,
    ]
  }

  @Test("has every frame once as it came in and once as it left, with its rule, path and what came of it")
  func both() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    let capture = try #require(try client.ask("capture.start")["capture"])
    try Self.feed(daemon, client, (0..<100).map { Self.frame(UInt8($0)) } + [Self.frame(0, type: 6)])
    let frames = try Self.read(client, capture, count: 201)
    let came = frames.filter { $0["direction"]?.text == "in" }, left = frames.filter { $0["direction"]?.text == "out" }
    #expect(came.count == 101 && left.count == 100)
    #expect(came[..<100].allSatisfy { $0["rule"]?.whole == 2 && $0["port"]?.text == "vm2" })
    #expect(came[..<100].allSatisfy { $0["comment"]?.text == "rule 2, software, goes out of up" })
    #expect(came.last?["comment"]?.text == "no rule, software, dropped: no_rule")
    #expect(left.allSatisfy { $0["rule"]?.whole == 2 && $0["port"]?.text == "up" && $0["path"]?.text == "software" })
    for (index, frame) in came[..<100].enumerated() {
      #expect(frame["frame_hex"]?.text == JSON.hex(Self.frame(UInt8(index))))
      #expect(left[index]["frame_hex"]?.text?.hasSuffix(frame["frame_hex"]?.text ?? "-") == true)
    }
    let now = Int(Date().timeIntervalSince1970)
    #expect(frames.allSatisfy { abs(($0["time_ns"]?.whole ?? 0) / 1_000_000_000 - now) < 60 })
    #expect(try client.ask("capture.stop", ["capture": capture])["dropped"]?.whole == 0)
    #expect(DaemonTests.refusal { try client.ask("capture.read", ["capture": capture]) } == "capture.missing")
    daemon.end()
  }

  @Test("keeps to a filter, follows what it wants through encapsulation, and refuses what is no filter")
  func filter() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    #expect(DaemonTests.refusal { try client.ask("capture.start", ["filter": "tcp prt 80"]) } == "capture.filter")
    let capture = try #require(try client.ask("capture.start", ["filter": "host 10.0.0.7"])["capture"])
    try Self.feed(daemon, client, (0..<100).map { Self.frame(UInt8($0)) })
    let frames = try Self.read(client, capture, count: 2)
    while try client.ask("stats.show")["tx_packets"]?.whole ?? 0 < 100 {}
    #expect(try client.ask("capture.read", ["capture": capture, "wait_ms": 300])["frames"]?.list?.isEmpty == true)
    #expect(frames.map { $0["direction"]?.text } == ["in", "out"])
    #expect(frames[0]["frame_hex"]?.text == JSON.hex(Self.frame(7)))
    daemon.end()
  }

  @Test("nobody reads fills its ring, drops and counts the rest, and holds up no frame")
  func bounded() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    let capture = try #require(try client.ask("capture.start", ["buffer_bytes": 65536])["capture"])
    try Self.feed(daemon, client, (0..<5000).map { Self.frame(UInt8($0 & 255)) })
    while try client.ask("stats.show")["tx_packets"]?.whole ?? 0 < 5000 {}
    let frames = try Self.read(client, capture, count: 100)
    #expect(frames.count >= 100 && frames.count < 2000)
    #expect(try client.ask("capture.stop", ["capture": capture])["dropped"]?.whole ?? 0 > 3000)
    daemon.end()
  }

  @Test(
    "has what a device carried through alone, both ways, and of what came up half done what the device did",
    arguments: [("ideal", "", "hardware"), ("bluefield3", "encapsulations: [{index: 1, dscp: copy}]\n", "guarded")])
  func offloaded(profile: String, policy: String, path: String) throws {
    let more = "\(policy)device: {kind: emulated, profile: \(profile)}"
    let daemon = try RunningDaemon(try TestFolder(), more: more)
    let client = try daemon.client()
    let capture = try #require(try client.ask("capture.start")["capture"])
    try Self.feed(daemon, client, (0..<500).map { Self.frame(UInt8($0 & 255)) }, more: more)
    let frames = try Self.read(client, capture, count: 1000)
    let came = frames.filter { $0["direction"]?.text == "in" }, left = frames.filter { $0["direction"]?.text == "out" }
    #expect(came.count == 500 && left.count == 500)
    for (index, frame) in came.enumerated() {
      #expect(frame["frame_hex"]?.text == JSON.hex(Self.frame(UInt8(index & 255))))
      #expect(left[index]["frame_hex"]?.text?.hasSuffix(frame["frame_hex"]?.text ?? "-") == true)
      #expect(frame["path"] == left[index]["path"] && frame["rule"]?.whole == 2)
    }
    let last = try #require(came.last)
    #expect(last["path"]?.text == path, "\(last)")
    #expect(last["comment"]?.text?.hasPrefix("rule 2, \(path): parse verify_checksum match") == true, "\(last)")
    #expect(last["comment"]?.text?.hasSuffix("goes out of up") == true)
    let trace = try client.ask("trace.frame", ["port": "vm2", "frame_hex": .string(JSON.hex(Self.frame(3)))])
    let places = (trace["lines"]?.list ?? []).compactMap { $0["place"]?.text }
    #expect(
      places
        == (path == "hardware"
          ? ["port"] + Array(repeating: "hardware", count: 5)
          : ["port", "hardware", "hardware", "software", "software", "software"]),
      "\(trace)")
    let thread = try client.ask("runtime.show")["threads"]?.list?.first
    #expect(thread?["latency"]?.list?.compactMap { $0["place"]?.text } == ["software", "hardware"])
    #expect(thread?["latency"]?.list?.last?["packets"]?.whole == 500)
    // Less than a microsecond through rings, a model and back would be no time at all.
    #expect(thread?["latency"]?.list?.last?["p99_ns"]?.whole ?? 0 > 1000)
    #expect(thread?["latency"]?.list?.first?["packets"]?.whole == (path == "hardware" ? 0 : 500))
    daemon.end()
  }

  @Test("of one frame is its trace: what came in and left was seen, and what was foretold between is what came of it")
  func live() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    let id = try client.send(
      Request(id: 0, method: "trace.live", parameters: ["filter": "host 10.0.0.9", "timeout_ms": 20_000]))
    let other = try daemon.client()
    try Self.feed(daemon, other, (0..<20).map { Self.frame(UInt8($0)) })
    let trace = try client.answer(id)
    let lines = trace["lines"]?.list ?? []
    #expect(
      lines.compactMap { $0["certainty"]?.text }
        == ["observed", "observed", "predicted", "predicted", "predicted", "observed"])
    #expect(lines.compactMap { $0["step"]?.text } == ["arrive", "match", "action", "action", "action", "leave"])
    #expect(lines.first?["frame_after_hex"]?.text == JSON.hex(Self.frame(9)))
    #expect(trace["prediction_agrees"]?.truth == true)
    #expect(DaemonTests.refusal { try other.ask("trace.live", ["timeout_ms": 50]) } == "timeout")
    daemon.end()
  }
}
