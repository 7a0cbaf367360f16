import ArgumentParser
import Control
import Device
import Foundation
import Offload

/// `dpuctl trace`.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Tell one frame's way through hardware and software, step by step.",
    discussion: """
      Each line says observed (it was seen) or predicted (it follows from the rules), the place (port, hardware, software), \
      the step and its rule, and the headers before and behind it where they change.

      With --config FILE the frame is run on the emulated device of --profile and in software, without a daemon. Without \
      it a running dpud is asked: what it would do to a frame that is given (nothing is sent or counted), or, with \
      --live, what it does to the next frames that come in.

      The frame is given as --frame HEX --port NAME, or as --in [PORT=]FILE[:N], frame N of a capture, from 1.
      """)
  @Option(name: .shortAndLong, help: "Configuration file (YAML): trace offline.") var config: String?
  @OptionGroup var device: ProfileOptions
  @OptionGroup var mode: ModeOptions
  @Option(help: "A frame in hexadecimal digits, without FCS.") var frame: String?
  @Option(help: "The port it comes in through; with --live only frames of this port.") var port: String?
  @Option(name: .customLong("in"), help: "A frame of a capture: [PORT=]FILE[:N].") var capture: String?
  @Flag(help: "Trace frames that come in at the daemon.") var live = false
  @Option(help: "With --live: only frames for which this pcap filter holds.") var filter: String?
  @Option(help: "With --live: this many frames.") var count = 1
  @OptionGroup var asking: LiveOptions

  func run() throws {
    try asking.output.run {
      if live { return try traceLive() }
      guard let config else { return try traceOnDaemon() }
      let configuration = try ConfigurationOptions.load(config)
      let choice = try device.load()
      let plan = mode.mode == .forbidHardware ? nil : try mode.plan(configuration, choice.profile)
      let input = try self.input(configuration)
      let trace = try FrameTrace.offline(
        configuration, plan: plan, bytes: input.bytes, port: input.port, now: input.time)
      let document = JSON.object(
        [.init(name: "schema_version", value: 1), .init(name: "profile", value: .string(choice.profile.name))]
          + trace.members)
      asking.output.show(document, text: Self.text)
    }
  }

  private func traceOnDaemon() throws {
    let bytes: [UInt8]
    let port: String
    if let capture {
      let place = try Self.place(capture)
      guard let name = place.port ?? self.port else {
        throw Failure(
          code: "usage", message: "--in needs PORT=FILE, or --port NAME, when a daemon is asked", exitCode: 64)
      }
      (bytes, port) = (try CaptureInput.frame(place.number, of: place.file), name)
    } else {
      guard let frame, let name = self.port else {
        throw Failure(code: "usage", message: "--frame with --port, --in, or --live is needed", exitCode: 64)
      }
      (bytes, port) = (try unhex(frame), name)
    }
    try asking.show("trace.frame", ["port": .string(port), "frame_hex": .string(JSON.hex(bytes))], text: Self.text)
  }

  private func traceLive() throws {
    guard frame == nil, capture == nil, config == nil else {
      throw Failure(code: "usage", message: "--live stands without --frame, --in and --config", exitCode: 64)
    }
    guard (1...1000).contains(count) else {
      throw Failure(code: "usage", message: "--count is 1 to 1000", exitCode: 64)
    }
    let client = try asking.daemon.connect()
    var members: [JSON.Member] = []
    if let port { members.append(.init(name: "port", value: .string(port))) }
    if let filter { members.append(.init(name: "filter", value: .string(filter))) }
    members.append(.init(name: "timeout_ms", value: .integer(Int(min(asking.daemon.timeout, 3600) * 1000))))
    if asking.daemon.timeout > 0 { client.setTimeout(asking.daemon.timeout + 5) }
    for number in 0..<count {
      let document = try client.ask("trace.live", .object(members))
      if number > 0, !asking.output.isJSON { Swift.print("") }
      asking.output.show(document, text: Self.text)
    }
  }

  private func input(_ configuration: Configuration) throws -> Verifier.Input {
    if let capture {
      let place = try Self.place(capture)
      let entry = (place.port.map { "\($0)=" } ?? port.map { "\($0)=" } ?? "") + place.file
      let frames = try CaptureInput.read([entry], for: configuration)
      guard place.number >= 1, place.number <= frames.count else {
        throw Failure(
          code: "frame.missing", message: "\(place.file) has \(frames.count) frames, asked for \(place.number)")
      }
      return frames[place.number - 1]
    }
    guard let frame, let port else {
      throw Failure(code: "usage", message: "--frame with --port, or --in, is needed", exitCode: 64)
    }
    guard let named = configuration.port(named: port) else {
      throw Failure(
        code: "port.missing",
        message: "no port is called '\(port)' (there are \(configuration.ports.map(\.name).joined(separator: ", ")))")
    }
    return Verifier.Input(port: named.port.id, bytes: try unhex(frame), time: 0)
  }

  /// The parts of `[PORT=]FILE[:N]`.
  static func place(_ text: String) throws -> (port: String?, file: String, number: Int) {
    var rest = Substring(text)
    var port: String?
    if let sign = rest.firstIndex(of: "=") {
      port = String(rest[..<sign])
      rest = rest[rest.index(after: sign)...]
    }
    var number = 1
    if let colon = rest.lastIndex(of: ":"), let wanted = Int(rest[rest.index(after: colon)...]) {
      guard wanted >= 1 else { throw Failure(code: "usage", message: "--in: frames count from 1", exitCode: 64) }
      number = wanted
      rest = rest[..<colon]
    }
    guard !rest.isEmpty else { throw Failure(code: "usage", message: "--in names no file", exitCode: 64) }
    return (port, String(rest), number)
  }

  /// Lines for people: headers where they change.
  static func text(_ document: JSON) -> String {
    var out: [String] = []
    if let profile = document["profile"]?.text { out.append("profile \(profile)") }
    var shown: [String] = []
    for line in document["lines"]?.list ?? [] {
      func column(_ name: String, _ width: Int) -> String {
        (line[name]?.text ?? "").padding(toLength: width, withPad: " ", startingAt: 0)
      }
      let rule = line["rule"]?.whole.map { "rule \($0), " } ?? ""
      out.append(
        "\(column("certainty", 9))  \(column("place", 8))  \(column("step", 7))  \(rule)\(line["text"]?.text ?? "")")
      let after = (line["headers_after"]?.list ?? []).compactMap(\.text)
      guard !after.isEmpty, after != shown else { continue }
      for header in shown where !after.contains(header) && line["headers_before"]?.list != nil {
        out.append("             - \(header)")
      }
      for header in after { out.append("             \(shown.contains(header) ? " " : "+") \(header)") }
      shown = after
    }
    if document["prediction_agrees"]?.truth == false {
      out.append("what was predicted is not what came of it: report this frame")
    }
    return out.joined(separator: "\n")
  }
}
