import ArgumentParser
import Control
import Foundation
import Ports

/// `dpuctl report`.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Put what is needed to see a problem elsewhere into one tar file.",
    discussion: """
      The configuration (secrets left out), the rules that came over the socket, state, counters and log of a running dpud, \
      and what the doctor read of this host; with --frames also frames that pass. Elsewhere replay.yaml and frames/*.pcap go \
      into dpuctl replay, and host/ into dpuctl doctor --root. With --config no daemon is asked.
      """)
  @Option(name: [.customShort("w"), .customLong("out")], help: "The file.") var out: String
  @Option(name: .shortAndLong, help: "Configuration file (YAML): report without a daemon.") var config: String?
  @Option(help: "Capture this many frames into the report, for --seconds at most.") var frames = 0
  @Option(help: "Seconds to wait for frames.") var seconds = 5.0
  @OptionGroup var live: LiveOptions

  func run() throws {
    try live.output.run {
      let now = Date()
      var tar = Archive(time: UInt64(now.timeIntervalSince1970))
      var parts: [String] = []
      if let config {
        let (text, rules) = try Daemon.texts(config)
        try tar.add(try ReportConfiguration.files(text, rules: rules, more: []))
      } else {
        parts = try daemon(&tar)
      }
      try doctor(&tar)
      let about: JSON = [
        "schema_version": 1, "program": .string("dpuctl " + Dpuctl.configuration.version),
        "time": .string(now.formatted(.iso8601)), "host": .string(ProcessInfo.processInfo.hostName),
        "missing": .array(parts.map { .string($0) }), "secrets": "left out",
      ]
      try tar.add("report.json", about.bytes(pretty: true))
      let bytes = tar.writer.finish()
      do { try Data(bytes).write(to: URL(fileURLWithPath: out)) } catch {
        throw Failure(code: "file.write", message: "\(out): \(error.localizedDescription)")
      }
      let document: JSON = [
        "schema_version": 1, "file": .string(out), "bytes": .integer(bytes.count), "files": .integer(tar.count),
        "missing": .array(parts.map { .string($0) }),
      ]
      live.output.show(document) { _ in
        "\(out): \(tar.count) files, \(bytes.count) bytes" + parts.map { "\nnot in it: \($0)" }.joined()
      }
    }
  }

  /// Files beneath one folder.
  private struct Archive {
    var writer = TarWriter()
    var count = 0
    let time: UInt64
    init(time: UInt64) { self.time = time }

    mutating func add(_ name: String, _ bytes: [UInt8]) throws {
      try writer.add("dpu-report/" + name, bytes, time: time)
      count += 1
    }
    mutating func add(_ files: [(name: String, text: String)]) throws {
      for file in files { try add(file.name, Array(file.text.utf8)) }
    }
  }

  /// What the daemon says; what could not be had is told.
  private func daemon(_ tar: inout Archive) throws -> [String] {
    let client = try live.daemon.connect()
    var missing: [String] = []
    for name in ["status", "port", "queue", "runtime", "stats", "tunnel", "config", "log"] {
      let method = name == "status" ? name : name + ".show"
      do { try tar.add("state/\(name).json", try client.ask(method).bytes(pretty: true)) } catch {
        missing.append("\(name): \(Failure(error).message)")
      }
    }
    let metrics = try client.ask("metrics.show")["text"]?.text ?? ""
    try tar.add("state/metrics.txt", Array(metrics.utf8))
    var lines: [String] = []
    var counts: [UInt8] = []
    var shown = 0
    try client.ask("rule.show", ["limit": 100_000]) { part in
      for rule in part["rules"]?.list ?? [] {
        shown += 1
        counts += rule.bytes() + [10]
        if rule["source"]?.text == "socket", let line = rule["rule"]?.text { lines.append(line) }
      }
    }
    if shown == 100_000 { missing.append("rules behind the first 100,000") }
    try tar.add("state/rules.ndjson", counts)
    let text = try client.ask("config.text")
    try tar.add(
      try ReportConfiguration.files(text["config"]?.text ?? "", rules: text["rules_text"]?.text, more: lines))
    if frames > 0 { try capture(client, &tar) }
    return missing
  }

  /// All frames as pcapng, and those that came in as a file for each port, as `dpuctl replay --in PORT=FILE` takes them.
  private func capture(_ client: ControlClient, _ tar: inout Archive) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dpuctl-\(UUID().uuidString)").path
    try makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let begun = try client.ask("capture.start")
    let id = begun["capture"] ?? .null
    var seen: [JSON] = []
    let end = Date(timeIntervalSinceNow: seconds)
    while seen.count < frames, Date() < end {
      seen += try client.ask("capture.read", ["capture": id, "wait_ms": 200])["frames"]?.list ?? []
    }
    try client.ask("capture.stop", ["capture": id])
    seen = Array(seen.prefix(frames))
    let ports = (begun["ports"]?.list ?? []).map {
      CaptureWriter.Port(id: UInt16(clamping: $0["id"]?.whole ?? 0), name: $0["name"]?.text ?? "")
    }
    try write(seen, to: folder + "/all.pcapng", ports)
    for port in Set(seen.compactMap { $0["port"]?.text }) {
      let came = seen.filter { $0["port"]?.text == port && $0["direction"]?.text == "in" }
      if !came.isEmpty { try write(came, to: folder + "/\(port).pcap", ports) }
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
      try tar.add("frames/\(name)", Array(FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()))
    }
  }

  private func write(_ frames: [JSON], to path: String, _ ports: [CaptureWriter.Port]) throws {
    var writer = try CaptureWriter(path: path, ports: ports)
    for frame in frames { try CaptureCommand.write(frame, to: &writer) }
    try writer.close()
  }

  private func doctor(_ tar: inout Archive) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dpuctl-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let findings = try DoctorCommand.examine(config: config, root: nil, record: folder)
    let document: JSON = ["schema_version": 1, "findings": .array(findings.map(\.document))]
    try tar.add("doctor.json", document.bytes(pretty: true))
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String }.sorted() ?? []
    for name in files {
      let kind = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.type] as? FileAttributeType
      guard kind == .typeRegular, let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { continue }
      try tar.add("host/\(name)", Array(data))
    }
  }
}
