import Control
import Foundation

/// What went wrong, in the conventions' form: a code for programs, a sentence and a hint for people.
struct Failure: Error, Encodable {
  var code: String
  var message: String
  var hint: String?
  var exitCode: Int32 = 1

  private enum CodingKeys: String, CodingKey { case code, message, hint }

  /// A failure of this program's own.
  init(code: String, message: String, hint: String? = nil, exitCode: Int32 = 1) {
    self.code = code
    self.message = message
    self.hint = hint
    self.exitCode = exitCode
  }

  /// Any error, as well as it can be told.
  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let problem as ControlClient.Problem: self = Self.of(problem)
    case let error as YAMLError: self.init(code: "config.invalid", message: "\(error)", exitCode: 78)
    default: self.init(code: "failed", message: "\(error)")
    }
  }

  private static func of(_ problem: ControlClient.Problem) -> Failure {
    switch problem {
    case .unreachable(let why):
      Failure(
        code: "daemon.unreachable", message: why, hint: "is dpud running? -t SOCKET says where it listens", exitCode: 69
      )
    case .permission(let why): Failure(code: "permission.denied", message: why, exitCode: 77)
    case .timeout:
      Failure(code: "timeout", message: "no answer in time", hint: "--timeout waits longer", exitCode: 75)
    case .protocolError(let why): Failure(code: "protocol", message: why)
    case .refused(let failure):
      Failure(
        code: failure.code, message: failure.message, hint: failure.hint,
        exitCode: failure.code == "config.invalid"
          ? 78 : failure.code == "timeout" || failure.code.hasPrefix("busy.") ? 75 : 1)
    }
  }

  /// What stands on stderr without -j.
  var text: String { "dpuctl: \(message)" + (hint.map { "\n  hint: \($0)" } ?? "") }
}

/// The one object on stderr under -j.
struct FailureDocument: Encodable { var error: Failure }

/// Reads a whole text file of at most 256 MiB.
func readText(_ path: String) throws -> String {
  guard FileManager.default.fileExists(atPath: path) else {
    throw Failure(code: "file.missing", message: "\(path): no such file", exitCode: 1)
  }
  guard let data = FileManager.default.contents(atPath: path) else {
    throw Failure(code: "file.permission", message: "\(path): cannot be read", exitCode: 77)
  }
  guard data.count < 1 << 28 else { throw Failure(code: "file.size", message: "\(path): larger than 256 MiB") }
  guard let text = String(data: data, encoding: .utf8) else {
    throw Failure(code: "file.encoding", message: "\(path): not UTF-8 text", exitCode: 78)
  }
  return text
}
