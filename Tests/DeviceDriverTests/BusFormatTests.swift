import Device
import DeviceBus
import Memory
import Testing

/// The formats of the bus, against what their documents say and nothing that reads or writes them.
@Suite("On the bus") struct BusFormatTests {
  /// A frame of which everything is known and owed, each number another.
  private func record(_ buffer: borrowing Buffer) -> Frame {
    var frame = buffer.frame(bytes(1, length: 100), headroom: 200)
    frame.next = 0x0102_0304
    frame.rule = 0x1112_1314
    frame.tunnelKey = 0x2122_2324
    frame.association = 0x3132_3334
    frame.sequence = 0x4142_4344
    frame.flowHash = 0x5152_5354
    frame.inPort = 0x6162
    frame.tenant = 0x7172
    frame.group = 0x8182
    frame.segmentSize = 0x9192
    frame.steps = [.match, .decapsulate, .rewrite]
    frame.queue = 0xa1
    (frame.outerL3, frame.outerL4, frame.innerL2, frame.innerL3, frame.innerL4) = (14, 34, 58, 72, 92)
    (frame.checksumStart, frame.checksumOffset, frame.segmentHeaderLength) = (94, 16, 114)
    frame.owed = [.checksum, .tcpSegmentation]
    frame.checksums[.innerL4] = .bad
    frame.checksums[.outerL3] = .good
    frame.outcome = .deliver
    return frame
  }

  private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  @Test("A frame's header has every field at its place, little-endian, and gives it back")
  func header() throws {
    let buffer = try Buffer()
    let place = try Buffer()
    let frame = record(buffer)
    var header = FrameHeader(frame, kind: FrameHeader.received, port: 0xb1b2, now: 0xc1c2_c3c4_c5c6_c7c8)
    header.isLast = true
    header.generation = 0xd1d2
    header.cookie = 0xe1e2_e3e4
    header.mark = 0xf1f2_f3f4
    let target = place.frame([UInt8](repeating: 0xee, count: 90)).bytes
    header.write(to: target)
    var wanted: [UInt8] = [1, 1] + little(0xd1d2, 2) + little(0xe1e2_e3e4, 4) + little(0xc1c2_c3c4_c5c6_c7c8, 8)
    wanted += little(0x1112_1314, 4) + little(0x2122_2324, 4) + little(0x3132_3334, 4) + little(0x4142_4344, 4)
    wanted += little(0x5152_5354, 4) + little(0xf1f2_f3f4, 4) + little(0x0102_0304, 4)
    wanted += little(100, 2) + little(200, 2) + little(UInt64(frame.tailroom), 2) + little(0xb1b2, 2)
    wanted += little(0x6162, 2) + little(0x7172, 2) + little(0x8182, 2) + little(0x9192, 2)
    wanted += little(UInt64(frame.steps.rawValue), 2) + [0xa1, 7, 17, 29, 36, 46, 47, 16, frame.owed.rawValue, 57]
    wanted += [frame.checksums.rawValue, frame.outcome.rawValue] + [UInt8](repeating: 0, count: 6)
    wanted += [UInt8](repeating: 0xee, count: 10)
    expect(target.array() == wanted, "\(zip(target.array(), wanted).enumerated().filter { $0.1.0 != $0.1.1 })")
    let read = try need(FrameHeader(target))
    expect(read.kind == 1 && read.isLast && read.generation == 0xd1d2 && read.cookie == 0xe1e2_e3e4)
    expect(read.now == 0xc1c2_c3c4_c5c6_c7c8 && read.mark == 0xf1f2_f3f4 && read.port == 0xb1b2)
    expect(read.length == 100 && read.headroom == 200 && Int(read.tailroom) == frame.tailroom)
    // Everything that is described is written again as it was.
    var described = place.frame(bytes(2, length: 100), headroom: 200)
    read.describe(&described)
    var again = FrameHeader(described, kind: 1, port: 0xb1b2, now: 0xc1c2_c3c4_c5c6_c7c8)
    (again.isLast, again.generation, again.cookie, again.mark) = (true, 0xd1d2, 0xe1e2_e3e4, 0xf1f2_f3f4)
    again.tailroom = read.tailroom
    let second = try Buffer()
    let copy = second.frame([UInt8](repeating: 0xee, count: 90)).bytes
    again.write(to: copy)
    expect(copy.array() == wanted)
  }

  @Test("A header that is short, or holds a number that means nothing, is none")
  func badHeaders() throws {
    let buffer = try Buffer()
    let place = try Buffer()
    let target = place.frame([UInt8](repeating: 0, count: 80)).bytes
    FrameHeader(record(buffer), kind: 1, port: 0, now: 0).write(to: target)
    expect(FrameHeader(target) != nil)
    expect(FrameHeader(target.slice(0, count: 79)) == nil)
    for value in UInt8(0)...255 {
      target[1] = value
      expect((FrameHeader(target) != nil) == (value <= 1))
      target[1] = 0
      target[73] = value
      expect((FrameHeader(target) != nil) == (value <= 4 || DropReason(rawValue: value) != nil), "\(value)")
      target[73] = 1
    }
  }

