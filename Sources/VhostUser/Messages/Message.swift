public import Memory

/// Requests of a front end (the driver's side) to a back end (the device's side).
public enum Request: UInt32, Sendable, CaseIterable {
  /// Asks for the device's feature bits.
  case getFeatures = 1
  /// Says which were taken.
  case setFeatures = 2
  /// Takes the session.
  case setOwner = 3
  /// Ends it (deprecated): rings stop.
  case resetOwner = 4
  /// The driver's memory, with a descriptor a region.
  case setMemTable = 5
  /// The dirty log, with its descriptor.
  case setLogBase = 6
  /// An event for the dirty log.
  case setLogFd = 7
  /// A ring's size.
  case setVringNum = 8
  /// A ring's addresses.
  case setVringAddr = 9
  /// Where a ring goes on.
  case setVringBase = 10
  /// Stops a ring and asks where it is.
  case getVringBase = 11
  /// The event by which the driver wakes the device; starts the ring.
  case setVringKick = 12
  /// The event by which the device wakes the driver.
  case setVringCall = 13
  /// The event by which the device says that a ring is broken.
  case setVringErr = 14
  /// Asks for the protocol's feature bits.
  case getProtocolFeatures = 15
  /// Says which were taken.
  case setProtocolFeatures = 16
  /// Asks for the number of queue pairs.
  case getQueueNum = 17
  /// Switches a ring on or off.
  case setVringEnable = 18
  /// The MTU that the driver uses.
  case netSetMtu = 20
  /// Asks for the device's configuration.
  case getConfig = 24
  /// Writes it.
  case setConfig = 25
  /// Asks for memory for the inflight region.
  case getInflightFd = 31
  /// Hands it over.
  case setInflightFd = 32
  /// Resets the device.
  case resetDevice = 34
  /// Asks for the number of memory slots.
  case getMaxMemSlots = 36
  /// Adds a region.
  case addMemReg = 37
  /// Removes one.
  case remMemReg = 38
  /// The virtio status byte.
  case setStatus = 39
  /// Asks for it.
  case getStatus = 40
}

/// Bits that front end and back end agree on for their own messages.
public struct ProtocolFeatures: OptionSet, Sendable, Hashable {
  /// The bits.
  public let rawValue: UInt64
  /// From bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// Several queue pairs.
  public static let mq = ProtocolFeatures(rawValue: 1 << 0)
  /// The dirty log comes as a descriptor.
  public static let logShmFd = ProtocolFeatures(rawValue: 1 << 1)
  /// Requests may ask for an acknowledgement.
  public static let replyAck = ProtocolFeatures(rawValue: 1 << 3)
  /// The driver tells its MTU.
  public static let netMtu = ProtocolFeatures(rawValue: 1 << 4)
  /// The configuration is asked for.
  public static let config = ProtocolFeatures(rawValue: 1 << 9)
  /// What is taken and not used is kept in shared memory.
  public static let inflightShmFd = ProtocolFeatures(rawValue: 1 << 12)
  /// The device can be reset.
  public static let resetDevice = ProtocolFeatures(rawValue: 1 << 13)
  /// Memory regions come and go one by one.
  public static let configureMemSlots = ProtocolFeatures(rawValue: 1 << 15)
  /// The virtio status byte is told.
  public static let status = ProtocolFeatures(rawValue: 1 << 16)
}

/// One message, with the descriptors that came or go with it.
public struct Message: Sendable {
  /// Bytes of the header: request, flags, payload size.
  public static let headerSize = 12
  /// The longest payload that is taken.
  public static let longestPayload = 4096

  /// The request's number; of a reply, that of the request.
  public var request: UInt32
  /// Whether it is a reply.
  public var isReply = false
  /// Whether the sender asks for an acknowledgement.
  public var wantsReply = false
  /// What is in it.
  public var payload: [UInt8]
  /// Descriptors.
  public var descriptors: [OwnedDescriptor]

  /// A message.
  public init(
    _ request: UInt32, payload: [UInt8] = [], descriptors: [OwnedDescriptor] = [], isReply: Bool = false,
    wantsReply: Bool = false
  ) {
    self.request = request
    self.payload = payload
    self.descriptors = descriptors
    self.isReply = isReply
    self.wantsReply = wantsReply
  }

  /// A request with little-endian words behind each other.
  public init(_ request: Request, _ words: [Word] = [], descriptors: [OwnedDescriptor] = [], isReply: Bool = false) {
    self.init(request.rawValue, payload: words.flatMap(\.bytes), descriptors: descriptors, isReply: isReply)
  }

  /// The bytes of header and payload.
  public var encoded: [UInt8] {
    let flags: UInt32 = 1 | (isReply ? 4 : 0) | (wantsReply ? 8 : 0)
    return [Word.u32(request), .u32(flags), .u32(UInt32(payload.count))].flatMap(\.bytes) + payload
  }

  /// The 16-bit word at `offset` of the payload; 0 behind its end.
  public func u16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: word(offset, 2)) }
  /// The 32-bit word at `offset` of the payload; 0 behind its end.
  public func u32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: word(offset, 4)) }
  /// The 64-bit word at `offset` of the payload; 0 behind its end.
  public func u64(_ offset: Int) -> UInt64 { word(offset, 8) }

  private func word(_ offset: Int, _ width: Int) -> UInt64 {
    guard offset >= 0, offset + width <= payload.count else { return 0 }
    return (0..<width).reduce(0) { $0 | UInt64(payload[offset + $1]) << (8 * UInt64($1)) }
  }
}

/// A little-endian word of a payload.
public enum Word: Sendable {
  /// 16 bits.
  case u16(UInt16)
  /// 32 bits.
  case u32(UInt32)
  /// 64 bits.
  case u64(UInt64)

  /// Its bytes.
  public var bytes: [UInt8] {
    switch self {
    case .u16(let value): (0..<2).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    case .u32(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    case .u64(let value): (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
  }
}
