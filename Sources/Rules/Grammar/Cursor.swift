/// A place in the words of one line. Words are separated by blanks; `#` begins a comment.
///
/// The line may hold anything; nothing here traps on it, and every step takes time in proportion to the word it reads.
struct Cursor {
  /// One word: where its bytes lie in the source.
  struct Token {
    var start: Int
    var end: Int
  }

  /// Bytes of a line at most; a longer one is no rule.
  static let longestLine = 65_536

  let source: [UInt8]
  let line: Int
  let start: Int
  let end: Int
  private(set) var tokens: [Token] = []
  private(set) var next = 0

  /// The words of `source[start..<end]`; a backslash before a line's end is a blank.
  init(source: [UInt8], line: Int, start: Int, end: Int) throws(GrammarError) {
    self.source = source
    self.line = line
    self.start = start
    self.end = end
    guard end - start <= Self.longestLine else {
      tokens = [Token(start: start, end: start + 1)]
      throw error(at: 0, "the line has \(end - start) bytes, more than \(Self.longestLine)")
    }
    tokens.reserveCapacity((end - start) / 5)
    var at = start
    while at < end {
      if isBlank(at) {
        at += 1
        continue
      }
      if source[at] == UInt8(ascii: "#") {
        while at < end, source[at] != UInt8(ascii: "\n") { at += 1 }
        continue
      }
      let first = at
      while at < end, !isBlank(at) { at += 1 }
      tokens.append(Token(start: first, end: at))
    }
  }

  private func isBlank(_ at: Int) -> Bool {
    switch source[at] {
    case 0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d: true
    // A backslash stands alone at the end of a line that goes on.
    case 0x5c: at + 1 < end && source[at + 1] == 0x0a || at + 2 < end && source[at + 1] == 0x0d
    default: false
    }
  }

  var isAtEnd: Bool { next >= tokens.count }

  /// The word here, nil behind the last one.
  var word: String? { isAtEnd ? nil : text(next) }

  func text(_ index: Int) -> String {
    String(decoding: source[tokens[index].start..<tokens[index].end], as: UTF8.self)
  }

  /// The bytes of the word here; empty behind the last one.
  var bytes: ArraySlice<UInt8> { isAtEnd ? [] : source[tokens[next].start..<tokens[next].end] }

  mutating func advance() { next += 1 }

  /// Whether the word here is `expected`; it is taken when so.
  mutating func take(_ expected: String) -> Bool {
    guard word == expected else { return false }
    next += 1
    return true
  }

  /// Takes `expected` or throws.
  mutating func expect(_ expected: String, _ why: String = "") throws(GrammarError) {
    guard take(expected) else { throw unexpected([expected], why.isEmpty ? "`\(expected)`" : why) }
  }

  /// Throws unless the line ends here.
  func expectEnd() throws(GrammarError) {
    guard isAtEnd else { throw error(at: next, "nothing is expected behind this, found `\(shown(next))`") }
  }
}

// Errors: only they look at columns and make strings.
extension Cursor {
  /// The word here is none of `expected`; `what` says what they are.
  func unexpected(_ expected: [String], _ what: String) -> GrammarError {
    if isAtEnd { return error(at: next, "expected \(what), found the end of the line", expected: expected) }
    return error(
      at: next, "expected \(what), found `\(shown(next))`", expected: expected,
      suggestion: Nearest.candidate(to: text(next), in: expected))
  }

  /// An error at word `index`, or at the end of the line.
  func error(at index: Int, _ message: String, expected: [String] = [], suggestion: String? = nil) -> GrammarError {
    let inLine = index < tokens.count
    let place = inLine ? tokens[index].start : (tokens.last?.end ?? start)
    // With continued lines the error is on the physical line that holds the word.
    let before = source[start..<place]
    let breaks = before.reduce(0) { $0 + ($1 == 0x0a ? 1 : 0) }
    let first = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? start
    let last = source[place..<end].firstIndex(of: 0x0a) ?? end
    let width = inLine ? max(1, Self.characters(source[place..<min(tokens[index].end, last)])) : 1
    let column = Self.characters(source[first..<place]) + 1
    return GrammarError(
      line: line + breaks, column: column, found: inLine ? shown(index) : "", expected: expected, message: message,
      suggestion: suggestion,
      excerpt: Self.excerpt(source[first..<last], column: column, width: width))
  }

  /// The word as it can be shown: short, without control characters.
  func shown(_ index: Int) -> String {
    let text = Self.printable(source[tokens[index].start..<min(tokens[index].end, tokens[index].start + 160)])
    return text.count <= 40 ? text : String(text.prefix(37)) + "…"
  }

  private static func characters(_ bytes: ArraySlice<UInt8>) -> Int {
    String(decoding: bytes, as: UTF8.self).unicodeScalars.count
  }

  static func printable(_ bytes: ArraySlice<UInt8>) -> String {
    var text = ""
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      let control = scalar.value < 0x20 || scalar.value >= 0x7f && scalar.value < 0xa0
      text.unicodeScalars.append(control ? (scalar.value == 0x09 ? " " : "\u{fffd}") : scalar)
    }
    return text
  }

  /// A window of the line around the column, and the pointer below it.
  static func excerpt(_ bytes: ArraySlice<UInt8>, column: Int, width: Int) -> String {
    let line = Array(printable(bytes).unicodeScalars)
    let from = max(0, column - 61)
    let to = min(line.count, from + 100)
    var shown = ""
    shown.unicodeScalars.append(contentsOf: line[min(from, to)..<to])
    let lead = from > 0 ? "…" : ""
    let pad = String(repeating: " ", count: column - 1 - from + lead.count)
    let mark = "^" + String(repeating: "~", count: max(0, min(width, to - column + 1) - 1))
    return "  \(lead)\(shown)\(to < line.count ? "…" : "")\n  \(pad)\(mark)"
  }
}
