import Device
import Memory
import Wire

// A packet that is too big for the underlay once it is encapsulated (S1): cut before encapsulation, or answered.
extension Datapath {
  mutating func tooBig(_ frame: inout Frame, _ work: inout Work, _ port: PortEntry, _ out: inout EmissionBurst) {
    let front = frame.length &- work.carriedLength
    guard front >= 0, work.carriedLength >= 0 else { return drop(&frame, .tooBig, &out) }
    let carried = self.carried(frame, work, front: front)
    let looked = try? HeaderStack.parse(
      carried.bytes.span, options: parseOptions[0], startsAtIP: carried.steps.contains(.startsAtIP))
    // Bytes of the outer packet that are not the carried packet's.
    let l3 = Int(looked?.outer.l3 ?? 0)
    let overhead = front &- Int(work.stack.outer.l3) &+ l3
    let size = Int(port.mtu) &- overhead
    if work.layerCount <= Work.mostLayers, looked?.outer.l3Kind == .ipv4, size > 0 {
      do throws(DropReason) {
        var fragmenter = try Fragmenter(carried, size: size)
        try sendPieces(frame, work, &fragmenter, front: front, port, &out)
        return
      } catch {
        if error != .tooBig { return drop(&frame, error, &out) }
      }
    }
    drop(&frame, .tooBig, &out)
    // Nobody sent a copy (A5).
    guard !work.isCopy, ports.entries[work.port].kind == .tenant, looked?.outer.l3Kind != NetworkKind.none else {
      return
    }
    answer(carried, mtu: max(0, size), &out)
  }

  /// The frame as it was before its first encapsulation; its bytes are still the end of the frame's.
  private func carried(_ frame: Frame, _ work: Work, front: Int) -> Frame {
    var carried = frame
    carried.removeFirst(front)
    carried.clearOffsets()
    carried.owed = work.carriedOwed
    if carried.owed.contains(.checksum), carried.checksumStart >= front { carried.checksumStart &-= front }
    if carried.segmentHeaderLength >= front { carried.segmentHeaderLength &-= front }
    if work.carriedStartsAtIP { carried.steps.insert(.startsAtIP) }
    carried.tenant = ports.entries[work.port].tenant
    return carried
  }

  private mutating func sendPieces(
    _ frame: Frame, _ work: Work, _ fragmenter: inout Fragmenter, front: Int, _ port: PortEntry,
    _ out: inout EmissionBurst
  ) throws(DropReason) {
    statistics.fragmented &+= 1
    while var piece = try fragmenter.next(&arena, owner: owner) {
      let length = piece.length
      guard piece.headroom >= front else {
        arena.giveBack(piece)
        throw .noHeadroom
      }
      piece.prepend(front)
      piece.steps = frame.steps
      piece.tunnelKey = frame.tunnelKey
      piece.bytes.copy(frame.bytes.slice(0, count: front), at: 0)
      relayer(piece.bytes, work, shorter: work.carriedLength &- length)
      emit(&piece, port: port.id, &out)
    }
    discard(frame, &out)
  }

  /// Brings the lengths and checksums of a piece's outer headers in order, innermost first.
  private mutating func relayer(_ bytes: Bytes, _ work: Work, shorter: Int) {
    for index in 0..<work.layerCount {
      let layer = work.layers[index]
      let template = templates.templates[Int(layer.template)]
      let l3 = bytes.count &- (Int(layer.l3FromEnd) &- shorter)
      let l4 = bytes.count &- (Int(layer.l4FromEnd) &- shorter)
      let behind = l3 &+ Int(template.length) &- Int(template.l3)
      if !template.isIPv6, bytes.u16(l3 &+ 6) & 0x4000 == 0 {
        // Each piece is a packet of its own.
        identification &+= 1
        bytes.store(identification, at: l3 &+ 4)
      }
      let sums = template.sumsUDP || template.sumsGRE
      let sum = sums ? InternetChecksum.sum(bytes.from(behind).span) : 0
      template.setLengths(bytes, l3: l3, l4: l4, carriedSum: sum)
    }
  }

  private mutating func answer(_ carried: Frame, mtu: Int, _ out: inout EmissionBurst) {
    switch TooBigAnswer.make(
      about: carried, mtu: mtu, buckets: &buckets, now: now, arena: &arena, owner: owner)
    {
    case .answer(var answer):
      statistics.answers &+= 1
      emit(&answer, port: carried.inPort, &out)
    case .suppressed: statistics.answersSuppressed &+= 1
    case .unanswerable, .noBuffer: break
    }
  }
}
