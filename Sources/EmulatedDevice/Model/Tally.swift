import Device
import Memory

/// Why a frame went up to software. Numbers from 16 on are drop reasons: what software will call it.
struct UpCause: Equatable {
  let rawValue: UInt8
  static let miss = UpCause(rawValue: 1)
  static let missAfterJump = UpCause(rawValue: 2)
  static let noResumePoint = UpCause(rawValue: 3)
  static let guarded = UpCause(rawValue: 4)
  static let wideGuard = UpCause(rawValue: 5)
  static let partial = UpCause(rawValue: 6)
  static let debts = UpCause(rawValue: 7)
  static let notFresh = UpCause(rawValue: 8)
  static let ability = UpCause(rawValue: 9)
  static let copies = UpCause(rawValue: 10)
  static let underlayError = UpCause(rawValue: 11)
  /// The drop that software will name; nil for other causes.
  var drop: DropReason? { DropReason(rawValue: rawValue) }
  static func drop(_ reason: DropReason) -> UpCause { UpCause(rawValue: reason.rawValue) }
}

/// The device's counters of itself: 64-bit numbers in its memory.
struct Tally {
  static let bytes = 2048
  /// Fixed places; pass-ups by cause from 16 on, refusals by reason from 80 on.
  enum Slot: Int {
    case framesIn = 0, bytesIn, bypassed, delivered, dropped, copied, passedUp, framesSent, segments, refusedDebts,
      lost,
      inserted, removed, resets, ownBuffers
  }

  let memory: Bytes

  subscript(slot: Slot) -> UInt64 { memory.load(slot.rawValue * 8) }
  subscript(cause: UpCause) -> UInt64 { memory.load((16 + Int(cause.rawValue & 63)) * 8) }
  subscript(reason: RefusalReason) -> UInt64 { memory.load((80 + Int(reason.rawValue & 63)) * 8) }

  func add(_ slot: Slot, _ count: UInt64 = 1) { memory.store(self[slot] &+ count, at: slot.rawValue * 8) }
  func add(_ cause: UpCause) {
    add(.passedUp)
    memory.store(self[cause] &+ 1, at: (16 + Int(cause.rawValue & 63)) * 8)
  }
  func add(_ reason: RefusalReason) { memory.store(self[reason] &+ 1, at: (80 + Int(reason.rawValue & 63)) * 8) }
}
