import Foundation
import Memory
import Ports
import Testing

@Suite("Capture files")
struct CaptureFileTests {
  static let endings = ["pcap", "pcapng"]

  @Test("What is written is read: bytes, nanoseconds, original lengths", arguments: endings, 0..<4)
  func identity(ending: String, seed: UInt64) throws {
    let folder = try Folder()
    var random = Seeded(seed)
    let samples = (0..<200).map { index in Sample.random(&random, longest: index % 20 == 0 ? 9000 : 300) }
    let path = folder.file("a." + ending)
    try write(samples, to: path)
    let (frames, error) = read(path)
    #expect(error == nil)
    #expect(frames == samples.map { ReadFrame($0) })
  }

  @Test("A frame is lent as a span, copied to a window that has room, and refused by one that has none")
  func lending() throws {
    let folder = try Folder()
    let path = folder.file("a.pcap")
    try write(
      [
        Sample(bytes: [1, 2, 3, 4], note: .init(time: 5, originalLength: 60)),
        Sample(bytes: [9], note: .init(time: 6)),
      ], to: path)
    var arena = try FrameArena(capacity: 1, bufferSize: 512)
    let taken = arena.take()
    let buffer = arena.buffer(try #require(taken))
    var reader = try CaptureReader(path: path)
    let first = try reader.next()
    #expect(first == CapturedFrame(number: 1, time: 5, length: 4, originalLength: 60))
    #expect(first?.isTruncated == true)
    let lent = reader.bytes.byteCount
    #expect(lent == 4)
    let copies = (
      reader.copy(to: buffer, at: 384), reader.copy(to: buffer, at: buffer.count - 3),
      reader.copy(to: buffer, at: buffer.count + 1)
    )
    #expect(copies == (true, false, false))
    #expect(buffer.slice(384, count: 4).array() == [1, 2, 3, 4])
    let second = try reader.next()
    let bytes = reader.array()
    #expect(second?.number == 2 && bytes == [9])
    let end = try reader.next()
    let rest = (reader.array().count, reader.bytes.byteCount)
    #expect(end == nil && rest == (0, 0))
    let counts = (reader.count, reader.truncatedCount)
    #expect(counts == (2, 1))
  }

  @Test(
    "Microsecond and big-endian pcap files give the same nanoseconds",
    arguments: [
      (0xa1b2_c3d4, false, 7_000), (0xa1b2_c3d4, true, 7_000), (0xa1b2_3c4d, false, 7), (0xa1b2_3c4d, true, 7),
    ] as [(UInt32, Bool, UInt64)])
  func variants(magic: UInt32, big: Bool, nanoseconds: UInt64) throws {
    let folder = try Folder()
    var bytes: [UInt8] = []
    func put<T: FixedWidthInteger>(_ value: T) {
      let parts = (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
      bytes += big ? parts.reversed() : parts
    }
    put(magic)
    put(UInt16(2))
    put(UInt16(4))
    put(UInt64(0))
    put(UInt32(65535))
    put(UInt32(1))
    for value: UInt32 in [3, 7, 2, 2] { put(value) }
    bytes += [0xaa, 0xbb]
    let path = folder.file("x.pcap")
    try Data(bytes).write(to: URL(filePath: path))
    let (frames, error) = read(path)
    #expect(error == nil)
    #expect(frames.map(\.bytes) == [[0xaa, 0xbb]] && frames.map(\.time) == [3_000_000_000 + nanoseconds])
  }

  @Test("A frame check sequence that the file announces is left out")
  func checkSequence() throws {
    let folder = try Folder()
    let path = folder.file("a.pcap")
    try write(
      [
        Sample(bytes: Array(1...64), note: .init(time: 0)),
        Sample(bytes: Array(1...20), note: .init(time: 0, originalLength: 22)),
        Sample(bytes: [1, 2], note: .init(time: 0)),
      ], to: path)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    // The last byte of the header: FCS length 2 words of 16 bits, known.
    bytes[23] = 0x24
    try Data(bytes).write(to: URL(filePath: path))
    #expect(read(path).frames.map(\.bytes.count) == [60, 18, 0])
    #expect(read(path).frames.map(\.originalLength) == [60, 18, 0])
  }

  @Test("Files that are no Ethernet captures are refused in words")
  func refused() throws {
    let folder = try Folder()
    let path = folder.file("a.pcap")
    try write([], to: path)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    bytes[20] = 101
    try Data(bytes).write(to: URL(filePath: path))
    #expect(read(path).error?.kind == .linkType)
    #expect(
      read(path).error?.description == path + ": the frames are not Ethernet but RAW, Raw IP; only Ethernet is read")
    try Data("not a capture at all, this is text".utf8).write(to: URL(filePath: path))
    #expect(read(path).error?.kind == .notACapture)
    try Data().write(to: URL(filePath: path))
    #expect(read(path).error?.kind == .notACapture)
    let missing = read(folder.file("missing.pcap")).error
    #expect(missing?.kind == .cannotOpen)
    #expect(missing?.description == folder.file("missing.pcap") + ": No such file or directory")
    #expect(read(folder.path).error != nil)
  }

  @Test("A truncated file gives every whole frame, and then the number of the one that is not", arguments: endings)
  func truncated(ending: String) throws {
    let folder = try Folder()
    let path = folder.file("a." + ending)
    var random = Seeded(11)
    let samples = (0..<6).map { _ in Sample.random(&random, longest: 40) }
    var ends: [Int] = []
    for count in 0...samples.count {
      try write(Array(samples[..<count]), to: path, ports: (0...3).map { .init(id: $0, name: "p\($0)") })
      ends.append(try Data(contentsOf: URL(filePath: path)).count)
    }
    let whole = [UInt8](try Data(contentsOf: URL(filePath: path)))
    for length in 0...whole.count {
      try put(Array(whole[..<length]), at: path)
      let (frames, error) = read(path)
      let complete = ends.lastIndex { $0 <= length } ?? 0
      let same = frames == samples[..<complete].map { ReadFrame($0) }
      #expect(same, "\(length) bytes of \(whole.count): \(frames.count) of \(complete)")
      // At a block's end a file is whole; before the first interface there is nothing to be read.
      if length > ends[0], !ends.contains(length) {
        #expect(error?.frame == complete + 1 && error?.kind == .damaged, "\(length): \(String(describing: error))")
      }
    }
  }

  @Test("Any byte changed never traps, and loses no frame before it", arguments: endings)
  func damaged(ending: String) throws {
    let folder = try Folder()
    let path = folder.file("a." + ending)
    var random = Seeded(12)
    let samples = (0..<5).map { _ in Sample.random(&random, longest: 24) }
    var ends: [Int] = []
    for count in 0...samples.count {
      try write(Array(samples[..<count]), to: path, ports: (0...3).map { .init(id: $0, name: "p\($0)") })
      ends.append(try Data(contentsOf: URL(filePath: path)).count)
    }
    let whole = [UInt8](try Data(contentsOf: URL(filePath: path)))
    for at in whole.indices {
      for value in [0, 0xff, 0x80, UInt8.random(in: 0...255, using: &random)] {
        var changed = whole
        changed[at] = value
        try put(changed, at: path)
        let (frames, error) = read(path)
        if let error { #expect(!error.description.isEmpty && error.frame <= samples.count + 1) }
        guard at >= ends[0] else { continue }
        let before = (ends.lastIndex { $0 <= at } ?? 0)
        let same = frames.count >= before && Array(frames[..<before]) == samples[..<before].map { ReadFrame($0) }
        #expect(same, "byte \(at) = \(value): \(frames.count) of \(before), \(String(describing: error))")
      }
    }
  }

  @Test("A full disk is an error, and stays one", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func diskFull() throws {
    var writer = try CaptureWriter(path: "/dev/full", format: .pcapng)
    var failed: CaptureError?
    let frame = [UInt8](repeating: 0, count: 1500)
    for _ in 0..<1000 where failed == nil {
      do throws(CaptureError) { try writer.write(frame, .init(time: 0)) } catch { failed = error }
    }
    #expect(failed?.kind == .cannotWrite)
    #expect(failed?.description == "/dev/full: No space left on device")
    let written = writer.count
    do throws(CaptureError) { try writer.write(frame, .init(time: 0)) } catch { #expect(error == failed) }
    let unchanged = writer.count == written
    #expect(unchanged)
    do throws(CaptureError) { try writer.close() } catch { #expect(error == failed) }
    var small = try CaptureWriter(path: "/dev/full", format: .pcap)
    try small.write([1], .init(time: 0))
    do throws(CaptureError) {
      try small.close()
      Issue.record("closing did not notice")
    } catch { #expect(error.kind == .cannotWrite) }
  }

  @Test("A writer that nobody closed has written what it was given")
  func unclosed() throws {
    let folder = try Folder()
    let path = folder.file("a.pcapng")
    func writeOnly() throws {
      var writer = try CaptureWriter(path: path)
      try writer.write([1, 2, 3], .init(time: 1))
    }
    try writeOnly()
    #expect(read(path).frames.map(\.bytes) == [[1, 2, 3]])
  }

  @Test("What a format cannot say is refused, and the file goes on")
  func doesNotFit() throws {
    let folder = try Folder()
    let path = folder.file("a.pcap")
    var writer = try CaptureWriter(path: path)
    let format = writer.format
    #expect(format == .pcap)
    for (bytes, time) in [([0], UInt64.max), ([UInt8](repeating: 0, count: 262_145), 0)] {
      do throws(CaptureError) {
        try writer.write(bytes, .init(time: time))
        Issue.record("it was written")
      } catch { #expect(error.kind == .doesNotFit && error.frame == 1) }
    }
    try writer.write([7], .init(time: 1))
    try writer.close()
    #expect(read(path).frames.map(\.bytes) == [[7]])
    #expect(CaptureWriter.Format(path: "x.pcapng") == .pcapng && CaptureWriter.Format(path: "pcap") == nil)
    do throws(CaptureError) { _ = try CaptureWriter(path: folder.path + "/no/such/a.pcap") } catch {
      #expect(error.kind == .cannotOpen && error.description.hasSuffix(": No such file or directory"))
    }
  }
}
