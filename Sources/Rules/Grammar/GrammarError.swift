/// What is wrong with a line of rules, and where, in words for the person who wrote it.
public struct GrammarError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The file's name or what else the text is; empty when nobody said.
  public var source = ""
  /// The line, from 1.
  public let line: Int
  /// The column of the first character that is wrong, from 1, in characters of the line.
  public let column: Int
  /// What stands there, shortened; empty at the end of the line.
  public let found: String
  /// Words that could have stood there, when there are some.
  public let expected: [String]
  /// What is wrong, one sentence without a full stop.
  public let message: String
  /// The expected word that is nearest to what was found.
  public let suggestion: String?
  /// The line (a part of it, when it is long) and below it a line that points at the place.
  public let excerpt: String

  init(
    line: Int, column: Int, found: String, expected: [String], message: String, suggestion: String?, excerpt: String
  ) {
    self.line = line
    self.column = column
    self.found = found
    self.expected = expected
    self.message = message
    self.suggestion = suggestion
    self.excerpt = excerpt
  }

  /// `file:line:column: message`, candidates, and the excerpt.
  public var description: String {
    var text = source.isEmpty ? "" : source + ":"
    text += "\(line):\(column): \(message)"
    if let suggestion { text += "; did you mean `\(suggestion)`?" }
    if !expected.isEmpty { text += "\n  expected: " + expected.joined(separator: ", ") }
    return text + "\n" + excerpt
  }
}

/// Finds the word that somebody meant.
enum Nearest {
  /// The candidate with the fewest edits to `word`, when they are few for its length.
  static func candidate(to word: String, in candidates: [String]) -> String? {
    let letters = Array(word.utf8)
    guard letters.count >= 2, letters.count <= 32 else { return nil }
    var best: (word: String, edits: Int)?
    for candidate in candidates where !candidate.contains(" ") {
      let edits = distance(letters, Array(candidate.utf8))
      if edits < best?.edits ?? (min(2, (letters.count + 1) / 2) + 1) { best = (candidate, edits) }
    }
    return best?.word
  }

  /// Edits (insert, delete, replace, swap of neighbours) between two short words.
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var before: [Int] = []
    var row = Array(0...b.count)
    for i in 1...a.count {
      var next = [i]
      next.reserveCapacity(b.count + 1)
      for j in 1...b.count {
        var edits = min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { edits = min(edits, before[j - 2] + 1) }
        next.append(edits)
      }
      before = row
      row = next
    }
    return row[b.count]
  }
}
