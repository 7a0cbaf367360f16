import Device

/// What is known about a rule's count: software's part is the caller's, the device's part is put together here.
public struct RuleCounter: Equatable, Sendable {
  /// Frames that devices counted, unwrapped and summed over every time the rule was on one.
  public private(set) var frames: UInt64 = 0
  /// Bytes likewise.
  public private(set) var bytes: UInt64 = 0
  /// Frames at most that a device may have counted and that no reading will tell any more: they were lost with it.
  public private(set) var lost: UInt64 = 0
  /// The last reading taken in; nil when the rule is on no device.
  private var last: CounterReading?
  /// How many frames had bypassed software on the device when that reading was true.
  private var bypassedAtReading: UInt64 = 0

  /// A rule that was never on a device.
  public init() {}

  /// The rule is on a device from now on, its counter at 0.
  mutating func begin(now: UInt64, bypassed: UInt64) {
    last = CounterReading(frames: 0, bytes: 0, takenAt: now)
    bypassedAtReading = bypassed
  }

  /// Takes a reading in; one that is older than the last, or that would turn the counter back, is not looked at.
  ///
  /// A counter of `bits` bits wraps: a difference of less than half its range is taken as counted. A device must
  /// therefore be read before it can count half its range.
  mutating func take(_ reading: CounterReading, bits: UInt8, bypassed: UInt64) {
    guard let last, reading.takenAt >= last.takenAt else { return }
    let mask: UInt64 = bits >= 64 ? .max : (1 << UInt64(bits)) - 1
    let newFrames = (reading.frames &- last.frames) & mask
    let newBytes = (reading.bytes &- last.bytes) & mask
    guard newFrames <= mask / 2, newBytes <= mask / 2 else { return }
    frames += newFrames
    bytes += newBytes
    self.last = reading
    bypassedAtReading = max(bypassedAtReading, bypassed)
  }

  /// The rule is on the device no more; `reading` is the last word when there is one.
  mutating func end(_ reading: CounterReading?, bits: UInt8, bypassed: UInt64) {
    if let reading {
      take(reading, bits: bits, bypassed: bypassed)
    } else if last != nil {
      lost += bypassed &- bypassedAtReading
    }
    last = nil
  }

  /// Frames at most that are missing in ``frames`` now.
  func missing(bypassed: UInt64) -> UInt64 { lost + (last == nil ? 0 : bypassed &- bypassedAtReading) }
}

/// A rule's count as it is shown.
public struct CounterView: Equatable, Sendable {
  /// Frames that were counted for certain, by software and devices together. Never lower than shown before.
  public var frames: UInt64
  /// Their bytes.
  public var bytes: UInt64
  /// Frames at most by which ``frames`` may be too low: those that bypassed software since the last reading, and those
  /// lost with a device.
  public var missingFrames: UInt64

  /// `1234` or `1234 (+ up to 56)`.
  public var text: String { missingFrames == 0 ? "\(frames)" : "\(frames) (+ up to \(missingFrames))" }
}

/// How many frames had bypassed software at recent moments, so that an old reading is judged by its own time.
struct BypassHistory: Sendable {
  private(set) var total: UInt64 = 0
  private var samples: [(at: UInt64, total: UInt64)] = [(0, 0)]
  private static let limit = 128

  mutating func add(_ frames: UInt64, now: UInt64) {
    // The sample says what had bypassed before `now`: a reading of that moment may or may not hold these frames.
    if samples.last?.at != now { samples.append((now, total)) }
    total += frames
    if samples.count > Self.limit { samples.removeFirst(Self.limit / 2) }
  }

  /// A number that is not higher than what had bypassed at `time`.
  func total(at time: UInt64, now: UInt64) -> UInt64 {
    guard time < now else { return total }
    return samples.last { $0.at <= time }?.total ?? 0
  }
}
