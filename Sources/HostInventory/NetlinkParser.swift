/// What is wrong with a netlink datagram: where, what was expected, what was found.
public struct NetlinkError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// Offset in the datagram.
  public let offset: Int
  /// What should stand there.
  public let expected: String
  /// What stands there.
  public let found: String

  /// `offset N: expected …, found …`.
  public var description: String { "netlink: offset \(offset): expected \(expected), found \(found)" }
}

/// Reads the datagrams of a route netlink socket (rtnetlink(7)). Nothing in them is believed: every length is compared
/// with what is there, and what does not fit is an error with its place. Kinds of messages and attributes that are not
/// known are passed over, as the protocol asks.
public enum NetlinkParser {
  /// What a datagram tells, in order. When it is malformed, what stood before the mistake is told, and the mistake.
  public static func parse(_ datagram: [UInt8]) -> (changes: [HostChange], error: NetlinkError?) {
    var changes: [HostChange] = []
    var rest = NetlinkBytes(datagram[...])
    do throws(NetlinkError) {
      while rest.count > 0 {
        let message = try NetlinkMessage(&rest)
        if let change = try message.change() { changes.append(change) }
      }
    } catch {
      return (changes, error)
    }
    return (changes, nil)
  }
}

/// Bytes with their place in the datagram; integers are in the machine's own order.
struct NetlinkBytes {
  private var bytes: ArraySlice<UInt8>
  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  var count: Int { bytes.count }
  var offset: Int { bytes.startIndex }
  var array: [UInt8] { Array(bytes) }

  /// The integer at `place`; the caller has looked at ``count``.
  func integer<T: FixedWidthInteger>(_ place: Int, as: T.Type = T.self) -> T {
    var value: T = 0
    for step in 0..<(T.bitWidth / 8) {
      value |= T(truncatingIfNeeded: bytes[bytes.startIndex + place + step]) << T(truncatingIfNeeded: 8 * step)
    }
    // Put together as little-endian.
    #if _endian(little)
      return value
    #else
      return value.byteSwapped
    #endif
  }

  /// The first `length` bytes, and goes behind them and their padding to a multiple of four.
  mutating func take(_ length: Int) -> NetlinkBytes {
    let part = NetlinkBytes(bytes.prefix(length))
    bytes = bytes.dropFirst((length + 3) & ~3)
    return part
  }

  func from(_ place: Int) -> NetlinkBytes { NetlinkBytes(bytes.dropFirst(place)) }

  func need(_ length: Int, _ what: String) throws(NetlinkError) {
    guard count >= length else {
      throw NetlinkError(offset: offset, expected: "\(length) bytes of \(what)", found: "\(count)")
    }
  }
}

/// One message: its header and what is behind it.
struct NetlinkMessage {
  let type: UInt16
  let flags: UInt16
  let sequence: UInt32
  let body: NetlinkBytes

  init(_ rest: inout NetlinkBytes) throws(NetlinkError) {
    try rest.need(16, "a message's header")
    let length = rest.integer(0, as: UInt32.self)
    guard length >= 16, Int(length) <= rest.count else {
      throw NetlinkError(offset: rest.offset, expected: "a message of 16…\(rest.count) bytes", found: "\(length)")
    }
    type = rest.integer(4)
    flags = rest.integer(6)
    sequence = rest.integer(8)
    body = rest.take(Int(length)).from(16)
  }

  /// What it tells; nil for nothing of interest.
  func change() throws(NetlinkError) -> HostChange? {
    // NLM_F_DUMP_INTR on any message of a dump.
    let wasDisturbed = flags & 0x10 != 0
    switch type {
    case 2:
      try body.need(4, "an error")
      let number = body.integer(0, as: Int32.self)
      return number == 0 ? nil : .refused(sequence: sequence, errno: number == .min ? .max : abs(number))
    case 3: return .done(sequence: sequence, wasDisturbed: wasDisturbed)
    case 4: return .overrun
    case 16, 17: return try link(isGone: type == 17)
    case 20, 21: return try address(isGone: type == 21)
    case 24, 25: return try route(isGone: type == 25)
    case 28, 29: return try neighbour(isGone: type == 29)
    default: return nil
    }
  }

  /// The attributes behind a fixed header of `length` bytes; of those that come twice the last.
  func attributes(behind length: Int, of what: String) throws(NetlinkError) -> [UInt16: NetlinkBytes] {
    try body.need(length, what)
    return try Self.attributes(body.from(length))
  }

  static func attributes(_ bytes: NetlinkBytes) throws(NetlinkError) -> [UInt16: NetlinkBytes] {
    var rest = bytes
    var found: [UInt16: NetlinkBytes] = [:]
    while rest.count > 0 {
      try rest.need(4, "an attribute's header")
      let length = Int(rest.integer(0, as: UInt16.self))
      guard length >= 4, length <= rest.count else {
        throw NetlinkError(offset: rest.offset, expected: "an attribute of 4…\(rest.count) bytes", found: "\(length)")
      }
      // The two top bits say nested and network order.
      let type = rest.integer(2, as: UInt16.self) & 0x3fff
      found[type] = rest.take(length).from(4)
    }
    return found
  }
}
