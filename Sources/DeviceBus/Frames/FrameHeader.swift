public import Device
public import Memory

/// The 80 bytes in front of each frame on a data queue: the frame's record without addresses, and where it goes.
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | u8 | to the device: 1 received, 2 sent by software. From it: ``Outcome``'s number |
/// | 1 | u8 | flags; 1: the frame's own record, the last of what came of it |
/// | 2 | le16 | generation, its low 16 bits |
/// | 4 | le32 | cookie: given back with everything that comes of the frame |
/// | 8 | le64 | to the device: now, nanoseconds. From it: 0 |
/// | 16 | le32 ×6 | rule, tunnel key, association, sequence, flow hash, mark |
/// | 40 | le32 | next segment |
/// | 44 | le16 ×9 | length, headroom, tailroom, port, in-port, tenant, group, segment size, steps |
/// | 62 | u8 ×10 | queue, offsets of outer L3, L4, inner L2, L3, L4, checksum start (units of two bytes), checksum offset, owed, segment headers (units of two) |
/// | 72 | u8 ×2 | checksum knowledge, outcome before |
/// | 74 | 6 | zeros |
///
/// Headroom and tailroom are the owner's buffer's, so that the device leaves a frame where it would have fitted.
public struct FrameHeader: Sendable, BitwiseCopyable {
  /// Bytes on a queue.
  public static let size = 80
  /// `kind`: arrives from outside.
  public static let received: UInt8 = 1
  /// `kind`: sent by software.
  public static let sent: UInt8 = 2

  /// See the table, offset 0.
  public var kind: UInt8 = 0
  /// The frame's own record, the last of what came of it.
  public var isLast = false
  /// Generation, its low bits.
  public var generation: UInt16 = 0
  /// Given back with everything that comes of the frame.
  public var cookie: UInt32 = 0
  /// Nanoseconds.
  public var now: UInt64 = 0
  /// Bytes of the frame.
  public var length: UInt16 = 0
  /// Free bytes in front, in the owner's buffer.
  public var headroom: UInt16 = 0
  /// Free bytes behind, in the owner's buffer.
  public var tailroom: UInt16 = 0
  /// The port it came in through or is sent out of.
  public var port: UInt16 = 0
  /// The `mark` of a frame that goes to a queue.
  public var mark: UInt32 = 0
  /// Everything else, in a record without memory.
  public var record = Frame()

  /// A header of nothing.
  public init() {}

  /// The header of `frame` on its way to the device.
  public init(_ frame: Frame, kind: UInt8, port: UInt16, now: UInt64) {
    self.kind = kind
    self.port = port
    self.now = now
    length = UInt16(truncatingIfNeeded: frame.length)
    headroom = UInt16(truncatingIfNeeded: frame.headroom)
    tailroom = UInt16(truncatingIfNeeded: frame.tailroom)
    record = frame
  }

  /// The header of what came of a frame; `cookie` is that frame's.
  public init(_ emission: Emission, cookie: UInt32, isLast: Bool) {
    kind = emission.frame.outcome.rawValue
    self.isLast = isLast
    self.cookie = cookie
    port = emission.port
    mark = emission.mark
    length = UInt16(truncatingIfNeeded: emission.frame.length)
    headroom = UInt16(truncatingIfNeeded: emission.frame.headroom)
    tailroom = UInt16(truncatingIfNeeded: emission.frame.tailroom)
    record = emission.frame
  }

  /// Writes it at the beginning of `bytes`, which has ``size`` bytes at least.
  public func write(to bytes: Bytes) {
    bytes.fill(0, at: 0, count: Self.size)
    bytes[0] = kind
    bytes[1] = isLast ? 1 : 0
    bytes.store(generation.byteSwapped, at: 2)
    bytes.store(cookie.byteSwapped, at: 4)
    bytes.store(now.byteSwapped, at: 8)
    bytes.store(record.rule.byteSwapped, at: 16)
    bytes.store(record.tunnelKey.byteSwapped, at: 20)
    bytes.store(record.association.byteSwapped, at: 24)
    bytes.store(record.sequence.byteSwapped, at: 28)
    bytes.store(record.flowHash.byteSwapped, at: 32)
    bytes.store(mark.byteSwapped, at: 36)
    bytes.store(record.next.byteSwapped, at: 40)
    bytes.store(length.byteSwapped, at: 44)
    bytes.store(headroom.byteSwapped, at: 46)
    bytes.store(tailroom.byteSwapped, at: 48)
    bytes.store(port.byteSwapped, at: 50)
    bytes.store(record.inPort.byteSwapped, at: 52)
    bytes.store(record.tenant.byteSwapped, at: 54)
    bytes.store(record.group.byteSwapped, at: 56)
    bytes.store(record.segmentSize.byteSwapped, at: 58)
    bytes.store(record.steps.rawValue.byteSwapped, at: 60)
    bytes[62] = record.queue
    bytes[63] = UInt8(truncatingIfNeeded: record.outerL3 / 2)
    bytes[64] = UInt8(truncatingIfNeeded: record.outerL4 / 2)
    bytes[65] = UInt8(truncatingIfNeeded: record.innerL2 / 2)
    bytes[66] = UInt8(truncatingIfNeeded: record.innerL3 / 2)
    bytes[67] = UInt8(truncatingIfNeeded: record.innerL4 / 2)
    bytes[68] = UInt8(truncatingIfNeeded: record.checksumStart / 2)
    bytes[69] = record.checksumOffset
    bytes[70] = record.owed.rawValue
    bytes[71] = UInt8(truncatingIfNeeded: record.segmentHeaderLength / 2)
    bytes[72] = record.checksums.rawValue
    bytes[73] = record.outcome.rawValue
  }