  @Test("As many answers are foreseen as a frame can have segments, and copies beside them")
  func mostAnswers() throws {
    let buffer = try Buffer()
    for length in [100, 1400, 1401, 9000] {
      for size in [1, 99, 100, 1400] {
        var frame = buffer.frame(bytes(1, length: length))
        frame.owed = [.checksum, .tcpSegmentation]
        frame.segmentSize = UInt16(size)
        let header = FrameHeader(frame, kind: FrameHeader.sent, port: 0, now: 0)
        expect(header.mostAnswers >= (length + size - 1) / size, "\(length) in \(size)")
        expect(FrameHeader(frame, kind: FrameHeader.received, port: 0, now: 0).mostAnswers >= 2)
      }
    }
  }

  @Test("A command is read as it was written, and every byte that has to be 0 or 2 is seen")
  func commands() throws {
    let command = AdminCommand(.create, .rule, id: 0x0102_0304, now: 0x1112_1314_1516_1718, body: [9, 8, 7])
    let good = command.bytes
    expect(good.count == AdminCommand.headerSize + 3)
    #expect(try AdminCommand(good) == command)
    for at in Array(2..<24) + [26, 27] {
      for change in [UInt8(1), 0x80] {
        var bad = good
        bad[at] ^= change
        #expect(throws: FormatError.self, "byte \(at)") { try AdminCommand(bad) }
      }
    }
    for count in 0..<AdminCommand.headerSize {
      #expect(throws: FormatError.self) { try AdminCommand(Array(good.prefix(count))) }
    }
    let result = AdminResult(.busy, qualifier: 0x0506, body: [1])
    #expect(try AdminResult(result.bytes) == result)
    for at in 4..<8 {
      var bad = result.bytes
      bad[at] = 1
      #expect(throws: FormatError.self) { try AdminResult(bad) }
    }
  }

  @Test("A reader stops at its part's end, knows two flags, and sees what is left over")
  func reader() throws {
    var whole = ByteReader([1, 2, 3, 4, 5, 6, 7, 8])
    var part = try whole.part(3)
    #expect(try part.take(UInt16.self) == 0x0201)
    #expect(throws: FormatError(at: 2, expected: .bytes(2))) { try part.take(UInt16.self) }
    #expect(throws: FormatError(at: 2, expected: .bytes(2))) { try part.take(2) }
    #expect(throws: FormatError(at: 2, expected: .bytes(2))) { _ = try part.part(2) }
    #expect(throws: FormatError(at: 2, expected: .end)) { try part.ends() }
    #expect(try part.take(UInt8.self) == 3)
    try part.ends()
    #expect(try whole.take(UInt32.self) == 0x0706_0504)
    for value in UInt8(0)...255 {
      var flag = ByteReader([value])
      if value > 1 {
        #expect(throws: FormatError(at: 0, expected: .known)) { try flag.flag() }
      } else {
        #expect(try flag.flag() == (value == 1))
      }
    }
    var zeros = ByteReader([0, 0, 1])
    #expect(throws: FormatError(at: 2, expected: .zero)) { try zeros.zeros(3) }
  }

  @Test("Nothing in the memory lies in anything else, and a byte too little is said", arguments: [true, false])
  func layout(isPacked: Bool) throws {
    for pairs in [1, 2, 5] {
      let layout = try BusLayout(pairs: pairs, inputSize: 8, outputSize: 16, isPacked: isPacked)
      var parts = [0..<BusLayout.registerBytes, layout.admin..<layout.command(0)]
      for slot in 0..<BusLayout.adminSlots {
        parts.append(layout.command(slot)..<layout.command(slot) + BusLayout.adminBuffer)
        parts.append(layout.result(slot)..<layout.result(slot) + BusLayout.adminBuffer)
      }
      for pair in 0..<pairs {
        parts.append(layout.input(pair)..<layout.inputBuffers(pair))
        parts.append(layout.inputBuffers(pair)..<layout.inputBuffers(pair) + 8 * BusLayout.bufferSize)
        parts.append(layout.output(pair)..<layout.outputBuffers(pair))
        parts.append(layout.outputBuffers(pair)..<layout.outputBuffers(pair) + 16 * BusLayout.bufferSize)
      }
      parts.sort { $0.lowerBound < $1.lowerBound }
      for (before, behind) in zip(parts, parts.dropFirst()) { expect(before.upperBound <= behind.lowerBound) }
      expect(parts.last?.upperBound ?? 0 <= layout.bytes)
      let region = try SharedRegion(bytes: layout.bytes)
      Registers(region.shared).create(layout)
      #expect(try Registers.attach(region.shared) == layout)
      let less = region.shared.slice(0, count: layout.bytes - 1)
      #expect(throws: BusError.tooSmall(needed: layout.bytes, bytes: layout.bytes - 1)) { try Registers.attach(less) }
    }
    for (input, output, pairs) in [(1, 16, 1), (8192, 16, 1), (8, 4, 1), (8, 8192, 1), (8, 16, 0), (8, 16, 65)] {
      #expect(throws: (any Error).self) {
        try BusLayout(pairs: pairs, inputSize: input, outputSize: output, isPacked: isPacked)
      }
    }
  }
}
