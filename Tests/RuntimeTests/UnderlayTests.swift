import Control
import Datapath
import Device
import Foundation
import HostInventory
import Memory
import Ports
import Runtime
import Testing

/// Two tenants behind one uplink, two tunnel ends, both by one gateway; nobody knows its address.
private let text = """
  version: 1
  ports:
    - {name: up, id: 0, kind: uplink, mtu: 1600, miss: host}
    - {name: vm1, id: 1, kind: tenant, miss: host}
    - {name: vm2, id: 2, kind: tenant}
    - {name: host, id: 9, kind: host}
    - {name: rep1, id: 10, kind: host}
  endpoint: {addresses: [198.51.100.1]}
  encapsulations: [{index: 1, udp_checksum: off}, {index: 2, udp_checksum: on}]
  rules: |
    set raw_encap 1 eth src is 00:00:00:00:00:00 dst is 00:00:00:00:00:00 / ipv4 src is 198.51.100.1 dst is 203.0.113.1 ttl is 64 / udp dst is 6081 / geneve vni is 1 / end_set
    set raw_encap 2 eth src is 00:00:00:00:00:00 dst is 00:00:00:00:00:00 / ipv4 src is 198.51.100.1 dst is 203.0.113.2 ttl is 64 / udp dst is 6081 / geneve vni is 2 / end_set
    flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth type is 0x0800 / end actions raw_encap index 1 / represented_port ethdev_port_id 0 / end
    flow create 2 transfer ingress pattern represented_port ethdev_port_id is 2 / eth / end actions raw_encap index 2 / represented_port ethdev_port_id 0 / end
  """

private let second: UInt64 = 1_000_000_000
private let gateway = IPAddress.v4(0xc633_64fe)
private let gatewayMAC: UInt64 = 0x0200_0000_00fe
private let uplinkMAC: UInt64 = 0x0200_0000_0001

/// A loop over capture files: frames come at their times, and what went out is read at the end.
private final class Rig {
  let rules: RuleBook
  let folder: Folder
  let underlay: Underlay
  var loop: PollLoop
  private let names: [String]

  /// `inputs`: port name → frames with their times from 0. `isRouted`: there is a route to the tunnel ends.
  init(_ inputs: [String: [(time: UInt64, bytes: [UInt8])]], isRouted: Bool = true) throws {
    let configuration = try Configuration.read(text, file: "test") { _ in "" }
    rules = try RuleBook(configuration.overlay, limit: 64)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    try rules.add(50, PassRule.from(9, to: 0), now: 0)
    try rules.add(51, PassRule.from(10, to: 1), now: 0)
    folder = try Folder()
    names = configuration.ports.map(\.name)
    var options = Underlay.Options()
    if isRouted {
      options.view.apply(
        .route(HostRoute(IPPrefix(.v4(0), length: 0), link: 0, gateway: gateway), replaces: false))
    }
    underlay = Underlay(rules, options: options)
    loop = try PollLoop(try Datapath(rules, buffers: 256))
    for (place, named) in configuration.ports.enumerated() {
      var wanted = CapturePort.Options()
      wanted.output = folder.file("\(named.name)-out.pcap")
      wanted.isPaced = true
      wanted.mac = named.name == "up" ? uplinkMAC : 0
      if let frames = inputs[named.name] {
        let path = folder.file("\(named.name)-in.pcap")
        var writer = try CaptureWriter(path: path)
        // The first frame sets the time: one that nobody wants.
        try writer.write([UInt8](repeating: 0xee, count: 11), .init(time: 0))
        for frame in frames { try writer.write(frame.bytes, .init(time: frame.time)) }
        try writer.close()
        wanted.input = path
      }
      let port = try CapturePort(wanted, name: named.name, id: named.port.id, owner: UInt8(place))
      guard loop.add(port, id: named.port.id) else { throw CocoaError(.featureUnsupported) }
    }
    loop.setHostPort(id: 9)
    guard loop.setUnderlay(underlay, uplink: 0) else { throw CocoaError(.featureUnsupported) }
  }

  func bind(_ function: VirtualFunction) -> Bool { loop.setFunction(function) }
  var heldFrames: Int { loop.heldFrames }

  /// Ten passes a second until `end`, from 0.
  func run(until end: UInt64) {
    var now: UInt64 = 0
    while now <= end {
      loop.look(now: now)
      while loop.pass(now: now) > 0 {}
      now += second / 10
    }
  }

  func sent(_ name: String) throws -> [[UInt8]] {
    try loop.ports.close()
    return try PollLoopTests.read(folder.file("\(name)-out.pcap"))
  }

  func drops(_ reason: DropReason) -> UInt64 { loop.drops[reason] }
}

private func frame(_ number: Int, source: UInt64 = 0x0200_0000_1001, count: Int = 60) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  for place in 0..<6 { bytes[6 + place] = UInt8(truncatingIfNeeded: source >> (40 - 8 * UInt64(place))) }
  bytes[0] = 2
  bytes.replaceSubrange(12..<14, with: [8, 0])
  bytes[count - 2] = UInt8(truncatingIfNeeded: number >> 8)
  bytes[count - 1] = UInt8(truncatingIfNeeded: number)
  return bytes
}

