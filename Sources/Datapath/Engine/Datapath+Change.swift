import Device
import Memory
import Rules
import Wire

/// What came of an action that changes headers.
enum Change {
  case none
  case dropped(DropReason)
  /// The frame owes segmentation, and after this action its debts could not be told any more: segments go on one by
  /// one.
  case segmentFirst
}

extension Datapath {
  /// Decapsulation, encapsulation (D, E) and tags that are put on (R3).
  mutating func change(_ frame: inout Frame, _ work: inout Work, _ op: Op, _ out: inout EmissionBurst) -> Change {
    if let reason = refresh(frame, &work) { return .dropped(reason) }
    switch op.code {
    case .decapTunnel: return decapsulate(&frame, &work, TunnelKind(rawValue: UInt8(truncatingIfNeeded: op.a)) ?? .none)
    case .decapEthernet: return removeEthernet(&frame, &work)
    case .pushVLAN: return pushTag(&frame, &work, type: UInt16(truncatingIfNeeded: op.a), &out)
    default: return encapsulate(&frame, &work, op.a, &out)
    }
  }

  private func decapsulate(_ frame: inout Frame, _ work: inout Work, _ kind: TunnelKind) -> Change {
    let stack = work.stack
    work.tunnelKey = stack.tunnelKey
    if let reason = Decapsulator.check(frame, stack, asked: kind, policy: policy) { return .dropped(reason) }
    // Segmentation of the outer datagram itself: each segment is a tunnel packet of its own.
    if !frame.owed.isDisjoint(with: FrameDebts.segmentation), !frame.owed.contains(.tunnelSegmentation) {
      return .segmentFirst
    }
    guard Decapsulator.combineECN(frame.bytes, stack) else { return .dropped(.ecnNotCapable) }
    Decapsulator.strip(&frame, stack, asked: kind)
    work.looksIntoTunnels = false
    work.isStale = true
    return .none
  }

  private func removeEthernet(_ frame: inout Frame, _ work: inout Work) -> Change {
    let layers = work.stack.outer
    guard layers.hasEthernet, layers.l3Kind != .none else { return .dropped(.missingEthernet) }
    let count = Int(layers.l3)
    frame.removeFirst(count)
    FrameDebts.moveLayers(&frame, by: -count)
    if !frame.owed.isEmpty, FrameDebts.canMove(frame, by: -count) { FrameDebts.shift(&frame, by: -count) }
    frame.steps.formUnion([.startsAtIP, .rewrite])
    work.isStale = true
    return .none
  }

  private mutating func pushTag(
    _ frame: inout Frame, _ work: inout Work, type: UInt16, _ out: inout EmissionBurst
  ) -> Change {
    frame.steps.insert(.rewrite)
    guard work.stack.outer.hasEthernet else { return .none }
    if !frame.owed.isEmpty, let change = settle(&frame, length: 4, isTunnel: false) { return change }
    guard frame.length &+ 4 <= 0xffff else { return .dropped(.tooBig) }
    guard makeRoom(&frame, 4, &out) else { return .dropped(.noHeadroom) }
    VLANTags.push(&frame, type: type)
    work.isStale = true
    return .none
  }

  private mutating func encapsulate(
    _ frame: inout Frame, _ work: inout Work, _ place: UInt32, _ out: inout EmissionBurst
  ) -> Change {
    let template = templates.templates[Int(place)]
    let layers = work.stack.outer
    guard template.takes(layers) else { return .dropped(.missingEthernet) }
    let length = Int(template.length)
    if !frame.owed.isEmpty {
      if let change = settle(&frame, length: length, isTunnel: template.kind != .none) { return change }
      // What was paid on the way, what is carried does not owe either.
      work.carriedOwed.formIntersection(frame.owed)
    }
    guard frame.length &+ length <= 0xffff else { return .dropped(.tooBig) }
    guard makeRoom(&frame, length, &out) else { return .dropped(.noHeadroom) }
    if template.kind != .none, work.layerCount == 0 {
      work.carriedLength = frame.length
      work.carriedOwed = frame.owed
      work.carriedStartsAtIP = frame.steps.contains(.startsAtIP)
    }
    let bytes = frame.bytes
    let carried = CarriedFacts(bytes, layers)
    let hash = template.hasUDP && template.sourcePort == 0 ? FlowHash.hash(bytes, layers) : 0
    let owesSegments = !frame.owed.isDisjoint(with: FrameDebts.segmentation)
    var sum: UInt16 = 0
    if template.sumsUDP || template.sumsGRE, !owesSegments {
      guard let known = carriedSum(frame, layers) else { return .dropped(.malformedDebt) }
      sum = known
    }
    template.prepend(to: &frame, from: templates)
    let outer = frame.bytes
    template.finish(outer, carried, port: template.port(hash), carriedSum: sum, identification: &identification)
    if template.kind == .none {
      outer.store(UInt16(layers.l3Kind == .ipv4 ? 0x0800 : 0x86dd), at: length &- 2)
    } else {
      work.addLayer(
        template: place, l3FromEnd: frame.length &- Int(template.l3), l4FromEnd: frame.length &- Int(template.l4))
      work.looksIntoTunnels = false
      // Nobody has looked at the new headers.
      frame.checksums.rawValue <<= 4
    }
    owe(&frame, template, layers, owesSegments: owesSegments)
    frame.steps.remove(.startsAtIP)
    frame.steps.insert(.encapsulate)
    work.isStale = true
    return .none
  }

