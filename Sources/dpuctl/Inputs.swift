import ArgumentParser
import Control
import Device
import EmulatedDevice
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

/// `--faults`.
struct FaultOptions: ParsableArguments {
  @Option(
    help: """
      What goes wrong with the emulated device, NAME=N (comma list): table-full=RULES, reset=FRAME, reset-depth=FRAMES, \
      and one in N for busy-insertion, slow-insertion, lost-frame, stale-counter, lying-checksum, lying-action.
      """) var faults = ""

  func plan() throws -> FaultPlan {
    do { return try FaultPlan(words: faults) } catch {
      throw Failure(
        code: "usage", message: "--faults: \(error.sentence)", hint: "dpuctl replay --help lists them", exitCode: 64)
    }
  }
}

/// `--device`: where the emulated device runs.
struct DevicePlaceOptions: ParsableArguments {
  @Option(
    help: """
      Where the emulated device runs: model (in this program), process (dpu-device beside this program, behind rings), \
      or process=PROGRAM.
      """) var device = "model"

  func load() throws -> Engine.DevicePlace {
    let parts = device.split(separator: "=", maxSplits: 1).map(String.init)
    switch (parts.first, parts.count) {
    case ("model", 1): return .model
    case ("process", 1): return .besideThis
    case ("process", 2): return .process(program: parts[1])
    default:
      throw Failure(code: "usage", message: "--device takes model, process or process=PROGRAM", exitCode: 64)
    }
  }
}
