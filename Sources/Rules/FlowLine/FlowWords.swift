/// Words that Open vSwitch's lines share in both directions.
enum FlowWords {
  /// TCP flags from the lowest bit up.
  static let tcpFlags = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"]

  /// `+syn-ack`: bits that have to be set and not set.
  static func flags(_ field: Field<UInt8>) -> String {
    var text = ""
    for (bit, name) in tcpFlags.enumerated() where field.mask >> UInt8(bit) & 1 == 1 {
      text += (field.spec >> UInt8(bit) & 1 == 1 ? "+" : "-") + name
    }
    return text
  }

  /// Reads `+syn-ack` or `SPEC/MASK`; nil when it is neither, or of more than the eight flags.
  static func flags(_ text: String) -> Field<UInt8>? {
    var spec: UInt8 = 0, mask: UInt8 = 0
    guard text.hasPrefix("+") || text.hasPrefix("-") else {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, let value = NumberText.parse(Array(parts[0].utf8)[...]),
        let bits = NumberText.parse(Array(parts[1].utf8)[...]), bits < 256, value < 256
      else { return nil }
      return Field(UInt8(value), mask: UInt8(bits))
    }
    var rest = text[...]
    while let sign = rest.first {
      let name = rest.dropFirst().prefix { $0 != "+" && $0 != "-" }
      guard let bit = tcpFlags.firstIndex(of: String(name)) else { return nil }
      mask |= 1 << UInt8(bit)
      if sign == "+" { spec |= 1 << UInt8(bit) }
      rest = rest.dropFirst(1 + name.count)
    }
    return Field(spec, mask: mask)
  }

  /// `{class=0x102,type=0x80,len=4,0x20001/0x7fffffff}`.
  static func option(_ option: GeneveOptionItem) -> String {
    let head =
      "{class=\(FlowLinePrinter.hex(option.optionClass)),type=\(FlowLinePrinter.hex(option.type)),len=\(Int(option.length) * 4)"
    guard option.length > 0 else { return head + "}" }
    let missing = Int(option.length) - option.mask.count
    let mask = option.mask + [UInt32](repeating: 0, count: missing)
    let data = option.data + [UInt32](repeating: 0, count: missing)
    return head + "," + hex(data) + (mask.allSatisfy { $0 == .max } ? "" : "/" + hex(mask)) + "}"
  }

  /// Bytes of whole words as one number.
  private static func hex(_ words: [UInt32]) -> String {
    let digits = words.map { FlowLinePrinter.hex($0, digits: 8).dropFirst(2) }.joined().drop { $0 == "0" }
    return digits.isEmpty ? "0" : "0x" + digits
  }

  /// The words of a number of `count` words at most; nil when it is none, or longer.
  static func words(_ text: Substring, count: Int) -> [UInt32]? {
    var digits = Array(text.utf8)[...]
    if digits.starts(with: Array("0x".utf8)) {
      digits = digits.dropFirst(2)
    } else if digits != Array("0".utf8)[...] {
      return nil
    }
    guard !digits.isEmpty, digits.count <= count * 8 else { return nil }
    let all = [UInt8](repeating: UInt8(ascii: "0"), count: count * 8 - digits.count) + digits
    var words: [UInt32] = []
    for start in stride(from: 0, to: all.count, by: 8) {
      guard let word = NumberText.hexadecimal(all[start..<start + 8]) else { return nil }
      words.append(UInt32(word))
    }
    return words
  }
}
