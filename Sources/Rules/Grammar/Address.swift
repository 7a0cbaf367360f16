/// Text forms of addresses, the same in rules, configurations and reports.
public enum Address {
  /// A MAC address as `02:00:00:00:00:01`; nil when it is none.
  public static func mac(_ text: String) -> UInt64? { MACText.parse(Array(text.utf8)[...]) }

  /// The text of a 48-bit MAC address.
  public static func text(mac: UInt64) -> String { MACText.print(mac) }

  /// An IPv4 address in dotted decimal without leading zeros; nil when it is none.
  public static func ipv4(_ text: String) -> UInt32? { IPv4Text.parse(Array(text.utf8)[...]) }

  /// The text of an IPv4 address.
  public static func text(ipv4 value: UInt32) -> String { IPv4Text.print(value) }

  /// An IPv6 address (RFC 4291 text, an IPv4 tail included); nil when it is none.
  public static func ipv6(_ text: String) -> UInt128? { IPv6Text.parse(Array(text.utf8)[...]) }

  /// The canonical text of an IPv6 address (RFC 5952).
  public static func text(ipv6 value: UInt128) -> String { IPv6Text.print(value) }
}
