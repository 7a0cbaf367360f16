/// One acknowledged change, as the journal keeps it.
public enum JournalRecord: Equatable, Sendable {
  /// Rules came, by id, as lines of testpmd's grammar.
  case add([(id: UInt32, line: String)])
  /// Rules went.
  case delete([UInt32])
  /// A template for rows: its number, a line of the grammar, its fields, and lists of actions.
  case template(id: UInt32, line: String, fields: [String], actions: [String])
  /// Rows of a template came: the first one's id, how many ids they take, and the rows with those that were refused.
  case rows(template: UInt32, first: UInt32, bytes: [UInt8])

  /// Equal in every part.
  public static func == (a: JournalRecord, b: JournalRecord) -> Bool { a.payload == b.payload }

  private var kind: UInt8 {
    switch self {
    case .add: 1
    case .delete: 2
    case .template: 3
    case .rows: 4
    }
  }

  /// The bytes between a record's frame.
  var payload: [UInt8] {
    var out = ByteWriter()
    out.byte(kind)
    switch self {
    case .add(let rules):
      out.word(UInt32(rules.count))
      for rule in rules {
        out.word(rule.id)
        out.text(rule.line)
      }
    case .delete(let ids):
      out.word(UInt32(ids.count))
      for id in ids { out.word(id) }
    case .template(let id, let line, let fields, let actions):
      out.word(id)
      out.text(line)
      out.word(UInt32(fields.count))
      for field in fields { out.text(field) }
      out.word(UInt32(actions.count))
      for action in actions { out.text(action) }
    case .rows(let template, let first, let bytes):
      out.word(template)
      out.word(first)
      out.bytes += bytes
    }
    return out.bytes
  }

  /// Reads a payload; nil when it is none that this version writes.
  init?(payload: [UInt8]) {
    var input = ByteReader(bytes: payload)
    guard let kind = input.byte() else { return nil }
    switch kind {
    case 1:
      guard let count = input.word() else { return nil }
      var rules: [(id: UInt32, line: String)] = []
      for _ in 0..<count {
        guard let id = input.word(), let line = input.text() else { return nil }
        rules.append((id, line))
      }
      self = .add(rules)
    case 2:
      guard let count = input.word(), Int(count) * 4 <= input.left else { return nil }
      self = .delete((0..<count).compactMap { _ in input.word() })
    case 3:
      guard let id = input.word(), let line = input.text(), let fields = input.texts(), let actions = input.texts()
      else { return nil }
      self = .template(id: id, line: line, fields: fields, actions: actions)
    case 4:
      guard let template = input.word(), let first = input.word() else { return nil }
      self = .rows(template: template, first: first, bytes: Array(payload[input.at...]))
      return
    default: return nil
    }
    guard input.left == 0 else { return nil }
  }
}

/// Numbers and texts to bytes, big-endian.
struct ByteWriter {
  var bytes: [UInt8] = []
  mutating func byte(_ value: UInt8) { bytes.append(value) }
  mutating func word(_ value: UInt32) {
    for shift in stride(from: 24, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
  }
  mutating func long(_ value: UInt64) {
    word(UInt32(truncatingIfNeeded: value >> 32))
    word(UInt32(truncatingIfNeeded: value))
  }
  mutating func text(_ value: String) {
    word(UInt32(value.utf8.count))
    bytes += value.utf8
  }
}

/// And back; nil where the bytes end.
struct ByteReader {
  let bytes: [UInt8]
  var at = 0
  init(bytes: [UInt8]) { self.bytes = bytes }
  var left: Int { bytes.count - at }
  mutating func byte() -> UInt8? {
    guard left >= 1 else { return nil }
    at += 1
    return bytes[at - 1]
  }
  mutating func word() -> UInt32? {
    guard left >= 4 else { return nil }
    at += 4
    return (at - 4..<at).reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
  }
  mutating func long() -> UInt64? {
    guard let high = word(), let low = word() else { return nil }
    return UInt64(high) << 32 | UInt64(low)
  }
  mutating func text() -> String? {
    guard let count = word(), Int(count) <= left else { return nil }
    at += Int(count)
    return String(validating: bytes[at - Int(count)..<at], as: UTF8.self)
  }
  mutating func texts() -> [String]? {
    guard let count = word(), Int(count) <= left else { return nil }
    var texts: [String] = []
    for _ in 0..<count {
      guard let text = text() else { return nil }
      texts.append(text)
    }
    return texts
  }
}
