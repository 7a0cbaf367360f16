import Control
import Datapath
import Device
import Foundation
import Memory
import Ports
import Runtime
import Testing

@Suite("Shares of a thread")
struct FairShareTests {
  /// A loop whose tenant ports have endless traffic of frames of these lengths each, told as bytes a port.
  private static func loop(_ folder: Folder, _ lengths: [Int], count: Int) throws -> PollLoop {
    var text = "version: 1\nports:\n  - {name: up, id: 0, kind: uplink, mtu: 9200}\n"
    for id in 1...lengths.count { text += "  - {name: t\(id), id: \(id), kind: tenant, mtu: 9200}\n" }
    text += "endpoint: {addresses: [\"198.51.100.1\"]}\nrules: |\n"
    for id in 1...lengths.count {
      text +=
        "  flow create \(id) transfer ingress pattern represented_port ethdev_port_id is \(id) / eth / end actions drop / end\n"
    }
    let configuration = try Configuration.read(text, file: "c.yaml") { _ in
      throw YAMLError(file: "x", line: 0, column: 0, message: "none")
    }
    var loop = try PollLoopTests.loop(configuration)
    for (place, named) in configuration.ports.enumerated() {
      var options = CapturePort.Options()
      options.mtu = 9200
      if named.port.id > 0 {
        options.input = folder.file("\(named.name).pcap")
        var writer = try CaptureWriter(path: folder.file("\(named.name).pcap"))
        let frame = [UInt8](repeating: 2, count: lengths[Int(named.port.id) - 1])
        for _ in 0..<count { try writer.write(frame, .init(time: 0)) }
        try writer.close()
      }
      let port = try CapturePort(options, name: named.name, id: named.port.id, owner: UInt8(place))
      let isAdded = loop.add(port, id: named.port.id)
      #expect(isAdded)
    }
    return loop
  }

  /// What each port cost so far.
  private static func costs(_ loop: borrowing PollLoop) -> [Int] {
    (1..<loop.ports.count).map { index in
      let counts = loop.ports.counts(index)
      return Int(counts.bytesReceived) + 300 * Int(counts.framesReceived)
    }
  }

  @Test("are the same for tenants whose frames are short and long, and for one with three ports and one with one")
  func fair() throws {
    let folder = try Folder()
    var loop = try Self.loop(folder, [60, 9000, 60, 60, 1500], count: 4000)
    // Ports 3, 4 and 5 are one tenant's.
    loop.setShares([[1], [2], [3, 4, 5]])
    // Every port has frames all the time.
    for _ in 0..<110 { _ = loop.pass(now: 1_000_000_000) }
    let costs = Self.costs(loop)
    let tenants = [costs[0], costs[1], costs[2] + costs[3] + costs[4]]
    // A burst of the longest frames more or less.
    let slack = 32 * 9300 + 12_000
    let most = tenants.max() ?? 0, least = tenants.min() ?? 0
    #expect(least > 1_000_000 && most - least <= slack, "\(tenants)")
    #expect(costs[2...].allSatisfy { $0 > 0 })
  }

  @Test("leave nothing undone: who is alone is asked in every round, whatever it brings")
  func conserving() throws {
    let folder = try Folder()
    var loop = try Self.loop(folder, [9000, 60], count: 640)
    loop.setShares([[1], [2]])
    var passes = 0
    var frames = 0
    while passes < 1000 {
      let came = loop.pass(now: 1_000_000_000)
      passes += 1
      frames += came
      if frames == 1280 { break }
    }
    // Twenty bursts each; a round in vain lets somebody be asked in the next.
    #expect(frames == 1280 && passes <= 90, "\(passes)")
  }

  @Test("hold nothing back when the thread ends: what waits is carried out, however much over its share it is")
  func ending() throws {
    let folder = try Folder()
    // A burst of these costs the share of many rounds.
    var loop = try Self.loop(folder, [9000], count: 100)
    loop.setShares([[1]])
    let control = try PollControl()
    control.stop()
    loop.run(control)
    #expect(loop.ports.counts(1).framesReceived == 100)
  }
}
