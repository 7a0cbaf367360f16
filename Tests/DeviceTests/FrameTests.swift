import Device
import Memory
import Testing

struct FrameTests {
  /// A frame of `length` bytes with `headroom` in front, in a buffer of 512 bytes.
  private func withFrame(headroom: Int, length: Int, _ body: (inout Frame, Bytes) throws -> Void) throws {
    var arena = try FrameArena(capacity: 1, bufferSize: 512, headroom: 64)
    let taken = arena.take()
    let index = try #require(taken)
    let buffer = arena.buffer(index)
    for offset in 0..<buffer.count { buffer[offset] = UInt8(truncatingIfNeeded: offset) }
    var frame = Frame(buffer: buffer, headroom: headroom, length: length, token: index)
    try body(&frame, buffer)
  }

  @Test("A frame that is moved keeps everything that is known and owed, but its place and token")
  func moved() throws {
    try withFrame(headroom: 100, length: 60) { frame, _ in
      frame.rule = 1
      frame.tunnelKey = 2
      frame.association = 3
      frame.sequence = 4
      frame.flowHash = 5
      frame.inPort = 6
      frame.tenant = 7
      frame.group = 8
      frame.segmentSize = 9
      frame.steps = [.match, .decapsulate]
      frame.queue = 10
      (frame.outerL3, frame.outerL4, frame.innerL2, frame.innerL3, frame.innerL4) = (14, 34, 58, 72, 92)
      (frame.checksumStart, frame.checksumOffset, frame.segmentHeaderLength) = (94, 16, 114)
      frame.owed = [.checksum, .tcpSegmentation]
      frame.checksums[.innerL4] = .bad
      frame.checksums[.outerL3] = .good
      frame.outcome = .deliver
      var arena = try FrameArena(capacity: 1, bufferSize: 512, headroom: 64)
      let taken = arena.take()
      let copy = frame.moved(to: arena.buffer(try #require(taken)), headroom: 32, token: 77)
      #expect(copy.headroom == 32 && copy.token == 77 && copy.length == 60)
      #expect(copy.rule == 1 && copy.tunnelKey == 2 && copy.association == 3 && copy.sequence == 4)
      #expect(copy.flowHash == 5 && copy.inPort == 6 && copy.tenant == 7 && copy.group == 8 && copy.segmentSize == 9)
      #expect(copy.steps == [.match, .decapsulate] && copy.queue == 10 && copy.outcome == .deliver)
      #expect(
        [copy.outerL3, copy.outerL4, copy.innerL2, copy.innerL3, copy.innerL4] == [14, 34, 58, 72, 92])
      #expect(copy.checksumStart == 94 && copy.checksumOffset == 16 && copy.segmentHeaderLength == 114)
      #expect(copy.owed == [.checksum, .tcpSegmentation] && copy.checksums == frame.checksums)
    }
  }

  @Test("Drops are counted one by one and many at once, each under its reason; fewer than none are none")
  func dropCounters() {
    var counters = DropCounters()
    var wanted: UInt64 = 0
    for (index, reason) in DropReason.allCases.enumerated() {
      counters.count(reason)
      counters.add(reason, index)
      counters.add(reason, -3)
      counters.add(reason, 0)
      #expect(counters[reason] == UInt64(index + 1))
      wanted += UInt64(index + 1)
      #expect(counters.total == wanted)
    }
  }

  @Test("The record is one cache line")
  func size() {
    #expect(MemoryLayout<Frame>.size == 64)
    #expect(MemoryLayout<Frame>.stride == 64)
    #expect(MemoryLayout<Frame>.alignment == 8)
  }

  @Test("The record's fields lie where the C side and the firmware expect them")
  func layout() {
    #expect(MemoryLayout<Frame>.offset(of: \.token) == 8)
    #expect(MemoryLayout<Frame>.offset(of: \.next) == 12)
    #expect(MemoryLayout<Frame>.offset(of: \.rule) == 16)
    #expect(MemoryLayout<Frame>.offset(of: \.tunnelKey) == 20)
    #expect(MemoryLayout<Frame>.offset(of: \.association) == 24)
    #expect(MemoryLayout<Frame>.offset(of: \.sequence) == 28)
    #expect(MemoryLayout<Frame>.offset(of: \.flowHash) == 32)
    #expect(MemoryLayout<Frame>.offset(of: \.inPort) == 42)
    #expect(MemoryLayout<Frame>.offset(of: \.outcome) == 63)
  }

  @Test("A fresh frame knows nothing, owes nothing, and shows its bytes")
  func fresh() throws {
    try withFrame(headroom: 100, length: 60) { frame, buffer in
      #expect(frame.length == 60 && frame.headroom == 100 && frame.tailroom == 512 - 160)
      #expect(frame.bytes.array() == buffer.slice(100, count: 60).array())
      #expect(frame.outcome == .pending && frame.owed.isEmpty && frame.steps.isEmpty)
      #expect(frame.outerL3 == 0 && frame.outerL4 == 0 && frame.innerL2 == 0 && frame.segmentSize == 0)
      for layer in ChecksumKnowledge.Layer.allCases { #expect(frame.checksums[layer] == .unknown) }
    }
  }

  @Test("Bytes that are put in front come from the head room, and taking them off gives it back")
  func prependAndRemove() throws {
    try withFrame(headroom: 100, length: 60) { frame, buffer in
      for count in 0...100 {
        frame.prepend(count)
        #expect(frame.length == 60 + count && frame.headroom == 100 - count)
        #expect(frame.bytes.array() == buffer.slice(100 - count, count: 60 + count).array())
        frame.removeFirst(count)
        #expect(frame.length == 60 && frame.headroom == 100)
        #expect(frame.bytes.array() == buffer.slice(100, count: 60).array())
      }
      frame.removeFirst(60)
      #expect(frame.length == 0 && frame.headroom == 160)
    }
  }

  @Test("A new length is taken from or given to the tail room, and the beginning stays")
  func lengths() throws {
    try withFrame(headroom: 100, length: 60) { frame, buffer in
      for count in [0, 1, 59, 60, 61, 412] {
        frame.setLength(count)
        #expect(frame.length == count && frame.tailroom == 412 - count && frame.headroom == 100)
        #expect(frame.bytes.array() == buffer.slice(100, count: count).array())
      }
    }
  }

  @Test("Every even offset up to 510 is kept, each in its own place")
  func offsets() {
    let fields: [WritableKeyPath<Frame, Int>] = [
      \.outerL3, \.outerL4, \.innerL2, \.innerL3, \.innerL4, \.checksumStart, \.segmentHeaderLength,
    ]
    for field in fields {
      for offset in stride(from: 0, through: Frame.largestOffset, by: 2) {
        var frame = Frame()
        frame[keyPath: field] = offset
        for other in fields { #expect(frame[keyPath: other] == (other == field ? offset : 0)) }
      }
    }
  }

  @Test("What is known about one checksum is kept apart from the others")
  func checksums() {
    let states: [ChecksumKnowledge.State] = [.unknown, .good, .bad, .partial]
    for bits in 0..<256 {
      var known = ChecksumKnowledge()
      for (index, layer) in ChecksumKnowledge.Layer.allCases.enumerated() {
        known[layer] = states[bits >> (2 * index) & 3]
      }
      #expect(Int(known.rawValue) == bits)
      for (index, layer) in ChecksumKnowledge.Layer.allCases.enumerated() {
        #expect(known[layer] == states[bits >> (2 * index) & 3])
        var changed = known
        changed[layer] = .good
        for other in ChecksumKnowledge.Layer.allCases {
          #expect(changed[other] == (other == layer ? .good : known[other]))
        }
      }
    }
  }

  @Test("An outcome is a drop exactly when it has a reason, and every reason comes back")
  func outcomes() {
    for outcome in [Outcome.pending, .forward, .deliver, .up, .absorbed] { #expect(outcome.dropReason == nil) }
    for reason in DropReason.allCases { #expect(Outcome.dropped(reason).dropReason == reason) }
  }
}

/// What a caller must look at first ends the program when he did not.
struct FrameBoundsTests {
  private static func withFrame(_ body: (inout Frame) -> Void) {
    guard var arena = try? FrameArena(capacity: 1, bufferSize: 512, headroom: 64), let index = arena.take() else {
      return
    }
    var frame = Frame(buffer: arena.buffer(index), headroom: 64, length: 60, token: index)
    body(&frame)
  }

  @Test("More than the head room cannot be put in front")
  func prepend() async {
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.prepend(65) } }
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.prepend(-1) } }
  }

  @Test("More than the frame cannot be taken off")
  func removeFirst() async {
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.removeFirst(61) } }
  }

  @Test("A frame does not grow past its tail room")
  func setLength() async {
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.setLength(449) } }
  }

  @Test("An odd offset, or one past 510, is never recorded")
  func offsets() async {
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.outerL3 = 15 } }
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.innerL4 = 512 } }
    await #expect(processExitsWith: .failure) { Self.withFrame { $0.outerL4 = -2 } }
  }
}
