import Classifier
import Datapath
import Device
import Memory
import Rules
import Testing

/// Merging on the way out, and frames of several segments on the way in, through the whole data path.
@Suite struct CoalescingPathTests {
  private static let debts: Owed = [.checksum, .tcpSegmentation, .udpSegmentation]

  /// Tunnels end here; their frames go to a tenant's port that takes merged ones, when `merges`.
  private func lab(merges: Bool, carries: Owed = debts) throws -> Lab {
    var overlay = Lab.overlay(mtu: 1500, uplinkMTU: 9000)
    overlay.ports[1].coalesces = merges
    var lab = try Lab(overlay, buffers: 128, bufferSize: 66560)
    lab.path.setCarried(carries, port: Lab.tenant)
    lab.path.setCarried(carries, port: Lab.other)
    try lab.rule(
      1, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)], pattern: [.geneve(.init())])
    try lab.rule(
      2, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 2), .decTTL, .portID(Lab.tenant)],
      pattern: [.vxlan(.init())])
    try lab.rule(3, port: Lab.other, [.count(id: 0), .portID(Lab.tenant)])
    return lab
  }

  /// Frames of several flows, each in order, mixed; now and then one that cannot be merged.
  private func traffic(_ random: inout SeededGenerator) -> [(bytes: [UInt8], port: UInt16)] {
    var flows: [[(bytes: [UInt8], port: UInt16)]] = []
    for flow in 0..<5 {
      var packet = TestPacket(tunnel: [.geneve(options: 8), .vxlan, .none].randomElement(using: &random) ?? .vxlan)
      packet.isTCP = Bool.random(using: &random)
      packet.innerIPv6 = Bool.random(using: &random)
      packet.innerDF = Bool.random(using: &random)
      packet.ports.0 = UInt16(1000 + flow)
      packet.flags = packet.isTCP ? [0x10, 0x18, 0x11].randomElement(using: &random) ?? 0x10 : 0x10
      packet.payload = random.bytes(Int.random(in: 1...3000, using: &random))
      let size = Int.random(in: 100...600, using: &random)
      var segments = packet.segments(size: size)
      if Int.random(in: 0..<4, using: &random) == 0 {
        // One of them is something else.
        segments[Int.random(in: 0..<segments.count, using: &random)].ttl = 9
      }
      let port = packet.tunnel == .none ? Lab.other : Lab.uplink
      flows.append(segments.map { ($0.make().bytes, port) })
      if packet.tunnel == .none, !packet.innerIPv6 {
        var fragment = segments[0].make().bytes
        fragment[20] = 0x20
        flows[flow].insert((fragment, port), at: Int.random(in: 0...flows[flow].count, using: &random))
      }
    }
    var mixed: [(bytes: [UInt8], port: UInt16)] = []
    while let next = flows.indices.filter({ !flows[$0].isEmpty }).randomElement(using: &random) {
      for _ in 0..<min(flows[next].count, Int.random(in: 1...4, using: &random)) {
        mixed.append(flows[next].removeFirst())
      }
    }
    return mixed
  }

  /// By the IP header on, what tells a flow: addresses, protocol and ports.
  private func flow(_ bytes: [UInt8]) -> [UInt8] {
    let isIPv6 = bytes[12] == 0x86
    return isIPv6 ? Array(bytes[20..<21] + bytes[22..<58]) : Array(bytes[23..<24] + bytes[26..<38])
  }

  @Test(
    "Merged and cut again, what leaves is what leaves without merging: every byte, in order within each flow, as counted"
  )
  func identity() throws {
    var random = SeededGenerator(state: 31)
    var scratch = try largeArena(4)
    let own = scratch.take() ?? 0
    var merged: UInt64 = 0
    for _ in 0..<40 {
      var plain = try lab(merges: false)
      var merging = try lab(merges: true)
      var (whole, cut): ([[UInt8]], [[UInt8]]) = ([], [])
      var rest = traffic(&random)[...]
      while !rest.isEmpty {
        let burst = Array(rest.prefix(Int.random(in: 1...32, using: &random)))
        rest = rest.dropFirst(burst.count)
        for result in plain.sendTogether(burst) {
          #expect(result.outcome == .forward && result.frame.owed.isEmpty)
          whole.append(result.bytes)
        }
        for result in merging.sendTogether(burst) {
          #expect(result.outcome == .forward && result.port == Lab.tenant)
          guard !result.frame.owed.isEmpty else {
            cut.append(result.bytes)
            continue
          }
          // The record as it was when it left, on bytes of our own.
          let copy = result.frame.moved(to: scratch.buffer(own), headroom: 384, token: 0)
          copy.bytes.copy(result.bytes, at: 0)
          var segmenter = try Segmenter(copy)
          while let segment = try segmenter.next(&scratch, owner: 0) {
            cut.append(segment.bytes.array())
            scratch.giveBack(segment)
          }
        }
      }
      #expect(whole.count == cut.count)
      for key in Set(whole.map(flow)) {
        let isSame = whole.filter { flow($0) == key } == cut.filter { flow($0) == key }
        #expect(isSame, "flow \(key)")
      }
      for rule in UInt32(1)...3 {
        #expect(plain.book.counts(of: rule)?.frames == merging.book.counts(of: rule)?.frames)
        #expect(plain.book.counts(of: rule)?.bytes == merging.book.counts(of: rule)?.bytes)
      }
      #expect(merging.path.buffersAvailable == 128)
      #expect(merging.released.count == 0 || merging.path.statistics.coalesced > 0)
      merged += merging.path.statistics.merged
    }
    #expect(merged > 100)
  }

  @Test(
    "Nothing is merged for a port that does not ask for it, or does not carry what merged frames owe, nor over ports")
  func whenAsked() throws {
    var packet = TestPacket()
    packet.payload = SeededGenerator(state: 1).filled(800)
    let frames = packet.segments(size: 200).map { ($0.make().bytes, Lab.other) }
    func count(merges: Bool, carries: Owed) throws -> Int {
      var lab = try lab(merges: merges, carries: carries)
      let out = lab.sendTogether(frames)
      #expect(lab.path.statistics.coalesced == UInt64(4 - out.count))
      return out.count
    }
    #expect(try count(merges: true, carries: Self.debts) == 1)
    #expect(try count(merges: false, carries: Self.debts) == 4)
    #expect(try count(merges: true, carries: [.checksum]) == 4)
    #expect(try count(merges: true, carries: []) == 4)
    var datagrams = packet
    datagrams.isTCP = false
    let list = datagrams.segments(size: 200).map { ($0.make().bytes, Lab.other) }
    var tcpOnly = try lab(merges: true, carries: [.checksum, .tcpSegmentation])
    #expect(tcpOnly.sendTogether(list).count == 4)
    var both = try lab(merges: true)
    #expect(both.sendTogether(list).count == 1)
  }

  @Test("A frame that comes in several segments is made one, counted, and every segment's buffer goes back")
  func chains() throws {
    var random = SeededGenerator(state: 7)
    for _ in 0..<60 {
      var lab = try lab(merges: false)
      var arena = try largeArena(16)
      let bytes = Craft.tenant(payload: Int.random(in: 30...1200, using: &random))
      var cuts = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random)
      }
      cuts = [max(14, cuts.min() ?? 14)] + cuts.filter { $0 > (cuts.min() ?? 14) && $0 >= 14 }.sorted() + [bytes.count]
      var burst = FrameBurst()
      var next: UInt32 = 0
      var tokens: Set<UInt32> = []
      for (from, to) in zip(cuts, cuts.dropFirst()).reversed() {
        var segment = try frameOf(Array(bytes[from..<to]), &arena)
        segment.next = next
        tokens.insert(segment.token)
        next = burst.appendSegment(segment) ?? 0
      }
      var head = try frameOf(Array(bytes[..<cuts[0]]), &arena)
      tokens.insert(head.token)
      head.next = next
      head.inPort = Lab.other
      _ = burst.append(head)
      var out = EmissionBurst(capacity: 64)
      lab.path.process(&burst, now: 1, out: &out)
      #expect(out.count == 1 && out[0].frame.bytes.array() == bytes && out[0].port == Lab.tenant)
      #expect(Set((0..<out.releaseCount).map { out.released($0) }) == tokens && out.releaseCount == tokens.count)
      #expect(lab.path.statistics.linearised == 1 && lab.book.counts(of: 3)?.bytes == UInt64(bytes.count))
    }
  }

  @Test("A chain that leaves the burst, goes in a circle or finds no buffer is dropped by name, and loses no buffer")
  func badChains() throws {
    var overlay = Lab.overlay()
    overlay.ports[0].miss = .host
    for (next, link, reason) in [
      (UInt32(3), UInt32(0), DropReason.malformedDebt), (1, 1, .malformedDebt), (1, 2, .malformedDebt),
      (.max, 0, .malformedDebt),
      (1, 0, .noBuffer),
    ] {
      var lab = try Lab(overlay, buffers: 4, bufferSize: reason == .noBuffer ? 512 : 4096)
      var arena = try largeArena(4)
      var burst = FrameBurst()
      var segment = try frameOf([UInt8](repeating: 1, count: reason == .noBuffer ? 600 : 10), &arena)
      segment.next = link
      _ = burst.appendSegment(segment)
      var head = try frameOf(Craft.tenant(), &arena)
      head.next = next
      head.inPort = Lab.uplink
      _ = burst.append(head)
      var out = EmissionBurst(capacity: 64)
      lab.path.process(&burst, now: 1, out: &out)
      #expect(out.count == 1 && out[0].frame.outcome == .dropped(reason) && out[0].frame.token == head.token)
      #expect(out.releaseCount == 1 && out.released(0) == segment.token)
      #expect(lab.path.drops[reason] == 1 && lab.path.drops.total == 1 && lab.path.buffersAvailable == 4)
    }
    // A frame that names segments in a burst without any.
    var lab = try Lab(overlay)
    let lost = try lab.one(Craft.tenant(), port: Lab.uplink) { $0.next = 1 }
    #expect(lost.drop == .malformedDebt)
  }
}
