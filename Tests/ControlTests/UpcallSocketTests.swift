import Control
import Foundation
import Memory
import Ports
import Synchronization
import Testing
import VhostUser
import Virtqueue

/// A controller on the socket of a daemon whose port `vm2`, over rings, hands it what no rule takes.
@Suite("A controller on the socket", .serialized)
struct UpcallSocketTests {
  /// What was told, and the thread that listens.
  private final class Listener: Sendable {
    private let told = Mutex<[JSON]>([])
    var all: [JSON] { told.withLock { $0 } }

    init(_ daemon: RunningDaemon) throws {
      let socket = daemon.socket
      Thread.detachNewThread { [self] in
        // Ends with the daemon.
        guard let client = try? ControlClient(path: socket, timeout: 20) else { return }
        _ = try? client.ask("upcall.watch") { event in
          if event["event"]?.text == "miss" { told.withLock { $0.append(event) } }
        }
      }
    }
  }

  private static func wait(_ what: Comment, _ holds: () throws -> Bool) throws {
    let end = MonotonicClock.now + 10_000_000_000
    while try !holds() {
      try #require(MonotonicClock.now < end, what)
      Thread.sleep(forTimeInterval: 0.005)
    }
  }

  private static func drops(_ client: ControlClient, _ reason: String) throws -> Int {
    let drops = try client.ask("stats.show")["drops"]?.list ?? []
    return drops.first { $0["reason"]?.text == reason }?["packets"]?.whole ?? 0
  }

  /// Sends frames of UDP to 10.0.1.`host`.
  private static func send(_ driver: VhostFrontend, _ buffers: inout NetBuffers, host: UInt8, count: Int) throws {
    let ip: [UInt8] = [0x45, 0, 0, 48, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 1, host]
    let udp: [UInt8] = [0x10, 1, 0, 9, 0, 28, 0, 0] + [UInt8](repeating: 7, count: 20)
    let bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0] + ip + udp
    var burst = NetBurst(capacity: 32)
    for _ in 0..<count {
      guard let token = buffers.take(length: bytes.count) else { throw CocoaError(.featureUnsupported) }
      buffers.buffer(token).copy(bytes, at: buffers.headroom(token))
      _ = burst.append(
        NetFrame(buffer: buffers.buffer(token), start: buffers.headroom(token), length: bytes.count, token: token))
    }
    #expect(driver.pairs[0].send(burst) == count)
    for index in 0..<burst.count { buffers.give(burst[index].token) }
  }

  @Test("is told of a flow once, its rule releases the frames, it is heard once, and silence has a name")
  func answers() throws {
    let folder = try TestFolder()
    let port =
      "  - {name: vm2, id: 2, kind: tenant, miss: controller, attach: {vhost_user: {socket: \(folder.file("v")), role: server}}}"
    try RunningDaemon.configuration(folder, ports: port, more: "misses: {deadline_ms: 2000}").write(
      toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    let daemon = try RunningDaemon(folder)
    defer { daemon.end() }
    let client = try daemon.client()
    let driver = try PortPeerTests.driver(folder, isPacked: true)
    #expect(try PortPeerTests.wait(client) { $0["link"]?.text == "up" }["link"]?.text == "up")
    var buffers = try NetBuffers(frames: 64, segmented: 1)
    // Nobody listens.
    try Self.send(driver, &buffers, host: 1, count: 2)
    try Self.wait("no drop") { try Self.drops(client, "no_controller") == 2 }
    let listener = try Listener(daemon)
    try Self.wait("nobody listens") { try client.ask("upcall.show")["listening"] == true }
    // The queues hear of the listener at the daemon's next round.
    Thread.sleep(forTimeInterval: 0.3)
    try Self.send(driver, &buffers, host: 2, count: 3)
    try Self.wait("nobody is told") { listener.all.count == 1 }
    let miss = listener.all[0]
    #expect(miss["port"]?.text == "vm2" && miss["keys"]?["dst"]?.text == "10.0.1.2", "\(miss)")
    #expect(miss["resume"]?["group"]?.whole == 0)
    try Self.wait("they do not wait") { try PortPeerTests.port(client)["waiting_packets"]?.whole == 3 }
    let id = try #require(miss["upcall"])
    let rule =
      "flow create 2 transfer ingress pattern represented_port ethdev_port_id is 2 / eth / ipv4 dst is 10.0.1.2 / end actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end"
    let added = try client.ask("rule.add", ["rules": [.string(rule)], "upcalls": .array([id])])
    #expect(added["released"]?.whole == 1)
    try Self.wait("they do not leave") {
      try client.ask("port.show", ["name": "up"])["ports"]?.list?.first?["tx_packets"]?.whole == 3
    }
    #expect(try PortPeerTests.port(client)["waiting_packets"]?.whole == 0)
    // An answer to what was answered.
    #expect(DaemonTests.refusal { try client.ask("upcall.answer", ["id": id]) } == "upcall.missing")
    // One that it drops, and one that it never answers.
    try Self.send(driver, &buffers, host: 3, count: 1)
    try Self.wait("nobody is told") { listener.all.count == 2 }
    try client.ask("upcall.answer", ["id": try #require(listener.all[1]["upcall"]), "fate": "drop"])
    #expect(try Self.drops(client, "controller_timeout") == 1)
    try Self.send(driver, &buffers, host: 4, count: 2)
    try Self.wait("it waits for ever") { try Self.drops(client, "controller_timeout") == 3 }
    let queue = try client.ask("upcall.show")["queues"]?.list?.first
    #expect(queue?["asked"]?.whole == 3 && queue?["answered"]?.whole == 2 && queue?["expired"]?.whole == 1)
    #expect(queue?["repeated_packets"]?.whole == 3 && queue?["waiting"]?.whole == 0)
  }
}