private func mac(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

private func answer(_ mac: UInt64) -> [UInt8] {
  NeighbourMessages.answer(gateway, sender: mac, to: .v4(0xc633_6401), mac: uplinkMAC)
}

@Suite("An underlay")
struct UnderlayTests {
  @Test("holds frames until the next hop answers, then sends them in order, and rewrites all encapsulations at once")
  func resolves() throws {
    let rig = try Rig([
      "vm1": (0..<10).map { (UInt64($0) * second / 20, frame($0)) } + [(second * 2, frame(100))],
      "vm2": (0..<10).map { (UInt64($0) * second / 20, frame(50 + $0)) } + [(second * 2, frame(101))],
      "up": [(second * 3 / 2, answer(gatewayMAC))],
    ])
    rig.run(until: 3 * second)
    let out = try rig.sent("up")
    let questions = out.filter { $0[12] == 8 && $0[13] == 6 }
    // One gateway is asked for both, at 0 and 1 s.
    #expect(questions.count == 2)
    #expect(
      questions.allSatisfy {
        $0 == NeighbourMessages.question(gateway, mac: 0, from: .v4(0xc633_6401), sender: uplinkMAC)
      })
    let packets = out.filter { $0[13] == 0 }
    #expect(packets.count == 22)
    #expect(packets.allSatisfy { mac($0[0..<6]) == gatewayMAC && mac($0[6..<12]) == uplinkMAC })
    for first in [0, 50] {
      let numbers = packets.map { Int($0[$0.count - 1]) }.filter { (first..<first + 10).contains($0) }
      #expect(numbers == Array(first..<first + 10))
    }
    #expect(rig.underlay.rewrites == 2)  // the uplink's own address, then the gateway's
    #expect(rig.heldFrames == 0)
    #expect(rig.rules.outerAddresses.allSatisfy { $0.destination == gatewayMAC && $0.source == uplinkMAC })
  }

  @Test("follows a next hop whose address changes")
  func changes() throws {
    let rig = try Rig([
      "vm1": [(second, frame(1)), (3 * second, frame(2))],
      "up": [(second / 2, answer(gatewayMAC)), (2 * second, answer(gatewayMAC + 1))],
    ])
    rig.run(until: 4 * second)
    let packets = try rig.sent("up").filter { $0[13] == 0 }
    #expect(packets.map { mac($0[0..<6]) } == [gatewayMAC, gatewayMAC + 1])
  }

  @Test("holds so many frames and no more, each for so long and no longer, and counts what it drops")
  func bounds() throws {
    let rig = try Rig(["vm1": (0..<100).map { (0, frame($0)) }])
    rig.run(until: 2 * second)
    #expect(rig.heldFrames == 64 && rig.drops(.nextHopFull) == 36)
    rig.run(until: 4 * second)
    #expect(rig.heldFrames == 0 && rig.drops(.nextHopTimeout) == 64)
    // 3 frames are questions.
    #expect(try rig.sent("up").filter { $0[13] == 0 }.isEmpty)
  }

  @Test("drops at once what has no route")
  func noRoute() throws {
    let rig = try Rig(["vm1": (0..<10).map { (second, frame($0)) }], isRouted: false)
    rig.run(until: 2 * second)
    #expect(rig.drops(.noRoute) == 10 && rig.heldFrames == 0)
    #expect(try rig.sent("up").isEmpty)
  }
}

@Suite("The ports' owners")
struct AdmissionTests {
  @Test("send within their rate, from their own address; what is more or other is dropped under its name")
  func rate() throws {
    let own: UInt64 = 0x0200_0000_1001
    // 2000 frames of 1000 bytes in ten seconds; 100,000 bytes a second and 10,000 at once are allowed.
    let frames = (0..<2000).map { (UInt64($0) * second / 200, frame($0, source: own, count: 1000)) }
    let foreign = (0..<7).map { (11 * second, frame($0, source: own + 1)) }
    let rig = try Rig(["vm2": frames + foreign])
    var function = VirtualFunction(port: 2, owner: 1, mac: own)
    function.rate = 100_000
    function.burst = 10_000
    #expect(rig.bind(function))
    rig.run(until: 12 * second)
    // The frame of 11 bytes that sets the time has no address to look at.
    #expect(rig.drops(.foreignSource) == 7)
    let passed = 2000 - Int(rig.drops(.portRate))
    #expect((1000...1012).contains(passed), "\(passed)")
  }

  @Test("have a representor on the host: their misses go there, and what it sends goes to them")
  func representor() throws {
    var odd = frame(1)
    odd.replaceSubrange(12..<14, with: [0x88, 0xb5])
    let rig = try Rig(["vm1": [(second, odd)], "rep1": [(second, frame(7))]])
    var function = VirtualFunction(port: 1)
    function.representor = 10
    #expect(rig.bind(function))
    rig.run(until: 2 * second)
    #expect(try rig.sent("rep1") == [odd])
    #expect(try rig.sent("vm1") == [frame(7)])
    #expect(try rig.sent("host").isEmpty)
  }

  @Test("share the host port's rate, both ways; what is over it is counted")
  func host() throws {
    let frames = (0..<300).map { (second, frame($0)) }
    let rig = try Rig(["up": frames, "host": frames])
    rig.loop.setHostRate(100, burst: 50)
    rig.run(until: 2 * second)
    let there = try rig.sent("host").count
    let back = try rig.sent("up").filter { $0[13] == 0 }.count
    #expect(there == 50 && back == 50)
    // The frames that set the time came within the rate long before.
    #expect(rig.drops(.hostRate) == 500)
  }
}
