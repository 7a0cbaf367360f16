import Control
import Foundation
import Testing

@Suite("A daemon with a device", .serialized)
struct DaemonDeviceTests {
  private static func device(_ client: ControlClient) throws -> JSON {
    try client.ask("device.show")["devices"]?.list?.first ?? .null
  }

  private static func rule(_ client: ControlClient, _ id: Int) throws -> JSON {
    var found: JSON = .null
    try client.ask("rule.show", ["id": .integer(id)]) { found = $0["rules"]?.list?.first ?? found }
    if found["id"] == nil { found = try client.ask("rule.show", ["id": .integer(id)])["rules"]?.list?.first ?? .null }
    return found
  }

  private static func wait(_ seconds: Double = 20, _ holds: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try !holds() {
      try #require(Date() < end, "it does not come")
      Thread.sleep(forTimeInterval: 0.005)
    }
  }

  @Test(
    "gives rules to it as the planner says, tells where each runs and why, and counts what both sides count",
    arguments: ["kind: emulated", "kind: process, silence_ms: 5000"])
  func offloads(kind: String) throws {
    let folder = try TestFolder()
    let more = "device: {\(kind), profile: ideal}"
    for time in 1...2 {
      let daemon = try RunningDaemon(folder, frames: 1000, more: more)
      let client = try daemon.client()
      try Self.wait { try Self.rule(client, 1)["packets"]?.whole == 1000 * time }
      let shown = try Self.rule(client, 1)
      #expect(shown["place"]?.text == "hardware" && shown["bytes"]?.whole == 60_000 * time)
      let device = try Self.device(client)
      #expect(device["finished_packets"]?.whole == 1000 && device["state"]?.text == "alive")
      #expect(device["lost_in_device"]?.whole == 0)
      #expect(try client.ask("status")["device"]?["alive"]?.whole == 1)
      daemon.end()
    }
    let daemon = try RunningDaemon(folder, more: more)
    let client = try daemon.client()
    let lines = [DaemonTests.drop("10.0.0.1"), DaemonTests.drop("10.0.0.2")]
    let ids = try client.ask("rule.add", ["rules": .array(lines.map { .string($0) })])["ids"]?.list ?? []
    let id = try #require(ids.first?.whole)
    try Self.wait { try Self.rule(client, id)["place"]?.text == "hardware" }
    let why = try client.ask("rule.explain", ["id": .integer(id)])
    #expect(why["steps"]?.list?.allSatisfy { $0["place"]?.text == "hardware" } == true)
    #expect(try Self.device(client)["rules_used"]?.whole == 3)
    try client.ask("rule.flush")
    #expect(try Self.device(client)["rules_used"]?.whole == 1)
    daemon.end()
  }

  @Test("says of each rule that is not the device's what keeps it in software")
  func verdicts() throws {
    let daemon = try RunningDaemon(
      try TestFolder(),
      more: "encapsulations: [{index: 1, dscp: copy}]\ndevice: {kind: emulated, profile: bluefield3, rules: 2}")
    let client = try daemon.client()
    let why = try client.ask("rule.explain", ["id": 1])
    let reason = try #require(why["verdict"]?["reason"]?.text)
    #expect(why["place"]?.text == "partial" && why["why"]?.text?.hasPrefix(reason) == true)
    #expect(why["steps"]?.list?.last?["reason"]?.text == reason)
    #expect(why["steps"]?.list?.compactMap { $0["place"]?.text } == ["hardware", "software", "software"])
    let lines = (1...3).map { JSON.string(DaemonTests.drop("10.0.0.\($0)")) }
    let ids = try client.ask("rule.add", ["rules": .array(lines)])["ids"]?.list ?? []
    let last = try client.ask("rule.explain", ["id": ids[2]])
    #expect(last["place"]?.text == "software" && last["steps"]?.list?.first?["reason"]?.text == "table_full")
    #expect(try client.ask("device.show")["rules_not_planned"]?.whole == 2)
    daemon.end()
  }

  @Test("has software go on when the device's process is killed, and its rules return")
  func killed() throws {
    let folder = try TestFolder()
    let daemon = try RunningDaemon(
      folder, frames: 100, more: "device: {kind: process, profile: ideal, silence_ms: 5000}")
    let client = try daemon.client()
    try Self.wait { try Self.rule(client, 1)["packets"]?.whole == 100 }
    for time in 1...2 {
      let process = try #require(try Self.device(client)["process"]?.whole)
      kill(Int32(process), SIGKILL)
      try Self.wait { try Self.device(client)["resets"]?.whole == time }
      try Self.wait { try Self.device(client)["state"]?.text == "alive" }
      let loss = try Self.device(client)["last_loss"]
      #expect(loss?["reason"]?.text == "gone")
      // The parts behind detection; no frame comes that software could take first.
      #expect((loss?["takeover"]?["fence_ns"]?.whole ?? 0) > 0 && (loss?["takeover"]?["rules_ns"]?.whole ?? 0) > 0)
      #expect(loss?["takeover"]?["first_packet_ns"] == .null)
      #expect(try Self.rule(client, 1)["place"]?.text == "hardware")
      #expect(try Self.rule(client, 1)["packets"]?.whole == 100)
    }
    daemon.end()
  }

  @Test("refuses a profile that is not there, and a kind that is none")
  func wrong() throws {
    for more in ["device: {kind: emulated, profile: nonsense}", "device: {kind: quantum}", "device: {kind: emulated}"] {
      let folder = try TestFolder()
      #expect(throws: YAMLError.self) { _ = try RunningDaemon(folder, more: more) }
    }
  }
}
