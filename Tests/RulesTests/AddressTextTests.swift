import Testing

@testable import Rules

@Suite("Addresses and numbers as text")
struct AddressTextTests {
  @Test(
    "IPv6 addresses print as RFC 5952 says and parse back",
    arguments: [
      ("::", 0), ("::1", 1), ("1::", 1 << 112), ("2001:db8::2:1", 0x2001_0db8_0000_0000_0000_0000_0002_0001),
      ("2001:db8:0:1:1:1:1:1", 0x2001_0db8_0000_0001_0001_0001_0001_0001),
      ("2001:0:0:1::1", 0x2001_0000_0000_0001_0000_0000_0000_0001),
      ("1:0:1::", 0x0001_0000_0001_0000_0000_0000_0000_0000),
    ] as [(String, UInt128)])
  func ipv6(text: String, value: UInt128) {
    #expect(IPv6Text.print(value) == text)
    #expect(IPv6Text.parse(Array(text.utf8)[...]) == value)
  }

  @Test(
    "Other spellings of IPv6 addresses parse",
    arguments: [
      ("0:0:0:0:0:0:0:1", 1), ("::ffff:192.0.2.1", 0xffff_c000_0201),
      ("64:ff9b::192.0.2.33", 0x64_ff9b << 96 | 0xc000_0221),
      ("1:2:3:4:5:6:1.2.3.4", 0x0001_0002_0003_0004_0005_0006_0102_0304), ("::0", 0), ("ABCD::", 0xabcd << 112),
    ] as [(String, UInt128)])
  func spellings(text: String, value: UInt128) { #expect(IPv6Text.parse(Array(text.utf8)[...]) == value) }

  @Test(
    "What is no IPv6 address does not parse",
    arguments: [
      "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "1:", ":1", "::1:",
      "1.2.3.4",
      "::1.2.3", "::1.2.3.4:1", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7::8", "1:2:3:4:5:6:7:8::", "::%1", "-1::",
    ])
  func badIPv6(text: String) { #expect(IPv6Text.parse(Array(text.utf8)[...]) == nil) }

  @Test("Random IPv6 addresses survive printing and parsing")
  func randomIPv6() {
    var random = RandomRules(seed: 6)
    for _ in 0..<2000 {
      // Groups of zeros in every place.
      var value: UInt128 = 0
      for _ in 0..<8 { value = value << 16 | UInt128(random.chance(50) ? 0 : random.u(UInt16.self)) }
      #expect(IPv6Text.parse(Array(IPv6Text.print(value).utf8)[...]) == value)
    }
  }

  @Test(
    "What is no IPv4 address does not parse",
    arguments: [
      "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "1.2.3.", ".1.2.3", "1.2.3.4 ", "a.b.c.d",
      "1.2.3.4/8",
    ])
  func badIPv4(text: String) { #expect(IPv4Text.parse(Array(text.utf8)[...]) == nil) }

  @Test("Ethernet addresses parse in both of testpmd's forms only")
  func mac() {
    func parse(_ text: String) -> UInt64? { MACText.parse(Array(text.utf8)[...]) }
    #expect(parse("00:11:22:33:44:55") == 0x0011_2233_4455)
    #expect(parse("0:1:2:3:4:f") == 0x0001_0203_040f)
    #expect(parse("0011:2233:4455") == 0x0011_2233_4455)
    for bad in [
      "", ":::::", "0:1:2:3:4", "0:1:2:3:4:5:6", "000:1:2:3:4:5", "0:1:2:3:4:g", "11:2233:4455", "001122334455",
    ] {
      #expect(parse(bad) == nil, "\(bad)")
    }
  }

  @Test("Numbers are decimal or 0x, at most 128 bits, and never octal")
  func numbers() {
    func parse(_ text: String) -> UInt128? { NumberText.parse(Array(text.utf8)[...]) }
    #expect(parse("0") == 0 && parse("10") == 10 && parse("0x10") == 16 && parse("0Xff") == 255)
    #expect(parse("340282366920938463463374607431768211455") == .max)
    #expect(parse("0xffffffffffffffffffffffffffffffff") == .max)
    for bad in [
      "", "-1", "+1", "010", "00", "0x", "0xg", "1a", "0b1", "340282366920938463463374607431768211456",
      "0x100000000000000000000000000000000", "1 ",
    ] {
      #expect(parse(bad) == nil, "\(bad)")
    }
  }
}
