import Control
import Testing

@Suite("JSON on the control socket")
struct JSONTests {
  static func random(_ generator: inout SeededGenerator, depth: Int = 0) -> JSON {
    switch Int.random(in: 0..<(depth > 3 ? 5 : 7), using: &generator) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &generator))
    case 2: return .integer(Int.random(in: .min ... .max, using: &generator))
    case 3: return .number(Double.random(in: -1e9...1e9, using: &generator).rounded() + 0.5)
    case 4:
      let scalars = (0..<Int.random(in: 0..<12, using: &generator)).compactMap { _ in
        Unicode.Scalar(
          UInt32.random(in: 0..<0x11_0000, using: &generator) >> UInt32.random(in: 0..<16, using: &generator))
      }
      return .string(String(String.UnicodeScalarView(scalars)))
    case 5:
      return .array((0..<Int.random(in: 0..<5, using: &generator)).map { _ in random(&generator, depth: depth + 1) })
    default:
      return .object(
        (0..<Int.random(in: 0..<5, using: &generator)).map {
          JSON.Member(name: "n\($0)\"\\", value: random(&generator, depth: depth + 1))
        })
    }
  }

  @Test(
    "What is written reads back as it was, indented or not; no cut of it does and nothing traps",
    arguments: UInt64(0)..<200)
  func roundTrip(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let value: JSON = ["v": Self.random(&generator)]
    let bytes = value.bytes()
    #expect(try JSON(bytes) == value)
    #expect(try JSON(value.bytes(pretty: true)) == value)
    for end in 0..<bytes.count { #expect(throws: JSONError.self) { try JSON(Array(bytes[..<end])) } }
    for _ in 0..<50 {
      var spoiled = bytes
      spoiled[Int.random(in: 0..<spoiled.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      _ = try? JSON(spoiled)
    }
  }

  @Test(
    "What RFC 8259 does not allow is refused",
    arguments: [
      "", "01", "1.", "+1", "nul", "[1,]", "{\"a\":1,}", "{a:1}", "\"\u{1}\"", "\"\\x\"", "\"\\ud800\"", "1 2",
      "{\"a\":1,\"a\":2}",
      "[1", "1e", "-", "\"", "1e999",
    ])
  func refused(text: String) { #expect(throws: JSONError.self) { try JSON(Array(text.utf8)) } }

  @Test("Depth and number of values are bounded")
  func bounds() throws {
    let deep = { (levels: Int) in
      Array(String(repeating: "[", count: levels).utf8) + Array(String(repeating: "]", count: levels).utf8)
    }
    #expect(try JSON(deep(JSON.deepest)) != .null)
    #expect(throws: JSONError.self) { try JSON(deep(JSON.deepest + 1)) }
    #expect(throws: JSONError.self) { try JSON(deep(300_000)) }
    let wide = "[" + String(repeating: "0,", count: JSON.mostValues) + "0]"
    #expect(throws: JSONError.self) { try JSON(Array(wide.utf8)) }
  }
}

@Suite("Messages in a stream")
struct MessageReaderTests {
  @Test("come out the same however the stream is cut", arguments: UInt64(0)..<20)
  func cuts(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let messages = (0..<30).map { _ in
      (0..<Int.random(in: 1...300, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
    var rest = messages.flatMap(MessageReader.frame)[...]
    var reader = MessageReader(limit: 300)
    var got: [[UInt8]] = []
    while !rest.isEmpty {
      let part = rest.prefix(Int.random(in: 1...200, using: &generator))
      rest = rest.dropFirst(part.count)
      reader.append(part)
      while let message = try reader.next() { got.append(message) }
    }
    #expect(got == messages)
    #expect(reader.waiting == 0)
  }

  @Test("A length of nothing, or of more than may be, is an error before a byte of it is kept")
  func lengths() {
    for length: UInt32 in [0, 301, .max] {
      var reader = MessageReader(limit: 300)
      reader.append([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) }[...])
      #expect(throws: MessageReader.LengthError.self) { _ = try reader.next() }
    }
  }

  @Test("A request reads back as it was, packed rows included; a wrong one is told what is wrong")
  func requests() throws {
    let plain = Request(
      id: 7, method: "rule.add", parameters: ["rules": ["flow create 0 pattern eth / end actions drop / end"]])
    #expect(try Request(message: plain.message) == plain)
    let rows = Request(id: 9, method: "rule.rows", parameters: ["template": 3], rows: [1, 2, 3, 4])
    #expect(try Request(message: rows.message) == rows)
    for text in [
      "[]", "{}", "{\"id\":1}", "{\"id\":\"1\",\"method\":\"list\"}", "{\"id\":1,\"method\":\"list\",\"x\":1}",
      "\u{1}123",
    ] {
      #expect(throws: RequestFailure.self) { try Request(message: Array(text.utf8)) }
    }
  }
}
