/// A file of commands: one a line, `#` begins a comment, a backslash at the end of a line goes on with the next.
public enum FlowScript {
  /// A command and where it stands.
  public struct Line: Equatable, Hashable, Sendable {
    /// The line it begins on, from 1.
    public var line: Int
    /// The command.
    public var command: Command
  }

  /// Reads a whole file. The first error ends it; ``GrammarError/line`` counts from 1.
  public static func parse(_ text: String, source: String = "") throws(GrammarError) -> [Line] {
    try parse(bytes: Array(text.utf8), source: source)
  }

  /// Reads a whole file whose bytes may be anything.
  public static func parse(bytes: [UInt8], source: String = "") throws(GrammarError) -> [Line] {
    var lines: [Line] = []
    try forEach(bytes, source: source) { (cursor) throws(GrammarError) in
      lines.append(Line(line: cursor.line, command: try cursor.command()))
    }
    return lines
  }

  /// Reads one command.
  public static func command(_ text: String) throws(GrammarError) -> Command {
    let bytes = Array(text.utf8)
    var cursor = try Cursor(source: bytes, line: 1, start: 0, end: bytes.count)
    return try cursor.command()
  }

  /// Reads a whole file and carries the commands out, in order.
  ///
  /// - Throws: the first error of grammar or meaning, with its place.
  public static func load(
    _ text: String, source: String = "", into state: ScriptState = ScriptState()
  ) throws(GrammarError) -> ScriptState {
    var state = state
    try forEach(Array(text.utf8), source: source) { (cursor) throws(GrammarError) in
      let command = try cursor.command()
      state.currentLine = UInt32(clamping: cursor.line)
      do throws(ScriptError) { _ = try state.apply(command) } catch {
        throw cursor.error(at: 0, error.description)
      }
    }
    state.currentLine = 0
    return state
  }

  /// Calls `body` with every line that holds words.
  private static func forEach(
    _ bytes: [UInt8], source: String, _ body: (inout Cursor) throws(GrammarError) -> Void
  ) throws(GrammarError) {
    var number = 1
    var start = 0
    while start < bytes.count {
      var breaks = 0
      var end = start
      while end < bytes.count {
        if bytes[end] == 0x0a {
          breaks += 1
          let before = end > start && bytes[end - 1] == 0x0d ? end - 1 : end
          guard before > start, bytes[before - 1] == 0x5c else { break }
        }
        end += 1
      }
      do throws(GrammarError) {
        var cursor = try Cursor(source: bytes, line: number, start: start, end: end)
        if !cursor.isAtEnd { try body(&cursor) }
      } catch {
        var error = error
        error.source = source
        throw error
      }
      number += max(1, breaks)
      start = end + 1
    }
  }
}
