import ArgumentParser
import Control
import Device
import Foundation

/// `--profile` and where profiles are.
struct ProfileOptions: ParsableArguments {
  @Option(help: "Device profile: a name, an alias (bluefield3) or a file.") var profile = "ideal"
  @Option(help: "Folder of profiles (default: DeviceProfiles beside the program).") var profiles: String?

  func load() throws -> ProfileCatalog.Choice { try ProfileCatalog.choose(profile, folder: profiles) }
}

/// `--config`.
struct ConfigurationOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "Configuration file (YAML).") var config: String

  func load() throws -> Configuration { try Self.load(config) }

  static func load(_ path: String) throws -> Configuration {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    return try Configuration.read(try readText(path), file: path) { name in
      try readText(name.hasPrefix("/") ? name : folder.appendingPathComponent(name).path)
    }
  }
}

/// Makes a folder and those above it.
func makeFolder(_ path: String) throws {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw Failure(code: "file.folder", message: "\(path): cannot be made: \(error.localizedDescription)")
  }
}
