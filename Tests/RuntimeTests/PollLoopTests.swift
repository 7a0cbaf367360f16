import Control
import Datapath
import Device
import Dispatch
import Foundation
import Memory
import Offload
import Ports
import Runtime
import Testing

/// A folder that is gone with the value.
final class Folder {
  let path: String
  init() throws {
    let url = try FileManager.default.url(
      for: .itemReplacementDirectory, in: .userDomainMask, appropriateFor: FileManager.default.temporaryDirectory,
      create: true)
    path = url.path
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
}

@Suite("A poll loop")
struct PollLoopTests {
  static func loop(_ configuration: Configuration, plan: Plan? = nil, seed: UInt64 = 0) throws -> PollLoop {
    let ids = configuration.rules.map(\.id).max() ?? 1
    let rules = try RuleBook(configuration.overlay, limit: Int(ids) + 16)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    var loop = try PollLoop(try Datapath(rules, buffers: 1024, bufferSize: 66560 + FrameArena.defaultHeadroom))
    if let plan {
      var options = DeviceLane.Options()
      options.seed = seed
      let lane = try DeviceLane(plan, rules: rules, options: options, now: 0)
      _ = loop.setDevice(lane, now: 0)
      // Rules go in some at a time, and until then their frames are software's: MovingRulesTests looks at that. An engine
      // has them all before its first frame.
      for _ in 0..<100 where lane.brief().isBusy { _ = loop.pass(now: 0) }
      #expect(!lane.brief().isBusy)
    }
    return loop
  }

  static func read(_ path: String) throws -> [[UInt8]] {
    var reader = try CaptureReader(path: path)
    var frames: [[UInt8]] = []
    while try reader.next() != nil { frames.append(reader.array()) }
    return frames
  }

  @Test("sends out of every port what the software path makes of the frames, in order", arguments: UInt64(0)..<6)
  func sameFrames(seed: UInt64) throws { try Self.compare(RandomConfiguration.make(seed: seed), nil, seed: seed) }

  @Test(
    "sends the same with a device below it, which is given every frame and carries out what its plan says",
    arguments: ["ideal", "bluefield3", "e810-dpdk"], UInt64(0)..<4)
  func sameWithDevice(profile: String, seed: UInt64) throws {
    let configuration = RandomConfiguration.make(seed: seed)
    let plan = Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay,
      profile: try ProfileCatalog.choose(profile).profile)
    try Self.compare(configuration, plan, seed: seed)
  }

  /// Frames through a loop and through an engine come out alike.
  private static func compare(_ configuration: Configuration, _ plan: Plan?, seed: UInt64) throws {
    var mix = TrafficGenerator.Mix()
    mix.spoiledPercent = 20
    var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
    let ids = configuration.ports.map(\.port.id)
    var inputs: [UInt16: [[UInt8]]] = [:]
    for _ in 0..<400 {
      let next = traffic.next()
      // An error from the underlay moves rules behind the frame for an engine, behind its burst for a loop.
      if plan != nil, isICMP(next.bytes) { continue }
      inputs[next.port, default: []].append(next.bytes)
    }
    let folder = try Folder()
    var loop = try Self.loop(configuration, plan: plan, seed: seed)
    for (place, named) in configuration.ports.enumerated() {
      var options = CapturePort.Options()
      options.input = folder.file("\(named.name)-in.pcap")
      options.output = folder.file("\(named.name)-out.pcap")
      var writer = try CaptureWriter(path: folder.file("\(named.name)-in.pcap"))
      for frame in inputs[named.port.id] ?? [] { try writer.write(frame, .init(time: 0)) }
      try writer.close()
      let port = try CapturePort(options, name: named.name, id: named.port.id, owner: UInt8(place))
      let isAdded = loop.add(port, id: named.port.id)
      #expect(isAdded)
    }
    let now: UInt64 = 1_000_000_000
    while loop.pass(now: now) > 0 {}
    try loop.ports.close()

    // The same order: a burst of each port in turn.
    var options = Engine.Options()
    options.seed = seed
    options.transmitsOnDevice = false
    let engine = try Engine(configuration, plan: plan, options: options)
    var expected: [UInt16: [[UInt8]]] = [:]
    var dropped: [DropReason: UInt64] = [:]
    while inputs.values.contains(where: { !$0.isEmpty }) {
      for id in ids {
        let burst = (inputs[id] ?? []).prefix(FrameBurst.capacity)
        inputs[id]?.removeFirst(burst.count)
        for bytes in burst {
          for result in engine.process(bytes, port: id, now: now) {
            switch result.fate {
            case .forwarded(let port): expected[port, default: []].append(result.bytes)
            case .dropped(let reason): dropped[reason, default: 0] += 1
            case .delivered: dropped[.noSuchPort, default: 0] += 1
            }
          }
        }
      }
    }
    for named in configuration.ports {
      #expect(try Self.read(folder.file("\(named.name)-out.pcap")) == expected[named.port.id] ?? [])
    }
    for reason in DropReason.allCases {
      let count = loop.datapath.drops[reason] + loop.drops[reason]
      #expect(count == dropped[reason] ?? 0, "\(reason.name)")
    }
    let free = loop.datapath.buffersAvailable
    #expect(free == 1024)
    guard let plan else { return }
    let state = try #require(loop.device?.state(counters: .max, now: now))
    #expect(state.isAlive && state.unanswered == 0 && state.statistics.passedBy == 0)
    let sum = state.statistics.finished + state.statistics.resumed + state.statistics.missed
    #expect(sum >= state.statistics.submitted && state.statistics.submitted > 0)
    for rule in plan.rules {
      #expect(state.rules[rule.id]?.place == engine.place(of: rule.id).place, "rule \(rule.id)")
    }
  }

