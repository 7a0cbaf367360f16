public import Device
import DeviceBus
import Memory
import Virtqueue

// Calls that wait for the device's answer.
extension DrivenDevice where Host: DeviceHost {
  /// A frame arrives from outside; what comes of it is given to `emit` before the call returns. A frame that the device
  /// swallowed, or had when it was lost, is counted and not emitted; a device that is lost already lets frames come up as
  /// they came.
  public mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    carry(frame, kind: FrameHeader.received, port: port, now: now, emit: emit)
  }

  /// Software sends a frame out of `port`; a lost device refuses what the frame owes as beyond its abilities.
  public mutating func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    carry(frame, kind: FrameHeader.sent, port: port, now: now, emit: emit)
  }

  /// The drop that the device found in the frame it was last given by ``receive(_:port:now:emit:)``, for software to
  /// name; nil for none, and from a device that is lost.
  public var foundDrop: DropReason? { phase == .running ? rings.registers.foundDrop : nil }

  private mutating func carry(
    _ frame: Frame, kind: UInt8, port: UInt16, now: UInt64, emit: (Emission) -> Void
  ) {
    let header = FrameHeader(frame, kind: kind, port: port, now: now)
    let pair = pair(port)
    guard phase == .running, header.mostAnswers <= layout.outputSize else {
      return emit(Self.untouched(frame, kind: kind, port: port, isAlive: phase == .running))
    }
    var patience = Patience()
    var cookie = rings.pairs[pair].submit(frame, header, head: head)
    while cookie == nil, phase == .running {
      // Frames of others fill the queue.
      if let reason = wait(&patience) { fence(reason, now: now) }
      cookie = rings.pairs[pair].submit(frame, header, head: head)
    }
    guard let cookie, phase == .running else {
      return emit(Self.untouched(frame, kind: kind, port: port, isAlive: false))
    }
    if rings.publish() { host.kick() }
    while true {
      let came = takeAnswers(of: frame, cookie, pair, emit)
      if !rings.pairs[pair].isHeld(cookie) { break }
      if came { patience = Patience() }
      if let reason = wait(&patience) {
        // What it had answered before it was lost counts.
        _ = takeAnswers(of: frame, cookie, pair, emit)
        return fence(reason, now: now)
      }
    }
    if rings.publish() { host.kick() }
    if let reason = accusation() { fence(reason, now: now) }
  }

  /// What software gets back of a frame that the device does not take.
  private static func untouched(_ frame: Frame, kind: UInt8, port: UInt16, isAlive: Bool) -> Emission {
    var out = frame
    if kind == FrameHeader.received {
      out.inPort = port
      out.outcome = .up
    } else {
      out.outcome = frame.owed.isEmpty && !isAlive ? .forward : .dropped(.malformedDebt)
    }
    return Emission(frame: out, port: port)
  }

  /// Gives what came of the frame under `cookie` to `emit`; whether anything came.
  private mutating func takeAnswers(
    of frame: Frame, _ cookie: UInt32, _ pair: Int, _ emit: (Emission) -> Void
  ) -> Bool {
    var came = false
    let generation = UInt16(truncatingIfNeeded: rings.generation)
    while let answer = rings.pairs[pair].next(head: head, generation: generation, stale: &stale) {
      came = true
      // Frames that were submitted and not waited for come up in poll.
      guard answer.header.cookie == cookie else {
        rings.pairs[pair].finish(answer)
        continue
      }
      var out: Frame
      if answer.header.isLast, let place = Self.inPlace(frame, length: Int(answer.header.length)) {
        out = place
      } else {
        out = Frame(
          buffer: body, headroom: 512, length: Int(answer.header.length),
          token: answer.header.isLast ? frame.token : .max)
      }
      if out.length > 0 { rings.pairs[pair].copy(answer, to: out.bytes) }
      answer.header.describe(&out)
      out.outcome = answer.outcome
      let emission = Emission(frame: out, port: answer.header.port, mark: answer.header.mark)
      rings.pairs[pair].finish(answer)
      emit(emission)
    }
    return came
  }

  /// `frame` with another length in its owner's buffer, when it fits there.
  private static func inPlace(_ frame: Frame, length: Int) -> Frame? {
    var out = frame
    if length <= frame.length {
      let less = frame.length - length
      if frame.headroom + less <= 0xffff { out.removeFirst(less) } else { out.setLength(length) }
    } else if length - frame.length <= frame.headroom {
      out.prepend(length - frame.length)
    } else if length - frame.length <= frame.tailroom {
      out.setLength(length)
    } else {
      return nil
    }
    return out
  }

  /// How long a call has waited.
  struct Patience {
    var spins = 0
    var waits = 0
  }

  /// Waits a little for the device; the reason when it is lost. Who waits for a command does not look at frames: those that
  /// were answered may lie there for long.
  mutating func wait(_ patience: inout Patience, isCommand: Bool = false) -> DeviceLoss? {
    if patience.spins < options.spins {
      patience.spins += 1
      PollTicks.pause()
      return nil
    }
    if let loss = accusation() { return loss }
    let isQuiet = isCommand ? rings.admin.requestCalls() : rings.requestCalls()
    guard isQuiet else {
      patience.waits += 1
      return patience.waits > 1_000_000 ? .silent : nil
    }
    host.wait(milliseconds: 1)
    if host.isGone { return .gone }
    patience.waits += 1
    return patience.waits > options.waits ? .silent : nil
  }
}
