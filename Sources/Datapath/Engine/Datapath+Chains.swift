import Device
import Memory

// Frames that come in several segments are made one before anything looks at them; segments of a flow on their way to a
// port that takes them merged are merged behind everything.
extension Datapath {
  /// Copies every chained frame of the burst into one buffer, and gives all segments' buffers back. One that cannot be
  /// copied is left with its reason, so that it is dropped in its turn.
  @inline(never)
  mutating func straighten(_ burst: inout FrameBurst, _ out: inout EmissionBurst) {
    for index in 0..<burst.count where burst[index].next != 0 {
      do throws(DropReason) {
        let whole = try arena.linearise(burst[index], burst: burst, owner: owner)
        discard(burst[index], &out)
        burst[index] = whole
        statistics.linearised &+= 1
      } catch {
        burst[index].outcome = .dropped(error)
      }
    }
    for index in 0..<burst.segmentCount { discard(burst.segment(index), &out) }
    burst.removeSegments()
  }

  /// Drops a frame whose segments could not be put together, or are not there.
  mutating func dropChain(_ frame: inout Frame, _ out: inout EmissionBurst) {
    frame.next = 0
    drop(&frame, frame.outcome == .dropped(.noBuffer) ? .noBuffer : .malformedDebt, &out)
  }

  /// B6: merges what goes to ports that want it, from the emission `first` on. Each frame was counted when it was
  /// matched; here it only becomes part of another.
  @inline(never)
  mutating func coalesce(_ out: inout EmissionBurst, from first: Int) {
    var kept = first
    let count = out.count
    for at in first..<count {
      let emission = out[at]
      let index = emission.frame.outcome == .forward ? ports.index(of: emission.port) : PortTable.none
      guard index != PortTable.none, ports.entries[index].coalesces else {
        keep(emission, &kept, &out)
        continue
      }
      // Nobody knows which flow a fragment is of: what is held goes first.
      if FrameWalk(emission.frame, ports: tunnelPorts, intoTunnel: false)?.outer.isFragment ?? false {
        flushAll(&kept, &out)
      }
      let answer = coalescer.offer(
        emission.frame, port: emission.port, udp: ports.entries[index].carries.contains(.udpSegmentation),
        arena: &arena, owner: owner)
      if let flushed = answer.flushed { flush(flushed, &kept, &out) }
      if answer.merged { statistics.coalesced &+= 1 }
      if answer.absorbed { discard(emission.frame, &out) } else { keep(emission, &kept, &out) }
    }
    flushAll(&kept, &out)
    out.keepFirst(kept)
  }

  private mutating func flushAll(_ kept: inout Int, _ out: inout EmissionBurst) {
    while let held = coalescer.flush() { flush(held, &kept, &out) }
  }

  private mutating func flush(_ held: Emission, _ kept: inout Int, _ out: inout EmissionBurst) {
    if !held.frame.owed.isEmpty { statistics.merged &+= 1 }
    keep(held, &kept, &out)
  }

  /// Writes an emission where an earlier one stood: what is held was taken from there, so there is always room.
  private func keep(_ emission: Emission, _ kept: inout Int, _ out: inout EmissionBurst) {
    out[kept] = emission
    kept &+= 1
  }
}
