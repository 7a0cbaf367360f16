import Datapath
import Device
import Memory

// Frames of flows that no rule takes, at ports whose misses are the controller's.
extension PollLoop {
  /// Says how controllers are asked, and through which box. `queue` keeps the ids of several loops apart.
  public mutating func setController(_ policy: UpcallPolicy, _ box: UpcallBox, queue: Int) {
    dropUpcalls()
    desk = UpcallDesk(UpcallTable(policy, box, firstID: UInt64(queue) << 48 | 1))
  }

  /// A frame that the data path handed up.
  mutating func ask(_ emission: Emission, _ now: UInt64) {
    guard let desk else { return drop(emission.frame, .noController) }
    if let reason = desk.table.take(emission, tenant: tenant(of: emission.frame.inPort), now: now) {
      giveUp(emission.frame, reason, now)
    }
  }

  /// What becomes of a frame about which there is no answer.
  private mutating func giveUp(_ frame: Frame, _ reason: DropReason, _ now: UInt64) {
    guard let desk, desk.table.policy.goesToHost else { return drop(frame, reason) }
    sendToHost(frame, now)
  }

  /// Carries a controller's answer out; false when nothing waits under that number: it came too late.
  public mutating func answerUpcall(_ id: UInt64, _ answer: UpcallAnswer, now: UInt64) -> Bool {
    guard let desk, let frames = desk.table.answered(id) else { return false }
    received.removeAll()
    for frame in frames {
      switch answer {
      case .drop: drop(frame, .controllerTimeout)
      case .host: sendToHost(frame, now)
      case .again:
        var again = frame
        again.outcome = .pending
        _ = received.append(again)
      }
    }
    if received.count > 0 { carryOut(now) }
    flush(now)
    return true
  }

  /// Tells what could not be told, and gives up what waited too long.
  mutating func tendUpcalls(_ now: UInt64) {
    guard let desk, desk.table.count > 0 else { return }
    desk.table.tellAgain()
    while let frames = desk.table.expired(now: now) {
      for frame in frames { giveUp(frame, .controllerTimeout, now) }
    }
  }

  /// Drops everything that waits: ports, tables or the loop itself go.
  mutating func dropUpcalls() {
    guard let desk else { return }
    while let frames = desk.table.removeLast() { for frame in frames { drop(frame, .controllerTimeout) } }
  }

  /// Flows that wait now, and what was asked; nil without a controller's desk.
  public var upcalls: (waiting: Int, statistics: UpcallStatistics)? {
    desk.map { ($0.table.count, $0.table.statistics) }
  }
}
