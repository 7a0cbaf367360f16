import Device
import Memory
import Rules
import Wire

// The interpreter: actions in order, each on the frame as it is then (A2).
extension Datapath {
  /// Carries out the ops from `first` on. The frame is emitted, absorbed or dropped when it says `done`.
  mutating func run(
    _ frame: inout Frame, _ work: inout Work, from first: Int, _ out: inout EmissionBurst
  ) -> RunEnd {
    var at = first
    while true {
      let op = ops[at]
      switch op.code {
      case .mark: work.mark = op.a
      case .countShared: countShared(op.a, length: frame.length)
      case .decapTunnel, .decapEthernet, .encap, .pushVLAN:
        switch change(&frame, &work, op, &out) {
        case .none: break
        case .dropped(let reason):
          drop(&frame, reason, &out)
          return .done
        case .segmentFirst:
          segment(&frame, work, from: at, &out)
          return .done
        }
      case .sample: if !work.isCopy { sample(frame, work, op, at, &out) }
      case .jump: return .jump(op.a)
      case .queue, .representor, .rss, .drop, .port, .missing, .end:
        end(&frame, &work, op, &out)
        return .done
      default:
        if let reason = rewrite(&frame, &work, op) {
          drop(&frame, reason, &out)
          return .done
        }
      }
      at &+= 1
    }
  }

  /// A6. Others read the words while they change; only this queue writes them.
  private func countShared(_ place: UInt32, length: Int) {
    let at = Int(place) &* 2
    sharedCounts.publish(sharedCounts.view.acquire(at) &+ 1, at: at)
    sharedCounts.publish(sharedCounts.view.acquire(at &+ 1) &+ UInt64(length), at: at &+ 1)
  }

  /// The fates.
  private mutating func end(_ frame: inout Frame, _ work: inout Work, _ op: Op, _ out: inout EmissionBurst) {
    switch op.code {
    case .queue: deliver(&frame, work, queue: UInt8(truncatingIfNeeded: op.a), &out)
    case .representor: deliver(&frame, work, queue: 0, &out)
    case .rss:
      if let reason = refresh(frame, &work) { return drop(&frame, reason, &out) }
      let hash = FlowHash.hash(frame.bytes, work.stack.outer)
      let index = (UInt64(hash) &* op.c) >> 32
      deliver(&frame, work, queue: UInt8(truncatingIfNeeded: op.b >> (index &* 8)), &out)
    case .drop: drop(&frame, .rule, &out)
    case .port:
      guard op.a != .max else { return drop(&frame, .noSuchPort, &out) }
      send(&frame, &work, port: Int(op.a), &out)
    case .missing: drop(&frame, .noSuchEncapsulation, &out)
    default: miss(&frame, &work, .noFate, &out)
    }
  }

  private mutating func deliver(_ frame: inout Frame, _ work: Work, queue: UInt8, _ out: inout EmissionBurst) {
    guard !frame.steps.contains(.startsAtIP) else { return drop(&frame, .missingEthernet, &out) }
    frame.queue = queue
    frame.outcome = .deliver
    if !out.append(Emission(frame: frame, port: frame.inPort, mark: work.mark)) { lose(frame, &out) }
  }

  /// Drops the frame under a name.
  mutating func drop(_ frame: inout Frame, _ reason: DropReason, _ out: inout EmissionBurst) {
    drops.count(reason)
    frame.outcome = .dropped(reason)
    if !out.append(Emission(frame: frame, port: frame.inPort)) { discard(frame, &out) }
  }

  /// There was no room for an emission.
  mutating func lose(_ frame: Frame, _ out: inout EmissionBurst) {
    drops.count(.noBuffer)
    discard(frame, &out)
  }

  /// The frame's buffer is free again.
  mutating func discard(_ frame: Frame, _ out: inout EmissionBurst) {
    if UInt8(truncatingIfNeeded: frame.token >> 24) == owner {
      arena.giveBack(frame)
    } else {
      _ = out.release(frame.token)
    }
  }

  /// A5: a copy for `sample`, with actions of its own.
  private mutating func sample(
    _ frame: Frame, _ work: Work, _ op: Op, _ at: Int, _ out: inout EmissionBurst
  ) {
    let before = sampleCounts.view[at]
    // A reused place begins again: the serial in the upper half is another.
    let seen = before >> 32 == op.c ? UInt32(truncatingIfNeeded: before) : 0
    sampleCounts.store(op.c << 32 | UInt64((seen &+ 1) % op.a), at: at)
    guard seen == 0 else { return }
    guard var copy = try? arena.takeFrame(length: frame.length, owner: owner) else {
      statistics.samplesLost &+= 1
      return
    }
    copy.inherit(from: frame)
    copy.owed = frame.owed
    copy.segmentSize = frame.segmentSize
    copy.segmentHeaderLength = frame.segmentHeaderLength
    copy.checksumStart = frame.checksumStart
    copy.checksumOffset = frame.checksumOffset
    copy.checksums = frame.checksums
    copy.bytes.copy(frame.bytes, at: 0)
    copy.steps.insert(.sampled)
    statistics.samples &+= 1
    var own = work
    own.isCopy = true
    finish(&copy, &own, run(&copy, &own, from: Int(op.b), &out), &out)
  }
}
