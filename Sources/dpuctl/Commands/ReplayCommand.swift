import ArgumentParser
import Control
import Device
import Foundation
import Offload
import Ports

/// `dpuctl replay`.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Run captures through an overlay on a device profile, software taking what the device cannot.",
    discussion: """
      --in FILE gives each frame to the tenant port with its source address, else to the first uplink; --in PORT=FILE \
      says the port. --out FILE.pcapng holds every frame that left, each with its port, rule and path in a comment; \
      --out FILE.pcap the bytes alone. --canonical makes device-chosen fields (outer UDP source port, IPv4 \
      identification) equal, so that the files of two profiles can be compared with cmp.
      """)
  @OptionGroup var input: ConfigurationOptions
  @OptionGroup var device: ProfileOptions
  @OptionGroup var mode: ModeOptions
  @Option(name: .customLong("in"), help: "Capture, FILE or PORT=FILE; may be repeated.") var captures: [String]
  @Option(help: "Where frames that leave are written (.pcap or .pcapng).") var out: String?
  @Option(help: "Debts put on frames that come in: csum, tso (comma list).") var owed = ""
  @Option(help: "Payload bytes of a segment under --owed tso.") var segmentSize = 536
  @Option(help: "Seed of what the device draws.") var seed: UInt64 = 1
  @OptionGroup var faults: FaultOptions
  @OptionGroup var place: DevicePlaceOptions
  @Option(help: "Compare one in this many of the device's answers with software's; 0 for none.") var checkOneIn = 0
  @Flag(help: "Make device-chosen fields equal in --out.") var canonical = false
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      let configuration = try input.load()
      let choice = try device.load()
      let plan = try mode.plan(configuration, choice.profile)
      if !plan.violations.isEmpty {
        let names = plan.violations.prefix(5).map { "#\($0.id)" }.joined(separator: ", ")
        throw Failure(
          code: "offload.required", message: "\(plan.violations.count) rules are not all the device's: \(names)",
          hint: "dpuctl plan says why and what would fit")
      }
      guard (1...65535).contains(segmentSize) else {
        throw Failure(code: "usage", message: "--segment-size is 1 to 65535", exitCode: 64)
      }
      let frames = try CaptureInput.read(captures, for: configuration) { text in
        FileHandle.standardError.write(Data("dpuctl: \(text)\n".utf8))
      }
      var options = Engine.Options()
      options.seed = seed
      options.start = frames.first?.time ?? 0
      options.debts = try DebtMaker(words: owed.split(separator: ",").map(String.init), segmentSize: segmentSize)
      options.faults = try faults.plan()
      options.checkOneIn = UInt64(max(0, checkOneIn))
      options.device = try place.load()
      let isSoftware = mode.mode == .forbidHardware
      let replay = try Replay(configuration, plan: isSoftware ? nil : plan, options: options)
      let file = try OutputFile(out, configuration, isCanonical: canonical)
      for frame in frames { try replay.run(frame) { try file?.write($0, time: frame.time) } }
      try file?.close()
      let document = Document(
        profile: choice.profile.name, plan: plan, report: replay.finish(now: frames.last?.time ?? 0), out: out)
      try output.emit(document) { "profile \(choice.title), mode \(mode.mode.rawValue)\n" + document.text }
    }
  }

  struct Document: Encodable {
    struct Rule: Encodable {
      var id: UInt32
      var place: String
      var framesHardware: Int
      var framesShared: Int
      var framesSoftware: Int
      var countedFrames: UInt64
      var countedBytes: UInt64
      var missingFrames: UInt64
      var bytesAreExact: Bool
      var reason: String?
    }
    struct SharedCounter: Encodable {
      var id: UInt32
      var rules: [UInt32]
      var countedFrames: UInt64
      var countedBytes: UInt64
      var missingFrames: UInt64
      var bytesAreExact: Bool
    }
    var schemaVersion = 1
    var profile: String
    var frames: Int
    var forwarded: Int
    var delivered: Int
    var missed: Int
    var drops: [String: Int]
    var rules: [Rule]
    var sharedCounters: [SharedCounter]
    var resets: Int
    var distrusted: [String]
    var out: String?

    init(profile: String, plan: Plan, report: Replay.Report, out: String?) {
      self.profile = profile
      frames = report.frames
      forwarded = report.forwarded
      delivered = report.delivered
      missed = report.missed
      drops = Dictionary(uniqueKeysWithValues: report.drops.map { ($0.key.name, $0.value) })
      resets = report.resets
      distrusted = report.distrusts.map {
        "rule \($0.rule): \($0.step.rawValue) taken from the device after at most \($0.framesExposed) wrong answers"
      }
      self.out = out
      sharedCounters = report.shared.map {
        SharedCounter(
          id: $0.id, rules: $0.rules, countedFrames: $0.totals.frames, countedBytes: $0.totals.bytes,
          missingFrames: $0.totals.missingFrames, bytesAreExact: $0.totals.bytesAreExact)
      }
      rules = report.rules.map { row in
        let planned = plan[row.id]?.refusal?.reason
        return Rule(
          id: row.id, place: row.place.rawValue, framesHardware: row.bypassed,
          framesShared: row.shared, framesSoftware: row.software, countedFrames: row.frames, countedBytes: row.bytes,
          missingFrames: row.missing, bytesAreExact: row.bytesAreExact,
          reason: (row.reason ?? planned)?.name)
      }
    }

    var text: String {
      var table = Table(header: ["RULE", "PLACE", "HARDWARE", "SHARED", "SOFTWARE", "COUNTED", "BYTES", "REASON"])
      table.rows = rules.map {
        [
          "\($0.id)", $0.place, "\($0.framesHardware)", "\($0.framesShared)", "\($0.framesSoftware)",
          Self.counted($0.countedFrames, $0.missingFrames), Self.bytes($0.countedBytes, $0.bytesAreExact),
          $0.reason ?? "",
        ]
      }
      var out = "\(frames) frames in, \(forwarded) out of ports, \(delivered) to queues\n\n" + table.text()
      if !sharedCounters.isEmpty {
        var shared = Table(header: ["INDIRECT COUNT", "COUNTED", "BYTES", "RULES"])
        shared.rows = sharedCounters.map {
          [
            "\($0.id)", Self.counted($0.countedFrames, $0.missingFrames), Self.bytes($0.countedBytes, $0.bytesAreExact),
            $0.rules.map { "\($0)" }.joined(separator: " "),
          ]
        }
        out += "\n\n" + shared.text()
      }
      var dropped = Table(header: ["DROPPED", "FRAMES", "WHY"])
      dropped.rows = drops.sorted { $0.key < $1.key }.map { name, count in
        [name, "\(count)", DropReason.allCases.first { $0.name == name }?.sentence ?? ""]
      }
      if !drops.isEmpty { out += "\n\n" + dropped.text() }
      if resets > 0 { out += "\n\nthe device was reset \(resets) times; its rules went back to it" }
      if !distrusted.isEmpty { out += "\n\n" + distrusted.joined(separator: "\n") }
      return out
    }

    private static func bytes(_ bytes: UInt64, _ isExact: Bool) -> String { isExact ? "\(bytes)" : "\(bytes) or more" }

    private static func counted(_ frames: UInt64, _ missing: UInt64) -> String {
      missing == 0 ? "\(frames)" : "\(frames) (+ up to \(missing))"
    }
  }
}

