import Datapath
import Device
import Memory
import Testing

@testable import Control

@Suite("Debts made for a replay")
struct DebtMakerTests {
  @Test("are the ones that, paid, give the frame back byte for byte")
  func inverse() throws {
    var arena = try FrameArena(capacity: 4, bufferSize: 66000)
    var owing = 0
    for seed in UInt64(0)..<10 {
      let configuration = RandomConfiguration.make(seed: seed)
      var generator = TrafficGenerator(configuration, seed: seed)
      let debts = try DebtMaker(words: ["csum"])
      for _ in 0..<200 {
        let made = generator.next()
        guard made.bytes.count > 0 else { continue }
        var frame = try arena.takeFrame(length: made.bytes.count, owner: 1)
        defer { arena.giveBack(frame) }
        frame.bytes.copy(made.bytes, at: 0)
        guard debts.owe(&frame, endpoint: configuration.overlay.endpoint) else {
          #expect(frame.bytes.array() == made.bytes && frame.owed == [])
          continue
        }
        owing += 1
        #expect(frame.bytes.array() != made.bytes)
        try PayDebts.pay(&frame)
        #expect(frame.owed == [])
        #expect(frame.bytes.array() == made.bytes)
      }
    }
    #expect(owing > 500)
  }

  @Test("with tso are owed by long TCP and UDP payloads alone")
  func segmentation() throws {
    var arena = try FrameArena(capacity: 2)
    let debts = try DebtMaker(words: ["tso"], segmentSize: 100)
    for (length, kind) in [(100, FrameBlueprint.L4.tcp), (101, .tcp), (101, .udp), (400, .icmp)] {
      var plan = FrameBlueprint()
      plan.outer.l4 = kind
      plan.payload = Array(repeating: 5, count: length)
      let bytes = plan.bytes()
      var frame = try arena.takeFrame(length: bytes.count, owner: 1)
      frame.bytes.copy(bytes, at: 0)
      debts.owe(&frame, endpoint: EndpointPolicy())
      let wanted: Owed =
        switch (kind, length > 100) {
        case (.tcp, true): [.checksum, .tcpSegmentation]
        case (.udp, true): [.checksum, .udpSegmentation]
        case (.tcp, false): [.checksum]
        default: []
        }
      #expect(frame.owed == wanted)
      arena.giveBack(frame)
    }
  }

  @Test("that have no name are refused")
  func unknown() { #expect(throws: DebtMaker.UnknownWord.self) { try DebtMaker(words: ["csum", "gso"]) } }
}
