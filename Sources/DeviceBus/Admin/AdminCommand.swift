/// What a command of the administration queue asks for (virtio 1.4, 2.12 "Device groups" and "Device resource objects").
public enum AdminOpcode: UInt16, Sendable, CaseIterable {
  /// The capabilities there are.
  case capabilityList = 0x7
  /// One capability.
  case capabilityGet = 0x8
  /// Makes an object.
  case create = 0xa
  /// Changes an object.
  case modify = 0xb
  /// Reads an object.
  case query = 0xc
  /// Ends an object.
  case destroy = 0xd
}

/// What an object is. Numbers from 0xF000 on are this device's own and are used between our own sides only.
public enum ObjectType: UInt16, Sendable, CaseIterable {
  /// The items of a pattern and their masks.
  case classifier = 0x201
  /// A rule: a classifier, the values wanted, actions.
  case rule = 0x202
  /// A port of the embedded switch.
  case port = 0xf001
  /// A header template: a tunnel, or an Ethernet header.
  case encapsulation = 0xf002
  /// What a `raw_decap` removes.
  case decapsulation = 0xf003
  /// A list for `sample`.
  case sampleList = 0xf004
  /// An indirect action.
  case indirectAction = 0xf005
  /// The tunnel endpoint's policy.
  case endpoint = 0xf006
  /// Abilities, faults and seed; making it starts the device.
  case profile = 0xf007
  /// A rule's counter; there while the rule is.
  case counter = 0xf008
  /// Rules that were idle; always there.
  case aging = 0xf009
  /// The device's counters of itself; always there.
  case statistics = 0xf00a
}

/// A capability that can be asked for.
public enum Capability: UInt16, Sendable, CaseIterable {
  /// Groups, classifiers, rules and priorities there are (VIRTIO_NET_FF_RESOURCE_CAP).
  case resources = 0x800
  /// Selectors the classifier takes (VIRTIO_NET_FF_SELECTOR_CAP).
  case selectors = 0x801
  /// Actions (VIRTIO_NET_FF_ACTION_CAP).
  case actions = 0x802
  /// The whole profile: this device's own.
  case profile = 0xf07
}

/// How a command ended (virtio 1.4): the numbers are errno's.
public enum AdminStatus: UInt16, Sendable, CaseIterable {
  /// Done.
  case ok = 0
  /// No such object.
  case noObject = 6
  /// Try again.
  case again = 11
  /// No memory.
  case noMemory = 12
  /// It is in use, or there already.
  case busy = 16
  /// Malformed, or not taken; for a rule the ``Device/Refusal`` stands behind it.
  case invalid = 22
  /// The table is full.
  case noSpace = 28
}

/// A command: what the device reads.
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | le16 | opcode |
/// | 2 | le16 | group type: 2, the device itself |
/// | 4 | 12 | zeros |
/// | 16 | le64 | group member: 0 |
/// | 24 | le16 | object type; of a capability its number |
/// | 26 | 2 | zeros |
/// | 28 | le32 | object id |
/// | 32 | le64 | now, nanoseconds of the driver's clock (virtio's flags, which are 0) |
/// | 40 | … | the object |
public struct AdminCommand: Equatable, Sendable {
  /// Bytes in front of the object.
  public static let headerSize = 40
  /// What is asked for.
  public var opcode: AdminOpcode
  /// The number of the object's type, or of the capability.
  public var type: UInt16
  /// The object.
  public var id: UInt32
  /// Nanoseconds.
  public var now: UInt64
  /// The object's bytes.
  public var body: [UInt8]

  /// A command about an object.
  public init(_ opcode: AdminOpcode, _ type: ObjectType, id: UInt32, now: UInt64 = 0, body: [UInt8] = []) {
    self.opcode = opcode
    self.type = type.rawValue
    self.id = id
    self.now = now
    self.body = body
  }

  /// A question about capabilities.
  public init(_ opcode: AdminOpcode, capability: UInt16 = 0) {
    self.opcode = opcode
    type = capability
    id = 0
    now = 0
    body = []
  }

  /// The bytes.
  public var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.put(opcode.rawValue)
    writer.put(UInt16(2))
    writer.zeros(12)
    writer.put(UInt64(0))
    writer.put(type)
    writer.zeros(2)
    writer.put(id)
    writer.put(now)
    writer.put(body)
    return writer.bytes
  }

  /// Reads one.
  ///
  /// - Throws: ``FormatError``.
  public init(_ bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard let opcode = AdminOpcode(rawValue: try reader.take()) else { throw reader.unknown() }
    guard try reader.take(UInt16.self) == 2 else { throw reader.unknown() }
    try reader.zeros(12)
    guard try reader.take(UInt64.self) == 0 else { throw reader.unknown() }
    self.opcode = opcode
    type = try reader.take()
    try reader.zeros(2)
    id = try reader.take()
    now = try reader.take()
    body = try reader.take(reader.left)
  }
}

/// A result: what the device writes.
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | le16 | status |
/// | 2 | le16 | qualifier: 0, or for a refusal its reason |
/// | 4 | 4 | zeros |
/// | 8 | … | what was asked for |
public struct AdminResult: Equatable, Sendable {
  /// Bytes in front of what was asked for.
  public static let headerSize = 8
  /// How it ended.
  public var status: AdminStatus
  /// 0, or a refusal's reason.
  public var qualifier: UInt16
  /// What was asked for.
  public var body: [UInt8]

  /// A result.
  public init(_ status: AdminStatus, qualifier: UInt16 = 0, body: [UInt8] = []) {
    self.status = status
    self.qualifier = qualifier
    self.body = body
  }

  /// The bytes.
  public var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.put(status.rawValue)
    writer.put(qualifier)
    writer.zeros(4)
    writer.put(body)
    return writer.bytes
  }

  /// Reads one.
  ///
  /// - Throws: ``FormatError``.
  public init(_ bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard let status = AdminStatus(rawValue: try reader.take()) else { throw reader.unknown() }
    self.status = status
    qualifier = try reader.take()
    try reader.zeros(4)
    body = try reader.take(reader.left)
  }
}
