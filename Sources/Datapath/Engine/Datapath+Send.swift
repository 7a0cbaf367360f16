import Device
import Memory
import Wire

// Out of a port: size (S1, S2), then debts (B1), then away.
extension Datapath {
  /// Sends the frame out of the port at `index`, in pieces where that is asked for, or drops it.
  mutating func send(_ frame: inout Frame, _ work: inout Work, port index: Int, _ out: inout EmissionBurst) {
    if frame.steps.contains(.startsAtIP) { return drop(&frame, .missingEthernet, &out) }
    if let reason = refresh(frame, &work) { return drop(&frame, reason, &out) }
    var port = ports.entries[index]
    port.mtu = sendable(port, work)
    let owesSegments = !frame.owed.isDisjoint(with: FrameDebts.segmentation)
    var packet = packetLength(work.stack.outer, end: frame.length)
    var segmenter: Segmenter?
    if owesSegments {
      do throws(DropReason) {
        let made = try Segmenter(frame, ports: tunnelPorts)
        packet = made.longestPacket
        segmenter = made
      } catch {
        return drop(&frame, error, &out)
      }
    }
    if packet > Int(port.mtu) {
      if work.layerCount > 0, port.kind == .uplink { return tooBig(&frame, &work, port, &out) }
      return drop(&frame, .exceedsPortMTU, &out)
    }
    let due = frame.owed.subtracting(port.carries)
    if !due.isEmpty {
      if owesSegments, !due.isDisjoint(with: [.tcpSegmentation, .udpSegmentation, .tunnelSegmentation]) {
        guard var segmenter else { return drop(&frame, .malformedDebt, &out) }
        return sendSegments(&frame, &segmenter, port, &out)
      }
      do throws(DropReason) {
        try PayDebts.pay(&frame, keeping: port.carries, ports: tunnelPorts)
      } catch {
        return drop(&frame, error, &out)
      }
    }
    emit(&frame, port: port.id, &out)
  }

  private mutating func sendSegments(
    _ frame: inout Frame, _ segmenter: inout Segmenter, _ port: PortEntry, _ out: inout EmissionBurst
  ) {
    statistics.segmented &+= 1
    do throws(DropReason) {
      while var segment = try segmenter.next(&arena, owner: owner) { emit(&segment, port: port.id, &out) }
    } catch {
      return drop(&frame, error, &out)
    }
    discard(frame, &out)
  }

  /// Cuts a frame that owes segmentation in the middle of its actions; its segments go on at the op `at`.
  mutating func segment(_ frame: inout Frame, _ work: Work, from at: Int, _ out: inout EmissionBurst) {
    statistics.segmented &+= 1
    do throws(DropReason) {
      var segmenter = try Segmenter(frame, ports: tunnelPorts)
      while var segment = try segmenter.next(&arena, owner: owner) {
        var own = work
        own.isStale = true
        own.shorten(by: frame.length &- segment.length)
        finish(&segment, &own, run(&segment, &own, from: at, &out), &out)
      }
    } catch {
      return drop(&frame, error, &out)
    }
    discard(frame, &out)
  }
}
