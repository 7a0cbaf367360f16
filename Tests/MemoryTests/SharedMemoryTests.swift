import Foundation
import Testing

@testable import Memory

struct SharedMemoryTests {
  /// A memory file that its owner may cut short, as DPDK's peers share.
  private func unsealed(_ bytes: Int) throws -> OwnedDescriptor {
    let folder = FileManager.default.temporaryDirectory
    let path = folder.appendingPathComponent("dpu-\(UUID().uuidString)").path
    let number = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(number >= 0)
    _ = unsafe unlink(path)
    try #require(ftruncate(number, bytes) == 0)
    return OwnedDescriptor(owning: number)
  }

  @Test("Two mappings of one memory file see the same bytes, and its size is sealed")
  func twoMappings() throws {
    let mine = try SharedRegion(bytes: 10_000)
    #expect(mine.count == 12_288 && mine.isSealed)
    let theirs = try SharedRegion(peer: mine.descriptor.duplicate(), offset: 0, bytes: 12_288)
    mine.shared.store64(0x0102_0304_0506_0708, at: 4096)
    #expect(theirs.shared.load64(4096) == 0x0102_0304_0506_0708)
    #expect(theirs.shared.load8(4096) == 8)
    #expect(theirs.isSealed)
    #expect(ftruncate(mine.descriptor.number, 4096) != 0)
  }

  @Test("A part of a file that begins inside of a page is mapped where the peer said")
  func insidePage() throws {
    let mine = try SharedRegion(bytes: 16_384)
    mine.bytes.fill(7, at: 5000, count: 3000)
    let part = try SharedRegion(peer: mine.descriptor.duplicate(), offset: 5000, bytes: 3000)
    #expect(part.count == 3000)
    #expect(part.bytes.array() == [UInt8](repeating: 7, count: 3000))
  }

