public import Memory

/// A packet and what is known about it: 64 bytes of plain data, one cache line, no references.
///
/// *A frame carries what the device did; software does the rest.* Memory stays its owner's and goes back by ``token``.
/// Offsets count from ``address``. They are stored in units of two bytes, which loses nothing: every header of this
/// project has an even length, and an offset of more than 510 is dropped by the parsers as ``DropReason/headersTooLong``.
@frozen
public struct Frame: BitwiseCopyable, Sendable {
  /// Address of the first byte of this segment; 0 when the record is empty.
  @usableFromInline var address: UInt
  /// Owner (top 8 bits) and the owner's own index of the buffer: the return token.
  public var token: UInt32
  /// Index of the next segment's record plus one; 0 for the last segment.
  public var next: UInt32
  /// What the rule id of a match is; 0 when no rule is known.
  public var rule: UInt32
  /// Tunnel key of a frame that was decapsulated: VNI or VSID (24 bits), GRE key (32 bits).
  public var tunnelKey: UInt32
  /// Security association that was applied, as its owner's index plus one; 0 when none was.
  public var association: UInt32
  /// Low 32 bits of the sequence number under ``association``.
  public var sequence: UInt32
  /// Hash of the flow; 0 when it was not computed.
  public var flowHash: UInt32
  /// Bytes of this segment.
  @usableFromInline var storedLength: UInt16
  /// Free bytes in front of ``address``.
  @usableFromInline var storedHeadroom: UInt16
  /// Free bytes behind the segment.
  @usableFromInline var storedTailroom: UInt16
  /// The port the frame came in through.
  public var inPort: UInt16
  /// The tenant it belongs to; 0 for none.
  public var tenant: UInt16
  /// The group a rule search goes on in: the resume point.
  public var group: UInt16
  /// Segmentation owed: payload bytes of each segment (TCP MSS, UDP datagram payload). 0 when none is owed.
  public var segmentSize: UInt16
  /// Steps already done, by the device or by software.
  public var steps: Steps
  /// The queue it came from or goes to.
  public var queue: UInt8
  @usableFromInline var outerL3Units: UInt8
  @usableFromInline var outerL4Units: UInt8
  @usableFromInline var innerL2Units: UInt8
  @usableFromInline var innerL3Units: UInt8
  @usableFromInline var innerL4Units: UInt8
  @usableFromInline var checksumStartUnits: UInt8
  /// Where the owed checksum goes, from ``checksumStart``: 6 for UDP, 16 for TCP.
  public var checksumOffset: UInt8
  /// What is owed.
  public var owed: Owed
  /// Length of all headers in front of the payload that segmentation cuts, in units of two bytes.
  @usableFromInline var segmentHeaderUnits: UInt8
  /// What is known about the frame's checksums.
  public var checksums: ChecksumKnowledge
  /// What became of it.
  public var outcome: Outcome

  /// An empty record.
  @inlinable
  public init() {
    address = 0
    token = 0
    next = 0
    rule = 0
    tunnelKey = 0
    association = 0
    sequence = 0
    flowHash = 0
    storedLength = 0
    storedHeadroom = 0
    storedTailroom = 0
    inPort = 0
    tenant = 0
    group = 0
    segmentSize = 0
    steps = []
    queue = 0
    outerL3Units = 0
    outerL4Units = 0
    innerL2Units = 0
    innerL3Units = 0
    innerL4Units = 0
    checksumStartUnits = 0
    checksumOffset = 0
    owed = []
    segmentHeaderUnits = 0
    checksums = ChecksumKnowledge()
    outcome = .pending
  }

  /// A frame of `length` bytes that begins `headroom` bytes into `buffer`.
  ///
  /// `buffer` must stay alive until the token is returned. Lengths that do not fit the buffer, or 65,536 bytes and
  /// more, are the caller's bug and trap.
  @inlinable
  public init(buffer: Bytes, headroom: Int, length: Int, token: UInt32) {
    self.init()
    precondition(headroom >= 0 && length >= 0 && headroom + length <= buffer.count)
    precondition(length <= 0xffff && headroom <= 0xffff)
    address = unsafe UInt(bitPattern: buffer.unsafeBase) + UInt(headroom)
    storedHeadroom = UInt16(truncatingIfNeeded: headroom)
    storedLength = UInt16(truncatingIfNeeded: length)
    storedTailroom = UInt16(truncatingIfNeeded: min(0xffff, buffer.count - headroom - length))
    self.token = token
  }

