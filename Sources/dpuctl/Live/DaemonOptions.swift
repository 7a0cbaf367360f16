import ArgumentParser
import Control
import Foundation

/// Where the daemon is, and how long to wait for it.
struct DaemonOptions: ParsableArguments {
  @Option(name: [.customShort("t"), .customLong("socket")], help: "The daemon's control socket.") var socket =
    LiveSettings.defaultSocket
  @Option(help: "Seconds to wait for an answer; 0 for ever.") var timeout = 10.0

  func connect() throws -> ControlClient {
    guard timeout >= 0, timeout.isFinite else {
      throw Failure(code: "usage", message: "--timeout is a number of seconds", exitCode: 64)
    }
    return try ControlClient(path: socket, timeout: timeout)
  }
}

/// Asks for one document and prints it: as JSON, or as `text` has it; again every `watch` seconds.
struct LiveOptions: ParsableArguments {
  @OptionGroup var daemon: DaemonOptions
  @OptionGroup var output: OutputOptions

  func show(_ method: String, _ parameters: JSON = [:], watch: Double? = nil, text: (JSON) -> String) throws {
    try output.run {
      let client = try daemon.connect()
      while true {
        let document = try client.ask(method, parameters)
        output.show(document, text: text)
        guard let watch else { return }
        Thread.sleep(forTimeInterval: max(0.1, watch))
        if !output.isJSON { Swift.print("") }
      }
    }
  }
}

extension OutputOptions {
  /// Prints a document of the daemon's.
  func show(_ document: JSON, text: (JSON) -> String) {
    Swift.print(isJSON ? String(decoding: document.bytes(pretty: pretty), as: UTF8.self) : text(document))
    fflush(nil)
  }
}

extension JSON {
  /// A cell of a table.
  var cell: String {
    switch self {
    case .string(let text): text
    case .null: "-"
    case .array(let list): list.map(\.cell).joined(separator: ",")
    case .object(let members): members.map { "\($0.name)=\($0.value.cell)" }.joined(separator: " ")
    default: String(decoding: bytes(), as: UTF8.self)
    }
  }

  /// A table of these members of a list of objects.
  func table(_ name: String, _ columns: KeyValuePairs<String, String>) -> String {
    var table = Table(header: columns.map(\.key))
    table.rows = (self[name]?.list ?? []).map { row in columns.map { row[$0.value]?.cell ?? "" } }
    return table.text()
  }

  /// The plain members, a line each.
  var lines: String {
    (members ?? []).filter { $0.name != "schema_version" }.map { "\($0.name): \($0.value.cell)" }.joined(
      separator: "\n")
  }
}

/// `--watch`.
struct WatchOptions: ParsableArguments {
  @Flag(help: "Show it again and again.") var watch = false
  @Option(help: "Seconds between two times.") var interval = 1.0
  var seconds: Double? { watch ? interval : nil }
}