  /// Reads one; nil when it holds a number that means nothing. `bytes` is a private copy of ``size`` bytes at least.
  public init?(_ bytes: Bytes) {
    guard bytes.count >= Self.size, bytes[1] <= 1, let outcome = Outcome(number: bytes[73]) else { return nil }
    kind = bytes[0]
    isLast = bytes[1] == 1
    generation = bytes.little(2)
    cookie = bytes.little(4)
    now = bytes.little(8)
    mark = bytes.little(36)
    length = bytes.little(44)
    headroom = bytes.little(46)
    tailroom = bytes.little(48)
    port = bytes.little(50)
    record.rule = bytes.little(16)
    record.tunnelKey = bytes.little(20)
    record.association = bytes.little(24)
    record.sequence = bytes.little(28)
    record.flowHash = bytes.little(32)
    record.next = bytes.little(40)
    record.inPort = bytes.little(52)
    record.tenant = bytes.little(54)
    record.group = bytes.little(56)
    record.segmentSize = bytes.little(58)
    record.steps = Steps(rawValue: bytes.little(60))
    record.queue = bytes[62]
    record.outerL3 = Int(bytes[63]) * 2
    record.outerL4 = Int(bytes[64]) * 2
    record.innerL2 = Int(bytes[65]) * 2
    record.innerL3 = Int(bytes[66]) * 2
    record.innerL4 = Int(bytes[67]) * 2
    record.checksumStart = Int(bytes[68]) * 2
    record.checksumOffset = bytes[69]
    record.owed = Owed(rawValue: bytes[70])
    record.segmentHeaderLength = Int(bytes[71]) * 2
    record.checksums.rawValue = bytes[72]
    record.outcome = outcome
  }

  /// Puts what the record says on `frame`, which keeps its memory and token.
  public func describe(_ frame: inout Frame) {
    frame.next = record.next
    frame.rule = record.rule
    frame.tunnelKey = record.tunnelKey
    frame.association = record.association
    frame.sequence = record.sequence
    frame.flowHash = record.flowHash
    frame.inPort = record.inPort
    frame.tenant = record.tenant
    frame.group = record.group
    frame.segmentSize = record.segmentSize
    frame.steps = record.steps
    frame.queue = record.queue
    frame.outerL3 = record.outerL3
    frame.outerL4 = record.outerL4
    frame.innerL2 = record.innerL2
    frame.innerL3 = record.innerL3
    frame.innerL4 = record.innerL4
    frame.checksumStart = record.checksumStart
    frame.checksumOffset = record.checksumOffset
    frame.owed = record.owed
    frame.segmentHeaderLength = record.segmentHeaderLength
    frame.checksums = record.checksums
    frame.outcome = record.outcome
  }

  /// How many frames may come of this one at most: its copies and itself, or its segments and itself.
  public var mostAnswers: Int {
    let cuts: Owed = [.tcpSegmentation, .udpSegmentation]
    guard kind == Self.sent, !record.owed.isDisjoint(with: cuts) else { return 5 }
    return record.segmentSize == 0 ? 2 : (Int(length) + Int(record.segmentSize) - 1) / Int(record.segmentSize) + 2
  }
}

extension Bytes {
  /// The little-endian integer at `offset`.
  @inlinable @inline(__always)
  public func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as: T.Type = T.self) -> T {
    load(offset, as: T.self).byteSwapped
  }
}

extension Outcome {
  /// The outcome of this number; nil when there is none.
  public init?(number: UInt8) {
    switch number {
    case 0: self = .pending
    case 1: self = .forward
    case 2: self = .deliver
    case 3: self = .up
    case 4: self = .absorbed
    default:
      guard let reason = DropReason(rawValue: number) else { return nil }
      self = .dropped(reason)
    }
  }
}
