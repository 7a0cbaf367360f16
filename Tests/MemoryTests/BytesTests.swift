import Memory
import Testing

/// Runs every accessor of Bytes against the same done to an array.
struct BytesTests {
  /// A window of 257 bytes with different values at every offset, in an arena's buffer, and the array that it equals.
  private func withWindow(_ body: (Bytes, inout [UInt8]) throws -> Void) throws {
    var arena = try FrameArena(capacity: 1, bufferSize: 448, headroom: 64)
    let taken = arena.take()
    let index = try #require(taken)
    var model = (0..<257).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
    let window = arena.buffer(index).slice(64, count: 257)
    window.copy(model, at: 0)
    try body(window, &model)
    #expect(window.array() == model)
  }

  @Test("A byte that was written is read back, and its neighbours stay")
  func singleBytes() throws {
    try withWindow { bytes, model in
      for offset in model.indices {
        #expect(bytes[offset] == model[offset])
        bytes[offset] = ~model[offset]
        model[offset] = ~model[offset]
        #expect(bytes.array() == model)
      }
    }
  }

  @Test("An integer of any width is big-endian at any offset, aligned or not")
  func loads() throws {
    try withWindow { bytes, model in
      for offset in 0...(model.count - 16) {
        func expected(_ width: Int) -> UInt128 {
          model[offset..<offset + width].reduce(0) { $0 << 8 | UInt128($1) }
        }
        #expect(bytes.load(offset, as: UInt8.self) == UInt8(expected(1)))
        #expect(bytes.u16(offset) == UInt16(expected(2)))
        #expect(bytes.u32(offset) == UInt32(expected(4)))
        #expect(bytes.load(offset, as: UInt64.self) == UInt64(expected(8)))
        #expect(bytes.load(offset, as: UInt128.self) == expected(16))
      }
    }
  }

  @Test("An integer that is stored takes its own bytes, big-endian, and no other")
  func stores() throws {
    try withWindow { bytes, model in
      for offset in 0...(model.count - 8) {
        let value = 0x0102_0304_0506_0708 &* UInt64(offset + 1)
        for width in [2, 4, 8] {
          switch width {
          case 2: bytes.store(UInt16(truncatingIfNeeded: value), at: offset)
          case 4: bytes.store(UInt32(truncatingIfNeeded: value), at: offset)
          default: bytes.store(value, at: offset)
          }
          for i in 0..<width { model[offset + i] = UInt8(truncatingIfNeeded: value >> (8 * (width - 1 - i))) }
          #expect(bytes.array() == model)
        }
      }
    }
  }

  @Test("A slice shows the bytes that were asked for, and a write through it is a write to the whole")
  func slices() throws {
    try withWindow { bytes, model in
      for start in stride(from: 0, through: model.count, by: 19) {
        for count in [0, 1, 7, model.count - start] where start + count <= model.count {
          let slice = bytes.slice(start, count: count)
          #expect(slice.count == count)
          #expect(slice.array() == Array(model[start..<start + count]))
          #expect(bytes.from(start).array() == Array(model[start...]))
          if count > 0 {
            slice[count - 1] = 0xee
            model[start + count - 1] = 0xee
          }
        }
      }
    }
  }

  @Test("A copy within the window is as if the source had been taken out first, however the two overlap")
  func overlappingCopies() throws {
    for (from, to) in [(0, 1), (1, 0), (10, 10), (0, 100), (50, 20)] {
      try withWindow { bytes, model in
        bytes.copy(bytes.slice(from, count: 90), at: to)
        model.replaceSubrange(to..<to + 90, with: Array(model[from..<from + 90]))
      }
    }
  }

  @Test("A copy of an array and a fill change their range and nothing else")
  func copiesAndFills() throws {
    try withWindow { bytes, model in
      bytes.copy([1, 2, 3], at: 254)
      model.replaceSubrange(254..<257, with: [1, 2, 3])
      bytes.copy([UInt8](), at: 257)
      bytes.fill(9, at: 100, count: 33)
      model.replaceSubrange(100..<133, with: repeatElement(9, count: 33))
      bytes.fill(5, at: 257, count: 0)
    }
  }

  @Test("The span shows the same bytes as the window")
  func spans() throws {
    try withWindow { bytes, model in
      let span = bytes.span
      #expect(span.byteCount == model.count)
      for offset in model.indices {
        let byte = unsafe span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        #expect(byte == model[offset])
      }
    }
  }
}

/// An access outside of the window ends the program: it is a bug of the caller, never a frame's doing.
struct BytesBoundsTests {
  /// A window of 16 bytes with mapped memory on both sides, so that only the check can end the program.
  private static func inWindow(_ body: (Bytes) -> Void) {
    guard var arena = try? FrameArena(capacity: 1, bufferSize: 128, headroom: 64), let index = arena.take() else {
      return
    }
    body(arena.buffer(index).slice(64, count: 16))
  }

  @Test("Reading one byte past the end traps")
  func readPastEnd() async {
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0[16] } }
  }

  @Test("Reading in front of the beginning traps")
  func readInFront() async {
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0[-1] } }
  }

  @Test("An integer that reaches past the end traps")
  func wideLoad() async {
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0.u32(13) } }
  }

  @Test("An offset so large that the sum wraps traps")
  func wrappingOffset() async {
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0.u16(Int.max) } }
  }

  @Test("A store, a fill, a copy and a slice that reach past the end trap")
  func writersPastEnd() async {
    await #expect(processExitsWith: .failure) { Self.inWindow { $0.store(UInt16(1), at: 15) } }
    await #expect(processExitsWith: .failure) { Self.inWindow { $0.fill(0, at: 10, count: 7) } }
    await #expect(processExitsWith: .failure) { Self.inWindow { $0.copy([1, 2], at: 15) } }
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0.slice(8, count: 9) } }
    await #expect(processExitsWith: .failure) { Self.inWindow { _ = $0.from(17) } }
  }
}
