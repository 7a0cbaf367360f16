import Control
import Datapath
import Device
import Foundation
import Memory
import Offload
import Ports
import Runtime
import VhostUser
import Virtqueue

/// What stands at the other end of a port's rings: a driver's side that sends frames of its own and takes what comes.
final class RingEnd {
  let driver: VhostFrontend
  var buffers: NetBuffers
  var sending = NetBurst(capacity: 32)
  var taken = NetBurst(capacity: 32)

  init(_ path: String, isPacked: Bool = true) throws {
    driver = try VhostFrontend(FrontendOptions(isPacked: isPacked, ringSize: 1024), path: path, role: .client)
    buffers = try NetBuffers(frames: 256, segmented: 1)
  }

  /// Fills the burst with 32 frames of these bytes, for good: they are copied into the ring each time.
  func prepare(_ bytes: [UInt8]) {
    for _ in 0..<32 {
      guard let token = buffers.take(length: bytes.count) else { return }
      let (buffer, start) = (buffers.buffer(token), buffers.headroom(token))
      buffer.copy(bytes, at: start)
      _ = sending.append(NetFrame(buffer: buffer, start: start, length: bytes.count, token: token))
    }
  }

  /// Sends what was prepared; how many frames there was room for.
  func send() -> Int { driver.pairs[0].send(sending) }

  /// Takes what came, and says of each frame where it lies.
  func take(_ look: (Bytes) -> Void = { _ in }) -> Int {
    let count = driver.pairs[0].receive(into: &taken, from: &buffers)
    for index in 0..<count {
      look(taken[index].bytes)
      buffers.give(taken[index].token)
    }
    taken.removeAll()
    return count
  }
}

/// A poll loop as dpud has it: a tenant's port and an uplink over vhost-user rings, one rule that puts a Geneve header with
/// an option in front, and, if wanted, a device in a process of its own.
final class LiveRig {
  private let folder: URL
  let tenant: RingEnd
  let uplink: RingEnd
  var loop: PollLoop
  let lane: DeviceLane?

  /// The inner frame: 64 bytes with FCS, IPv4 and UDP. Its payload begins at 42, 18 bytes from its end.
  static let frame: [UInt8] =
    [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0] + [0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0x26, 0xbd, 10, 0, 0, 1]
    + [10, 0, 0, 2, 0x04, 0x57, 0x08, 0xae, 0, 26, 0, 0] + [UInt8](repeating: 5, count: 18)

  private static func configuration() throws -> Configuration {
    let text = """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, mtu: 1600}
        - {name: vm, id: 1, kind: tenant, mtu: 1500}
      endpoint: {addresses: ["198.51.100.1"]}
      rules: |
        set raw_encap 1 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv4 src is 198.51.100.1 dst is 198.51.100.2 / udp dst is 6081 / geneve vni is 7 optlen is 2 / geneve-opt class is 0x0102 type is 0 length is 1 data is 0x00000007 / end_set
        flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / end actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end
      """
    return try Configuration.read(text, file: "benchmark") { name in throw BenchError.wrong(name) }
  }

  init(profile: String? = nil) throws {
    folder = try FileManager.default.url(
      for: .itemReplacementDirectory, in: .userDomainMask, appropriateFor: FileManager.default.temporaryDirectory,
      create: true)
    let configuration = try Self.configuration()
    let book = try RuleBook(configuration.overlay, limit: 64)
    try book.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    var loop = try PollLoop(try Datapath(book, buffers: 1024))
    for (owner, named) in configuration.ports.enumerated() {
      let port = try VirtqueuePort(
        .init(path: folder.appendingPathComponent(named.name).path), id: named.port.id, owner: UInt8(owner))
      guard loop.add(port, id: named.port.id) else { throw BenchError.wrong("no room for a port") }
    }
    tenant = try RingEnd(folder.appendingPathComponent("vm").path)
    uplink = try RingEnd(folder.appendingPathComponent("up").path)
    tenant.prepare(Self.frame)
    var lane: DeviceLane?
    if let profile {
      let plan = Planner.plan(
        rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay,
        profile: try ProfileCatalog.choose(profile).profile)
      var options = DeviceLane.Options()
      let programs = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      options.place = .process(program: programs.appendingPathComponent("dpu-device").path)
      lane = try DeviceLane(plan, rules: book, options: options, now: MonotonicClock.now)
      _ = loop.setDevice(lane, now: MonotonicClock.now)
    }
    self.lane = lane
    self.loop = loop
    let end = MonotonicClock.now + 5_000_000_000
    while !(tenant.driver.isReady && uplink.driver.isReady), MonotonicClock.now < end {
      let now = MonotonicClock.now
      _ = tenant.driver.service(now: now)
      _ = uplink.driver.service(now: now)
      self.loop.look(now: now)
    }
    // The ports see at their next look that both rings run.
    self.loop.look(now: MonotonicClock.now)
    guard tenant.driver.isReady, uplink.driver.isReady, self.loop.ports.link(0) == .up, self.loop.ports.link(1) == .up
    else { throw BenchError.wrong("the rings do not run") }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Frames that were dropped anywhere, by any name.
  var dropped: UInt64 {
    var sum = loop.datapath.drops.total + loop.drops.total
    for port in 0..<2 { sum += loop.ports.counts(port).drops.values.reduce(0, +) }
    return sum
  }
}
