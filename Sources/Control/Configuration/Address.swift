/// Text forms of addresses, as configurations and reports write them.
public enum Address {
  /// A MAC address as `02:00:00:00:00:01`; nil when it is none.
  public static func mac(_ text: String) -> UInt64? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var value: UInt64 = 0
    for part in parts {
      guard part.count == 2, let byte = UInt8(part, radix: 16) else { return nil }
      value = value << 8 | UInt64(byte)
    }
    return value
  }

  /// The text of a 48-bit MAC address.
  public static func text(mac: UInt64) -> String {
    (0..<6).map { hex2(UInt8(truncatingIfNeeded: mac >> (40 - 8 * UInt64($0)))) }.joined(separator: ":")
  }

  /// An IPv4 address in dotted decimal without leading zeros; nil when it is none.
  public static func ipv4(_ text: String) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard part.count <= 3, part.allSatisfy(\.isNumber), let byte = UInt8(part), part == "\(byte)" else { return nil }
      value = value << 8 | UInt32(byte)
    }
    return value
  }

  /// The text of an IPv4 address.
  public static func text(ipv4 value: UInt32) -> String {
    "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
  }

  /// An IPv6 address (RFC 4291 text, an IPv4 tail included); nil when it is none.
  public static func ipv6(_ text: String) -> UInt128? {
    guard text.utf8.count <= 45 else { return nil }
    var text = text
    if let colon = text.lastIndex(of: ":"), text[colon...].contains(".") {
      guard let tail = ipv4(String(text[text.index(after: colon)...])) else { return nil }
      text = text[...colon] + String(tail >> 16, radix: 16) + ":" + String(tail & 0xffff, radix: 16)
    }
    let halves = text.components(of: "::")
    guard halves.count <= 2 else { return nil }
    func groups(_ half: String) -> [UInt16]? {
      if half.isEmpty { return [] }
      var out: [UInt16] = []
      for part in half.split(separator: ":", omittingEmptySubsequences: false) {
        guard (1...4).contains(part.count), let group = UInt16(part, radix: 16) else { return nil }
        out.append(group)
      }
      return out
    }
    guard let front = groups(halves[0]), let back = groups(halves.count == 2 ? halves[1] : "") else { return nil }
    let missing = 8 - front.count - back.count
    guard halves.count == 2 ? missing >= 1 : missing == 0 else { return nil }
    return (front + Array(repeating: 0, count: missing) + back).reduce(0) { $0 << 16 | UInt128($1) }
  }

  /// The canonical text of an IPv6 address (RFC 5952).
  public static func text(ipv6 value: UInt128) -> String {
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> (112 - 16 * UInt128($0))) }
    var best = 0..<0
    var start: Int?
    for i in 0...8 {
      if i < 8, groups[i] == 0 {
        start = start ?? i
      } else if let begin = start {
        if i - begin > max(1, best.count) { best = begin..<i }
        start = nil
      }
    }
    func join(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
    return best.isEmpty ? join(groups[...]) : join(groups[..<best.lowerBound]) + "::" + join(groups[best.upperBound...])
  }

  private static func hex2(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

extension String {
  /// The parts between occurrences of `separator`.
  fileprivate func components(of separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}