  static func isICMP(_ bytes: [UInt8]) -> Bool {
    var at = 12
    while at + 2 < bytes.count, [0x8100, 0x88a8].contains(Int(bytes[at]) << 8 | Int(bytes[at + 1])) { at += 4 }
    guard at + 22 < bytes.count else { return false }
    return bytes[at] == 8 ? bytes[at + 11] == 1 : bytes[at] == 0x86 && [58, 0, 43, 60].contains(bytes[at + 8])
  }

  @Test("sleeps between frames that come slowly, loses none, and ends when it is told to")
  func sleeps() throws {
    let configuration = RandomConfiguration.make(seed: 1)
    let tenant = try #require(configuration.ports.first { $0.port.kind == .tenant })
    let folder = try Folder()
    let path = folder.file("in.pcap")
    var writer = try CaptureWriter(path: path)
    for number in 0..<20 {
      try writer.write([UInt8](repeating: 1, count: 60), .init(time: UInt64(number) * 3_000_000))
    }
    try writer.close()
    var options = CapturePort.Options()
    options.input = path
    options.isPaced = true
    var loop = try Self.loop(configuration)
    let isAdded = loop.add(
      try CapturePort(options, name: "in", id: tenant.port.id, owner: 0), id: tenant.port.id)
    #expect(isAdded)
    let control = try PollControl()
    loop.run(control) { loop, _ in
      if loop.ports.counts(0).framesReceived == 20 { control.stop() }
    }
    let statistics = loop.statistics
    #expect(statistics.frames == 20)
    #expect(statistics.sleeps > 20)
    #expect(statistics.slept > statistics.spun)

    // From another thread, out of a sleep that nothing else ends for long.
    let other = try PollControl()
    DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { other.stop() }
    let start = MonotonicClock.now
    loop.run(other, policy: PollPolicy(spin: 1000, lookInterval: 60_000_000_000))
    #expect(MonotonicClock.now - start < 30_000_000_000)
  }

  @Test("refuses a port whose number or owner is another's")
  func refused() throws {
    let configuration = RandomConfiguration.make(seed: 1)
    var loop = try Self.loop(configuration)
    var taken: [Bool] = []
    for (id, owner) in [(1, 1), (2, 1), (1, 2), (3, loop.datapath.owner)] as [(UInt16, UInt8)] {
      taken.append(loop.add(try CapturePort(.init(), name: "x", id: id, owner: owner), id: id))
    }
    #expect(taken == [true, false, false, false])
    let count = loop.ports.count
    #expect(count == 1)
  }
}
