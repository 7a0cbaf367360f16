import Memory
import Testing

struct FrameArenaTests {
  @Test("Every buffer is handed out once, and none before it came back")
  func everyBufferOnce() throws {
    var arena = try FrameArena(capacity: 37, bufferSize: 256, headroom: 64)
    var out: Set<UInt32> = []
    while let index = arena.take() { #expect(out.insert(index).inserted) }
    #expect(out == Set(0..<37))
    #expect(arena.available == 0)
    arena.give(5)
    #expect(arena.available == 1)
    #expect(arena.take() == 5)
    #expect(arena.take() == nil)
  }

  @Test("Buffers do not overlap: what is written to one is not seen in another")
  func buffersAreApart() throws {
    var arena = try FrameArena(capacity: 16, bufferSize: 130, headroom: 64)
    #expect(arena.bufferSize == 192)
    var taken: [UInt32] = []
    while let index = arena.take() {
      let buffer = arena.buffer(index)
      #expect(buffer.count == 192)
      buffer.fill(UInt8(index), at: 0, count: buffer.count)
      taken.append(index)
    }
    for index in taken { #expect(arena.buffer(index).array() == Array(repeating: UInt8(index), count: 192)) }
  }

  @Test("A buffer size is rounded up to whole cache lines")
  func rounding() throws {
    for size in [65, 128, 129, 2048, 131_072] {
      let arena = try FrameArena(capacity: 1, bufferSize: size, headroom: 64)
      #expect(arena.bufferSize % 64 == 0 && arena.bufferSize >= size && arena.bufferSize < size + 64)
    }
  }

  @Test(
    "A geometry that is not possible is an error that names it",
    arguments: [
      (0, 2048, 384), (-1, 2048, 384), (1 << 24 + 1, 2048, 384), (1, 384, 384), (1, 131_073, 384), (1, -5, 384),
    ])
  func badGeometry(capacity: Int, bufferSize: Int, headroom: Int) {
    let expected = ArenaError.badGeometry(capacity: capacity, bufferSize: bufferSize, headroom: headroom)
    #expect(throws: expected) {
      _ = try FrameArena(capacity: capacity, bufferSize: bufferSize, headroom: headroom)
    }
    #expect(expected.description.contains("\(bufferSize)"))
  }

  @Test("The room in front of a fresh frame holds the largest outer header of this project")
  func headroomHoldsTheLargestHeader() {
    // Ethernet 14, IPv6 40, UDP 8, Geneve 8, options 252.
    #expect(FrameArena.defaultHeadroom >= 14 + 40 + 8 + 8 + 252)
    #expect(FrameArena.defaultHeadroom % 64 == 0)
  }
}
