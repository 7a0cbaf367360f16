/// What goes wrong with a device, and how often. Flat data; 0 means never. "One in N" is one in each run of N
/// occasions, at a place that the seed draws.
@frozen
public struct FaultPlan: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// The table says that it is full at this many rules, whatever its size.
  public var tableFullAt: UInt32 = 0
  /// One in N insertions is refused as busy.
  public var busyInsertion: UInt32 = 0
  /// One in N insertions takes effect ``slowness`` later than it should.
  public var slowInsertion: UInt32 = 0
  /// How much later, in nanoseconds.
  public var slowness: UInt64 = 0
  /// One in N received frames vanishes: the device takes it and never completes it.
  public var lostFrame: UInt32 = 0
  /// One in N counter readings is the reading before it.
  public var staleCounter: UInt32 = 0
  /// One in N received frames comes with a wrong word about a checksum: good for bad, bad for good.
  public var lyingChecksum: UInt32 = 0
  /// One in N frames that actions changed is changed wrongly in one bit.
  public var lyingAction: UInt32 = 0
  /// The device resets itself at the N-th received frame, once.
  public var resetAtFrame: UInt64 = 0
  /// How many frames, that one the last of them, were in the device at the reset and are lost.
  public var resetDepth: UInt32 = 1

  /// A device without faults.
  public init() {}
}

/// One fault's pace: once in each run of `every` occasions.
struct FaultClock {
  let every: UInt32
  private var position: UInt32 = 0
  private var chosen: UInt32 = 0

  init(every: UInt32) { self.every = every }

  /// Whether it is this occasion's turn.
  mutating func strikes(_ chance: inout Chance) -> Bool {
    guard every > 0 else { return false }
    if position == 0 { chosen = UInt32(truncatingIfNeeded: chance.next() % UInt64(every)) }
    defer { position = position + 1 == every ? 0 : position + 1 }
    return position == chosen
  }
}

/// SplitMix64: the device's only source of chance, from the seed.
struct Chance {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

/// The faults of one device.
struct FaultEngine {
  let plan: FaultPlan
  var chance: Chance
  var busyInsertion: FaultClock
  var slowInsertion: FaultClock
  var lostFrame: FaultClock
  var staleCounter: FaultClock
  var lyingChecksum: FaultClock
  var lyingAction: FaultClock

  init(plan: FaultPlan, seed: UInt64) {
    self.plan = plan
    chance = Chance(seed: seed)
    busyInsertion = FaultClock(every: plan.busyInsertion)
    slowInsertion = FaultClock(every: plan.slowInsertion)
    lostFrame = FaultClock(every: plan.lostFrame)
    staleCounter = FaultClock(every: plan.staleCounter)
    lyingChecksum = FaultClock(every: plan.lyingChecksum)
    lyingAction = FaultClock(every: plan.lyingAction)
  }

  /// Whether the received frame `number` (from 1 on) is in the device when it resets.
  func isHeldAtReset(_ number: UInt64) -> Bool {
    plan.resetAtFrame > 0 && number <= plan.resetAtFrame && plan.resetAtFrame - number < UInt64(plan.resetDepth)
  }
}
