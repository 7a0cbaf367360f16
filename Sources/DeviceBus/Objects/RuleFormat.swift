public import Device
import Rules

/// A rule as an object of the administration queue; its id is the object's.
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | le32 ×3 | group, classifier id, priority |
/// | 12 | u8 | flags: 1 ingress, 2 egress, 4 transfer, 8 wide guard |
/// | 13 | 1 | zero |
/// | 14 | le16 | port |
/// | 16 | le32 | actions on the device, as two's complement |
/// | 20 | le32 ×2 | bytes of keys, bytes of actions |
/// | 28 | … | keys (``PatternFormat``), actions (``ActionFormat``) |
public enum RuleFormat {
  /// The object's bytes; nil when the rule is longer than an object can be.
  public static func encode(_ rule: DeviceRule, classifier: UInt32, keys: [UInt8]) -> [UInt8]? {
    guard let actions = ActionFormat.encode(rule.rule.actions) else { return nil }
    let attributes = rule.rule.attributes
    var writer = ByteWriter()
    writer.put(attributes.group)
    writer.put(classifier)
    writer.put(attributes.priority)
    writer.put(
      (attributes.ingress ? 1 : 0) | (attributes.egress ? 2 : 0) | (attributes.transfer ? 4 : 0)
        | (rule.isWideGuard ? 8 : 0) as UInt8)
    writer.zeros(1)
    writer.put(attributes.port)
    writer.put(UInt32(bitPattern: Int32(clamping: rule.actionsOnDevice)))
    writer.put(UInt32(keys.count))
    writer.put(UInt32(actions.count))
    writer.put(keys)
    writer.put(actions)
    guard writer.bytes.count + AdminCommand.headerSize <= BusLayout.adminBuffer else { return nil }
    return writer.bytes
  }

  /// The rule of an object; `classifier` gives the classifier of a number.
  ///
  /// - Throws: ``FormatError``.
  public static func decode(
    _ body: [UInt8], id: UInt32, classifier: (UInt32) -> [UInt8]?
  ) throws(FormatError) -> (rule: DeviceRule, classifier: UInt32) {
    var reader = ByteReader(body)
    var attributes = Attributes()
    attributes.group = try reader.take()
    let number: UInt32 = try reader.take()
    attributes.priority = try reader.take()
    let flags: UInt8 = try reader.take()
    guard flags < 16 else { throw reader.unknown() }
    try reader.zeros(1)
    attributes.port = try reader.take()
    let actionsOnDevice = Int(Int32(bitPattern: try reader.take()))
    let keyBytes: UInt32 = try reader.take()
    let actionBytes: UInt32 = try reader.take()
    guard let shape = classifier(number) else { throw reader.unknown() }
    let pattern = try PatternFormat.decode(classifier: shape, keys: try reader.part(Int(keyBytes)))
    let actions = try ActionFormat.decode(try reader.part(Int(actionBytes)))
    try reader.ends()
    attributes.ingress = flags & 1 != 0
    attributes.egress = flags & 2 != 0
    attributes.transfer = flags & 4 != 0
    let rule = Rule(attributes: attributes, pattern: pattern, actions: actions)
    return (
      DeviceRule(id: id, rule: rule, actionsOnDevice: actionsOnDevice, isWideGuard: flags & 8 != 0), number
    )
  }
}

/// A refusal behind a result: u8 reason, u8 is-action, le16 index, le32 limit, le32 wanted, as two's complement.
public enum RefusalFormat {
  /// The result that says it.
  public static func result(_ refusal: Refusal) -> AdminResult {
    var writer = ByteWriter()
    writer.put(refusal.reason.rawValue)
    writer.put(refusal.isAction)
    writer.put(UInt16(bitPattern: refusal.index))
    writer.put(UInt32(bitPattern: refusal.limit))
    writer.put(UInt32(bitPattern: refusal.wanted))
    let status: AdminStatus =
      switch refusal.reason {
      case .busy: .again
      case .tableFull: .noSpace
      case .noSuchRule: .noObject
      default: .invalid
      }
    return AdminResult(status, qualifier: UInt16(refusal.reason.rawValue), body: writer.bytes)
  }

  /// The refusal that a result says; nil when it says none.
  public static func refusal(_ result: AdminResult) -> Refusal? {
    var reader = ByteReader(result.body)
    guard result.status != .ok, let number = try? reader.take(UInt8.self),
      let reason = RefusalReason(rawValue: number), let isAction = try? reader.flag(),
      let index = try? reader.take(UInt16.self), let limit = try? reader.take(UInt32.self),
      let wanted = try? reader.take(UInt32.self), reader.left == 0
    else { return nil }
    return Refusal(
      reason, index: Int(Int16(bitPattern: index)), isAction: isAction, limit: Int(Int32(bitPattern: limit)),
      wanted: Int(Int32(bitPattern: wanted)))
  }
}

/// A counter's reading: le64 frames, bytes, taken at.
public enum CounterFormat {
  /// The bytes.
  public static func encode(_ reading: CounterReading) -> [UInt8] {
    var writer = ByteWriter()
    writer.put(reading.frames)
    writer.put(reading.bytes)
    writer.put(reading.takenAt)
    return writer.bytes
  }

  /// The reading of these bytes.
  ///
  /// - Throws: ``FormatError``.
  public static func decode(_ body: [UInt8]) throws(FormatError) -> CounterReading {
    var reader = ByteReader(body)
    let frames: UInt64 = try reader.take()
    let bytes: UInt64 = try reader.take()
    let takenAt: UInt64 = try reader.take()
    try reader.ends()
    return CounterReading(frames: frames, bytes: bytes, takenAt: takenAt)
  }
}
