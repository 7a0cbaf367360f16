public import Device
public import Memory
public import Ports
import Synchronization

/// Copies of frames that pass a poll loop, for whoever wants to see them: a ring of bytes from the loop's thread to one
/// other. The loop never waits: what finds no room is counted and not copied.
///
/// What a frame came to is told in records of its own, by the number of the record that it came in with.
public final class FrameTap: @unchecked Sendable {
  // `@unchecked`: the words below are the loop's thread's or the reader's alone; what both look at are the atomics, and
  // bytes of the ring behind them.

  /// What a record tells.
  public enum Kind: UInt8, Sendable {
    /// A frame came in through a port.
    case received = 1
    /// A frame was given to a port; ``Record/cause`` is the record it came in with, 0 when it was made here.
    case sent
    /// The frame of ``Record/cause`` was dropped.
    case dropped
    /// The frame of ``Record/cause`` became part of others, which have records of their own.
    case absorbed
    /// The device gave the frame of ``Record/cause`` back, with what it did; ``Record/isWholeInHardware`` says whether that
    /// was all.
    case cameBack
  }

  /// A record.
  public struct Record: Sendable {
    /// What it tells.
    public var kind: Kind
    /// Its number, from 1.
    public var number: UInt64
    /// The number of the record that its frame came in with; 0 when that is not known.
    public var cause: UInt64
    /// When, nanoseconds of ``Ports/MonotonicClock``.
    public var time: UInt64
    /// The port that the frame came in through or was given to.
    public var port: UInt16
    /// The frame's record: rule, steps, debts, outcome. Its bytes lie nowhere any more.
    public var frame: Frame
    /// Bytes that the frame had.
    public var length: Int
    /// Its first bytes.
    public var bytes: [UInt8]
    /// The device ended it: it never came up.
    public var isWholeInHardware: Bool
  }

  private static let headBytes = 64
  // Frames that may be on their way at once; each has eight places it may be in.
  private static let places = 4096
  private static let ways = 8
  private let memory: Region
  private let size: UInt64
  private let snapLength: Int
  private let port: Int32
  private let filter: PcapFilter?
  private let written = Atomic<UInt64>(0)
  private let read = Atomic<UInt64>(0)
  private let lostCount = Atomic<UInt64>(0)
  // The loop's thread's.
  private var at: UInt64 = 0
  private var freeUntil: UInt64
  private var number: UInt64 = 0
  // Frames that came in and went nowhere yet: token and the number of their record. A frame that another displaces is
  // told without its cause.
  private var tokens = FlatTable<UInt64>(repeating: .max, count: FrameTap.places)
  private var numbers = FlatTable<UInt64>(repeating: 0, count: FrameTap.places)
  private var waiting = 0
  // The reader's.
  private var next: UInt64 = 0

  /// A ring of `bytes` (rounded up to a power of two, 64 KiB…1 GiB) for frames of this port (nil: any) that `filter` wants;
  /// of each at most `snapLength` bytes, 1…65,535.
  ///
  /// - Throws: ``Memory/ArenaError`` when there is no memory.
  public init(bytes: Int, snapLength: Int = 65_535, port: UInt16? = nil, filter: PcapFilter? = nil) throws(ArenaError) {
    var size = 1 << 16
    while size < min(bytes, 1 << 30) { size <<= 1 }
    memory = try Region(bytes: size)
    self.size = UInt64(size)
    freeUntil = UInt64(size)
    self.snapLength = min(max(snapLength, 1), 65_535)
    self.port = port.map { Int32($0) } ?? -1
    self.filter = filter
  }

  /// Frames that were not copied because the ring was full.
  public var lost: UInt64 { lostCount.load(ordering: .relaxed) }

  // The loop's side.

  private func wants(_ frame: Frame, _ port: UInt16) -> Bool {
    guard self.port < 0 || self.port == Int32(port) else { return false }
    return filter?.matches(frame.bytes) ?? true
  }

  private static func place(_ token: UInt64, _ way: Int) -> Int {
    (Int(truncatingIfNeeded: (token &* 0x9e37_79b9_7f4a_7c15) >> 52) &+ way) & (Self.places - 1)
  }

  private func find(_ token: UInt64) -> Int? {
    for way in 0..<Self.ways {
      let place = Self.place(token, way)
      if tokens[place] == token, numbers[place] != 0 { return place }
    }
    return nil
  }

  private func wait(_ token: UInt64, _ number: UInt64) {
    var place = find(token)
    var way = 0
    while place == nil, way < Self.ways {
      if numbers[Self.place(token, way)] == 0 {
        place = Self.place(token, way)
        waiting += 1
      }
      way += 1
    }
    let chosen = place ?? Self.place(token, 0)
    tokens[chosen] = token
    numbers[chosen] = number
  }

  func received(_ frame: Frame, port: UInt16, now: UInt64) {
    guard wants(frame, port), put(.received, frame, port: port, cause: 0, isWhole: false, now) else { return }
    wait(UInt64(frame.token), number)
  }

  /// The frame of one token goes on under another.
  func rename(_ token: UInt64, _ other: UInt64) {
    guard waiting > 0 else { return }
    let cause = take(token)
    if cause != 0 { wait(other, cause) }
  }

  func sent(_ frame: Frame, port: UInt16, now: UInt64) {
    let cause = waiting > 0 ? take(UInt64(frame.token)) : 0
    guard cause != 0 || wants(frame, port) else { return }
    _ = put(.sent, frame, port: port, cause: cause, isWhole: false, now)
  }