  /// Bytes of this segment.
  @inlinable public var length: Int { Int(storedLength) }
  /// Free bytes in front.
  @inlinable public var headroom: Int { Int(storedHeadroom) }
  /// Free bytes behind.
  @inlinable public var tailroom: Int { Int(storedTailroom) }

  /// The segment's bytes. Valid until the token is returned.
  @inlinable
  public var bytes: Bytes {
    @inline(__always) get {
      // The address came from a live Bytes window in init and moved only within its head and tail room.
      guard let base = unsafe UnsafeMutableRawPointer(bitPattern: address) else { preconditionFailure("empty frame") }
      return unsafe Bytes(base: base, count: Int(storedLength))
    }
  }

  /// Whether `count` bytes from the segment's first one on are in its buffer: its bytes and the tail room.
  @inlinable @inline(__always)
  public func reaches(_ count: Int) -> Bool { count <= Int(storedLength) &+ Int(storedTailroom) }

  /// The segment's first `count` bytes, tail room included. More than ``reaches(_:)`` says traps.
  @inlinable @inline(__always)
  public func window(_ count: Int) -> Bytes {
    precondition(count >= 0 && reaches(count))
    guard let base = unsafe UnsafeMutableRawPointer(bitPattern: address) else { preconditionFailure("empty frame") }
    return unsafe Bytes(base: base, count: count)
  }

  /// Moves the beginning `count` bytes forward, into the headroom. Offsets are not moved.
  ///
  /// Traps when `count` is over ``headroom`` or the segment would be over 65,535 bytes: callers look first.
  @inlinable @inline(__always)
  public mutating func prepend(_ count: Int) {
    precondition(count >= 0 && count <= Int(storedHeadroom) && count + Int(storedLength) <= 0xffff)
    address &-= UInt(bitPattern: count)
    storedHeadroom &-= UInt16(truncatingIfNeeded: count)
    storedLength &+= UInt16(truncatingIfNeeded: count)
  }

  /// Removes `count` bytes at the beginning; they become headroom. Offsets are not moved.
  @inlinable @inline(__always)
  public mutating func removeFirst(_ count: Int) {
    precondition(count >= 0 && count <= Int(storedLength) && Int(storedHeadroom) + count <= 0xffff)
    address &+= UInt(bitPattern: count)
    storedHeadroom &+= UInt16(truncatingIfNeeded: count)
    storedLength &-= UInt16(truncatingIfNeeded: count)
  }

  /// Makes the segment `count` bytes long, giving to or taking from the tail room.
  @inlinable @inline(__always)
  public mutating func setLength(_ count: Int) {
    let room = Int(storedLength) + Int(storedTailroom)
    precondition(count >= 0 && count <= min(room, 0xffff))
    storedTailroom = UInt16(truncatingIfNeeded: min(room - count, 0xffff))
    storedLength = UInt16(truncatingIfNeeded: count)
  }
}

// Offsets: zero means "not there" for all but the outer L2, which is always at 0.
extension Frame {
  /// Offset of the outer (or only) IP header; 0 when there is none. Must be even and at most 510.
  @inlinable public var outerL3: Int {
    get { Int(outerL3Units) &<< 1 }
    set { outerL3Units = Self.units(newValue) }
  }
  /// Offset of the outer (or only) transport, GRE or ESP header; 0 when there is none.
  @inlinable public var outerL4: Int {
    get { Int(outerL4Units) &<< 1 }
    set { outerL4Units = Self.units(newValue) }
  }
  /// Offset of what is inside the tunnel; 0 when there is no tunnel.
  @inlinable public var innerL2: Int {
    get { Int(innerL2Units) &<< 1 }
    set { innerL2Units = Self.units(newValue) }
  }
  /// Offset of the inner IP header.
  @inlinable public var innerL3: Int {
    get { Int(innerL3Units) &<< 1 }
    set { innerL3Units = Self.units(newValue) }
  }
  /// Offset of the inner transport header.
  @inlinable public var innerL4: Int {
    get { Int(innerL4Units) &<< 1 }
    set { innerL4Units = Self.units(newValue) }
  }
  /// Where the sum for the owed checksum (``Owed/checksum``) begins.
  @inlinable public var checksumStart: Int {
    get { Int(checksumStartUnits) &<< 1 }
    set { checksumStartUnits = Self.units(newValue) }
  }
  /// Bytes of headers in front of the payload that segmentation cuts.
  @inlinable public var segmentHeaderLength: Int {
    get { Int(segmentHeaderUnits) &<< 1 }
    set { segmentHeaderUnits = Self.units(newValue) }
  }

