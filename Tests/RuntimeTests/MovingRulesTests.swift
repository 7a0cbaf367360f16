import Control
import Datapath
import Device
import Memory
import Offload
import Ports
import Runtime
import Testing

@Suite("A poll loop over a device whose rules come and go")
struct MovingRulesTests {
  /// The moments of a device's life, one after the other: filling up a part at a time, full, emptied, filling up again.
  @Test(
    "sends what software alone sends, but for what a device chooses, while rules go to the device and leave it",
    arguments: ["ideal", "bluefield3"], UInt64(0)..<2)
  func whileRulesMove(profile: String, seed: UInt64) throws {
    // A sample of one in N counts anew at a rule that moves: which frames are copied then is the device's choice.
    var configuration = RandomConfiguration.make(seed: seed, ruleCount: 80).copyingEverything
    // Setting a device aside takes the time of the machine, at which there are answers again.
    configuration.answers.burst = 1500
    let chosen = try ProfileCatalog.choose(profile).profile
    let plan = Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: chosen)
    let none = Planner.plan(rules: [], overlay: configuration.overlay, profile: chosen)
    var mix = TrafficGenerator.Mix()
    mix.spoiledPercent = 20
    var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
    var inputs: [UInt16: [[UInt8]]] = [:]
    for _ in 0..<1500 {
      let next = traffic.next()
      // What the underlay says of a path counts from the frame behind it on, or from the burst behind it.
      if !PollLoopTests.isICMP(next.bytes) { inputs[next.port, default: []].append(next.bytes) }
    }

    let folder = try Folder()
    let ids = configuration.rules.map(\.id).max() ?? 1
    let rules = try RuleBook(configuration.overlay, limit: Int(ids) + 16)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    var loop = try PollLoop(
      try Datapath(rules, buffers: 1024, bufferSize: 66560 + FrameArena.defaultHeadroom, answers: (100, 1500)))
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
    var options = DeviceLane.Options()
    options.seed = seed
    let lane = try DeviceLane(plan, rules: rules, options: options, now: 0)
    _ = loop.setDevice(lane, now: 0)
    let now: UInt64 = 1_000_000_000
    var passes = 0
    var passesFilling = 0
    while true {
      if lane.brief().isBusy { passesFilling += 1 }
      if loop.pass(now: now) == 0 { break }
      passes += 1
      guard passes % 4 == 0 else { continue }
      loop.setDeviceAside()
      lane.apply(passes % 8 == 4 ? none : plan, now: now)
      loop.takeDeviceBack()
    }
    try loop.ports.close()
    let statistics = lane.brief().statistics
    #expect(passesFilling > 2 && statistics.moves > 80 && statistics.passedBy == 0)
    #expect(statistics.finished > 0 && statistics.resumed > 0 && statistics.missed > 0)

    try compare(configuration, inputs, folder, now: now)
  }

  /// Holds what `folder` has of each port against software's, frame by frame.
  private func compare(
    _ configuration: Configuration, _ inputs: [UInt16: [[UInt8]]], _ folder: Folder, now: UInt64
  ) throws {
    var sent: [UInt16: ArraySlice<[UInt8]>] = [:]
    for named in configuration.ports {
      sent[named.port.id] = try PollLoopTests.read(folder.file("\(named.name)-out.pcap"))[...]
    }
    var rest = inputs.mapValues { $0[...] }
    let engine = try Engine(configuration, plan: nil)
    var comparator = Comparator(configuration)
    var number = 0
    while rest.values.contains(where: { !$0.isEmpty }) {
      for id in configuration.ports.map(\.port.id) {
        let burst = rest[id]?.prefix(FrameBurst.capacity) ?? []
        rest[id]?.removeFirst(burst.count)
        for bytes in burst {
          number += 1
          let expected = engine.process(bytes, port: id, now: now)
          var found = expected
          for place in expected.indices {
            guard case .forwarded(let port) = expected[place].fate else { continue }
            found[place].bytes = sent[port]?.popFirst() ?? []
          }
          // Which of the two put a frame's headers in front is not seen here, nor so which of a flow's two ports is right.
          comparator.compare(frame: number, device: found, software: expected, wellFormed: false)
        }
      }
    }
    #expect(comparator.differences.map(\.description) == [])
    let isMore = sent.values.contains { !$0.isEmpty }
    #expect(!isMore)
  }
}
