import ArgumentParser
import Control
import Dispatch
import Foundation
import Ports

/// `dpuctl capture`.
struct CaptureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture", abstract: "Write frames that pass a running dpud to a pcapng file, or to standard output.",
    discussion: """
      Frames are written as they come in through a port and as they are given to one, those that a device carried \
      through alone too; each has its rule and path in a comment. The file has one interface for each port. The daemon \
      never waits for the capture: what is not fetched in time is dropped, and counted in the last line.

      dpuctl capture -w - | tshark -r - -T fields -e frame.comment
      """)
  @Option(name: [.customShort("w"), .customLong("out")], help: "The file; - is standard output.") var out = "-"
  @Option(help: "Only frames at this port.") var port: String?
  @Option(help: "Only frames for which this pcap filter holds, and what they became.") var filter: String?
  @Option(name: .shortAndLong, help: "End behind this many frames.") var count: Int?
  @Option(help: "End after this many seconds.") var seconds: Double?
  @Option(help: "Bytes of each frame at most.") var snapLength = 65_535
  @Option(help: "Bytes of frames that wait in the daemon at most.") var buffer = 16 << 20
  @OptionGroup var live: LiveOptions

  private final class Flag: @unchecked Sendable { var isSet = false }

  func run() throws {
    try live.output.run {
      guard out != "-" || isatty(1) == 0 else {
        throw Failure(
          code: "usage", message: "a capture is not written to a terminal", hint: "-w FILE, or a pipe into tshark -r -",
          exitCode: 64)
      }
      guard out != "-" || !live.output.isJSON else {
        throw Failure(code: "usage", message: "-j needs -w FILE: standard output has the frames", exitCode: 64)
      }
      let client = try live.daemon.connect()
      var members: [JSON.Member] = [
        .init(name: "snap_length", value: .integer(snapLength)), .init(name: "buffer_bytes", value: .integer(buffer)),
      ]
      if let port { members.append(.init(name: "port", value: .string(port))) }
      if let filter { members.append(.init(name: "filter", value: .string(filter))) }
      let begun = try client.ask("capture.start", .object(members))
      let written = try write(client, begun)
      let answer = try client.ask("capture.stop", ["capture": begun["capture"] ?? .null])
      report(written, dropped: answer["dropped"]?.whole ?? 0)
    }
  }

  /// Writes until it is enough, or until SIGINT or SIGTERM; the file is whole then, too.
  private func write(_ client: ControlClient, _ begun: JSON) throws -> Int {
    let ending = Flag()
    let sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { ending.isSet = true }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    let ports = (begun["ports"]?.list ?? []).map {
      CaptureWriter.Port(id: UInt16(clamping: $0["id"]?.whole ?? 0), name: $0["name"]?.text ?? "")
    }
    var writer = try CaptureWriter(path: out, format: .pcapng, ports: ports)
    try writer.flush()
    let end = seconds.map { Date(timeIntervalSinceNow: $0) }
    var members: [JSON.Member] = [
      .init(name: "capture", value: begun["capture"] ?? .null), .init(name: "wait_ms", value: 200),
    ]
    if let port { members.append(.init(name: "port", value: .string(port))) }
    let request = JSON.object(members)
    var left = count ?? .max
    while left > 0, !ending.isSet, end.map({ $0 > Date() }) ?? true {
      for frame in try client.ask("capture.read", request)["frames"]?.list ?? [] where left > 0 {
        try Self.write(frame, to: &writer)
        left -= 1
      }
      try writer.flush()
    }
    let written = writer.count
    try writer.close()
    return written
  }

  static func write(_ frame: JSON, to writer: inout CaptureWriter) throws {
    guard let bytes = frame["frame_hex"]?.text.flatMap({ JSON.bytes(hex: $0) }) else {
      throw Failure(code: "protocol", message: "the daemon gave a frame that is not hexadecimal digits")
    }
    try writer.write(
      bytes,
      .init(
        time: UInt64(clamping: frame["time_ns"]?.whole ?? 0), port: UInt16(clamping: frame["port_id"]?.whole ?? 0),
        originalLength: frame["bytes"]?.whole, direction: frame["direction"]?.text == "in" ? .inbound : .outbound,
        comment: frame["comment"]?.text ?? ""))
  }

  private func report(_ written: Int, dropped: Int) {
    let document: JSON = [
      "schema_version": 1, "file": .string(out), "frames": .integer(written), "dropped": .integer(dropped),
    ]
    let text = "\(written) frames written, \(dropped) dropped"
    guard out != "-" else { return FileHandle.standardError.write(Data("\(text)\n".utf8)) }
    live.output.show(document) { _ in "\(out): \(text)" }
  }
}