  @Test("What cannot be mapped is refused by name: too short, no memory file, no size")
  func refused() throws {
    let file = try SharedRegion(bytes: 4096).descriptor
    #expect(throws: SharedMemoryError.fileTooShort(needed: 8192, bytes: 4096)) {
      try SharedRegion(peer: file, offset: 4096, bytes: 4096)
    }
    #expect(throws: SharedMemoryError.badSize(bytes: 0)) { try SharedRegion(peer: file, offset: 0, bytes: 0) }
    #expect(throws: SharedMemoryError.badSize(bytes: .max)) { try SharedRegion(peer: file, offset: 1, bytes: .max) }
    let event = try EventDescriptor()
    #expect(throws: SharedMemoryError.notAMemoryFile) {
      try SharedRegion(peer: event.descriptor, offset: 0, bytes: 4096)
    }
    #expect(throws: SharedMemoryError.badSize(bytes: 0)) { try SharedRegion(bytes: 0) }
  }

  @Test("Memory that its owner cuts short reads as zeros and is marked lost; the process lives and other regions stay")
  func truncated() throws {
    let file = try unsealed(1 << 20)
    let theirs = try SharedRegion(peer: file, offset: 0, bytes: 1 << 20)
    let other = try SharedRegion(bytes: 4096)
    other.shared.store32(99, at: 0)
    #expect(!theirs.isSealed)
    theirs.shared.store64(42, at: 500_000 & ~7)
    let before = SharedRegion.losses
    try #require(ftruncate(file.number, 4096) == 0)
    #expect(!theirs.isLost)
    #expect(theirs.shared.load64(500_000 & ~7) == 0)
    #expect(theirs.isLost)
    #expect(SharedRegion.losses > before)
    theirs.bytes.fill(1, at: 0, count: theirs.count)
    #expect(!other.isLost && other.shared.load32(0) == 99)
  }

  @Test("Huge pages are used when there are any, and otherwise it is said why not")
  func hugePages() throws {
    let region = try SharedRegion(bytes: 1 << 20, pages: .hugeIfAny)
    region.bytes.fill(1, at: 0, count: region.count)
    #expect(!region.isLost && region.shared.load8(1000) == 1)
    if region.pageSize == 2 << 20 {
      #expect(region.pagesNote == nil && region.count == 2 << 20)
    } else {
      #expect(region.pagesNote?.contains("2 MiB") == true)
    }
  }

  @Test("A region's header is taken over by the same layout only, and each takeover is counted")
  func header() throws {
    let region = try SharedRegion(bytes: 4096)
    let header = RegionHeader(kind: 3, version: 2, layout: "a u32 at 64", bytes: 4096)
    #expect(throws: SharedMemoryError.self) { try header.takeOver(region.shared) }
    header.write(to: region.shared)
    #expect(try header.takeOver(region.shared) == 2)
    #expect(try header.takeOver(region.shared) == 3)
    for (other, field) in [
      (RegionHeader(kind: 4, version: 2, layout: "a u32 at 64", bytes: 4096), "kind"),
      (RegionHeader(kind: 3, version: 1, layout: "a u32 at 64", bytes: 4096), "version"),
      (RegionHeader(kind: 3, version: 2, layout: "a u64 at 64", bytes: 4096), "layout hash"),
      (RegionHeader(kind: 3, version: 2, layout: "a u32 at 64", bytes: 8192), "size in use"),
    ] {
      let error = #expect(throws: SharedMemoryError.self) { try other.takeOver(region.shared) }
      #expect(error?.description.contains(field) == true)
    }
  }

  @Test("Every accessor of a shared window reads and writes what an array holds, little-endian")
  func accessors() throws {
    let region = try SharedRegion(bytes: 4096)
    let window = region.shared.slice(64, count: 256)
    var model = [UInt8](repeating: 0, count: 256)
    var state: UInt64 = 88
    for _ in 0..<2000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = state ^ state >> 29
      let width = 1 << Int(state >> 60 & 3)
      let at = Int(state >> 40 & 255) & ~(width - 1)
      switch (width, state >> 59 & 1) {
      case (1, 0): window.store8(UInt8(truncatingIfNeeded: value), at: at)
      case (1, _):
        window.setBits8(UInt8(truncatingIfNeeded: value), at: at)
        model[at] |= UInt8(truncatingIfNeeded: value)
        #expect(window.load8(at) == model[at])
        continue
      case (2, 0): window.store16(UInt16(truncatingIfNeeded: value), at: at)
      case (2, _): window.release16(UInt16(truncatingIfNeeded: value), at: at)
      case (4, _): window.store32(UInt32(truncatingIfNeeded: value), at: at)
      case (_, 0): window.store64(value, at: at)
      default: window.release64(value, at: at)
      }
      for byte in 0..<width { model[at + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
      let expected = (0..<width).reduce(UInt64(0)) { $0 | UInt64(model[at + $1]) << (8 * $1) }
      switch width {
      case 1: #expect(UInt64(window.load8(at)) == expected)
      case 2: #expect(UInt64(window.load16(at)) == expected && UInt64(window.acquire16(at)) == expected)
      case 4: #expect(UInt64(window.load32(at)) == expected)
      default: #expect(window.load64(at) == expected && window.acquire64(at) == expected)
      }
    }
    #expect(region.bytes.slice(64, count: 256).array() == model)
  }

  @Test("Frames of an arena in a region lie where both sides count them, and an arena that does not fit is refused")
  func arenaInRegion() throws {
    let region = try SharedRegion(bytes: 64 + 8 * 2048)
    var arena = try FrameArena(in: region, offset: 64, capacity: 8, bufferSize: 2048)
    while let index = arena.take() {
      arena.buffer(index).fill(UInt8(index + 1), at: FrameArena.defaultHeadroom, count: 10)
      #expect(region.shared.load8(64 + Int(index) * 2048 + FrameArena.defaultHeadroom) == UInt8(index + 1))
    }
    #expect(throws: ArenaError.self) {
      _ = try FrameArena(in: region, offset: 64, capacity: 10, bufferSize: 2048)
    }
    #expect(throws: ArenaError.self) { _ = try FrameArena(in: region, offset: 63, capacity: 1, bufferSize: 2048) }
  }
}
