public import Rules

/// A list of actions: le16 count, and each as u8 number, a zero, le16 length, operands (little-endian).
public enum ActionFormat {
  enum Number: UInt8 {
    case count = 1
    case mark, age, rawDecap, rawEncap, vxlanDecap, vxlanEncap, nvgreDecap, nvgreEncap, decTTL, popVLAN, pushVLAN,
      sample, indirect, jump, queue, rss, drop, portID, representedPort, portRepresentor
    case setMACSource = 0x41
    case setMACDestination, setIPv4Source, setIPv4Destination, setIPv6Source, setIPv6Destination, setL4Source,
      setL4Destination, setTTL, setIPv4DSCP, setIPv6DSCP, setVLANID, setVLANPriority
  }

  /// Actions at most.
  public static let most = 65_535

  /// The bytes of a list; nil when it is too long for one.
  public static func encode(_ actions: [Action]) -> [UInt8]? {
    guard actions.count <= most else { return nil }
    var writer = ByteWriter()
    writer.put(UInt16(actions.count))
    for action in actions {
      var operands = ByteWriter()
      guard let number = write(action, &operands) else { return nil }
      writer.put(number.rawValue)
      writer.zeros(1)
      writer.put(UInt16(operands.bytes.count))
      writer.put(operands.bytes)
    }
    return writer.bytes
  }

  /// The list of these bytes, all of which it takes.
  ///
  /// - Throws: ``FormatError``.
  public static func decode(_ reader: ByteReader) throws(FormatError) -> [Action] {
    var reader = reader
    let count = Int(try reader.take(UInt16.self))
    var actions: [Action] = []
    for _ in 0..<count {
      guard let number = Number(rawValue: try reader.take()) else { throw reader.unknown() }
      try reader.zeros(1)
      var operands = try reader.part(Int(try reader.take(UInt16.self)))
      actions.append(try read(number, &operands))
      try operands.ends()
    }
    try reader.ends()
    return actions
  }

  private static func write(_ action: Action, _ out: inout ByteWriter) -> Number? {
    switch action {
    case .count(let id): return out.with(id, .count)
    case .mark(let mark): return out.with(mark, .mark)
    case .age(let timeout): return out.with(timeout, .age)
    case .rawDecap(let index): return out.with(index, .rawDecap)
    case .rawEncap(let index): return out.with(index, .rawEncap)
    case .vxlanDecap: return .vxlanDecap
    case .vxlanEncap(let index): return out.with(index, .vxlanEncap)
    case .nvgreDecap: return .nvgreDecap
    case .nvgreEncap(let index): return out.with(index, .nvgreEncap)
    case .decTTL: return .decTTL
    case .popVLAN: return .popVLAN
    case .pushVLAN(let type): return out.with(type, .pushVLAN)
    case .sample(let ratio, let index):
      out.put(ratio)
      return out.with(index, .sample)
    case .indirect(let id): return out.with(id, .indirect)
    case .jump(let group): return out.with(group, .jump)
    case .queue(let queue): return out.with(queue, .queue)
    case .rss(let rss):
      guard rss.queues.count <= 32_000 else { return nil }
      out.put(rss.level.rawValue)
      out.put(rss.types.rawValue)
      for queue in rss.queues { out.put(queue) }
      return .rss
    case .drop: return .drop
    case .portID(let port): return out.with(port, .portID)
    case .representedPort(let port): return out.with(port, .representedPort)
    case .portRepresentor(let port): return out.with(port, .portRepresentor)
    case .set(let field): return write(field, &out)
    }
  }

  private static func write(_ field: SetField, _ out: inout ByteWriter) -> Number {
    switch field {
    case .macSource(let value): out.with(value, .setMACSource)
    case .macDestination(let value): out.with(value, .setMACDestination)
    case .ipv4Source(let value): out.with(value, .setIPv4Source)
    case .ipv4Destination(let value): out.with(value, .setIPv4Destination)
    case .ipv6Source(let value): out.with(value, .setIPv6Source)
    case .ipv6Destination(let value): out.with(value, .setIPv6Destination)
    case .l4Source(let value): out.with(value, .setL4Source)
    case .l4Destination(let value): out.with(value, .setL4Destination)
    case .ttl(let value): out.with(value, .setTTL)
    case .ipv4DSCP(let value): out.with(value, .setIPv4DSCP)
    case .ipv6DSCP(let value): out.with(value, .setIPv6DSCP)
    case .vlanID(let value): out.with(value, .setVLANID)
    case .vlanPriority(let value): out.with(value, .setVLANPriority)
    }
  }

  private static func read(_ number: Number, _ from: inout ByteReader) throws(FormatError) -> Action {
    switch number {
    case .count: return .count(id: try from.take())
    case .mark: return .mark(try from.take())
    case .age: return .age(timeout: try from.take())
    case .rawDecap: return .rawDecap(index: try from.take())
    case .rawEncap: return .rawEncap(index: try from.take())
    case .vxlanDecap: return .vxlanDecap
    case .vxlanEncap: return .vxlanEncap(index: try from.take())
    case .nvgreDecap: return .nvgreDecap
    case .nvgreEncap: return .nvgreEncap(index: try from.take())
    case .decTTL: return .decTTL
    case .popVLAN: return .popVLAN
    case .pushVLAN: return .pushVLAN(etherType: try from.take())
    case .sample:
      let ratio: UInt32 = try from.take()
      return .sample(ratio: ratio, index: try from.take())
    case .indirect: return .indirect(id: try from.take())
    case .jump: return .jump(group: try from.take())
    case .queue: return .queue(try from.take())
    case .rss:
      guard let level = RSSAction.Level(rawValue: try from.take()) else { throw from.unknown() }
      let types = HashTypes(rawValue: try from.take())
      var queues: [UInt16] = []
      while from.left > 0 { queues.append(try from.take()) }
      return .rss(RSSAction(queues: queues, level: level, types: types))
    case .drop: return .drop
    case .portID: return .portID(try from.take())
    case .representedPort: return .representedPort(try from.take())
    case .portRepresentor: return .portRepresentor(try from.take())
    default: return .set(try readField(number, &from))
    }
  }

  private static func readField(_ number: Number, _ from: inout ByteReader) throws(FormatError) -> SetField {
    switch number {
    case .setMACSource: return .macSource(try from.take())
    case .setMACDestination: return .macDestination(try from.take())
    case .setIPv4Source: return .ipv4Source(try from.take())
    case .setIPv4Destination: return .ipv4Destination(try from.take())
    case .setIPv6Source: return .ipv6Source(try from.take())
    case .setIPv6Destination: return .ipv6Destination(try from.take())
    case .setL4Source: return .l4Source(try from.take())
    case .setL4Destination: return .l4Destination(try from.take())
    case .setTTL: return .ttl(try from.take())
    case .setIPv4DSCP: return .ipv4DSCP(try from.take())
    case .setIPv6DSCP: return .ipv6DSCP(try from.take())
    case .setVLANID: return .vlanID(try from.take())
    case .setVLANPriority: return .vlanPriority(try from.take())
    default: throw from.unknown()
    }
  }
}

extension ByteWriter {
  fileprivate mutating func with<T: FixedWidthInteger & UnsignedInteger>(
    _ value: T, _ number: ActionFormat.Number
  ) -> ActionFormat.Number {
    put(value)
    return number
  }
}
