// geneve-opt has a byte string whose length another field gives; all other items are tables.
extension Cursor {
  mutating func geneveOption(
    _ kind: ItemWord, at token: Int, purpose: ItemPurpose
  ) throws(GrammarError) -> GeneveOptionItem {
    var fixed = [UInt128?](repeating: nil, count: kind.fields.count)
    var spec: [UInt8] = []
    var mask: [UInt8]?
    var dataToken = token
    var bare: Int?
    while let word, word != "/" {
      if word == "data" {
        advance()
        dataToken = next + 1
        let operation = self.word
        guard let operation, ["is", "spec", "mask", "last"].contains(operation) else {
          throw unexpected(["is", "spec", "mask"], "how `data` is compared")
        }
        guard operation != "last" else { throw error(at: next, "ranges are not supported; use a mask") }
        advance()
        let bytes = try hexString()
        switch operation {
        case "is": (spec, mask, bare) = (bytes, [UInt8](repeating: 0xff, count: bytes.count), nil)
        case "spec": (spec, bare) = (bytes, mask == nil ? dataToken : nil)
        default: (mask, bare) = (bytes, nil)
        }
        continue
      }
      guard let index = kind.fields.firstIndex(where: { $0.name == word }) else {
        throw unexpected(kind.fields.map(\.name) + ["data", "/"], "a field of `geneve-opt` or `/`")
      }
      advance()
      guard take("is") || purpose == .header && take("spec") else {
        throw error(at: next, "class, type and length of an option are compared in full: `\(word) is VALUE`")
      }
      fixed[index] = try value(of: kind.fields[index])
    }
    guard let optionClass = fixed[0], let type = fixed[1], let length = fixed[2] else {
      let missing = zip(kind.fields, fixed).filter { $0.1 == nil }.map { "`" + $0.0.name + "`" }
      throw error(
        at: token, "a Geneve option needs class, type and length; missing: " + missing.joined(separator: ", "))
    }
    if purpose == .match, let bare {
      throw error(at: bare, "`data spec` has no mask: use `data is`, or add `data mask`")
    }
    let bits = mask ?? (purpose == .header ? [UInt8](repeating: 0xff, count: spec.count) : [])
    let count = (max(spec.count, bits.count) + 3) / 4
    guard count <= Int(length) else {
      throw error(
        at: dataToken,
        "the data has \(max(spec.count, bits.count)) bytes, the option's length is \(length) words of 4 bytes")
    }
    return GeneveOptionItem(
      optionClass: UInt16(truncatingIfNeeded: optionClass), type: UInt8(truncatingIfNeeded: type),
      length: UInt8(truncatingIfNeeded: length), data: Self.words(spec, count: count),
      mask: Self.words(bits, count: count))
  }

  /// Reads hexadecimal digits, an even number of them, `0x` in front or not; at most an option's 124 bytes.
  private mutating func hexString() throws(GrammarError) -> [UInt8] {
    let wanted = "bytes in hexadecimal, two digits each, at most 124 bytes"
    var digits = bytes
    if digits.count > 2, digits.first == 0x30, digits[digits.startIndex + 1] | 0x20 == UInt8(ascii: "x") {
      digits = digits.dropFirst(2)
    }
    guard !digits.isEmpty, digits.count % 2 == 0, digits.count <= 248 else { throw unexpected([], wanted) }
    var result: [UInt8] = []
    var high: UInt8?
    for letter in digits {
      guard let digit = NumberText.digit(letter) else { throw unexpected([], wanted) }
      if let first = high {
        result.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    advance()
    return result
  }

  /// Bytes as big-endian words, zeros behind.
  private static func words(_ bytes: [UInt8], count: Int) -> [UInt32] {
    (0..<count).map { word in
      (0..<4).reduce(0) { value, byte in
        let at = word * 4 + byte
        return value << 8 | (at < bytes.count ? UInt32(bytes[at]) : 0)
      }
    }
  }
}