  /// Whether nothing was done to the frame, it owes nothing and it is one segment: the common case on arrival.
  @inlinable
  public var isFresh: Bool {
    @inline(__always) get {
      next == 0 && owed.rawValue == 0 && group == 0 && steps.isSubset(of: [.parse, .verifyChecksum])
    }
  }

  /// How often the frame went on in another group before a device handed it up there, 0…31: part of the resume point, so
  /// that a circle of rules ends wherever it is carried out.
  @inlinable
  public var jumps: Int {
    get { Int(steps.rawValue >> 11) }
    set { steps = Steps(rawValue: steps.rawValue & 0x7ff | UInt16(truncatingIfNeeded: newValue) << 11) }
  }

  /// Forgets where headers are: what is in front of the frame has changed.
  @inlinable @inline(__always)
  public mutating func clearOffsets() {
    outerL3Units = 0
    outerL4Units = 0
    innerL2Units = 0
    innerL3Units = 0
    innerL4Units = 0
  }

  /// What an encapsulation leaves of the record: `count` bytes more in front, and no offset holds any more.
  ///
  /// More than ``headroom``, or a segment of over 65,535 bytes, traps.
  @inlinable @inline(__always)
  public mutating func wrap(_ count: Int, rule: UInt32) {
    prepend(count)
    clearOffsets()
    checksums.rawValue <<= 4
    steps = Steps(rawValue: steps.rawValue | Steps.match.rawValue | Steps.encapsulate.rawValue)
    self.rule = rule
    outcome = .forward
  }

  /// ``wrap(_:rule:)`` for callers that have looked whether ``headroom`` and a length of 65,535 allow it: nothing traps.
  @inlinable @inline(__always)
  public mutating func wrapUnchecked(_ count: UInt16, rule: UInt32) {
    address &-= UInt(count)
    storedHeadroom &-= count
    storedLength &+= count
    clearOffsets()
    checksums.rawValue <<= 4
    steps = Steps(rawValue: steps.rawValue | Steps.match.rawValue | Steps.encapsulate.rawValue)
    self.rule = rule
    outcome = .forward
  }

  /// What a decapsulation leaves of the record: the bytes `start..<end`, and what was known of the inner checksums. A
  /// range outside of the segment traps.
  @inlinable @inline(__always)
  public mutating func unwrap(_ start: Int, _ end: Int, rule: UInt32, tunnelKey: UInt32) {
    precondition(start >= 0 && start <= end && end <= length && headroom &+ start <= 0xffff)
    let behind = length &- end &+ tailroom
    address &+= UInt(bitPattern: start)
    storedHeadroom &+= UInt16(truncatingIfNeeded: start)
    storedLength = UInt16(truncatingIfNeeded: end &- start)
    storedTailroom = UInt16(truncatingIfNeeded: min(behind, 0xffff))
    clearOffsets()
    steps = Steps(rawValue: steps.rawValue | Steps.match.rawValue | Steps.decapsulate.rawValue)
    checksums.rawValue >>= 4
    self.rule = rule
    self.tunnelKey = tunnelKey
    outcome = .forward
  }

  /// The largest offset the record holds.
  public static let largestOffset = 510

  @inlinable @inline(__always)
  static func units(_ offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset <= 510 && offset & 1 == 0, "header offset out of range")
    return UInt8(truncatingIfNeeded: offset &>> 1)
  }
}

