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
    let colons = text.reduce(0) { $0 + ($1 == UInt8(ascii: ":") ? 1 : 0) }
    return switch colons {
    case 5: parse(text, digits: 1...2, bits: 8)
    case 2: parse(text, digits: 4...4, bits: 16)
    default: nil
    }
  }

  private static func parse(_ text: ArraySlice<UInt8>, digits: ClosedRange<Int>, bits: UInt64) -> UInt64? {
    var (value, group, count): (UInt64, UInt64, Int) = (0, 0, 0)
    for letter in text {
      if letter == UInt8(ascii: ":") {
        guard digits.contains(count) else { return nil }
        (value, group, count) = (value << bits | group, 0, 0)
        continue
      }
      guard let digit = NumberText.digit(letter) else { return nil }
      group = group << 4 | UInt64(digit)
      count += 1
    }
    return digits.contains(count) ? value << bits | group : nil
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
    var part: UInt32 = 0
    var (digits, parts) = (0, 1)
    for letter in text {
      if letter == UInt8(ascii: ".") {
        guard digits > 0 else { return nil }
        value = value << 8 | part
        parts += 1
        (part, digits) = (0, 0)
        continue
      }
      // A second digit behind a zero would be octal elsewhere.
      guard letter >= 0x30, letter <= 0x39, digits == 0 || part > 0 else { return nil }
      part = part * 10 + UInt32(letter - 0x30)
      digits += 1
      guard part <= 255 else { return nil }
    }
    return parts == 4 && digits > 0 ? value << 8 | part : nil
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
