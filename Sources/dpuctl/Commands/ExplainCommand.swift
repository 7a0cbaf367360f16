import ArgumentParser
import Control
import Device
import Offload

/// `dpuctl explain`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Explain a rule's place on a device, or one frame's way through device and software.",
    discussion: """
      --rule N says where each step of the rule runs, which limit stands in the way, where that is documented and what \
      would have fitted. --frame HEX (with --port NAME), or --in PORT=FILE --number N, runs the frame and shows what \
      came of it on the device and in software alone.
      """)
  @OptionGroup var input: ConfigurationOptions
  @OptionGroup var device: ProfileOptions
  @OptionGroup var mode: ModeOptions
  @Option(help: "Id of a rule.") var rule: UInt32?
  @Option(help: "A frame in hexadecimal digits, without FCS.") var frame: String?
  @Option(help: "The port that --frame came in through.") var port: String?
  @Option(name: .customLong("in"), help: "Capture, FILE or PORT=FILE.") var capture: String?
  @Option(help: "Number of the frame in the capture, from 1.") var number = 1
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      let configuration = try input.load()
      let choice = try device.load()
      let plan = try mode.plan(configuration, choice.profile)
      if let rule {
        guard let planned = plan[rule] else {
          throw Failure(
            code: "rule.missing", message: "there is no rule #\(rule) (rules are 1 to \(configuration.rules.count))")
        }
        let document = RuleDocument(profile: choice.profile.name, plan.entry(of: planned))
        return try output.emit(document) {
          "profile \(choice.title)\n\(planned.rule)\n" + plan.explanation(of: planned).joined(separator: "\n")
        }
      }
      let judged = try input(configuration)
      let device = try Engine(configuration, plan: mode.mode == .forbidHardware ? nil : plan)
      let software = try Engine(configuration, plan: nil)
      let document = FrameDocument(
        profile: choice.profile.name, port: configuration.name(of: judged.port), bytes: judged.bytes,
        device: device.process(judged.bytes, port: judged.port, now: judged.time),
        software: software.process(judged.bytes, port: judged.port, now: judged.time), configuration)
      try output.emit(document) {
        var text = "profile \(choice.title)\n" + document.text
        for id in document.rules {
          if let planned = plan[id] {
            text += "\n\n\(planned.rule)\n" + plan.explanation(of: planned).joined(separator: "\n")
          }
        }
        return text
      }
    }
  }

  private func input(_ configuration: Configuration) throws -> Verifier.Input {
    if let capture {
      let frames = try CaptureInput.read([capture], for: configuration)
      guard (1...max(1, frames.count)).contains(number), !frames.isEmpty else {
        throw Failure(code: "frame.missing", message: "\(capture) has \(frames.count) frames, asked for \(number)")
      }
      return frames[number - 1]
    }
    guard let frame, let port else {
      throw Failure(
        code: "usage", message: "--rule, --frame with --port, or --in is needed", exitCode: 64)
    }
    guard let named = configuration.port(named: port) else {
      throw Failure(
        code: "port.missing",
        message: "no port is called '\(port)' (there are \(configuration.ports.map(\.name).joined(separator: ", ")))")
    }
    return Verifier.Input(port: named.port.id, bytes: try unhex(frame), time: 0)
  }

  private struct RuleDocument: Encodable {
    var schemaVersion = 1
    var profile: String
    var rule: PlanDocument.RuleEntry

    init(profile: String, _ rule: PlanDocument.RuleEntry) {
      self.profile = profile
      self.rule = rule
    }
  }

  private struct FrameDocument: Encodable {
    struct Outcome: Encodable {
      var fate: String
      var rule: UInt32
      var place: String
      var stepsInHardware: [String]
      var bytesHex: String
    }
    var schemaVersion = 1
    var profile: String
    var port: String
    var frameHex: String
    var device: [Outcome]
    var software: [Outcome]
    var rules: [UInt32] { Array(Set(device.map(\.rule)).subtracting([0])).sorted() }

    init(
      profile: String, port: String, bytes: [UInt8], device: [Result], software: [Result],
      _ configuration: Configuration
    ) {
      self.profile = profile
      self.port = port
      frameHex = hex(bytes)
      func outcome(_ result: Result) -> Outcome {
        Outcome(
          fate: result.words(configuration), rule: result.rule, place: result.place.rawValue,
          stepsInHardware: Steps.names.filter { result.stepsInHardware.contains($0.step) }.map(\.name),
          bytesHex: hex(result.bytes))
      }
      self.device = device.map(outcome)
      self.software = software.map(outcome)
    }

    var text: String {
      func lines(_ title: String, _ outcomes: [Outcome]) -> String {
        outcomes.map { outcome in
          let steps =
            outcome.stepsInHardware.isEmpty ? "" : ", by the device: " + outcome.stepsInHardware.joined(separator: " ")
          let rule = outcome.rule == 0 ? "no rule" : "rule \(outcome.rule)"
          return "\(title): \(outcome.fate) (\(rule), \(outcome.place)\(steps))"
            + (outcome.bytesHex.isEmpty ? "" : "\n  \(outcome.bytesHex)")
        }.joined(separator: "\n")
      }
      return "in at \(port)\n  \(frameHex)\n" + lines("with the device", device) + "\n"
        + lines("software alone", software)
    }
  }
}

extension Result {
  /// What came of it, in words.
  func words(_ configuration: Configuration) -> String {
    switch fate {
    case .forwarded(let port): "out of \(configuration.name(of: port)), \(bytes.count) bytes"
    case .delivered(let queue, let mark): "to queue \(queue), mark \(mark), \(bytes.count) bytes"
    case .dropped(let reason): "dropped, \(reason.name): \(reason.sentence)"
    }
  }
}

/// Bytes of hexadecimal digits; blanks and colons between them are skipped.
func unhex(_ text: String) throws -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace && $0 != ":" }
  guard digits.count % 2 == 0, digits.count <= 131_070 else {
    throw Failure(code: "usage", message: "--frame needs an even number of digits, at most 131,070", exitCode: 64)
  }
  var bytes: [UInt8] = []
  var high: UInt8?
  for digit in digits {
    guard let value = digit.hexDigitValue.map({ UInt8($0) }) else {
      throw Failure(code: "usage", message: "--frame: '\(digit)' is no hexadecimal digit", exitCode: 64)
    }
    if let first = high {
      bytes.append(first << 4 | value)
      high = nil
    } else {
      high = value
    }
  }
  return bytes
}
