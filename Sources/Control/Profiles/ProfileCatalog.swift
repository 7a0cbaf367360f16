public import Device
import Foundation

/// The profiles that are there to choose from, by name and alias.
public struct ProfileCatalog: Sendable {
  /// All profiles, by name.
  public private(set) var profiles: [DeviceProfile] = []
  /// The folder or file they were read from.
  public let origin: String

  /// A profile and what it was asked for as.
  public struct Choice: Sendable {
    /// The profile.
    public var profile: DeviceProfile
    /// The alias it was asked for by; nil when by its own name.
    public var alias: String?
    /// What a tool prints: `bluefield3 (profile bluefield3-sws)`.
    public var title: String { alias.map { "\($0) (profile \(profile.name))" } ?? profile.name }
  }

  /// Reads every `*.yaml` of a folder but schema.yaml, or a single file.
  ///
  /// - Throws: ``YAMLError`` for the first file that is not as the schema says, for a name that two profiles have, and
  ///   for a folder without profiles.
  public init(path: String) throws(YAMLError) {
    origin = path
    let kind =
      (try? FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path))?[
        .type] as? FileAttributeType
    guard let kind else {
      throw YAMLError(file: path, line: 0, column: 0, message: "there is no such file or folder")
    }
    var files = [path]
    if kind == .typeDirectory {
      let names: [String]
      do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
        throw YAMLError(file: path, line: 0, column: 0, message: "the folder cannot be read")
      }
      files = names.sorted().filter { $0.hasSuffix(".yaml") && $0 != "schema.yaml" }.map { path + "/" + $0 }
    }
    var owners: [String: String] = [:]
    for file in files {
      guard let data = FileManager.default.contents(atPath: file) else {
        throw YAMLError(file: file, line: 0, column: 0, message: "the file cannot be read")
      }
      guard let text = String(validating: data, as: UTF8.self) else {
        throw YAMLError(file: file, line: 0, column: 0, message: "expected UTF-8 text")
      }
      for profile in try ProfileReader.read(text, file: file) {
        for name in [profile.name] + profile.aliases {
          if let owner = owners.updateValue(file, forKey: name) {
            throw YAMLError(file: file, line: 0, column: 0, message: "the name '\(name)' is also in \(owner)")
          }
        }
        profiles.append(profile)
      }
    }
    guard !profiles.isEmpty else {
      throw YAMLError(file: path, line: 0, column: 0, message: "expected profiles (*.yaml), found none")
    }
    profiles.sort { $0.name < $1.name }
  }

  /// Where profiles are looked for: beside the executable's package (DeviceProfiles/ in one of the folders above it),
  /// in share/dpu/DeviceProfiles beside its bin folder, and in the current folder; the first that is there.
  public static func defaultFolder(executable: String = CommandLine.arguments.first ?? "") -> String? {
    let program = URL(fileURLWithPath: Bundle.main.executablePath ?? executable).resolvingSymlinksInPath()
    var candidates: [String] = []
    var folder = program.deletingLastPathComponent()
    candidates.append(folder.deletingLastPathComponent().appendingPathComponent("share/dpu/DeviceProfiles").path)
    for _ in 0..<6 {
      candidates.append(folder.appendingPathComponent("DeviceProfiles").path)
      folder.deleteLastPathComponent()
    }
    candidates.append(FileManager.default.currentDirectoryPath + "/DeviceProfiles")
    return candidates.first { FileManager.default.fileExists(atPath: $0 + "/schema.yaml") }
  }

  /// The catalog of `folder` (`--profiles`), or of ``defaultFolder(executable:)``.
  public static func standard(folder: String? = nil) throws(YAMLError) -> ProfileCatalog {
    guard let path = folder ?? defaultFolder() else {
      throw YAMLError(
        file: "DeviceProfiles", line: 0, column: 0,
        message: "not found beside the program or in share/dpu; give the folder with --profiles")
    }
    return try ProfileCatalog(path: path)
  }

  /// The profile that `--profile` means: a name, an alias, or the path of a profile file with one model.
  public static func choose(_ name: String, folder: String? = nil) throws(YAMLError) -> Choice {
    if name.hasSuffix(".yaml") || name.contains("/") {
      let catalog = try ProfileCatalog(path: name)
      guard catalog.profiles.count == 1, let only = catalog.profiles.first else {
        throw YAMLError(
          file: name, line: 0, column: 0,
          message: "has \(catalog.profiles.count) models: choose one of \(catalog.names) by name with --profiles")
      }
      return Choice(profile: only, alias: nil)
    }
    return try standard(folder: folder).choose(name)
  }

  /// The profile of a name or an alias.
  public func choose(_ name: String) throws(YAMLError) -> Choice {
    if let found = profiles.first(where: { $0.name == name }) { return Choice(profile: found, alias: nil) }
    if let found = profiles.first(where: { $0.aliases.contains(name) }) {
      return Choice(profile: found, alias: name)
    }
    throw YAMLError(
      file: origin, line: 0, column: 0, message: "no profile is called '\(name.prefix(60))' (there are \(names))")
  }

  /// Every name, for messages.
  public var names: String { profiles.map(\.name).joined(separator: ", ") }
}
