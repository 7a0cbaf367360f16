/// Takes a line of Open vSwitch's datapath apart: words, `name=value`, `name(…)` and `{…}`, nested a few levels deep.
struct FlowLineScanner {
  /// One word of a list.
  struct Word {
    /// What stands before `=` or `(`; empty for `{…}`.
    var name: String
    /// What stands behind `=`.
    var value: String?
    /// What stands between brackets.
    var list: [Word]?
    /// Where it begins.
    var at: Int
    /// Where it ends.
    var end: Int
  }

  /// A line's words, and the bytes for what is wrong with them.
  struct Line {
    var words: [Word]
    var source: [UInt8]

    /// What is wrong at a word.
    func error(_ word: Word, _ message: String, expected: [String] = []) -> GrammarError {
      FlowLineScanner.error(source, at: word.at, to: word.end, message, expected: expected)
    }
  }

  /// Brackets within brackets at most.
  static let deepest = 6

  private let source: [UInt8]
  private var at = 0

  init(_ source: [UInt8]) { self.source = source }

  /// The words of the whole line.
  mutating func line() throws(GrammarError) -> Line {
    guard source.count <= Cursor.longestLine else {
      throw Self.error([], at: 0, to: 0, "the line has \(source.count) bytes, more than \(Cursor.longestLine)")
    }
    let words = try list(depth: 0)
    guard at == source.count else { throw here("a bracket closes that was not opened") }
    return Line(words: words, source: source)
  }

  private mutating func list(depth: Int) throws(GrammarError) -> [Word] {
    guard depth <= Self.deepest else { throw here("brackets are more than \(Self.deepest) deep") }
    var words: [Word] = []
    while true {
      while at < source.count, source[at] == 0x20 || source[at] == 0x2c || source[at] == 0x0a { at += 1 }
      guard at < source.count, source[at] != UInt8(ascii: ")"), source[at] != UInt8(ascii: "}") else { return words }
      words.append(try word(depth: depth))
    }
  }

  private mutating func word(depth: Int) throws(GrammarError) -> Word {
    let start = at
    let name = text()
    var word = Word(name: name, value: nil, list: nil, at: start, end: at)
    guard at < source.count else { return word }
    switch source[at] {
    case UInt8(ascii: "="):
      at += 1
      word.value = text()
    case UInt8(ascii: "("), UInt8(ascii: "{"):
      let close: UInt8 = source[at] == UInt8(ascii: "(") ? UInt8(ascii: ")") : UInt8(ascii: "}")
      at += 1
      word.list = try list(depth: depth + 1)
      guard at < source.count, source[at] == close else {
        throw here("`\(Character(Unicode.Scalar(close)))` is missing")
      }
      at += 1
    default: break
    }
    word.end = at
    return word
  }

  private mutating func text() -> String {
    let start = at
    while at < source.count, !", (){}=\n".utf8.contains(source[at]) { at += 1 }
    return String(decoding: source[start..<at], as: UTF8.self)
  }

  private func here(_ message: String) -> GrammarError { Self.error(source, at: at, to: at + 1, message) }

  static func error(
    _ source: [UInt8], at: Int, to end: Int, _ message: String, expected: [String] = []
  ) -> GrammarError {
    let place = min(at, source.count), stop = min(max(end, place), source.count)
    let found = Cursor.printable(source[place..<min(stop, place + 40)])
    return GrammarError(
      line: 1, column: place + 1, found: found, expected: expected, message: message, suggestion: nil,
      excerpt: Cursor.excerpt(source[...], column: place + 1, width: max(1, stop - place)))
  }
}
