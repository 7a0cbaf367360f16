import Device
import EmulatedDevice
import Memory
import Rules

/// A frame's way: from the host into the model, over the wire, and to the host again.
extension NetDevice {
  /// Software, or a virtual function, sends a frame. A staged buffer is the host's memory for this call: what leaves of it
  /// is copied.
  func send(_ buffer: HostBuffer, debts: SentDebts?, isStaged: Bool, at ethdev: UInt16, now: UInt64) {
    guard let side = side(ethdev) else { return }
    let token = admit(buffer, isStaged: isStaged)
    defer { endCall() }
    guard takes() else { return }
    guard var frame = buffer.record(token), debts?.write(&frame) ?? true else {
      counters.malformed += 1
      return
    }
    if !side.isFunction {
      model.transmit(frame, port: side.port, now: now) { collect($0, rounds: 0) }
    } else if frame.owed.isEmpty {
      arrive(frame, at: side.port, rounds: 0, now: now)
    } else {
      pay(frame, at: side.port, now: now)
    }
    settle(now)
  }

  /// A virtual function's debts are the device's to pay before its own rules look.
  private func pay(_ frame: Frame, at port: UInt16, now: UInt64) {
    let first = leaving.count
    model.transmit(frame, port: port, now: now) { collect($0, rounds: 0) }
    let paid = leaving[first...].map(\.frame)
    leaving.removeSubrange(first...)
    for var frame in paid where frame.outcome == .forward {
      frame.steps = []
      frame.outcome = .pending
      arrive(frame, at: port, rounds: 0, now: now)
    }
  }

  /// A frame arrives at a port of the model from outside.
  func arrive(_ frame: Frame, at port: UInt16, rounds: Int, now: UInt64) {
    model.receive(frame, port: port, now: now) { collect($0, rounds: rounds) }
  }

  /// Takes note of a frame that leaves the model. What lies in the model's own memory holds only during this call, and
  /// is copied.
  private func collect(_ emission: Emission, rounds: Int) {
    var frame = emission.frame
    switch frame.outcome {
    case .forward, .up, .deliver: break
    case .dropped(.malformedDebt):
      counters.malformed += 1
      return
    default: return
    }
    if !isOwn(frame) {
      guard let copy = copied(frame) else {
        counters.noBuffer += 1
        return
      }
      frame = copy
    }
    leaving.append(Leaving(frame: frame, port: emission.port, mark: emission.mark, rounds: rounds))
  }

  /// Brings every frame that left where it goes; what comes back over the wire is taken in until nothing is left.
  private func settle(_ now: UInt64) {
    var index = 0
    while index < leaving.count {
      let next = leaving[index]
      index += 1
      switch next.frame.outcome {
      case .forward where next.port == 0: loop(next, now)
      case .forward: deliver(next, to: function(of: next.port), restores: false)
      case .up:
        if isolated[Int(next.port)], next.frame.group == 0 {
          counters.isolated += 1
        } else {
          deliver(next, to: next.port, restores: next.frame.group != 0)
        }
      default: deliver(next, to: next.port, restores: false)
      }
    }
    leaving.removeAll(keepingCapacity: true)
  }

  /// The loopback: what goes out comes in.
  private func loop(_ next: Leaving, _ now: UInt64) {
    guard next.rounds < 16 else {
      counters.loops += 1
      return
    }
    let frame = next.frame
    var buffer = slots[Int(frame.token)].buffer
    (buffer.start, buffer.length) = (frame.headroom, frame.length)
    guard let fresh = buffer.record(frame.token) else { return }
    arrive(fresh, at: 0, rounds: next.rounds + 1, now: now)
  }

  private func deliver(_ next: Leaving, to ethdev: UInt16, restores: Bool) {
    let frame = next.frame
    let token = Int(frame.token)
    var out = Received(port: ethdev)
    out.queue = frame.outcome == .deliver ? UInt16(frame.queue) : nil
    out.isFlagged = next.mark == ActionReader.flagMark
    if next.mark != 0 { out.mark = next.mark == ActionReader.zeroMark ? 0 : next.mark }
    out.isTunnel = frame.innerL2 != 0
    out.isDecapsulated = frame.steps.contains(.decapsulate)
    out.tunnelKey = frame.tunnelKey
    out.group = restores ? UInt32(frame.group) : nil
    out.checksums = frame.checksums
    out.hash = EmulatedDevice.flowHash(of: frame.bytes)
    slots[token].isHeld = false
    var buffer = slots[token].buffer
    (buffer.start, buffer.length) = (frame.headroom, frame.length)
    host.receive(out, in: buffer)
  }

  // MARK: Buffers

  /// Takes note of a buffer and gives its token.
  func admit(_ buffer: HostBuffer, isStaged: Bool) -> UInt32 {
    slots.append(Slot(buffer: buffer, isHeld: true, isStaged: isStaged))
    return UInt32(slots.count - 1)
  }

  /// Whether a frame lies in the buffer that its token names, and may stay there.
  private func isOwn(_ frame: Frame) -> Bool {
    guard frame.token != EmulatedDevice.noToken, Int(frame.token) < slots.count else { return false }
    let slot = slots[Int(frame.token)]
    return !slot.isStaged && slot.buffer.holds(frame)
  }

  /// The frame in a fresh buffer of the host's; nil when it has none.
  private func copied(_ frame: Frame) -> Frame? {
    guard let buffer = host.copy(frame.bytes, port: 0) else { return nil }
    counters.copied += 1
    guard var copy = buffer.record(admit(buffer, isStaged: false)) else { return nil }
    copy.take(frame)
    return copy
  }

  /// Gives back what the call took and nobody has.
  func endCall() {
    for slot in slots where slot.isHeld && !slot.isStaged { host.free(slot.buffer) }
    slots.removeAll(keepingCapacity: true)
  }
}

/// A frame for one of the host's ports, but for its bytes.
struct Received {
  var port: UInt16
  /// The queue that a rule chose; nil when the port spreads by the hash.
  var queue: UInt16?
  /// What a rule marked it with; nil without a mark.
  var mark: UInt32?
  var isFlagged = false
  var isTunnel = false
  var isDecapsulated = false
  var tunnelKey: UInt32 = 0
  /// The group that a search ended in behind a jump; nil for every other frame.
  var group: UInt32?
  var checksums = ChecksumKnowledge()
  var hash: UInt32 = 0

  init(port: UInt16) { self.port = port }
}

extension Frame {
  /// Takes over all that is known of another frame but where it lies.
  fileprivate mutating func take(_ other: Frame) {
    inPort = other.inPort
    rule = other.rule
    tunnelKey = other.tunnelKey
    group = other.group
    queue = other.queue
    steps = other.steps
    outerL3 = other.outerL3
    outerL4 = other.outerL4
    innerL2 = other.innerL2
    innerL3 = other.innerL3
    innerL4 = other.innerL4
    checksums = other.checksums
    outcome = other.outcome
  }
}
