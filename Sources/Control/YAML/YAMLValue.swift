import Yams

/// A node of a strict YAML document: typed access that says where a value stands when it is not what was asked for.
public struct YAMLValue {
  let node: Node
  /// The file, for messages.
  public let file: String
  /// The way to this value, for messages: `ports[2].mtu`.
  public let path: String

  /// Parses a document of one value.
  ///
  /// - Throws: ``YAMLError`` for a syntax error, an empty document, a repeated key or more than 64 levels.
  public static func parse(_ text: String, file: String) throws(YAMLError) -> YAMLValue {
    let composed: Node?
    do { composed = try Yams.compose(yaml: text) } catch let error as YamlError {
      throw YAMLError(parser: error, file: file)
    } catch { throw YAMLError(file: file, line: 0, column: 0, message: "\(error)") }
    guard let node = composed else {
      throw YAMLError(file: file, line: 0, column: 0, message: "the document is empty")
    }
    let value = YAMLValue(node: node, file: file, path: "")
    var count = 0
    try value.checkSize(0, &count)
    return value
  }

  /// Bounds what aliases can unfold to: a document of a few lines can name billions of values.
  private func checkSize(_ depth: Int, _ count: inout Int) throws(YAMLError) {
    count += 1
    guard depth < 64 else { throw error("nested more than 64 levels deep") }
    guard count < 1_000_000 else { throw error("more than a million values (aliases unfold to too much)") }
    switch node {
    case .mapping(let map):
      for (key, value) in map {
        try YAMLValue(node: key, file: file, path: path).checkSize(depth + 1, &count)
        try YAMLValue(node: value, file: file, path: path).checkSize(depth + 1, &count)
      }
    case .sequence(let list):
      for value in list { try YAMLValue(node: value, file: file, path: path).checkSize(depth + 1, &count) }
    default: break
    }
  }

  /// The 1-based line the value stands on; 0 when it is not known.
  var line: Int { node.mark?.line ?? 0 }

  /// An error at this value.
  public func error(_ message: String) -> YAMLError {
    let place = path.isEmpty ? message : "\(path): \(message)"
    return YAMLError(file: file, line: node.mark?.line ?? 0, column: node.mark?.column ?? 0, message: place)
  }

  private var kind: String {
    switch node {
    case .scalar(let scalar): "'\(scalar.string.prefix(60))'"
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }

  /// The value as text.
  public func string() throws(YAMLError) -> String {
    guard case .scalar(let scalar) = node else { throw error("expected text, found \(kind)") }
    return scalar.string
  }

  /// The value as a whole number (decimal, or hexadecimal with 0x) within `range`.
  public func integer(_ range: ClosedRange<Int>) throws(YAMLError) -> Int {
    let text = try string()
    let wanted = "expected a whole number of \(range.lowerBound) to \(range.upperBound)"
    let value: Int? = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    guard let value, range.contains(value) else { throw error("\(wanted), found '\(text.prefix(60))'") }
    return value
  }

  /// The value as `true` or `false` (and nothing else: YAML's `on` and `yes` are a trap).
  public func bool() throws(YAMLError) -> Bool {
    switch try string() {
    case "true": return true
    case "false": return false
    default: throw error("expected true or false, found \(kind)")
    }
  }

  /// One of a few words.
  public func choice<T>(_ words: [(String, T)]) throws(YAMLError) -> T {
    let text = try string()
    if let found = words.first(where: { $0.0 == text }) { return found.1 }
    throw error("expected one of \(words.map(\.0).joined(separator: ", ")), found '\(text.prefix(60))'")
  }

  /// The elements of a list.
  public func list() throws(YAMLError) -> [YAMLValue] {
    guard case .sequence(let sequence) = node else { throw error("expected a list, found \(kind)") }
    return sequence.enumerated().map { YAMLValue(node: $1, file: file, path: "\(path)[\($0)]") }
  }

  /// A mapping whose keys are taken one by one; ``YAMLMap/finish()`` complains about those left.
  public func map() throws(YAMLError) -> YAMLMap {
    guard case .mapping(let mapping) = node else { throw error("expected a mapping, found \(kind)") }
    var values: [(key: String, value: YAMLValue)] = []
    for (key, value) in mapping {
      guard case .scalar(let name) = key else { throw error("expected a plain key") }
      let inner = path.isEmpty ? name.string : "\(path).\(name.string)"
      values.append((name.string, YAMLValue(node: value, file: file, path: inner)))
    }
    return YAMLMap(owner: self, values: values)
  }
}

/// A mapping that knows which of its keys were asked for.
public struct YAMLMap {
  let owner: YAMLValue
  /// Keys and values in the document's order.
  public let values: [(key: String, value: YAMLValue)]
  private var known: [String] = []

  init(owner: YAMLValue, values: [(key: String, value: YAMLValue)]) {
    self.owner = owner
    self.values = values
  }

  /// The value of a key that may be missing.
  public mutating func optional(_ key: String) -> YAMLValue? {
    known.append(key)
    return values.first { $0.key == key }?.value
  }

  /// The value of a key that must be there.
  public mutating func required(_ key: String) throws(YAMLError) -> YAMLValue {
    guard let value = optional(key) else { throw owner.error("the key '\(key)' is missing") }
    return value
  }

  /// An error when the document has a key that nobody asked for.
  public func finish() throws(YAMLError) {
    for (key, value) in values where !known.contains(key) {
      let near = known.min { editDistance($0, key) < editDistance($1, key) }
      let hint = near.map { editDistance($0, key) <= 2 ? "; did you mean '\($0)'?" : "" } ?? ""
      throw YAMLError(
        file: owner.file, line: value.node.mark?.line ?? 0, column: value.node.mark?.column ?? 0,
        message: "\(value.path): unknown key '\(key)'\(hint) (known here: \(known.joined(separator: ", ")))")
    }
  }
}

/// The number of single-character changes between two words, for "did you mean".
func editDistance(_ a: String, _ b: String) -> Int {
  let x = Array(a.prefix(64)), y = Array(b.prefix(64))
  var row = Array(0...y.count)
  for i in x.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in y.indices {
      let cost = x[i] == y[j] ? diagonal : 1 + min(diagonal, row[j], row[j + 1])
      diagonal = row[j + 1]
      row[j + 1] = cost
    }
  }
  return row[y.count]
}

extension YAMLError {
  init(parser error: YamlError, file: String) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(file: file, line: mark.line, column: mark.column, message: problem)
    case .duplicatedKeysInMapping(let keys, let context):
      self.init(
        file: file, line: context.mark.line, column: context.mark.column,
        message: "the key '\(keys.first.map { "\($0)" } ?? "?")' stands twice")
    default: self.init(file: file, line: 0, column: 0, message: "\(error)")
    }
  }
}
