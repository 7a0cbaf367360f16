import Control
import Foundation
import Memory
import Ports
import Testing
import Virtqueue

@testable import VhostUser

/// A daemon with a vhost-user port `vm2`, and peers at its socket that keep the rules or break them.
@Suite("The other end of a port's rings")
struct PortPeerTests {
  static func daemon(_ folder: TestFolder) throws -> RunningDaemon {
    let port = "  - {name: vm2, id: 2, kind: tenant, attach: {vhost_user: {socket: \(folder.file("v")), role: server}}}"
    try RunningDaemon.configuration(folder, ports: port).write(
      toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    return try RunningDaemon(folder)
  }

  static func port(_ client: ControlClient) throws -> JSON {
    try client.ask("port.show", ["name": "vm2"])["ports"]?.list?.first ?? .null
  }

  /// Asks until `is` holds, five seconds at most; what the port is then.
  static func wait(_ client: ControlClient, until holds: (JSON) -> Bool) throws -> JSON {
    let end = MonotonicClock.now + 5_000_000_000
    var found = try port(client)
    while !holds(found), MonotonicClock.now < end {
      Thread.sleep(forTimeInterval: 0.01)
      found = try port(client)
    }
    return found
  }

  /// A driver whose rings run.
  static func driver(_ folder: TestFolder, isPacked: Bool) throws -> VhostFrontend {
    let driver = try VhostFrontend(
      FrontendOptions(isPacked: isPacked, ringSize: 64), path: folder.file("v"), role: .client)
    let end = MonotonicClock.now + 5_000_000_000
    while !driver.isReady, MonotonicClock.now < end {
      _ = driver.service(now: MonotonicClock.now)
      Thread.sleep(forTimeInterval: 0.001)
    }
    try #require(driver.isReady)
    return driver
  }

  @Test("one that lies in its ring or in a message is named with its reason in port show, the log and the metrics")
  func liar() throws {
    let folder = try TestFolder()
    let daemon = try Self.daemon(folder)
    defer { daemon.end() }
    let client = try daemon.client()
    var cut: UInt64 = 0
    for isPacked in [false, true] {
      let driver = try Self.driver(folder, isPacked: isPacked)
      let whole = try Self.wait(client) { $0["link"]?.text == "up" }
      #expect(whole["peer"]?["connected"] == true)
      // What a frame of it says of its buffer: outside of everything, and longer than anything.
      let region = try #require(driver.machine.region)
      for plan in driver.machine.plans {
        for at in stride(from: plan.offset, to: plan.offset + plan.ring.bytes, by: 2) {
          region.shared.store16(0xffff, at: at)
        }
        if !isPacked { region.shared.store16(1, at: plan.offset + plan.ring.driver + 2) }
      }
      if isPacked {
        // Available at the ring's first turn.
        for plan in driver.machine.plans { region.shared.store16(0x80, at: plan.offset + 14) }
      }
      cut += 1
      let found = try Self.wait(client) { $0["peer"]?["cut_off"]?.whole == Int(cut) }["peer"] ?? .null
      #expect(found["cut_off"]?.whole == Int(cut))
      let names = [RingFault.headOutOfRange, .outsideMemory, .bufferIdOutOfRange, .indirectNotNegotiated].map(\.name)
      let reason = found["last_cut_off"]?["reason"]?.text ?? ""
      #expect(names.contains(reason), "\(found)")
      #expect(found["last_cut_off"]?["message"]?.text?.hasPrefix("ring ") == true)
      driver.end()
    }
    // A message that breaks the rules: features that nobody offered.
    let socket = try MessageSocket(connectingTo: folder.file("v"))
    try MessageStream(socket).send(Message(.setFeatures, [.u64(.max)]))
    let found = try Self.wait(client) { $0["peer"]?["cut_off"]?.whole == 3 }
    #expect(found["peer"]?["last_cut_off"]?["reason"]?.text == "features_not_offered", "\(found)")
    #expect(found["link"]?.text == "down")
    // The log is as old as the daemon's last round.
    Thread.sleep(forTimeInterval: 0.3)
    let events = try client.ask("log.show")["events"]?.list ?? []
    let named = events.filter { $0["event"]?.text == "peer.cut_off" && $0["port"]?.text == "vm2" }
    #expect(named.compactMap { $0["times"]?.whole }.reduce(0, +) == 3, "\(events)")
    #expect(named.last?["reason"]?.text == "features_not_offered")
    let text = try client.ask("metrics.show")["text"]?.text ?? ""
    #expect(text.contains("dpu_port_peer_cut_off_total{port=\"vm2\"} 3\n"))
    #expect(text.contains("dpu_port_peer_ends_total{port=\"vm2\",reason=\"features_not_offered\"} 1\n"))
    // And the next one that keeps the rules is served.
    let driver = try Self.driver(folder, isPacked: true)
    #expect(try Self.wait(client) { $0["link"]?.text == "up" }["link"]?.text == "up")
    driver.end()
    let gone = try Self.wait(client) { $0["peer"]?["connected"] == false }["peer"] ?? .null
    #expect(gone["last_end"]?["reason"]?.text == "closed" && gone["cut_off"]?.whole == 3)
    #expect(gone["last_cut_off"]?["reason"]?.text == "features_not_offered")
  }

  @Test("shows in which file rings are kept, and when there is none says why and warns")
  func kept() throws {
    for isPossible in [true, false] {
      let folder = try TestFolder()
      // A folder in the file's place cannot be opened as one.
      if !isPossible {
        try FileManager.default.createDirectory(
          atPath: folder.file("v.rings"), withIntermediateDirectories: false)
      }
      let daemon = try Self.daemon(folder)
      defer { daemon.end() }
      let client = try daemon.client()
      let peer = try Self.port(client)["peer"] ?? .null
      #expect(peer["rings_kept"] == .bool(isPossible))
      #expect((peer["rings_kept_in"]?.text == folder.file("v.rings")) == isPossible)
      #expect((peer["rings_not_kept"]?.text?.contains("v.rings") ?? false) != isPossible)
      let text = try client.ask("metrics.show")["text"]?.text ?? ""
      #expect(text.contains("dpu_port_rings_kept{port=\"vm2\"} \(isPossible ? 1 : 0)\n"))
      Thread.sleep(forTimeInterval: 0.3)
      let events = try client.ask("log.show")["events"]?.list ?? []
      #expect(events.contains { $0["event"]?.text == "port.rings_not_kept" } != isPossible)
    }
  }
}