/// Debts of a frame: what somebody promised and has not yet done.
@frozen
public struct Owed: OptionSet, Sendable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt8
  /// From bits.
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The transport checksum at ``Frame/checksumStart`` plus ``Frame/checksumOffset`` holds the folded pseudo-header sum (not complemented) and has
  /// to be completed (virtio's NEEDS_CSUM).
  @inlinable public static var checksum: Owed { Owed(rawValue: 1) }
  /// The outer UDP checksum has to be computed.
  @inlinable public static var outerUDPChecksum: Owed { Owed(rawValue: 2) }
  /// The outer IPv4 header checksum has to be computed.
  @inlinable public static var outerIPv4Checksum: Owed { Owed(rawValue: 4) }
  /// TCP segmentation, ``Frame/segmentSize`` bytes each; ``checksum`` is owed too.
  @inlinable public static var tcpSegmentation: Owed { Owed(rawValue: 8) }
  /// UDP segmentation (USO), ``Frame/segmentSize`` bytes each; ``checksum`` is owed too.
  @inlinable public static var udpSegmentation: Owed { Owed(rawValue: 16) }
  /// The segmentation is of what is inside a tunnel: outer headers are repeated on each segment.
  @inlinable public static var tunnelSegmentation: Owed { Owed(rawValue: 32) }
}

/// What is known about four checksums, two bits each.
@frozen
public struct ChecksumKnowledge: Equatable, Sendable, BitwiseCopyable {
  /// One checksum's state. `partial` is a field that holds a pseudo-header sum.
  @frozen public enum State: UInt8, Sendable, BitwiseCopyable { case unknown = 0, good, bad, partial }
  /// Which checksum.
  @frozen public enum Layer: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case outerL3 = 0, outerL4, innerL3, innerL4
  }
  /// Two bits a layer, ``Layer/outerL3`` lowest.
  public var rawValue: UInt8
  /// Nothing known.
  @inlinable public init() { rawValue = 0 }
  /// The state of one layer.
  @inlinable
  public subscript(layer: Layer) -> State {
    @inline(__always) get {
      switch (rawValue >> (layer.rawValue &* 2)) & 3 {
      case 1: .good
      case 2: .bad
      case 3: .partial
      default: .unknown
      }
    }
    @inline(__always) set {
      rawValue = rawValue & ~(3 << (layer.rawValue &* 2)) | newValue.rawValue << (layer.rawValue &* 2)
    }
  }
}

/// The steps of a frame's way. A set bit means done.
@frozen
public struct Steps: OptionSet, Sendable, BitwiseCopyable, Hashable {
  /// The bits.
  public let rawValue: UInt16
  /// From bits.
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// Headers were found and the offsets are set.
  @inlinable public static var parse: Steps { Steps(rawValue: 1) }
  /// Checksums were looked at; ``Frame/checksums`` holds.
  @inlinable public static var verifyChecksum: Steps { Steps(rawValue: 2) }
  /// ESP was removed.
  @inlinable public static var decrypt: Steps { Steps(rawValue: 4) }
  /// The tunnel was removed; ``Frame/tunnelKey`` holds.
  @inlinable public static var decapsulate: Steps { Steps(rawValue: 8) }
  /// A rule was found (``Frame/rule``) and counted.
  @inlinable public static var match: Steps { Steps(rawValue: 16) }
  /// The rule's header changes were made.
  @inlinable public static var rewrite: Steps { Steps(rawValue: 32) }
  /// The outer headers are in front.
  @inlinable public static var encapsulate: Steps { Steps(rawValue: 64) }
  /// ESP was put on.
  @inlinable public static var encrypt: Steps { Steps(rawValue: 128) }
  /// Owed checksums were paid.
  @inlinable public static var fillChecksum: Steps { Steps(rawValue: 256) }
  /// Not a step but what steps left: the frame has no Ethernet header and begins with its IP header.
  @inlinable public static var startsAtIP: Steps { Steps(rawValue: 512) }
  /// Not a step either: the frame is a copy that a `sample` action made.
  @inlinable public static var sampled: Steps { Steps(rawValue: 1024) }
  /// The bits in which ``Frame/jumps`` are counted.
  @inlinable static var jumps: Steps { Steps(rawValue: 0xf800) }

  /// Every step with its name, in the order of a frame's way.
  public static let names: [(step: Steps, name: String)] = [
    (.parse, "parse"), (.verifyChecksum, "verify_checksum"), (.decrypt, "decrypt"), (.decapsulate, "decapsulate"),
    (.match, "match"), (.rewrite, "rewrite"), (.encapsulate, "encapsulate"), (.encrypt, "encrypt"),
    (.fillChecksum, "fill_checksum"), (.startsAtIP, "starts_at_ip"), (.sampled, "sampled"),
  ]
}
