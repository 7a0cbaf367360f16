import Device
import Rules
import Testing

@testable import Offload

/// Matches on so few bits that every frame can be tried.
@Suite("Matches of a small model") struct SmallMatchTests {
  /// Values and masks of three bits: two of an address, one of a port.
  private struct Small {
    var mask: UInt32
    var spec: UInt32
    var rule: Rule {
      var (ip, udp) = (IPv4Item(), L4Item())
      ip.dst = Field(spec & 3, mask: mask & 3)
      udp.dst = Field(UInt16(spec >> 2), mask: UInt16(mask >> 2))
      var attributes = Attributes()
      attributes.transfer = true
      return Rule(attributes: attributes, pattern: [.ipv4(ip), .udp(udp)], actions: [.drop])
    }
    func takes(_ frame: UInt32) -> Bool { frame & mask == spec }
  }

  private var all: [Small] {
    (UInt32(0)..<8).flatMap { mask in
      (UInt32(0)..<8).filter { $0 & ~mask == 0 }.map { Small(mask: mask, spec: $0) }
    }
  }

  @Test("overlap exactly when some frame has both, and one covers another exactly when it has every frame of it")
  func everyPair() {
    for a in all {
      let x = MatchCube(a.rule)
      var overlaps = OverlapIndex()
      overlaps.insert(x, id: 1)
      var covers = CoverIndex()
      covers.insert(x, id: 1)
      for b in all {
        let y = MatchCube(b.rule)
        let frames = (UInt32(0)..<8).filter { b.takes($0) }
        #expect(x.mayOverlap(y) == frames.contains { a.takes($0) }, "\(a) \(b)")
        #expect((overlaps.overlap(with: y) != nil) == x.mayOverlap(y))
        #expect(x.covers(y) == frames.allSatisfy { a.takes($0) }, "\(a) \(b)")
        #expect((covers.cover(of: y) != nil) == x.covers(y))
      }
    }
  }

  @Test("that a device cannot look at leave a guard for what their headers are in front")
  func implied() {
    let tunnels: [(Item, MatchAbilities, UInt16)] = [
      (.geneve(GeneveItem()), .geneve, 6081), (.vxlan(VXLANItem()), .vxlan, 4789),
    ]
    let transports: [(Item, MatchAbilities, UInt8)] = [
      (.tcp(TCPItem()), .tcp, 6), (.udp(L4Item()), .udp, 17), (.icmp(ICMPItem()), .icmp, 1),
      (.gre(GREItem()), .gre, 47), (.nvgre(NVGREItem()), .nvgre, 47),
    ]
    func relaxed(_ item: Item, without ability: MatchAbilities) -> [Item] {
      var abilities = Abilities()
      for entry in MatchAbilities.names where entry.ability != ability { abilities.match.insert(entry.ability) }
      return Prediction(abilities: abilities, overlay: TinyWorld.overlay).relaxed([.ipv4(IPv4Item()), item])
    }
    for (item, ability, number) in transports {
      var ip = IPv4Item()
      ip.proto = Field(number)
      #expect(relaxed(item, without: ability) == [.ipv4(ip)], "\(item)")
    }
    for (item, ability, port) in tunnels {
      var udp = L4Item()
      udp.dst = Field(port)
      #expect(relaxed(item, without: ability) == [.ipv4(IPv4Item()), .udp(udp)], "\(item)")
    }
  }

  @Test(
    "A counter of few bits that wraps again and again is unwrapped, up to half of its range",
    arguments: [8, 16, 32, 48])
  func wraps(bits: UInt8) {
    let half = UInt64(1) << UInt64(bits - 1)
    var random = Seeded(UInt64(bits))
    var counter = RuleCounter()
    counter.begin(now: 0, bypassed: 0)
    var sums = (frames: UInt64(0), bytes: UInt64(0))
    for round in 1...200 {
      let isMost = round % 3 == 0
      sums.frames += isMost ? half - 1 : UInt64.random(in: 0..<half, using: &random)
      sums.bytes += isMost ? half - 1 : UInt64.random(in: 0..<half, using: &random)
      let mask = half * 2 - 1
      counter.take(
        CounterReading(frames: sums.frames & mask, bytes: sums.bytes & mask, takenAt: UInt64(round)), bits: bits,
        bypassed: 0)
      #expect(counter.frames == sums.frames && counter.bytes == sums.bytes, "round \(round)")
    }
    // Half of the range, or more, is a counter that went back: it is not looked at.
    let before = counter
    counter.take(
      CounterReading(frames: sums.frames &+ half, bytes: sums.bytes, takenAt: 201), bits: bits, bypassed: 0)
    #expect(counter == before)
  }
}
