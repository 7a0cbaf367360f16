import Foundation
import Synchronization

/// What can be asked of a host: files, folders, and what some programs say.
public protocol HostReader: AnyObject {
  /// The text of a file; nil when it is not there or may not be read.
  func text(_ path: String) -> String?
  /// The names in a folder; nil when it is not there.
  func names(_ path: String) -> [String]?
  /// Whether there is something at the path.
  func isThere(_ path: String) -> Bool
  /// What a program of this host writes; nil when it is not there or fails. It is only asked to look.
  func said(_ program: String, _ arguments: [String]) -> String?
}

/// This host, or a folder with a copy of the files of another.
public final class LiveHost: HostReader {
  private let root: String
  /// Where answers of programs lie in a copy.
  static let answers = "/.answers"

  /// This host; with `root` the copy in that folder.
  public init(root: String = "") { self.root = root }

  private func path(_ path: String) -> String { root + path }

  /// See ``HostReader/text(_:)``. At most 1 MiB is read.
  public func text(_ path: String) -> String? {
    guard let handle = FileHandle(forReadingAtPath: self.path(path)) else { return nil }
    defer { try? handle.close() }
    // Files of /proc and /sys have no size: they are read until they end.
    var data = Data()
    while data.count < 1 << 20, let part = try? handle.read(upToCount: 1 << 16), !part.isEmpty { data += part }
    return String(decoding: data, as: UTF8.self)
  }

  /// See ``HostReader/names(_:)``.
  public func names(_ path: String) -> [String]? {
    (try? FileManager.default.contentsOfDirectory(atPath: self.path(path)))?.sorted()
  }

  /// See ``HostReader/isThere(_:)``.
  public func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: self.path(path)) }

  static func answer(_ program: String, _ arguments: [String]) -> String {
    let name = ([program] + arguments).joined(separator: " ").map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "_" }
    return answers + "/" + String(name)
  }

  /// See ``HostReader/said(_:_:)``.
  public func said(_ program: String, _ arguments: [String]) -> String? {
    guard root.isEmpty else { return text(Self.answer(program, arguments)) }
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    guard let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") })
    else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(folder)/\(program)")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data.prefix(1 << 20), as: UTF8.self) : nil
  }
}

/// A host, with everything that is asked of it written to a folder.
public final class RecordingHost: HostReader {
  private let host: any HostReader
  private let folder: String
  /// What could not be written.
  public private(set) var failure: String?

  /// Asks `host`, and writes to `folder`.
  public init(_ host: any HostReader, folder: String) {
    self.host = host
    self.folder = folder
  }

  /// Makes a folder and those above it. What was a name in a folder until now, and is a folder itself, becomes one.
  private func makeFolder(_ path: String) throws {
    var place = ""
    for name in path.split(separator: "/") {
      place += "/" + name
      let whole = folder + place
      if let known = try? FileManager.default.attributesOfItem(atPath: whole) {
        if known[.type] as? FileAttributeType == .typeDirectory { continue }
        try FileManager.default.removeItem(atPath: whole)
      }
      try FileManager.default.createDirectory(atPath: whole, withIntermediateDirectories: true)
    }
  }

  private func write(_ path: String, _ text: String?) {
    let url = URL(fileURLWithPath: folder + path)
    do {
      try makeFolder(String(path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex)))
      if let text {
        try text.write(to: url, atomically: false, encoding: .utf8)
      } else if !FileManager.default.fileExists(atPath: url.path) {
        try "".write(to: url, atomically: false, encoding: .utf8)
      }
    } catch { failure = failure ?? "\(url.path): \(error.localizedDescription)" }
  }

  /// See ``HostReader/text(_:)``.
  public func text(_ path: String) -> String? {
    let text = host.text(path)
    if let text { write(path, text) }
    return text
  }

  /// See ``HostReader/names(_:)``.
  public func names(_ path: String) -> [String]? {
    guard let names = host.names(path) else { return nil }
    do { try makeFolder(path) } catch {
      failure = failure ?? "\(folder + path): \(error.localizedDescription)"
    }
    for name in names { write("\(path)/\(name)", nil) }
    return names
  }

  /// See ``HostReader/isThere(_:)``.
  public func isThere(_ path: String) -> Bool {
    let isThere = host.isThere(path)
    if isThere { write(path, nil) }
    return isThere
  }

  /// See ``HostReader/said(_:_:)``.
  public func said(_ program: String, _ arguments: [String]) -> String? {
    let text = host.said(program, arguments)
    if let text { write(LiveHost.answer(program, arguments), text) }
    return text
  }
}
