public import Device
import DeviceBus
import Memory
import Virtqueue

// What a poll thread uses: nothing here waits.
extension DrivenDevice where Host: DeviceHost {
  /// How a frame goes to the device.
  public enum Kind: Sendable {
    /// It arrived from outside.
    case received
    /// Software sends it.
    case sent
  }

  /// Copies a frame to the device; the caller's buffer is its own again. Seen by the device after ``flush()``.
  ///
  /// - Returns: false when the device is lost or its queue is full: the frame was not taken.
  public mutating func submit(_ frame: Frame, kind: Kind, port: UInt16, now: UInt64) -> Bool {
    guard phase == .running else { return false }
    let number = kind == .received ? FrameHeader.received : FrameHeader.sent
    let header = FrameHeader(frame, kind: number, port: port, now: now)
    guard header.mostAnswers <= layout.outputSize else { return false }
    let isFirst = rings.unanswered == 0
    let pair = pair(port)
    guard let cookie = rings.pairs[pair].submit(frame, header, head: head) else { return false }
    submittedName = Self.name(pair, cookie)
    // Silence is counted from the first frame that waits.
    if isFirst {
      silentFor = 0
      lastPoll = now
    }
    return true
  }

  /// The name of a frame while the device has it: above 2^63, so that it is no token.
  private static func name(_ pair: Int, _ cookie: UInt32) -> UInt64 {
    1 << 63 | UInt64(truncatingIfNeeded: pair) << 32 | UInt64(cookie)
  }

  /// Frames that ``submit(_:kind:port:now:)`` takes of this port now; 0 when the device is lost.
  public func room(port: UInt16) -> Int { phase == .running ? rings.pairs[pair(port)].room : 0 }

  /// Shows the device what was submitted, and kicks it when it sleeps.
  public mutating func flush() {
    guard phase == .running else { return }
    if rings.publish() { host.kick() }
  }

  /// Gives what came of submitted frames to `emit`, `most` of them at most, and watches over the device. Frames lie in the
  /// driver's buffers and go back by ``recycle(_:)``; copies and segments too.
  ///
  /// - Returns: how many were given.
  public mutating func poll(now: UInt64, most: Int = .max, emit: (Emission) -> Void) -> Int {
    pollNamed(now: now, most: most) { emission, _ in emit(emission) }
  }

  /// As ``poll(now:most:emit:)``, with the name of the frame that each came of.
  public mutating func pollNamed(now: UInt64, most: Int = .max, emit: (Emission, UInt64) -> Void) -> Int {
    guard phase == .running else { return 0 }
    var given = 0
    var isStarved = false
    let before = rings.unanswered
    for pair in 0..<rings.pairs.count { given += take(pair, most: most - given, &isStarved, emit) }
    if rings.publish() { host.kick() }
    if let reason = accusation() {
      fence(reason, now: now)
    } else {
      watch(now: now, isMoving: given > 0 || isStarved || rings.unanswered != before, most: most, emit)
    }
    return given
  }

  /// A device is late when it made no progress in so much of our polls' time while work was pending.
  private mutating func watch(now: UInt64, isMoving: Bool, most: Int, _ emit: (Emission, UInt64) -> Void) {
    let passed = now >= lastPoll ? now - lastPoll : 0
    lastPoll = now
    let isPending = rings.unanswered > 0
    if isMoving || !isPending { silentFor = 0 } else { silentFor &+= min(passed, options.grain) }
    // A look at the process costs a system call: at once when it is late, else now and then.
    let pause: UInt64 = isPending && !isMoving ? 50_000 : 1_000_000
    if now < lastLook || now - lastLook >= pause {
      lastLook = now
      if host.isGone {
        // What it answered before it went counts.
        var isStarved = false
        for pair in 0..<rings.pairs.count { _ = take(pair, most: .max, &isStarved, emit) }
        return fence(.gone, now: now)
      }
    }
    if silentFor >= options.silence { fence(.silent, now: now) }
  }

  private mutating func take(
    _ pair: Int, most: Int, _ isStarved: inout Bool, _ emit: (Emission, UInt64) -> Void
  ) -> Int {
    var given = 0
    let generation = UInt16(truncatingIfNeeded: rings.generation)
    while given < most, let answer = rings.pairs[pair].next(head: head, generation: generation, stale: &stale) {
      if answer.outcome == .absorbed {
        rings.pairs[pair].finish(answer)
        continue
      }
      let length = Int(answer.header.length)
      guard let token = buffers.take(length: length) else {
        isStarved = true
        break
      }
      var frame = Frame(
        buffer: buffers.buffer(token), headroom: buffers.headroom(token), length: length,
        token: UInt32(options.owner) << 24 | token)
      if length > 0 { rings.pairs[pair].copy(answer, to: frame.bytes) }
      answer.header.describe(&frame)
      frame.outcome = answer.outcome
      rings.pairs[pair].finish(answer)
      emit(
        Emission(frame: frame, port: answer.header.port, mark: answer.header.mark),
        Self.name(pair, answer.header.cookie))
      given += 1
    }
    return given
  }

  /// Takes the buffer of a frame back that ``poll(now:most:emit:)`` gave.
  public mutating func recycle(_ token: UInt32) { buffers.give(token & 0xff_ffff) }
}
