import Foundation
import Runtime
import Testing

@testable import Control

@Suite("What a daemon shows of tunnels, threads and events")
struct TunnelShowTests {
  @Test("has each encapsulation with its ends, key, next hop, path MTU and what its rules counted")
  func tunnels() throws {
    let folder = try TestFolder()
    let daemon = try RunningDaemon(folder, frames: 30)
    let client = try daemon.client()
    while try client.ask("stats.show")["tx_packets"]?.whole ?? 0 < 30 {}
    let tunnel = try #require(try client.ask("tunnel.show")["tunnels"]?.list?.first)
    #expect(tunnel["kind"]?.text == "geneve" && tunnel["key"]?.whole == 7)
    #expect(tunnel["local"]?.text == "198.51.100.1" && tunnel["remote"]?.text == "198.51.100.2")
    #expect(tunnel["next_hop_mac"]?.text == "02:00:00:00:00:02" && tunnel["neighbour_state"]?.text == "configured")
    #expect(tunnel["path_mtu"]?.whole == 1600 && tunnel["path_is_narrow"]?.truth == false)
    #expect(tunnel["packets"]?.whole == 30 && tunnel["bytes"]?.whole == 30 * 60 && tunnel["rules"]?.whole == 1)
    #expect(try client.ask("tunnel.show", ["index": 9])["tunnels"]?.list?.isEmpty == true)
    let thread = try #require(try client.ask("runtime.show")["threads"]?.list?.first)
    let latency = try #require(thread["latency"]?.list?.first)
    #expect(latency["place"]?.text == "software" && latency["packets"]?.whole == 30)
    let shares = ["p50_ns", "p99_ns", "p9999_ns"].compactMap { latency[$0]?.whole }
    #expect(shares.count == 3 && shares == shares.sorted() && shares[0] > 0)
    #expect(try client.ask("log.show", ["level": "error"])["events"]?.list?.isEmpty == true)
    #expect(try client.ask("log.show")["events"]?.list?.isEmpty == false)
    #expect(DaemonTests.refusal { try client.ask("log.show", ["level": "loud"]) } == "request.parameter")
    daemon.end()
  }

  @Test("finds an uplink's neighbour incomplete while nobody answers for it")
  func unresolved() throws {
    let folder = try TestFolder()
    let rules = RunningDaemon.rules.replacing("02:00:00:00:00:02", with: "00:00:00:00:00:00")
    let text = RunningDaemon.configuration(folder, rules: rules).replacing(
      "kind: uplink,", with: "kind: uplink, next_hops: on_link, mac: \"02:00:00:00:00:01\",")
    try text.write(toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    let daemon = try RunningDaemon(folder)
    let client = try daemon.client()
    var tunnel: JSON = .null
    for _ in 0..<100 where tunnel["neighbour_state"]?.text != "incomplete" {
      tunnel = try client.ask("tunnel.show")["tunnels"]?.list?.first ?? .null
      Thread.sleep(forTimeInterval: 0.02)
    }
    #expect(tunnel["neighbour_state"]?.text == "incomplete" && tunnel["next_hop"]?.text == "198.51.100.2")
    #expect(tunnel["next_hop_mac"]?.text == "00:00:00:00:00:00" && tunnel["uplink"]?.text == "up")
    daemon.end()
  }

  @Test("of latency: each share's span holds it, against sorted times")
  func histogram() {
    var generator = SeededGenerator(seed: 7)
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == 0)
    var times: [UInt64] = []
    for _ in 0..<5000 {
      let time = UInt64.random(in: 0...(1 << UInt64.random(in: 0...30)), using: &generator)
      let frames = Int.random(in: 1...4, using: &generator)
      histogram.add(time, frames: frames)
      times += [UInt64](repeating: time, count: frames)
    }
    times.sort()
    #expect(histogram.total == UInt64(times.count))
    for share in [0.01, 0.5, 0.9, 0.99, 0.9999, 1] {
      let exact = times[max(1, Int((Double(times.count) * share).rounded(.up))) - 1]
      let end = histogram.quantile(share)
      #expect(exact <= end && (exact < 2 || end < 2 * exact), "\(share): \(exact), \(end)")
    }
    histogram.add(.max, frames: 1)
    #expect(histogram[LatencyHistogram.classes - 1] == 1)
  }
}
