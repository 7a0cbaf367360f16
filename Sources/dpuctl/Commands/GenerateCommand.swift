import ArgumentParser
import Control
import Device
import Ports

/// `dpuctl generate`.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Write captures of traffic that meets a configuration's rules, one file a port.")
  @OptionGroup var input: ConfigurationOptions
  @Option(help: "Folder for PORT.pcap files (made when missing).") var outDir: String
  @Option(help: "Frames.") var frames = 1000
  @Option(help: "Seed; without it one is drawn and printed.") var seed: UInt64?
  @Option(help: "Of a hundred frames, how many are spoiled.") var spoiled = 5
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      guard frames > 0, (0...100).contains(spoiled) else {
        throw Failure(code: "usage", message: "--frames is 1 or more, --spoiled 0 to 100", exitCode: 64)
      }
      let configuration = try input.load()
      let seed = self.seed ?? UInt64.random(in: 1...(1 << 48))
      try makeFolder(outDir)
      var mix = TrafficGenerator.Mix()
      mix.spoiledPercent = spoiled
      var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
      var byPort: [UInt16: [(time: UInt64, bytes: [UInt8])]] = [:]
      for index in 0..<frames {
        let frame = traffic.next()
        byPort[frame.port, default: []].append((UInt64(index) * 10_000, frame.bytes))
      }
      var files: [Document.File] = []
      for named in configuration.ports where byPort[named.port.id] != nil {
        let path = "\(outDir)/\(named.name).pcap"
        var writer = try CaptureWriter(
          path: path, format: .pcap, ports: [.init(id: named.port.id, name: named.name)])
        for frame in byPort[named.port.id] ?? [] {
          try writer.write(frame.bytes, .init(time: frame.time, port: named.port.id))
        }
        try writer.close()
        files.append(.init(port: named.name, file: path, frames: byPort[named.port.id]?.count ?? 0))
      }
      let document = Document(seed: seed, files: files)
      try output.emit(document) {
        "seed \(seed)\n" + document.files.map { "\($0.file): \($0.frames) frames" }.joined(separator: "\n")
      }
    }
  }

  struct Document: Encodable {
    struct File: Encodable {
      var port: String
      var file: String
      var frames: Int
    }
    var schemaVersion = 1
    var seed: UInt64
    var files: [File]
  }
}
