import Control
import Foundation
import Testing

@Suite("The control socket", .serialized)
struct ControlServerTests {
  @Test("answers the good client while others send random bytes, huge lengths, half requests, or nothing")
  func hostile() throws {
    let daemon = try RunningDaemon(try TestFolder())
    var generator = SeededGenerator(seed: 11)
    let good = try daemon.client()
    var idle: [ControlClient] = []
    for _ in 0..<1000 { idle.append(try daemon.client()) }
    let began = Date()
    for round in 0..<60 {
      let bad = try daemon.client()
      let bytes: [UInt8]
      switch round % 4 {
      case 0: bytes = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      case 1: bytes = [0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0x7b, count: 100)
      case 2: bytes = Array(MessageReader.frame(Request(id: 1, method: "status").message).dropLast(3))
      default: bytes = MessageReader.frame([UInt8](repeating: 0x5b, count: 1 << 20))
      }
      // It may have been hung up on already.
      try? bad.send(bytes: bytes)
      idle.append(bad)
      #expect(try good.ask("status")["state"]?.text == "running")
    }
    #expect(Date().timeIntervalSince(began) < 20)
    // Those that did nothing wrong are still heard.
    #expect(try idle[0].ask("status")["clients"]?.whole ?? 0 > 900)
    daemon.end()
  }

  @Test("says what is wrong with a length and hangs up; a wrong request is answered and the next one too")
  func wrong() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let client = try daemon.client()
    try client.send(bytes: MessageReader.frame(Array("{\"id\":1".utf8)))
    #expect(DaemonTests.refusal { _ = try client.answer(1) } == "protocol.json")
    #expect(try client.ask("list")["methods"] != nil)
    try client.send(bytes: [0x7f, 0, 0, 0])
    #expect(DaemonTests.refusal { _ = try client.answer(1) } == "protocol.length")
    #expect(throws: ControlClient.Problem.self) { try client.ask("list") }
    daemon.end()
  }

  @Test("A client that asks and never reads is not listened to any more, and others go on")
  func slow() throws {
    let daemon = try RunningDaemon(try TestFolder())
    let lazy = try daemon.client()
    lazy.setTimeout(0.2)
    #expect(throws: ControlClient.Problem.timeout) {
      for _ in 0..<200_000 { _ = try lazy.send(Request(id: 0, method: "config.show")) }
    }
    #expect(try daemon.client().ask("status")["state"]?.text == "running")
    daemon.end()
  }
}
