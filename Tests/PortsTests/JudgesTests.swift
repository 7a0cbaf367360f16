import Foundation
import Ports
import Testing

/// Programs that no one here wrote read what is written here. A test is skipped by name where the program is missing.
@Suite("capinfos and tshark judge the files")
struct JudgesTests {
  static func path(of program: String) -> String? {
    ["/usr/bin/", "/usr/local/bin/", "/usr/sbin/"].map { $0 + program }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }

  static func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: try #require(path(of: program)))
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  static func samples() -> [Sample] {
    var random = Seeded(3)
    return (0..<20).map { _ in Sample.random(&random) }
  }

  @Test("capinfos finds type, precision, count and interfaces", .enabled(if: path(of: "capinfos") != nil))
  func capinfos() throws {
    let folder = try Folder()
    let samples = Self.samples()
    for (ending, type) in [("pcap", "nanosecond pcap"), ("pcapng", "... - pcapng")] {
      let path = folder.file("a." + ending)
      try write(samples, to: path, ports: (0...3).map { .init(id: $0, name: "port-\($0)") })
      let (status, text) = try Self.run("capinfos", ["-tEcI", path])
      #expect(status == 0)
      #expect(text.contains(type), "\(text)")
      #expect(text.contains("Number of packets:   20\n"))
      if ending == "pcapng" {
        #expect(text.contains("Number of interfaces in file: 4"))
        for port in 0...3 { #expect(text.contains("Name = port-\(port)")) }
        #expect(text.components(separatedBy: "Time resolution = 0x09").count == 5)
      }
    }
  }

  @Test("tshark reads bytes, times, ports, directions, queues and comments", .enabled(if: path(of: "tshark") != nil))
  func tshark() throws {
    let folder = try Folder()
    let samples = Self.samples()
    let path = folder.file("a.pcapng")
    try write(samples, to: path, ports: [.init(id: 2, name: "uplink ü")])
    let fields = [
      "frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_name", "frame.packet_flags_direction",
      "frame.interface_queue", "frame.comment",
    ]
    let (status, text) = try Self.run(
      "tshark", ["-r", path, "-T", "fields", "-E", "separator=;", "-E", "quote=n"] + fields.flatMap { ["-e", $0] })
    #expect(status == 0)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    try #require(lines.count == samples.count)
    for (line, sample) in zip(lines, samples) {
      let words = line.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
      try #require(words.count == fields.count)
      let (note, count) = (sample.note, sample.bytes.count)
      let fraction = String(note.time % 1_000_000_000)
      #expect(
        words[0] == "\(note.time / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction)
      #expect(words[1] == "\(count)" && words[2] == "\(max(count, note.originalLength ?? 0))")
      #expect(words[3] == (note.port == 2 ? "uplink ü" : "port \(note.port)"))
      let direction = words[4].isEmpty ? 0 : UInt32(words[4].replacingOccurrences(of: "0x", with: ""), radix: 16)
      #expect(direction == note.direction.rawValue, "\(line)")
      #expect(words[5] == (note.queue.map(String.init) ?? ""))
      #expect(words[6] == note.comment)
    }
  }
}
