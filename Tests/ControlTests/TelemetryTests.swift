import Foundation
import Testing

@testable import Control

@Suite("DPDK's telemetry socket")
struct TelemetryTests {
  static let script = "/usr/bin/dpdk-telemetry.py"

  static func daemon(_ folder: TestFolder) throws -> RunningDaemon {
    let text = RunningDaemon.configuration(folder, ports: "telemetry: {folder: \(folder.file("dpdk/dpud"))}")
    try text.write(toFile: folder.file("config.yaml"), atomically: true, encoding: .utf8)
    return try RunningDaemon(folder, frames: 50)
  }

  /// What the script prints, line by line, when it is asked these commands.
  static func ask(_ folder: TestFolder, _ commands: [String]) throws -> [JSON] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [script, "-f", "dpud"]
    process.environment = ["RUNTIME_DIRECTORY": folder.file("").dropLast(1).description]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data((commands.joined(separator: "\n") + "\nquit\n").utf8))
    try input.fileHandleForWriting.close()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return try data.split(separator: 10).map { try JSON(Array($0)) }
  }

  @Test(
    "answers dpdk-telemetry.py, unmodified, in DPDK's names and with the daemon's counts",
    .enabled(if: FileManager.default.fileExists(atPath: script), "dpdk-telemetry.py is not installed"))
  func theScript() throws {
    let folder = try TestFolder()
    let daemon = try Self.daemon(folder)
    let client = try daemon.client()
    while try client.ask("stats.show")["tx_packets"]?.whole ?? 0 < 50 {}
    let answers = try Self.ask(
      folder,
      [
        "/", "/info", "/help,/ethdev/stats", "/ethdev/list", "/ethdev/stats,0", "/ethdev/xstats,1", "/ethdev/info,1",
        "/ethdev/link_status,0", "/ethdev/stats,77", "/nonsense", "/eal/params",
      ])
    // A script whose input is no terminal prints no greeting.
    try #require(answers.count == 11)
    #expect(answers[0]["/"]?.list?.contains("/ethdev/xstats") == true)
    #expect(answers[1]["/info"]?["pid"]?.whole == Int(ProcessInfo.processInfo.processIdentifier))
    #expect(answers[2]["/help"]?["/ethdev/stats"]?.text?.contains("port_id") == true)
    #expect(answers[3]["/ethdev/list"]?.list == [0, 1])
    #expect(answers[4]["/ethdev/stats"]?["opackets"]?.whole == 50)
    #expect(answers[4]["/ethdev/stats"]?["q_opackets"]?.list?.first == 50)
    #expect(answers[5]["/ethdev/xstats"]?["rx_good_packets"]?.whole == 50)
    #expect(answers[5]["/ethdev/xstats"]?["rx_q0_packets"]?.whole == 50)
    #expect(answers[6]["/ethdev/info"]?["name"]?.text == "vm")
    #expect(answers[7]["/ethdev/link_status"]?["status"]?.text == "UP")
    #expect(answers[8]["/ethdev/stats"] == .null && answers[9]["/nonsense"] == .null)
    #expect(answers[10]["/eal/params"]?.list?.first == "dpud")
    daemon.end()
  }

  @Test("survives what is no command, clients that only connect, and stands beside another program's socket")
  func hostile() throws {
    let folder = try TestFolder()
    let telemetry = try Telemetry(folder: folder.file("dpdk/dpud"))
    let second = try Telemetry(folder: folder.file("dpdk/dpud"))
    #expect(second.path == telemetry.path + ":1")
    for _ in 0..<20 { telemetry.serve { command, _ in .string(command) } }
    #expect(TelemetryFolder.path(prefix: "x", user: 0) == "/var/run/dpdk/x")
    #expect(
      TelemetryFolder.path(prefix: "x", user: 7, environment: ["XDG_RUNTIME_DIR": "/run/user/7"])
        == "/run/user/7/dpdk/x")
    #expect(TelemetryFolder.path(prefix: "x", user: 7, environment: [:]).hasSuffix("/dpdk/x"))
  }
}
