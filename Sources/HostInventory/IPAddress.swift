import Rules

/// An IPv4 or IPv6 address.
public enum IPAddress: Hashable, Sendable, CustomStringConvertible {
  /// 32 bits, the first byte highest.
  case v4(UInt32)
  /// 128 bits, the first byte highest.
  case v6(UInt128)

  /// The address of these bytes, 4 or 16 of them; nil for another count.
  public init?(_ bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16: self = .v6(bytes.reduce(0) { $0 << 8 | UInt128($1) })
    default: return nil
    }
  }

  /// The address in dotted or RFC 5952's form; nil for another text.
  public init?(text: String) {
    if let value = Address.ipv4(text) {
      self = .v4(value)
    } else if let value = Address.ipv6(text) {
      self = .v6(value)
    } else {
      return nil
    }
  }

  /// Its bits: 32 or 128.
  public var width: Int { isIPv6 ? 128 : 32 }

  /// Whether it is an IPv6 address.
  public var isIPv6: Bool {
    if case .v6 = self { true } else { false }
  }

  /// 4 or 16 bytes in network order.
  public var bytes: [UInt8] {
    switch self {
    case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    case .v6(let value): (0..<16).map { UInt8(truncatingIfNeeded: value >> (120 - 8 * UInt128($0))) }
    }
  }

  /// As users write it.
  public var description: String {
    switch self {
    case .v4(let value): Address.text(ipv4: value)
    case .v6(let value): Address.text(ipv6: value)
    }
  }
}

/// The addresses that begin alike.
public struct IPPrefix: Hashable, Sendable, CustomStringConvertible {
  /// The first address: bits behind the length are 0.
  public let base: IPAddress
  /// Bits that are alike, 0…32 or 0…128.
  public let length: Int

  /// The prefix of `length` bits that `address` is in; lengths out of range are moved into it.
  public init(_ address: IPAddress, length: Int) {
    let length = min(max(0, length), address.width)
    self.length = length
    switch address {
    // A shift by the whole width gives 0.
    case .v4(let value): base = .v4(value & UInt32.max << (32 - UInt32(length)))
    case .v6(let value): base = .v6(value & UInt128.max << (128 - UInt128(length)))
    }
  }

  /// Whether `address` is one of them.
  public func contains(_ address: IPAddress) -> Bool {
    address.isIPv6 == base.isIPv6 && IPPrefix(address, length: length).base == base
  }

  /// `address/length`.
  public var description: String { "\(base)/\(length)" }
}
