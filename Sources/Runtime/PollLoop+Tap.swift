import Datapath
import Device
import Memory
import Ports

// Those who look on; a loop that nobody looks at asks one flag a burst.
extension PollLoop {
  /// Taps that a loop has at most.
  public static var mostTaps: Int { 8 }

  /// Lets `tap` see the frames from now on; false when there are ``mostTaps``.
  public mutating func add(_ tap: FrameTap) -> Bool {
    guard taps.count < Self.mostTaps else { return false }
    taps.append(tap)
    isTapped = true
    return true
  }

  /// Ends what ``add(_:)-(FrameTap)`` began.
  public mutating func remove(_ tap: FrameTap) {
    taps.removeAll { $0 === tap }
    isTapped = !taps.isEmpty
  }

  @inline(never)
  mutating func showReceived(_ index: Int, _ now: UInt64) {
    let id = ports.id(index)
    for tap in taps {
      for place in 0..<received.count { tap.received(received[place], port: id, now: now) }
    }
  }

  @inline(never)
  mutating func showSent(_ index: Int, _ now: UInt64) {
    let id = ports.id(index)
    for tap in taps {
      for place in 0..<outgoing[index].count {
        tap.sent(outgoing[index][place], port: id, now: now)
      }
    }
  }

  /// A frame ended here: dropped, by name.
  @inline(never)
  mutating func showDropped(_ frame: Frame, _ reason: DropReason? = nil) {
    var frame = frame
    if let reason { frame.outcome = .dropped(reason) }
    let kind: FrameTap.Kind = frame.outcome.dropReason == nil ? .absorbed : .dropped
    for tap in taps { tap.ended(frame, as: kind, now: MonotonicClock.now) }
  }

  @inline(never)
  mutating func showReleased() {
    for tap in taps {
      for index in 0..<out.releaseCount { tap.absorbed(out.released(index), now: MonotonicClock.now) }
    }
  }

  /// A frame was copied to the device, which knows it by another name.
  @inline(never)
  mutating func showGiven(_ token: UInt32, as name: UInt64) {
    for tap in taps { tap.rename(UInt64(token), name) }
  }

  /// A frame came back from the device: up, or done.
  @inline(never)
  mutating func showBack(_ frame: Frame, _ name: UInt64, isWhole: Bool, _ now: UInt64) {
    for tap in taps { tap.cameBack(frame, name, isWhole: isWhole, now: now) }
  }
}
