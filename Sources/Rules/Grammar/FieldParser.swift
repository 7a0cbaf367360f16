/// What was said about one field of an item: value and mask, as they were written.
struct Slot {
  var spec: UInt128 = 0
  var mask: UInt128 = 0
  /// The token of the last `spec` that no mask belongs to yet.
  var bareSpec: Int?
  var last: (value: UInt128, token: Int)?
  var isSet = false

  /// The field as a match, `shift` bits up.
  func field<T>(_ type: T.Type = T.self, shift: Int = 0) -> Field<T> {
    Field(T(truncatingIfNeeded: spec << UInt128(shift)), mask: T(truncatingIfNeeded: mask << UInt128(shift)))
  }
}

/// Where items stand: in a rule, or as headers of `set raw_encap` and `set raw_decap`.
enum ItemPurpose { case match, header }

extension Cursor {
  static let operators = ["is", "spec", "last", "mask", "prefix"]

  /// Reads `name operator value` pairs up to the separator. Later values of a field replace earlier ones.
  mutating func slots(of item: ItemWord, purpose: ItemPurpose) throws(GrammarError) -> [Slot] {
    var slots = [Slot](repeating: Slot(), count: item.fields.count)
    while let word, word != "/" {
      guard let index = item.fields.firstIndex(where: { $0.name == word }) else {
        throw unexpected(
          item.fields.map(\.name) + ["/"], "a field of `\(item.name)` or `/`")
      }
      advance()
      try slot(&slots[index], of: item.fields[index], item: item)
    }
    for (slot, field) in zip(slots, item.fields) { try check(slot, field, item: item, purpose: purpose) }
    return slots
  }

  private mutating func slot(_ slot: inout Slot, of field: FieldWord, item: ItemWord) throws(GrammarError) {
    let operation = word
    guard let operation, Self.operators.contains(operation) else {
      throw unexpected(Self.operators, "how `\(field.name)` is compared")
    }
    advance()
    let token = next
    if operation == "prefix" {
      let bits = try number("the length of a prefix", 0...UInt64(field.bits))
      slot.mask = bits == 0 ? 0 : field.full & ~(bits == 128 ? 0 : field.full >> UInt128(bits))
      slot.bareSpec = nil
      slot.isSet = true
      return
    }
    let value = try value(of: field)
    slot.isSet = true
    switch operation {
    case "is":
      slot.spec = value
      slot.mask = field.full
      slot.bareSpec = nil
    case "spec":
      slot.spec = value
      if slot.mask == 0 { slot.bareSpec = token }
    case "mask":
      slot.mask = value
      slot.bareSpec = nil
    default: slot.last = (value, token)
    }
  }

  /// Reads one value of the field's form.
  mutating func value(of field: FieldWord) throws(GrammarError) -> UInt128 {
    guard !isAtEnd else { throw unexpected([], field.wanted) }
    guard let value = field.parse(bytes) else {
      if bytes.contains(UInt8(ascii: "/")), field.form == .ipv4 || field.form == .ipv6 {
        throw error(
          at: next, "a prefix is written as two pairs: `\(field.name) spec ADDRESS \(field.name) prefix BITS`")
      }
      throw badNumber(field.wanted)
    }
    advance()
    return value
  }

  /// The word here is not such a value; a leading zero gets its own sentence.
  func badNumber(_ wanted: String) -> GrammarError {
    if bytes.count > 1, bytes.first == 0x30, bytes.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
      return error(
        at: next, "`\(shown(next))` begins with a zero, which testpmd reads as octal; write it decimal or with 0x")
    }
    return unexpected([], wanted)
  }

  /// Reads a number of the range.
  mutating func number(_ what: String, _ range: ClosedRange<UInt64>) throws(GrammarError) -> UInt64 {
    guard let value = NumberText.parse(bytes), value <= UInt128(range.upperBound), value >= UInt128(range.lowerBound)
    else { throw badNumber("\(what) (\(range.lowerBound)…\(range.upperBound))") }
    advance()
    return UInt64(truncatingIfNeeded: value)
  }

  private func check(
    _ slot: Slot, _ field: FieldWord, item: ItemWord, purpose: ItemPurpose
  ) throws(GrammarError) {
    // The guide: a last of 0 or equal to the value under the mask is no range.
    if let last = slot.last, last.value != 0, last.value & slot.mask != slot.spec & slot.mask || slot.mask == 0 {
      throw error(at: last.token, "ranges are not supported; use a mask")
    }
    if purpose == .match, let token = slot.bareSpec {
      throw error(
        at: token,
        "`\(field.name) spec` has no mask: use `\(field.name) is`, or add `\(field.name) mask` or `\(field.name) prefix`"
      )
    }
  }
}
