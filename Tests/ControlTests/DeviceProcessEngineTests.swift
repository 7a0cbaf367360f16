import Device
import Offload
import Testing

@testable import Control

@Suite("An engine whose device is a process of its own", .serialized)
struct DeviceProcessEngineTests {
  @Test(
    "gives what the one with the model gives, frame for frame, counters and the device's own included",
    arguments: [("ideal", UInt64(5)), ("bluefield3-sws", UInt64(6)), ("e810-dpdk", UInt64(9))])
  func same(profile name: String, seed: UInt64) throws {
    let configuration = RandomConfiguration.make(seed: seed)
    let profile = try ProfileCatalog.standard().choose(name).profile
    let plan = Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: profile)
    var options = Engine.Options()
    options.seed = seed
    options.debts.checksum = true
    options.debts.segmentSize = 200
    let model = try Engine(configuration, plan: plan, options: options)
    options.device = .besideThis
    let process = try Engine(configuration, plan: plan, options: options)
    var mix = TrafficGenerator.Mix()
    mix.spoiledPercent = 30
    var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
    for index in 0..<200 {
      let frame = traffic.next()
      let now = UInt64(index) * 10_000
      let theirs = model.process(frame.bytes, port: frame.port, now: now)
      let ours = process.process(frame.bytes, port: frame.port, now: now)
      #expect(ours == theirs && process.handover == model.handover, "frame \(index)")
      #expect(process.dropFoundByDevice == model.dropFoundByDevice, "frame \(index)")
    }
    for rule in configuration.rules {
      let now: UInt64 = 10_000_000_000
      #expect(process.count(of: rule.id, now: now).frames == model.count(of: rule.id, now: now).frames)
      #expect(process.count(of: rule.id, now: now).bytes == model.count(of: rule.id, now: now).bytes)
      #expect(process.place(of: rule.id).place == model.place(of: rule.id).place)
      #expect(process.place(of: rule.id).refusal == model.place(of: rule.id).refusal)
    }
    #expect(process.statistics(now: 0) == model.statistics(now: 0))
  }
}
