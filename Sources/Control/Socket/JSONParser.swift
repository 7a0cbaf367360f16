/// What is wrong with a JSON document.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The byte, from 0.
  public var offset: Int
  /// What was expected.
  public var message: String
  /// `byte N: message`.
  public var description: String { "byte \(offset): \(message)" }
}

extension JSON {
  /// Values of a document at most.
  public static let mostValues = 65536
  /// Levels of a document at most.
  public static let deepest = 32

  /// Reads one document.
  ///
  /// - Throws: ``JSONError`` for anything that RFC 8259 does not allow, a name that stands twice in an object included,
  ///   and for more than ``mostValues`` values or ``deepest`` levels.
  public init(_ bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }
}

/// A parser over bytes that may be anything.
private struct JSONParser {
  let bytes: [UInt8]
  var at = 0
  var count = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  func error(_ message: String) -> JSONError { JSONError(offset: at, message: message) }
  var next: UInt8 { at < bytes.count ? bytes[at] : 0 }

  mutating func document() throws(JSONError) -> JSON {
    let value = try value(0)
    blanks()
    guard at == bytes.count else { throw error("something stands behind the document") }
    return value
  }

  mutating func blanks() {
    while at < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[at]) { at += 1 }
  }

  mutating func value(_ depth: Int) throws(JSONError) -> JSON {
    guard depth < JSON.deepest else { throw error("nested more than \(JSON.deepest) levels deep") }
    count += 1
    guard count <= JSON.mostValues else { throw error("more than \(JSON.mostValues) values") }
    blanks()
    switch next {
    case 0x7b: return try object(depth)
    case 0x5b: return try array(depth)
    case 0x22: return .string(try string())
    case 0x2d, 0x30...0x39: return try number()
    case 0x74: return try word("true", .bool(true))
    case 0x66: return try word("false", .bool(false))
    case 0x6e: return try word("null", .null)
    default: throw error(at == bytes.count ? "the document ends where a value is expected" : "expected a value")
    }
  }

  mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    let letters = Array("\(word)".utf8)
    guard bytes.count - at >= letters.count, Array(bytes[at..<at + letters.count]) == letters else {
      throw error("expected \(word)")
    }
    at += letters.count
    return value
  }

  mutating func expect(_ byte: UInt8, _ words: String) throws(JSONError) {
    blanks()
    guard next == byte, at < bytes.count else { throw error("expected \(words)") }
    at += 1
  }

  mutating func object(_ depth: Int) throws(JSONError) -> JSON {
    at += 1
    var members: [JSON.Member] = []
    var names: Set<String> = []
    blanks()
    if next == 0x7d {
      at += 1
      return .object([])
    }
    while true {
      blanks()
      guard next == 0x22 else { throw error("expected a name in quotes") }
      let name = try string()
      guard names.insert(name).inserted else { throw error("the name '\(name.prefix(60))' stands twice") }
      try expect(0x3a, "':'")
      members.append(JSON.Member(name: name, value: try value(depth + 1)))
      blanks()
      if next == 0x2c {
        at += 1
        continue
      }
      try expect(0x7d, "',' or '}'")
      return .object(members)
    }
  }

  mutating func array(_ depth: Int) throws(JSONError) -> JSON {
    at += 1
    var list: [JSON] = []
    blanks()
    if next == 0x5d {
      at += 1
      return .array([])
    }
    while true {
      list.append(try value(depth + 1))
      blanks()
      if next == 0x2c {
        at += 1
        continue
      }
      try expect(0x5d, "',' or ']'")
      return .array(list)
    }
  }

  mutating func string() throws(JSONError) -> String {
    at += 1
    var text: [UInt8] = []
    while true {
      guard at < bytes.count else { throw error("a text does not end") }
      let byte = bytes[at]
      switch byte {
      case 0x22:
        at += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw error("a text is not UTF-8") }
        return string
      case 0x5c:
        at += 1
        try escape(&text)
      case 0..<0x20: throw error("a control character in a text")
      default:
        text.append(byte)
        at += 1
      }
    }
  }

  mutating func escape(_ text: inout [UInt8]) throws(JSONError) {
    let letter = next
    let plain: [UInt8: UInt8] = [
      0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9,
    ]
    if let byte = plain[letter] {
      at += 1
      return text.append(byte)
    }
    guard letter == 0x75 else { throw error("no such escape") }
    at += 1
    var code = try hex4()
    if (0xd800..<0xdc00).contains(code) {
      guard next == 0x5c, at + 1 < bytes.count, bytes[at + 1] == 0x75 else { throw error("half a surrogate pair") }
      at += 2
      let low = try hex4()
      guard (0xdc00..<0xe000).contains(low) else { throw error("half a surrogate pair") }
      code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw error("no such character") }
    text += Array(String(Character(scalar)).utf8)
  }

  mutating func hex4() throws(JSONError) -> UInt32 {
    guard bytes.count - at >= 4 else { throw error("expected four hexadecimal digits") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue else {
        throw error("expected four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }

  mutating func number() throws(JSONError) -> JSON {
    let start = at
    if next == 0x2d { at += 1 }
    let first = at
    digits()
    guard at > first, at == first + 1 || bytes[first] != 0x30 else { throw error("not a number") }
    var isWhole = true
    if next == 0x2e {
      isWhole = false
      at += 1
      try someDigits()
    }
    if next == 0x65 || next == 0x45 {
      isWhole = false
      at += 1
      if next == 0x2b || next == 0x2d { at += 1 }
      try someDigits()
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isWhole, let whole = Int(text) { return .integer(whole) }
    guard let number = Double(text), number.isFinite else { throw error("a number out of range") }
    return .number(number)
  }

  mutating func digits() { while (0x30...0x39).contains(next) { at += 1 } }

  mutating func someDigits() throws(JSONError) {
    let start = at
    digits()
    guard at > start else { throw error("expected a digit") }
  }
}