  /// What must be paid before headers of `length` bytes come in front, because the record could not tell it behind
  /// them. Nil when the encapsulation may go on.
  private func settle(_ frame: inout Frame, length: Int, isTunnel: Bool) -> Change? {
    let fits = FrameDebts.canMove(frame, by: length)
    if !frame.owed.isDisjoint(with: FrameDebts.segmentation) {
      let isOuter = isTunnel && !frame.owed.isDisjoint(with: FrameDebts.outer)
      return !fits || isOuter || frame.length &+ length > 0xffff ? .segmentFirst : nil
    }
    do throws(DropReason) {
      // The record has room for two IP packets: what a third one in them owes is paid while it can be found (B5).
      if isTunnel, frame.innerL2 > 0 || !frame.owed.isDisjoint(with: FrameDebts.outer) {
        try PayDebts.pay(&frame, keeping: frame.innerL2 > 0 ? [] : .checksum, ports: tunnelPorts)
        frame.owed.remove(.tunnelSegmentation)
      }
      if !fits { try PayDebts.pay(&frame, ports: tunnelPorts) }
    } catch {
      return .dropped(error)
    }
    return nil
  }

  /// The sum over the frame as it will be once its checksum is paid; nil when what it owes cannot be paid.
  private func carriedSum(_ frame: Frame, _ layers: LayerStack) -> UInt16? {
    guard frame.owed.contains(.checksum) else { return InternetChecksum.sum(frame.bytes.span) }
    let field = frame.checksumStart &+ Int(frame.checksumOffset)
    guard frame.checksumOffset == 6 || frame.checksumOffset == 16, field &+ 2 <= frame.length else { return nil }
    return LocalChecksum.sum(frame.bytes, from: 0, count: frame.length, frame, layers)
  }

  /// Offsets and debts after an encapsulation.
  private func owe(_ frame: inout Frame, _ template: HeaderTemplate, _ layers: LayerStack, owesSegments: Bool) {
    let length = Int(template.length)
    FrameDebts.moveLayers(&frame, by: length)
    guard !frame.owed.isEmpty else { return }
    FrameDebts.shift(&frame, by: length)
    guard template.kind != .none else { return }
    frame.outerL3 = Int(template.l3)
    frame.outerL4 = Int(template.l4)
    frame.innerL2 = length
    if layers.l3Kind != .none, length &+ Int(layers.l3) <= Frame.largestOffset {
      frame.innerL3 = length &+ Int(layers.l3)
    }
    guard owesSegments else { return }
    frame.owed.insert(.tunnelSegmentation)
    if template.sumsUDP {
      frame.owed.insert(.outerUDPChecksum)
      frame.bytes.store(UInt16(0), at: Int(template.l4) &+ 6)
    }
  }

  /// Makes `count` bytes of headroom, by a copy into a buffer of our own when there are too few; false without one.
  mutating func makeRoom(_ frame: inout Frame, _ count: Int, _ out: inout EmissionBurst) -> Bool {
    if frame.headroom >= count { return true }
    guard arena.bufferSize &- arena.headroom >= frame.length, arena.headroom >= count,
      var copy = try? arena.takeFrame(length: frame.length, owner: owner)
    else { return false }
    copy.bytes.copy(frame.bytes, at: 0)
    let old = frame
    copy.inherit(from: old)
    copy.owed = old.owed
    copy.segmentSize = old.segmentSize
    copy.segmentHeaderLength = old.segmentHeaderLength
    copy.checksumStart = old.checksumStart
    copy.checksumOffset = old.checksumOffset
    copy.checksums = old.checksums
    frame = copy
    discard(old, &out)
    statistics.headroomCopies &+= 1
    return true
  }
}
