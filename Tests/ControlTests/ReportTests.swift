import Foundation
import Testing

@testable import Control

@Suite("A report")
struct ReportTests {
  @Test("carries a configuration that is read elsewhere, with the socket's rules, and without secrets")
  func configuration() throws {
    let folder = try TestFolder()
    let more = [DaemonTests.drop("10.0.0.1"), DaemonTests.drop("10.0.0.2")]
    let inline = RunningDaemon.configuration(folder) + "\n# the end\n"
    for (text, rules) in [
      (inline, nil),
      (ReportConfiguration.withoutRules(inline) + "\nrules_file: there/rules.flow\n", RunningDaemon.rules),
    ] {
      let files = Dictionary(
        try ReportConfiguration.files(text, rules: rules, more: more).map { ($0.name, $0.text) }
      ) { first, _ in first }
      for (name, count) in [("config.yaml", 1), ("replay.yaml", 3)] {
        let read = try Configuration.read(try #require(files[name]), file: name) { files[$0] ?? "" }
        #expect(read.rules.count == count)
        #expect(read.ports.map(\.name) == ["up", "vm"])
      }
    }
    let secret = ReportConfiguration.withoutSecrets(
      "a: 1\n  psk: 0x77\n  - api_token: abc\nrules: |\n  gre_key value is 3")
    #expect(!secret.contains("0x77") && !secret.contains("abc"))
    #expect(secret.contains("gre_key value is 3") && secret.contains("a: 1"))
  }

  @Test("is an archive that tar reads, with every byte of every file")
  func archive() throws {
    let folder = try TestFolder()
    var writer = TarWriter()
    var generator = SeededGenerator(seed: 3)
    let long = "a/" + String(repeating: "folder/", count: 14) + "file.txt"
    var files: [String: [UInt8]] = [:]
    for (name, size) in [("x", 0), ("b/one", 1), ("b/block", 512), ("b/more", 513), (long, 10_000)] {
      files[name] = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      try writer.add(name, files[name] ?? [], time: 1_700_000_000)
    }
    #expect(throws: TarWriter.Problem.self) { try writer.add(String(repeating: "n", count: 300), [], time: 0) }
    try Data(writer.finish()).write(to: URL(fileURLWithPath: folder.file("t.tar")))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/tar")
    process.arguments = ["-xf", folder.file("t.tar"), "-C", folder.file("")]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    for (name, bytes) in files {
      #expect(FileManager.default.contents(atPath: folder.file(name)).map { Array($0) } == bytes, "\(name)")
    }
  }
}
