// Text forms of numbers and addresses. Every parser takes bytes from outside and answers nil for what is not exactly
// of the form; none traps, none allocates.

/// Numbers in testpmd's forms.
enum NumberText {
  /// Decimal, or hexadecimal after `0x`; nil for anything else, a leading zero (octal in testpmd) included, and for
  /// more than 128 bits.
  static func parse(_ text: ArraySlice<UInt8>) -> UInt128? {
    guard let first = text.first else { return nil }
    if first == UInt8(ascii: "0"), text.count > 1 {
      let mark = text[text.startIndex + 1] | 0x20
      guard mark == UInt8(ascii: "x"), text.count > 2 else { return nil }
      return hexadecimal(text.dropFirst(2))
    }
    var value: UInt128 = 0
    for letter in text {
      guard letter >= 0x30, letter <= 0x39 else { return nil }
      let (scaled, over) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = scaled.addingReportingOverflow(UInt128(letter - 0x30))
      guard !over, !carry else { return nil }
      value = sum
    }
    return value
  }

  /// Hexadecimal digits without a prefix, up to 128 bits.
  static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt128? {
    guard !text.isEmpty else { return nil }
    var value: UInt128 = 0
    for letter in text {
      guard let digit = digit(letter), value >> 124 == 0 else { return nil }
      value = value << 4 | UInt128(digit)
    }
    return value
  }

  /// The value of one hexadecimal digit.
  static func digit(_ letter: UInt8) -> UInt8? {
    switch letter {
    case 0x30...0x39: letter - 0x30
    case 0x41...0x46: letter - 0x37
    case 0x61...0x66: letter - 0x57
    default: nil
    }
  }

  /// `0x` and at least `digits` digits.
  static func hex(_ value: UInt128, digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

/// Ethernet addresses.
enum MACText {
  /// `aa:bb:cc:dd:ee:ff` (one or two digits each) or `aabb:ccdd:eeff`.
  static func parse(_ text: ArraySlice<UInt8>) -> UInt64? {
    guard text.count <= 17 else { return nil }
    let groups = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    let digits = groups.count == 6 ? 1...2 : 4...4
    guard groups.count == 6 || groups.count == 3 else { return nil }
    var value: UInt64 = 0
    for group in groups {
      guard digits.contains(group.count), let part = NumberText.hexadecimal(group) else { return nil }
      value = value << (48 / UInt64(groups.count)) | UInt64(truncatingIfNeeded: part)
    }
    return value
  }

  /// `aa:bb:cc:dd:ee:ff`.
  static func print(_ value: UInt64) -> String {
    (0..<6).map { index in
      let byte = UInt8(truncatingIfNeeded: value >> (40 - 8 * UInt64(index)))
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined(separator: ":")
  }
}

/// IPv4 addresses.
enum IPv4Text {
  /// Four decimal numbers without leading zeros.
  static func parse(_ text: ArraySlice<UInt8>) -> UInt32? {
    guard text.count >= 7, text.count <= 15 else { return nil }
    var value: UInt32 = 0
    var parts = 0
    for part in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard part.count <= 3, part.first != 0x30 || part.count == 1, part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
        let number = NumberText.parse(part), number <= 255
      else { return nil }
      value = value << 8 | UInt32(truncatingIfNeeded: number)
      parts += 1
    }
    return parts == 4 ? value : nil
  }

  /// Dotted decimal.
  static func print(_ value: UInt32) -> String {
    "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
  }
}

/// IPv6 addresses.
enum IPv6Text {
  /// RFC 4291 section 2.2: eight groups, `::` once, the last two groups also as an IPv4 address.
  static func parse(_ text: ArraySlice<UInt8>) -> UInt128? {
    guard text.count >= 2, text.count <= 45 else { return nil }
    let colon = UInt8(ascii: ":")
    var head: [UInt16] = []
    var tail: [UInt16] = []
    var gap = false
    var at = text.startIndex
    if text[at] == colon {
      guard text[at + 1] == colon else { return nil }
      gap = true
      at += 2
    }
    while at < text.endIndex {
      let stop = text[at...].firstIndex(of: colon) ?? text.endIndex
      let group = text[at..<stop]
      if stop == text.endIndex, let four = IPv4Text.parse(group) {
        let words = [UInt16(truncatingIfNeeded: four >> 16), UInt16(truncatingIfNeeded: four)]
        if gap { tail += words } else { head += words }
        break
      }
      guard group.count <= 4, let number = NumberText.hexadecimal(group) else { return nil }
      if gap { tail.append(UInt16(number)) } else { head.append(UInt16(number)) }
      if stop == text.endIndex { break }
      at = stop + 1
      guard at < text.endIndex else { return nil }
      if text[at] == colon {
        guard !gap else { return nil }
        gap = true
        at += 1
      }
    }
    let count = head.count + tail.count
    guard gap ? count <= 7 : count == 8 else { return nil }
    let groups = head + [UInt16](repeating: 0, count: 8 - count) + tail
    return groups.reduce(0) { $0 << 16 | UInt128($1) }
  }

  /// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`.
  static func print(_ value: UInt128) -> String {
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> (112 - 16 * UInt128($0))) }
    var run = 0..<0
    var at = 0
    while at < 8 {
      var stop = at
      while stop < 8, groups[stop] == 0 { stop += 1 }
      if stop - at > run.count { run = at..<stop }
      at = max(stop, at + 1)
    }
    let words = groups.map { String($0, radix: 16) }
    guard run.count >= 2 else { return words.joined(separator: ":") }
    return words[..<run.lowerBound].joined(separator: ":") + "::" + words[run.upperBound...].joined(separator: ":")
  }
}
