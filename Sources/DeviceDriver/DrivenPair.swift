import Device
import DeviceBus
import Memory
import Virtqueue

/// What the driver knows of a frame that lies in an input buffer. Private: nothing of it is read back from the device.
struct SlotState: BitwiseCopyable {
  /// Counts the frames of the slot, so that a late answer to one before it is known as such.
  var sequence: UInt16 = 0
  /// The device has it, or had it and its answers are still looked through.
  var isOut = false
  /// The device gave the buffer back.
  var isReaped = false
  /// What came last of it has come.
  var isAnswered = false
}

/// Something that came of a frame, still in the device's buffer.
struct Answer: BitwiseCopyable {
  var header: FrameHeader
  var outcome: Outcome
  /// The output buffer, and where its frame begins in the region.
  var slot: UInt32
  var offset: Int
}

/// The driver's side of one queue pair.
struct DrivenPair: ~Copyable {
  var input: DriverQueue
  var output: DriverQueue
  private var states: FlatTable<SlotState>
  private var free: FlatTable<UInt32>
  private var freeCount: Int
  /// Slots whose buffer came back and whose answers are not all looked through.
  private var reaped: FlatTable<UInt32>
  private var reapedCount = 0
  private var held: Answer?
  private let region: SharedRegion
  private let inputBase: Int
  private let outputBase: Int
  /// Frames that the device has and has not answered.
  private(set) var unanswered = 0
  /// Frames that the device gave back without an answer.
  var swallowed: UInt64 = 0
  /// What the device answered wrongly.
  private(set) var fault: AnswerFault?

  init(_ layout: BusLayout, _ pair: Int, _ region: SharedRegion) throws(RingFault) {
    let features: Features = [.version1, .eventIndex]
    let input = try DriverQueue(layout.inputPlace(pair, region.shared), region: region, features: features)
    var output = try DriverQueue(layout.outputPlace(pair, region.shared), region: region, features: features)
    let outputBase = layout.outputBuffers(pair)
    for slot in 0..<layout.outputSize { _ = output.add(Self.part(outputBase, UInt32(slot)), token: UInt32(slot)) }
    _ = output.publish()
    self.input = input
    self.output = output
    self.region = region
    self.outputBase = outputBase
    inputBase = layout.inputBuffers(pair)
    states = FlatTable(repeating: SlotState(), count: layout.inputSize)
    free = FlatTable(repeating: 0, count: layout.inputSize)
    for slot in 0..<layout.inputSize { free[slot] = UInt32(slot) }
    freeCount = layout.inputSize
    reaped = FlatTable(repeating: 0, count: layout.inputSize)
  }

  private static func part(_ base: Int, _ slot: UInt32) -> BufferPart {
    BufferPart(
      address: UInt64(base + Int(slot) * BusLayout.bufferSize), length: UInt32(BusLayout.bufferSize), isWritable: true)
  }

  /// Hands a frame to the device; seen after ``publish()``. The caller's buffer is its own again.
  ///
  /// - Returns: the frame's cookie, or nil when there is no room.
  mutating func submit(_ frame: Frame, _ header: FrameHeader, head: Bytes) -> UInt32? {
    guard freeCount > 0, input.free > 0 else { return nil }
    let slot = free[freeCount - 1]
    let place = Int(slot)
    let cookie = UInt32(states[place].sequence &+ 1) << 16 | slot
    var header = header
    header.cookie = cookie
    header.write(to: head)
    let at = inputBase + place * BusLayout.bufferSize
    region.shared.copy(head, at: at)
    if frame.length > 0 { region.shared.copy(frame.bytes, at: at + FrameHeader.size) }
    let part = BufferPart(
      address: UInt64(at), length: UInt32(FrameHeader.size + frame.length), isWritable: false)
    guard input.add(part, token: slot) else { return nil }
    freeCount -= 1
    states[place] = SlotState(sequence: states[place].sequence &+ 1, isOut: true)
    unanswered += 1
    return cookie
  }

  /// Frames that ``submit(_:_:head:)`` takes before the device gives buffers back.
  var room: Int { min(freeCount, input.free) }

  /// Shows the device what was handed out and which output buffers are free again; whether it wants to be kicked.
  mutating func publish() -> Bool {
    let kick = input.publish()
    return output.publish() || kick
  }

  /// Whether the buffer of the frame of this cookie is still to come back.
  func isHeld(_ cookie: UInt32) -> Bool {
    let state = states[Int(cookie & 0xffff)]
    return state.isOut && state.sequence == UInt16(truncatingIfNeeded: cookie >> 16)
  }

  /// What came next, if anything has. It is to be ended by ``finish(_:)``, or comes again.
  mutating func next(head: Bytes, generation: UInt16, stale: inout UInt64) -> Answer? {
    if let held { return held }
    while fault == nil {
      // Buffers that came back before the answers were all looked through: what was answered is visible by now.
      while let used = input.reap() {
        states[Int(used.token)].isReaped = true
        reaped[reapedCount] = used.token
        reapedCount += 1
      }
      guard let used = output.reap() else {
        if output.fault == nil { settle() }
        return nil
      }
      let at = outputBase + Int(used.token) * BusLayout.bufferSize
      guard Int(used.written) >= FrameHeader.size else { return lie(.answerLength) }
      region.shared.copy(at, count: FrameHeader.size, to: head)
      guard let header = FrameHeader(head), let outcome = Outcome(number: header.kind) else {
        return lie(.answerHeader)
      }
      guard Int(header.length) == Int(used.written) - FrameHeader.size else { return lie(.answerLength) }
      guard header.generation == generation else {
        stale &+= 1
        repost(used.token)
        continue
      }
      let slot = Int(header.cookie & 0xffff)
      guard slot < states.count, states[slot].isOut, !states[slot].isAnswered,
        states[slot].sequence == UInt16(truncatingIfNeeded: header.cookie >> 16)
      else { return lie(.answerCookie) }
      let answer = Answer(header: header, outcome: outcome, slot: used.token, offset: at + FrameHeader.size)
      held = answer
      return answer
    }
    return nil
  }

  private mutating func lie(_ fault: AnswerFault) -> Answer? {
    self.fault = fault
    return nil
  }

  /// Copies an answer's frame out, once.
  func copy(_ answer: Answer, to target: Bytes) {
    region.shared.copy(answer.offset, count: Int(answer.header.length), to: target)
  }

  /// The answer has been dealt with: its buffer is the device's again.
  mutating func finish(_ answer: Answer) {
    held = nil
    if answer.header.isLast {
      states[Int(answer.header.cookie & 0xffff)].isAnswered = true
      unanswered -= 1
    }
    repost(answer.slot)
  }

  private mutating func repost(_ slot: UInt32) { _ = output.add(Self.part(outputBase, slot), token: slot) }

  /// All answers that there were have been looked through: buffers that came back are free, and frames without an answer
  /// were swallowed.
  private mutating func settle() {
    for index in 0..<reapedCount {
      let slot = Int(reaped[index])
      if !states[slot].isAnswered {
        swallowed &+= 1
        unanswered -= 1
      }
      states[slot].isOut = false
      states[slot].isReaped = false
      free[freeCount] = UInt32(slot)
      freeCount += 1
    }
    reapedCount = 0
  }
}
