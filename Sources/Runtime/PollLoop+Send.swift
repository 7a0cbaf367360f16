import Datapath
import Device
import Memory
import Ports

// From the data path to the ports.
extension PollLoop {
  /// Gives every emission to its port's queue, and every other buffer back.
  mutating func distribute(_ now: UInt64) {
    for index in 0..<out.count {
      let outcome = out[index].frame.outcome
      if outcome == .forward {
        let port = ports.index(of: out[index].port)
        if port == hostPort, port >= 0 {
          listen(index, now)
          sendToHost(out[index].frame, now)
        } else {
          send(out[index].frame, to: port, now)
        }
      } else if outcome == .deliver {
        sendToHost(out[index].frame, now)
      } else if outcome == .up {
        ask(out[index], now)
      } else {
        // Dropped, and counted by the data path.
        if outcome == .dropped(.noRule) { listen(index, now) }
        if isTapped { showDropped(out[index].frame) }
        recycle(out[index].frame.token)
      }
    }
    if isTapped { showReleased() }
    for index in 0..<out.releaseCount { recycle(out.released(index)) }
    out.removeAll()
  }

  /// What no rule of an uplink's took may be about neighbours.
  @inline(__always)
  private mutating func listen(_ index: Int, _ now: UInt64) {
    if !underlays.isEmpty, NeighbourMessages.mayBe(out[index].frame.bytes) { hear(out[index].frame, now) }
  }

  mutating func sendToHost(_ frame: Frame, _ now: UInt64) {
    guard hostPort < 0 || toHost.take(now: now) else { return drop(frame, .hostRate) }
    send(frame, to: hostPort, now)
  }

  /// Queues a frame at a port; sends the queue when it is full.
  @inline(__always)
  mutating func send(_ frame: Frame, to index: Int, _ now: UInt64) {
    guard index >= 0 else { return drop(frame, .noSuchPort) }
    if isResolved[index], frame.hasNoNextHop { return hold(frame, at: index, now) }
    if outgoing[index].isFull { flush(index, now) }
    _ = outgoing[index].append(frame)
  }

  /// Drops a frame under a name.
  mutating func drop(_ frame: Frame, _ reason: DropReason) {
    drops.count(reason)
    if isTapped { showDropped(frame, reason) }
    recycle(frame.token)
  }

  /// Sends everything that is queued.
  mutating func flush(_ now: UInt64) {
    for index in 0..<ports.count where outgoing[index].count > 0 { flush(index, now) }
  }

  mutating func flush(_ index: Int, _ now: UInt64) {
    if isTapped { showSent(index, now) }
    ports.transmit(index, &outgoing[index], now: now, free: &free)
    for place in 0..<free.count { recycle(free[place]) }
    free.removeAll()
  }

  /// Gives a buffer back to whoever it came from.
  @inline(__always)
  mutating func recycle(_ token: UInt32) {
    if UInt8(truncatingIfNeeded: token >> 24) == datapath.owner {
      datapath.recycle(token)
    } else if UInt8(truncatingIfNeeded: token >> 24) == DeviceLane.owner, let device {
      device.recycle(token)
    } else if !ports.recycle(token) {
      own.give(token)
    }
  }
}
