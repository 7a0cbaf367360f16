import Foundation
import Memory
import Ports

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// A folder that is gone with the value.
final class Folder {
  let path: String
  init() throws {
    let url = try FileManager.default.url(
      for: .itemReplacementDirectory, in: .userDomainMask, appropriateFor: FileManager.default.temporaryDirectory,
      create: true)
    path = url.path
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
}

/// A frame as it is written and as it must be read.
struct Sample: Equatable {
  var bytes: [UInt8]
  var note: CaptureWriter.Note

  static func random(_ random: inout Seeded, longest: Int = 300) -> Sample {
    let count = Int.random(in: 0...longest, using: &random)
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    // pcap has 32 bits of seconds.
    var note = CaptureWriter.Note(time: UInt64.random(in: 0..<(1 << 32) * 1_000_000_000, using: &random))
    note.port = UInt16.random(in: 0...3, using: &random)
    if Bool.random(using: &random) { note.originalLength = count + Int.random(in: 0...1000, using: &random) }
    note.direction = CaptureWriter.Note.Direction.allCases.randomElement(using: &random) ?? .unknown
    if Bool.random(using: &random) { note.queue = UInt32.random(in: 0...9, using: &random) }
    if Bool.random(using: &random) { note.comment = "rule \(count), é" }
    return Sample(bytes: bytes, note: note)
  }
}

/// A frame as it was read.
struct ReadFrame: Equatable {
  var bytes: [UInt8]
  var time: UInt64
  var originalLength: Int
  init(_ sample: Sample) {
    bytes = sample.bytes
    time = sample.note.time
    originalLength = max(sample.note.originalLength ?? 0, sample.bytes.count)
  }
  init(_ frame: CapturedFrame, _ bytes: [UInt8]) {
    self.bytes = bytes
    time = frame.time
    originalLength = frame.originalLength
  }
}

func write(_ samples: [Sample], to path: String, ports: [CaptureWriter.Port] = []) throws {
  var writer = try CaptureWriter(path: path, ports: ports)
  for sample in samples { try writer.write(sample.bytes, sample.note) }
  try writer.close()
}

/// Every frame up to the end or the error.
func read(_ path: String) -> (frames: [ReadFrame], error: CaptureError?) {
  var frames: [ReadFrame] = []
  do throws(CaptureError) {
    var reader = try CaptureReader(path: path)
    while let frame = try reader.next() { frames.append(ReadFrame(frame, reader.array())) }
    return (frames, nil)
  } catch { return (frames, error) }
}

/// Makes a file of these bytes, without waiting for the disk as `Data.write` does.
func put(_ bytes: [UInt8], at path: String) throws {
  if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
  let file = try FileHandle(forUpdating: URL(filePath: path))
  try file.write(contentsOf: Data(bytes))
  try file.truncate(atOffset: UInt64(bytes.count))
  try file.close()
}
