import ArgumentParser
import Control
import Foundation

/// `dpuctl doctor`.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what on this host is missing for a dpud, and the command that mends it.",
    discussion: """
      Nothing is changed. With --config what the configuration asks for is looked at: its interfaces, rights, cores, MTUs. \
      --record DIR writes everything that was read to a folder, and --root DIR judges such a folder instead of this host. \
      The exit code is 1 when something asked for is missing.
      """)
  @Option(name: .shortAndLong, help: "Configuration file (YAML).") var config: String?
  @Option(help: "Judge the files of this folder instead of this host's.") var root: String?
  @Option(help: "Write what was read to this folder.") var record: String?
  @Flag(help: "Show only what is not as it should be.") var problems = false
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      let findings = try Self.examine(config: config, root: root, record: record)
      let shown = problems ? findings.filter { $0.state != .ok } : findings
      let document: JSON = [
        "schema_version": 1, "missing": .integer(findings.count { $0.state == .missing }),
        "warnings": .integer(findings.count { $0.state == .warning }), "findings": .array(shown.map(\.document)),
      ]
      output.show(document) { _ in Self.text(shown) }
      if findings.contains(where: { $0.state == .missing }) { throw ExitCode(1) }
    }
  }

  static func examine(config: String?, root: String?, record: String?) throws -> [Finding] {
    let configuration = try config.map { try ConfigurationOptions.load($0) }
    if let root, !FileManager.default.fileExists(atPath: root) {
      throw Failure(code: "file.missing", message: "\(root): no such folder")
    }
    let host = LiveHost(root: root ?? "")
    guard let record else { return Doctor.examine(host, for: configuration) }
    try makeFolder(record)
    let recording = RecordingHost(host, folder: record)
    let findings = Doctor.examine(recording, for: configuration)
    if let failure = recording.failure { throw Failure(code: "file.folder", message: failure) }
    return findings
  }

  static func text(_ findings: [Finding]) -> String {
    var table = Table(header: ["STATE", "WHAT", "FOUND", "WANTED"])
    table.rows = findings.map { finding in
      let subject = finding.subject.isEmpty ? "" : " \(finding.subject)"
      return [finding.state.rawValue, finding.name + subject, finding.found, finding.wanted]
    }
    let mends = findings.compactMap { finding in
      finding.mend.map { "\(finding.name): \(finding.why)\n  \($0)" }
    }
    return findings.isEmpty ? "nothing is missing" : ([table.text()] + mends).joined(separator: "\n\n")
  }
}
