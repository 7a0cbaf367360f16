/// What is wrong with a YAML document: where, what was expected and what was found.
public struct YAMLError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file as the user named it.
  public var file: String
  /// 1-based line; 0 when the whole document is meant.
  public var line: Int
  /// 1-based column.
  public var column: Int
  /// The sentence: what was expected, what was found.
  public var message: String

  /// An error at a place.
  public init(file: String, line: Int, column: Int, message: String) {
    self.file = file
    self.line = line
    self.column = column
    self.message = message
  }

  /// `file:line:column: message`, as compilers say it.
  public var description: String { line > 0 ? "\(file):\(line):\(column): \(message)" : "\(file): \(message)" }
}
