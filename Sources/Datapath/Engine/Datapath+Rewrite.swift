import Device
import Memory
import Wire

// Header fields, TTL and tags (R1–R3), but for tags that are put on, which need room. On a frame without the header, nothing happens.
extension Datapath {
  /// Carries out one rewriting op; a reason when the frame is to be dropped.
  func rewrite(_ frame: inout Frame, _ work: inout Work, _ op: Op) -> DropReason? {
    if let reason = refresh(frame, &work) { return reason }
    frame.steps.insert(.rewrite)
    let layers = work.stack.outer
    let bytes = frame.bytes
    switch op.code {
    case .setMACSource: if layers.hasEthernet { Rewriter.setMAC(bytes, 6, op.b) }
    case .setMACDestination: if layers.hasEthernet { Rewriter.setMAC(bytes, 0, op.b) }
    case .setIPv4Source, .setIPv4Destination:
      guard layers.l3Kind == .ipv4 else { return nil }
      let offset = op.code == .setIPv4Source ? 12 : 16
      Rewriter.setIPv4(frame, layers, offset, UInt32(truncatingIfNeeded: op.b))
    case .setIPv6Source, .setIPv6Destination:
      guard layers.l3Kind == .ipv6 else { return nil }
      Rewriter.setIPv6(frame, layers, op.code == .setIPv6Source ? 8 : 24, high: op.b, low: op.c)
    case .setL4Source: Rewriter.setPort(frame, layers, 0, UInt16(truncatingIfNeeded: op.b))
    case .setL4Destination:
      Rewriter.setPort(frame, layers, 2, UInt16(truncatingIfNeeded: op.b))
      // Another port may mean another tunnel, or none.
      work.isStale = work.looksIntoTunnels
    case .setTTL: Rewriter.setTTL(bytes, layers, UInt8(truncatingIfNeeded: op.b))
    case .setIPv4DSCP:
      if layers.l3Kind == .ipv4 { Rewriter.setDSCP(bytes, layers, UInt8(truncatingIfNeeded: op.b)) }
    case .setIPv6DSCP:
      if layers.l3Kind == .ipv6 { Rewriter.setDSCP(bytes, layers, UInt8(truncatingIfNeeded: op.b)) }
    case .decTTL: if !Rewriter.decrementTTL(bytes, layers) { return .ttlExpired }
    default: retag(&frame, &work, op)
    }
    return nil
  }

  private func retag(_ frame: inout Frame, _ work: inout Work, _ op: Op) {
    let layers = work.stack.outer
    guard layers.hasEthernet else { return }
    switch op.code {
    case .setVLANID: VLANTags.set(frame.bytes, layers, mask: 0x0fff, UInt16(truncatingIfNeeded: op.b))
    case .setVLANPriority: VLANTags.set(frame.bytes, layers, mask: 0xe000, UInt16(truncatingIfNeeded: op.b) << 13)
    case .popVLAN:
      guard layers.vlanCount > 0 else { return }
      VLANTags.pop(&frame)
      work.isStale = true
    default: break
    }
  }
}
