import Datapath
import Device
import Memory
import Ports

// What has to do with an uplink's next hops; frames that have one pass by this.
extension PollLoop {
  /// Gives the uplink of this number its next hops; false when there is no such port.
  public mutating func setUnderlay(_ underlay: Underlay, uplink id: UInt16) -> Bool {
    let index = ports.index(of: id)
    guard index >= 0 else { return false }
    underlays.append((index, underlay))
    isResolved[index] = true
    return true
  }

  /// Holds a frame whose next hop has no address, or drops it.
  @inline(never)
  mutating func hold(_ frame: Frame, at index: Int, _ now: UInt64) {
    let remote = frame.outerDestination
    switch fate(of: remote, at: index) {
    case .refused(let reason): drop(frame, reason)
    case .addresses(let destination, let source):
      // A device does not know the addresses that were found.
      frame.setEthernet(destination: destination, source: source)
      if outgoing[index].isFull { flush(index, now) }
      _ = outgoing[index].append(frame)
    case .wait:
      let tenant = tenant(of: frame.inPort)
      if !held.hold(frame, remote: remote, port: index, tenant: tenant, now: now) { drop(frame, .nextHopFull) }
    }
  }

  /// The tenant of a port, a number from 0 on; -1 for none.
  func tenant(of id: UInt16) -> Int {
    let index = ports.index(of: id)
    return index < 0 ? -1 : share.tenant(index)
  }

  /// Frames that came in through a port and wait, for next hops or for a controller.
  public func waiting(from id: UInt16) -> Int { held.count(from: id) &+ (desk?.table.count(from: id) ?? 0) }

  /// Frames held now.
  public var heldFrames: Int { held.count }

  private func fate(of remote: UInt128, at index: Int) -> Underlay.Fate {
    for (port, underlay) in underlays where port == index { return underlay.fate(of: remote) }
    return .refused(.noRoute)
  }

  /// Asks neighbours, and lets frames go whose next hop is known now, or is not to be had.
  mutating func tendUnderlays(now: UInt64) {
    for (index, underlay) in underlays {
      for frame in underlay.tick(now: now, mac: ports.facts(index).mac) { send(frame, to: index, now) }
    }
    settle(now)
  }

  /// A frame from an uplink that no tunnel took: it may say where a neighbour is.
  @inline(never)
  mutating func hear(_ frame: Frame, _ now: UInt64) {
    let index = ports.index(of: frame.inPort)
    for (port, underlay) in underlays where port == index {
      let words = NeighbourMessages.read(frame.bytes)
      guard !words.isEmpty else { return }
      for answer in underlay.hear(words, now: now) { send(answer, to: index, now) }
      if held.count > 0 { settle(now) }
    }
  }

  private mutating func settle(_ now: UInt64) {
    guard held.count > 0 else { return }
    let underlays = underlays
    let released = held.release(now: now) { remote, index in
      for (port, underlay) in underlays where port == index { return underlay.fate(of: remote) }
      return .refused(.noRoute)
    }
    for one in released {
      switch one.fate {
      case .addresses(let destination, let source):
        one.frame.setEthernet(destination: destination, source: source)
        send(one.frame, to: one.port, now)
      case .refused(let reason): drop(one.frame, reason)
      case .wait: drop(one.frame, .nextHopTimeout)
      }
    }
  }

  /// Sends bytes of our own.
  private mutating func send(_ bytes: [UInt8], to index: Int, _ now: UInt64) {
    guard let token = own.takeSmall(), bytes.count <= FramePool.smallLength else { return drops.count(.noBuffer) }
    let frame = own.frame(token, length: bytes.count)
    frame.bytes.copy(bytes, at: 0)
    send(frame, to: index, now)
  }
}
