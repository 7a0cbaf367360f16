/// A JSON value as the control socket speaks it: strict, bounded, and in the order of the document.
public enum JSON: Equatable, Sendable {
  /// A member of an object.
  public struct Member: Equatable, Sendable {
    /// Its name.
    public var name: String
    /// Its value.
    public var value: JSON
    /// A member.
    public init(name: String, value: JSON) {
      self.name = name
      self.value = value
    }
  }

  /// `null`.
  case null
  /// `true`, `false`.
  case bool(Bool)
  /// A whole number that fits in 64 bits.
  case integer(Int)
  /// Any other number.
  case number(Double)
  /// Text.
  case string(String)
  /// A list.
  case array([JSON])
  /// Members in order.
  case object([Member])

  /// The first member of that name; nil when there is none, or this is no object.
  public subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }
  /// The text, when it is text.
  public var text: String? { if case .string(let text) = self { text } else { nil } }
  /// The whole number, when it is one.
  public var whole: Int? { if case .integer(let number) = self { number } else { nil } }
  /// The truth value, when it is one.
  public var truth: Bool? { if case .bool(let truth) = self { truth } else { nil } }
  /// The list, when it is one.
  public var list: [JSON]? { if case .array(let list) = self { list } else { nil } }
  /// The members, when it is an object.
  public var members: [Member]? { if case .object(let members) = self { members } else { nil } }

  /// A counter; those over 2^63−1 stay there.
  public static func count(_ value: UInt64) -> JSON { .integer(Int(clamping: value)) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// Text.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A list.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  /// An object.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member(name: $0.0, value: $0.1) })
  }
}

extension JSON {
  /// The document in UTF-8, without blanks; indented by two when `pretty`.
  public func bytes(pretty: Bool = false) -> [UInt8] {
    var out: [UInt8] = []
    write(to: &out, indent: pretty ? 0 : nil)
    return out
  }

  /// Appends the document.
  public func write(to out: inout [UInt8], indent: Int? = nil) {
    switch self {
    case .null: out += "null".utf8
    case .bool(let truth): out += (truth ? "true" : "false").utf8
    case .integer(let number): out += String(number).utf8
    case .number(let number): out += (number.isFinite ? "\(number)" : "null").utf8
    case .string(let text): Self.write(text, to: &out)
    case .array(let list):
      Self.block(0x5b, 0x5d, list.count, indent, &out) { index, out, inner in
        list[index].write(to: &out, indent: inner)
      }
    case .object(let members):
      Self.block(0x7b, 0x7d, members.count, indent, &out) { index, out, inner in
        Self.write(members[index].name, to: &out)
        out.append(0x3a)
        if inner != nil { out.append(0x20) }
        members[index].value.write(to: &out, indent: inner)
      }
    }
  }

  private static func block(
    _ open: UInt8, _ close: UInt8, _ count: Int, _ indent: Int?, _ out: inout [UInt8],
    _ each: (Int, inout [UInt8], Int?) -> Void
  ) {
    out.append(open)
    for index in 0..<count {
      if index > 0 { out.append(0x2c) }
      if let indent { out += [0x0a] + [UInt8](repeating: 0x20, count: (indent + 1) * 2) }
      each(index, &out, indent.map { $0 + 1 })
    }
    if let indent, count > 0 { out += [0x0a] + [UInt8](repeating: 0x20, count: indent * 2) }
    out.append(close)
  }

  private static func write(_ text: String, to out: inout [UInt8]) {
    out.append(0x22)
    for byte in text.utf8 {
      switch byte {
      case 0x22: out += [0x5c, 0x22]
      case 0x5c: out += [0x5c, 0x5c]
      case 0x0a: out += [0x5c, 0x6e]
      case 0x0d: out += [0x5c, 0x72]
      case 0x09: out += [0x5c, 0x74]
      case 0..<0x20, 0x7f:
        out += "\\u00".utf8
        out += [digit(byte >> 4), digit(byte & 15)]
      default: out.append(byte)
      }
    }
    out.append(0x22)
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