/// The capture that a replay writes.
final class OutputFile {
  private var writer: CaptureWriter
  private let configuration: Configuration
  private let isCanonical: Bool
  /// Where frames to receive queues stand: an interface of their own.
  private static let queuePort: UInt16 = 65535

  init?(_ path: String?, _ configuration: Configuration, isCanonical: Bool) throws {
    guard let path else { return nil }
    var ports = configuration.ports.map { CaptureWriter.Port(id: $0.port.id, name: $0.name) }
    if !ports.contains(where: { $0.id == Self.queuePort }) { ports.append(.init(id: Self.queuePort, name: "queues")) }
    writer = try CaptureWriter(path: path, ports: ports)
    self.configuration = configuration
    self.isCanonical = isCanonical
  }

  func write(_ result: Result, time: UInt64) throws {
    let rule = result.rule == 0 ? "no rule" : "rule \(result.rule)"
    let steps = Steps.names.filter { result.stepsInHardware.contains($0.step) }.map(\.name)
    let path = steps.isEmpty ? result.place.rawValue : "\(result.place.rawValue): " + steps.joined(separator: " ")
    let bytes = isCanonical ? result.canonicalBytes(in: configuration) : result.bytes
    switch result.fate {
    case .forwarded(let port):
      try writer.write(
        bytes, .init(time: time, port: port, direction: .outbound, comment: isCanonical ? rule : "\(rule), \(path)"))
    case .delivered(let queue, let mark):
      let text = "\(rule), mark \(mark)" + (isCanonical ? "" : ", \(path)")
      try writer.write(
        bytes,
        .init(time: time, port: Self.queuePort, direction: .inbound, queue: UInt32(queue), comment: text))
    case .dropped: return
    }
  }

  func close() throws { try writer.close() }
}
