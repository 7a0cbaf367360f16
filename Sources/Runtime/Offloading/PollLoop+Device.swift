import Device
import Memory
import Ports

// Frames through a device below the data path. All frames of all ports go through its queues, so that a flow keeps its
// order whatever becomes of its rules.
extension PollLoop {
  /// Puts a device under the data path, or takes it away; the one that was there before.
  public mutating func setDevice(_ lane: DeviceLane?, now: UInt64) -> DeviceLane? {
    if device != nil {
      setDeviceAside()
      dropUpcalls()
      // Frames that wait for a next hop may lie in its buffers.
      for frame in held.move(-1, to: -1, owner: DeviceLane.owner) { drop(frame, .nextHopTimeout) }
    }
    let before = device
    device = lane
    return before
  }

  /// Waits until the device has answered what it was given, or is lost, and gives it nothing more: what is done to its
  /// rules now, no frame is under way for. Frames are software's until ``takeDeviceBack()``.
  public mutating func setDeviceAside() {
    guard let device, !device.isAside else { return }
    device.isAside = true
    while device.unanswered > 0 { _ = turn(MonotonicClock.now) }
    flush(MonotonicClock.now)
  }

  /// Gives frames to the device again.
  public func takeDeviceBack() { device?.isAside = false }

  /// Whether the device has room for all that a port may bring at once. A port that has to wait keeps its frames.
  @inline(__always)
  func mayReceive(_ index: Int) -> Bool {
    guard let device, device.takesFrames else { return true }
    return device.room(port: ports.id(index)) >= FrameBurst.capacity
  }

  /// Gives the burst at hand to the device; what it does not take stays.
  mutating func offload(_ index: Int, _ now: UInt64) {
    guard let device else { return }
    let count = received.count
    guard device.takesFrames, received.segmentCount == 0 else {
      device.statistics.passedBy &+= UInt64(truncatingIfNeeded: count)
      return
    }
    let port = ports.id(index)
    device.clock = MonotonicClock.now
    var kept = 0
    for place in 0..<count {
      let frame = received[place]
      if device.submit(frame, port: port, now: now) {
        if isTapped { showGiven(frame.token, as: device.submittedName) }
        recycle(frame.token)
      } else {
        received[kept] = frame
        kept &+= 1
      }
    }
    received.keepFirst(kept)
    device.statistics.submitted &+= UInt64(truncatingIfNeeded: count &- kept)
    device.statistics.passedBy &+= UInt64(truncatingIfNeeded: kept)
  }

  /// Carries out what came of frames in the device; how many there were.
  mutating func turn(_ now: UInt64) -> Int {
    guard let device else { return 0 }
    if device.hasNewPaths(now) {
      setDeviceAside()
      device.followPaths(now)
      takeDeviceBack()
    }
    device.tend(now)
    var sum = 0
    while true {
      fromDevice.removeAll()
      device.poll(now, most: FrameBurst.capacity, into: &fromDevice)
      let count = fromDevice.count
      sum &+= count
      received.removeAll()
      for place in 0..<count { take(fromDevice[place], device.names[place], device, now) }
      if received.count > 0 { carryOut(now) }
      // The driver's buffers are free again before more comes.
      if count > 0 { flush(now) }
      if count < FrameBurst.capacity { return sum }
    }
  }

  private mutating func take(_ emission: Emission, _ name: UInt64, _ device: DeviceLane, _ now: UInt64) {
    let outcome = emission.frame.outcome
    if isTapped { showBack(emission.frame, name, isWhole: outcome != .up, now) }
    if outcome == .up {
      if emission.frame.steps.contains(.match) {
        device.statistics.resumed &+= 1
      } else {
        device.statistics.missed &+= 1
      }
      var frame = emission.frame
      frame.outcome = .pending
      _ = received.append(frame)
      return
    }
    device.statistics.finished &+= 1
    // In the order in which the device gave them.
    if received.count > 0 {
      carryOut(now)
      received.removeAll()
    }
    if outcome == .forward {
      let port = ports.index(of: emission.port)
      if port == hostPort, port >= 0 { sendToHost(emission.frame, now) } else { send(emission.frame, to: port, now) }
    } else if outcome == .deliver {
      sendToHost(emission.frame, now)
    } else {
      drop(emission.frame, outcome.dropReason ?? .lostInDevice)
    }
  }
}
