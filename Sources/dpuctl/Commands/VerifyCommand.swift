import ArgumentParser
import Control
import Device
import EmulatedDevice
import Foundation
import Offload

/// `dpuctl verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Hold a device against the software path: the same frames through both, everything compared.",
    discussion: """
      Frames come from --in captures, or are drawn from --seed: whole, spoiled and half-done ones. Without --config the \
      configuration is drawn too, a new one every 2,000 frames; without --profile every profile takes its turn. \
      Exit code 1 when anything differs.
      """)
  @Option(name: .shortAndLong, help: "Configuration file; without it configurations are drawn.") var config: String?
  @Option(help: "Device profile; without it all profiles in turn.") var profile: String?
  @Option(help: "Folder of profiles.") var profiles: String?
  @Option(name: .customLong("in"), help: "Capture to judge, FILE or PORT=FILE; may be repeated.") var captures:
    [String] = []
  @Option(help: "Frames to draw.") var frames = 100_000
  @Option(help: "Seed; without it one is drawn and printed.") var seed: UInt64?
  @Option(help: "Of a hundred drawn frames, how many are spoiled.") var spoiled = 30
  @Option(help: "Debts on the frames: csum, tso (comma list).") var owed = ""
  @Flag(name: .customLong("first"), help: "End at the first difference.") var endsAtDifference = false
  @OptionGroup var place: DevicePlaceOptions
  @Flag(help: "No progress on a terminal.") var quiet = false
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      guard frames >= 0, (0...100).contains(spoiled) else {
        throw Failure(code: "usage", message: "--frames is 0 or more, --spoiled 0 to 100", exitCode: 64)
      }
      let seed = self.seed ?? UInt64.random(in: 1...(1 << 48))
      var run = VerifyRun(seed: seed, spoiledPercent: spoiled)
      run.debts = try DebtMaker(words: owed.split(separator: ",").map(String.init))
      run.device = try place.load()
      run.profiles =
        try profile.map { [try ProfileCatalog.choose($0, folder: profiles).profile] }
        ?? ProfileCatalog.standard(folder: profiles).profiles
      if let config { run.configuration = try ConfigurationOptions.load(config) }
      run.endsAtDifference = endsAtDifference
      let total = frames
      run.progress = quiet || output.isJSON || isatty(STDERR_FILENO) == 0 ? nil : { Progress.show($0, of: total) }
      if captures.isEmpty {
        try run.drawn(frames: frames)
      } else {
        guard let configuration = run.configuration else {
          throw Failure(code: "usage", message: "--in needs --config", exitCode: 64)
        }
        try run.judge(try CaptureInput.read(captures, for: configuration), on: configuration)
      }
      if run.progress != nil { Progress.clear() }
      let document = Document(seed: seed, run)
      try output.emit(document) { document.text }
      if !document.same { throw ExitCode(1) }
    }
  }

  struct Document: Encodable {
    struct Part: Encodable {
      var profile: String
      var frames: Int
      var inHardware: Int
      var differing: Int
      var unforeseenRefusals: Int
    }
    struct Difference: Encodable {
      var profile: String
      var configuration: String
      var frame: Int
      var what: String
      var port: UInt16
      var inputHex: String
    }
    var schemaVersion = 1
    var seed: UInt64
    var same: Bool
    var frames: Int
    var parts: [Part]
    var drops: [String: Int]
    var unforeseen: [String]
    var differences: [Difference]

    init(seed: UInt64, _ run: VerifyRun) {
      self.seed = seed
      parts = run.parts.map { name, part in
        Part(
          profile: name, frames: part.frames, inHardware: part.touchedByHardware, differing: part.differing,
          unforeseenRefusals: part.surprises)
      }.sorted { $0.profile < $1.profile }
      frames = parts.reduce(0) { $0 + $1.frames }
      same = parts.allSatisfy { $0.differing == 0 }
      drops = Dictionary(uniqueKeysWithValues: run.drops.map { ($0.key.name, $0.value) })
      unforeseen = run.unforeseen
      differences = run.differences.map {
        Difference(
          profile: $0.profile, configuration: $0.configuration, frame: $0.difference.frame, what: $0.difference.what,
          port: $0.difference.port, inputHex: hex($0.difference.input))
      }
    }

    var text: String {
      var table = Table(header: ["PROFILE", "FRAMES", "IN HARDWARE", "DIFFERENT", "UNFORESEEN REFUSALS"])
      table.rows = parts.map {
        [$0.profile, "\($0.frames)", "\($0.inHardware)", "\($0.differing)", "\($0.unforeseenRefusals)"]
      }
      var out = "seed \(seed)\n" + table.text()
      var dropped = Table(header: ["DROPPED", "FRAMES"])
      dropped.rows = drops.sorted { $0.key < $1.key }.map { [$0.key, "\($0.value)"] }
      if !drops.isEmpty { out += "\n\n" + dropped.text() }
      if !unforeseen.isEmpty {
        out += "\n\nrefusals that the plan did not foresee:\n" + unforeseen.joined(separator: "\n")
      }
      if !differences.isEmpty { out += "\n" }
      for difference in differences {
        out += "\n\(difference.profile), \(difference.configuration), frame \(difference.frame): \(difference.what)"
      }
      return out + "\n\n" + (same ? "device and software agree on \(frames) frames" : "DEVICE AND SOFTWARE DIFFER")
    }
  }
}

/// Bytes as hexadecimal digits.
func hex(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef")
  return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

/// A line on the terminal that is written over.
enum Progress {
  static func show(_ done: Int, of total: Int) {
    let share = total > 0 ? done * 100 / total : 100
    FileHandle.standardError.write(Data("\r\(done) of \(total) frames (\(share) %)".utf8))
  }
  static func clear() { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
}