  func ended(_ frame: Frame, as kind: Kind, now: UInt64) {
    guard waiting > 0 else { return }
    let cause = take(UInt64(frame.token))
    guard cause != 0 else { return }
    _ = put(kind, frame, port: frame.inPort, cause: cause, isWhole: false, now)
  }

  func absorbed(_ token: UInt32, now: UInt64) {
    guard waiting > 0 else { return }
    let cause = take(UInt64(token))
    guard cause != 0 else { return }
    var frame = Frame()
    frame.outcome = .absorbed
    _ = put(.absorbed, frame, port: 0, cause: cause, isWhole: false, now)
  }

  func cameBack(_ frame: Frame, _ name: UInt64, isWhole: Bool, now: UInt64) {
    // A copy comes before its frame, and is nobody's.
    guard waiting > 0, !frame.steps.contains(.sampled) else { return }
    let cause = take(name)
    guard cause != 0 else { return }
    _ = put(.cameBack, frame, port: frame.inPort, cause: cause, isWhole: isWhole, now)
    wait(UInt64(frame.token), cause)
  }

  private func take(_ token: UInt64) -> UInt64 {
    guard let place = find(token) else { return 0 }
    let cause = numbers[place]
    numbers[place] = 0
    waiting -= 1
    return cause
  }

  /// Copies a record and publishes it; false when there is no room.
  private func put(
    _ kind: Kind, _ frame: Frame, port: UInt16, cause: UInt64, isWhole: Bool, _ now: UInt64
  ) -> Bool {
    let hasBytes = kind == .received || kind == .sent || kind == .cameBack
    let count = hasBytes ? min(frame.length, snapLength) : 0
    let whole = UInt64(Self.headBytes + (count + 7) & ~7)
    // A record lies in one piece: what is left at the ring's end is skipped.
    let left = size - at & (size - 1)
    let skipped = left < whole ? left : 0
    if freeUntil - at < whole + skipped {
      freeUntil = read.load(ordering: .acquiring) + size
      guard freeUntil - at >= whole + skipped else {
        lostCount.add(1, ordering: .relaxed)
        return false
      }
    }
    if skipped > 0 {
      memory.bytes.store(UInt64(0), at: Int(at & (size - 1)))
      at += skipped
    }
    number += 1
    let place = Int(at & (size - 1))
    let bytes = memory.bytes
    let flags = UInt64(kind.rawValue) | (isWhole ? 0x100 : 0)
    bytes.store(flags | UInt64(count) << 16 | UInt64(frame.length) << 40, at: place)
    bytes.store(number, at: place + 8)
    bytes.store(cause, at: place + 16)
    bytes.store(now, at: place + 24)
    bytes.store(UInt64(frame.token) << 32 | UInt64(frame.rule), at: place + 32)
    bytes.store(
      UInt64(port) << 48 | UInt64(frame.inPort) << 32 | UInt64(frame.steps.rawValue) << 16 | UInt64(frame.group),
      at: place + 40)
    bytes.store(
      UInt64(frame.segmentSize) << 48 | UInt64(frame.segmentHeaderLength) << 32
        | UInt64(frame.checksumStart) << 16 | UInt64(frame.checksumOffset) << 8 | UInt64(frame.owed.rawValue),
      at: place + 48)
    bytes.store(
      UInt64(frame.tunnelKey) << 32 | UInt64(frame.queue) << 8 | UInt64(frame.outcome.dropReason?.rawValue ?? 0),
      at: place + 56)
    if count > 0 { bytes.copy(frame.bytes.slice(0, count: count), at: place + Self.headBytes) }
    at += whole
    written.store(at, ordering: .releasing)
    return true
  }

  // The reader's side: one thread.

  /// The next record; nil when there is none yet.
  public func take() -> Record? {
    let end = written.load(ordering: .acquiring)
    let bytes = memory.bytes
    while next < end {
      let place = Int(next & (size - 1))
      let head: UInt64 = bytes.load(place)
      guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: head)) else {
        // The rest of the ring is skipped.
        next += size - next & (size - 1)
        continue
      }
      let count = Int(head >> 16 & 0xff_ffff)
      let words: [UInt64] = (1..<8).map { bytes.load(place + 8 * $0) }
      var frame = Frame()
      frame.token = UInt32(words[3] >> 32)
      frame.rule = UInt32(truncatingIfNeeded: words[3])
      frame.inPort = UInt16(truncatingIfNeeded: words[4] >> 32)
      frame.steps = Steps(rawValue: UInt16(truncatingIfNeeded: words[4] >> 16))
      frame.group = UInt16(truncatingIfNeeded: words[4])
      frame.segmentSize = UInt16(words[5] >> 48)
      frame.segmentHeaderLength = Int(words[5] >> 32 & 0xffff)
      frame.checksumStart = Int(words[5] >> 16 & 0xffff)
      frame.checksumOffset = UInt8(truncatingIfNeeded: words[5] >> 8)
      frame.owed = Owed(rawValue: UInt8(truncatingIfNeeded: words[5]))
      frame.tunnelKey = UInt32(words[6] >> 32)
      frame.queue = UInt8(truncatingIfNeeded: words[6] >> 8)
      if let reason = DropReason(rawValue: UInt8(truncatingIfNeeded: words[6])) { frame.outcome = .dropped(reason) }
      let record = Record(
        kind: kind, number: words[0], cause: words[1], time: words[2], port: UInt16(words[4] >> 48), frame: frame,
        length: Int(head >> 40), bytes: bytes.slice(place + Self.headBytes, count: count).array(),
        isWholeInHardware: head & 0x100 != 0)
      next += UInt64(Self.headBytes + (count + 7) & ~7)
      read.store(next, ordering: .releasing)
      return record
    }
    read.store(next, ordering: .releasing)
    return nil
  }
}
