import Foundation
import HostInventory
import Ports
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A network namespace of a test's own, gone with the value. Only root may make one.
private final class Playground {
  static let isThere = geteuid() == 0 && (try? Playground()) != nil
  let name = "dpu-host-\(getpid())-\(UInt32.random(in: 0 ... .max))"

  init() throws { try Self.run(["netns", "add", name]) }
  deinit { try? Self.run(["netns", "del", name]) }

  func ip(_ arguments: String) throws { try Self.run(["-n", name] + arguments.split(separator: " ").map(String.init)) }

  private static func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ip"] + arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    if process.terminationStatus != 0 { throw POSIXError(.EINVAL) }
  }
}

@Suite("A host's inventory", .enabled(if: Playground.isThere, "only root may make network namespaces"))
struct NetlinkSocketTests {
  private static func socket(_ playground: Playground) throws -> NetlinkSocket {
    let made = try NetworkNamespace(name: playground.name).run { () throws(PortError) in
      do throws(NetlinkSocketError) { return try NetlinkSocket() } catch {
        throw PortError(.system, "netlink", error.description)
      }
    }
    return made
  }

  /// Reads until `condition` holds; false after ten seconds.
  private static func holds(_ socket: NetlinkSocket, _ condition: (HostView) -> Bool) throws -> Bool {
    let end = MonotonicClock.now + 10_000_000_000
    while MonotonicClock.now < end {
      _ = try socket.read()
      if socket.isComplete, condition(socket.view) { return true }
      usleep(1000)
    }
    return false
  }

  @Test("is what ip set up, and follows links, addresses, routes and neighbours as ip changes them")
  func follows() throws {
    let playground = try Playground()
    for command in [
      "link add va type veth peer name vb", "link set va address 02:00:00:00:00:01 mtu 1400 up", "link set vb up",
      "addr add 198.51.100.1/24 dev va", "route add 203.0.113.0/24 via 198.51.100.254",
      "neigh add 198.51.100.254 lladdr 02:00:00:00:00:fe dev va nud permanent",
    ] { try playground.ip(command) }
    let socket = try Self.socket(playground)
    #expect(!socket.isComplete)
    #expect(try Self.holds(socket) { $0.link(named: "va")?.isRunning == true })
    let link = try #require(socket.view.link(named: "va"))
    #expect(link.mac == 0x0200_0000_0001 && link.mtu == 1400)
    let gateway = IPAddress.v4(0xc633_64fe)
    let far = IPAddress.v4(0xcb00_7101)
    #expect(socket.view.nextHop(to: far) == .neighbour(gateway, link: link.index))
    #expect(socket.view.nextHop(to: .v4(0xc633_6401)) == .local)
    let neighbour = socket.view.neighbours[.init(link: link.index, address: gateway)]
    #expect(neighbour?.mac == 0x0200_0000_00fe && neighbour?.state == .permanent)

    try playground.ip("neigh replace 198.51.100.254 lladdr 02:00:00:00:00:fd dev va nud permanent")
    #expect(
      try Self.holds(socket) {
        $0.neighbours[.init(link: link.index, address: gateway)]?.mac == 0x0200_0000_00fd
      })
    try playground.ip("route replace 203.0.113.0/24 via 198.51.100.253")
    #expect(try Self.holds(socket) { $0.nextHop(to: far) == .neighbour(.v4(0xc633_64fd), link: link.index) })
    try playground.ip("route del 203.0.113.0/24")
    #expect(try Self.holds(socket) { $0.nextHop(to: far) == .none })
    try playground.ip("-6 addr add fd00:9::1/64 dev va nodad")
    try playground.ip("-6 route add default via fd00:9::fe")
    let six = try #require(IPAddress(text: "fd00:9::fe"))
    let farSix = try #require(IPAddress(text: "2001:db8::1"))
    #expect(try Self.holds(socket) { $0.nextHop(to: farSix) == .neighbour(six, link: link.index) })
    try playground.ip("link set va address 02:00:00:00:00:02")
    #expect(try Self.holds(socket) { $0.link(named: "va")?.mac == 0x0200_0000_0002 })
    // The kernel forgets the routes behind an address without a word.
    try playground.ip("route add 203.0.113.0/24 via 198.51.100.253")
    #expect(try Self.holds(socket) { $0.nextHop(to: far) != .none })
    try playground.ip("addr del 198.51.100.1/24 dev va")
    #expect(try Self.holds(socket) { $0.nextHop(to: far) == .none && $0.nextHop(to: gateway) == .none })
    try playground.ip("link del va")
    #expect(try Self.holds(socket) { $0.link(named: "va") == nil && $0.link(named: "vb") == nil })
    #expect(socket.malformed.count == 0)
  }

  @Test("is asked for again when the kernel had more to tell than it could keep")
  func overrun() throws {
    let playground = try Playground()
    try playground.ip("link add va type veth peer name vb")
    try playground.ip("link set va up")
    try playground.ip("addr add 198.51.100.1/24 dev va")
    let socket = try Self.socket(playground)
    #expect(try Self.holds(socket) { $0.link(named: "va") != nil })
    // Far more than the socket's buffer holds, in one batch.
    let path = NSTemporaryDirectory() + "dpu-routes-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var lines = ""
    for number in 0..<30_000 { lines += "route add 10.\(number / 256).\(number % 256).0/24 dev va\n" }
    try lines.write(toFile: path, atomically: true, encoding: .utf8)
    try playground.ip("link set vb up")
    try playground.ip("-batch \(path)")
    let last = IPAddress.v4(0x0a00_0001 + 29_999 << 8)
    let end = MonotonicClock.now + 20_000_000_000
    var found = false
    while !found, MonotonicClock.now < end {
      _ = try socket.read()
      found = socket.isComplete && socket.view.routes.count >= 30_000
      usleep(1000)
    }
    #expect(found)
    #expect(socket.view.nextHop(to: last) != .none)
  }
}
