import Device
import Foundation
import Memory
import Ports
import VhostUser

let portBenches = [
  Bench(
    name: "ports",
    what: "nanoseconds a frame through live ports, one thread for both ends (packet sockets and TAP: root)",
    run: benchPorts)
]

private func benchPorts(_ options: BenchOptions) throws {
  var report = try PortReport(rounds: options.quick ? 20 : options.rounds * 400)
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dpu-bench-\(getpid())").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  for isPacked in [false, true] {
    var wanted = VirtqueuePort.Options(path: folder + "/\(isPacked)")
    var device = try VirtqueuePort(wanted, id: 1, owner: 1)
    wanted.side = .driver(isPacked: isPacked)
    wanted.role = .client
    var driver = try VirtqueuePort(wanted, id: 2, owner: 2)
    let end = MonotonicClock.now + 5_000_000_000
    while device.link != .up || driver.link != .up, MonotonicClock.now < end {
      device.look(now: MonotonicClock.now)
      driver.look(now: MonotonicClock.now)
    }
    let name = isPacked ? "packed" : "split"
    try report.measure("rings, \(name), driver to device, 64 B", &driver, &device, length: 64)
    try report.measure("rings, \(name), device to driver, 64 B", &device, &driver, length: 64)
    try report.measure("rings, \(name), driver to device, 1514 B", &driver, &device, length: 1514)
  }
  guard getuid() == 0 else { return print("  packet sockets and TAP devices: only root may make namespaces") }
  let namespace = "dpu-bench-\(getpid())"
  try ip(["netns", "add", namespace])
  defer { try? ip(["netns", "del", namespace]) }
  for command in ["link add va type veth peer name vb", "link set va up", "link set vb up"] {
    try ip(["-n", namespace] + command.split(separator: " ").map(String.init))
  }
  // The kernel notices carriers by and by.
  usleep(500_000)
  func packet(_ name: String, _ owner: UInt8) throws -> PacketPort {
    try NetworkNamespace(name: namespace).run { () throws(PortError) in
      try PacketPort(PacketPort.Options(interface: name), id: UInt16(owner), owner: owner)
    }
  }
  var a = try packet("va", 1)
  var b = try packet("vb", 2)
  try report.measure("packet socket to packet socket, 64 B", &a, &b, length: 64)
  try report.measure("packet socket to packet socket, 1514 B", &a, &b, length: 1514)
  try report.measure("packet socket to packet socket, 60,000 B owing TCP segmentation", &a, &b, length: 60_000)
  var tap = try NetworkNamespace(name: namespace).run { () throws(PortError) in
    try TapPort(TapPort.Options(name: "t0"), id: 3, owner: 3)
  }
  usleep(500_000)
  var outside = try packet("t0", 4)
  try report.measure("packet socket to TAP device, 64 B", &outside, &tap, length: 64)
  try report.measure("packet socket to TAP device, 60,000 B owing TCP segmentation", &outside, &tap, length: 60_000)
  try report.measure("TAP device to packet socket, 64 B", &tap, &outside, length: 64)
  try report.measure("TAP device to packet socket, 60,000 B owing TCP segmentation", &tap, &outside, length: 60_000)
}

private func ip(_ arguments: [String]) throws {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["ip"] + arguments
  try process.run()
  process.waitUntilExit()
  if process.terminationStatus != 0 { throw CocoaError(.executableNotLoadable) }
}

/// Bursts of one length from one port to another, each half timed by itself.
private struct PortReport: ~Copyable {
  private let rounds: Int
  private var pool: FramePool
  private var burst = FrameBurst()
  private var free = TokenList()

  init(rounds: Int) throws {
    self.rounds = rounds
    pool = try FramePool(small: 64, large: 64, owner: 200)
  }

  /// An IPv4 and TCP frame of `length` bytes; a long one owes segmentation.
  private mutating func frame(_ length: Int) -> Frame? {
    guard let token = length <= FramePool.smallLength ? pool.takeSmall() : pool.takeLarge() else { return nil }
    var frame = pool.frame(token, length: length)
    frame.bytes.fill(0, at: 0, count: length)
    frame.bytes.copy([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0], at: 0)
    frame.bytes.store(UInt16(length - 14), at: 16)
    frame.bytes.copy([64, 6], at: 22)
    frame.bytes[46] = 5 << 4
    guard length > 2000 else { return frame }
    frame.checksumStart = 34
    frame.checksumOffset = 16
    frame.segmentSize = 1448
    frame.segmentHeaderLength = 54
    frame.owed = [.checksum, .tcpSegmentation]
    return frame
  }

  mutating func measure<A: BurstPort & ~Copyable, B: BurstPort & ~Copyable>(
    _ name: String, _ from: inout A, _ to: inout B, length: Int
  ) throws {
    var sending: [Double] = []
    var receiving: [Double] = []
    var came = 0
    for _ in 0..<rounds {
      while !burst.isFull, let frame = frame(length) { _ = burst.append(frame) }
      let count = Double(burst.count)
      let start = MonotonicClock.now
      from.transmit(&burst, now: start, free: &free)
      let middle = MonotonicClock.now
      for index in 0..<free.count { pool.give(free[index]) }
      free.removeAll()
      var got = 0
      let begin = MonotonicClock.now
      while got < Int(count), MonotonicClock.now < begin + 1_000_000 {
        to.receive(&burst, now: begin)
        got += burst.count
        for index in 0..<burst.count { to.recycle(burst[index].token) }
        burst.removeAll()
      }
      let end = MonotonicClock.now
      came += got
      sending.append(Double(middle - start) / count)
      if got == Int(count) { receiving.append(Double(end - begin) / count) }
    }
    let out = median(sending), back = median(receiving)
    print(
      "  \(pad(name, 66)) \(decimals(out)) ns to send, \(decimals(back)) ns to receive"
        + (length > 2000 ? ", \(decimals(Double(length * 8) / (out + back))) Gbit/s both" : "")
        + (came < rounds * 32 ? ", \(rounds * 32 - came) did not come" : ""))
  }
}
