import ArgumentParser
import Control
import Dispatch
import Foundation

/// The daemon's command line.
struct Dpud: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dpud",
    abstract: "Run an overlay between live ports, and answer dpuctl.",
    discussion: """
      SIGTERM and SIGINT end it behind what waits at its ports; SIGHUP reads the configuration again. Exit codes: 0 done, \
      1 failed, 64 usage, 69 the socket is another daemon's, 77 permission, 78 bad configuration.
      """,
    version: Daemon.version)

  @Option(name: .shortAndLong, help: "Configuration file (YAML).") var config: String
  @Flag(help: "Read the configuration, say what is wrong with it, and end.") var checkConfig = false
  @Flag(help: "Log nothing to standard error.") var quiet = false
  @Option(help: "Log what matters at least as much: error, warning, notice or info.") var logLevel = "info"

  func run() throws {
    do {
      if checkConfig {
        _ = try Daemon.read(config)
        return print("\(config): good")
      }
      try serve()
    } catch let error as ValidationError { throw error } catch {
      FileHandle.standardError.write(Data("dpud: \(Self.words(error))\n".utf8))
      throw ExitCode(Self.code(error))
    }
  }

  private func serve() throws {
    guard let level = EventLog.Level.allCases.first(where: { $0.name == logLevel }) else {
      throw ValidationError("--log-level is error, warning, notice or info, not '\(logLevel)'")
    }
    let daemon = try Daemon(file: config, log: EventLog(level: quiet ? nil : level))
    let (stop, reload) = (daemon.stopper, daemon.reloading)
    let sources = [
      Self.onSignal(SIGTERM) { stop() }, Self.onSignal(SIGINT) { stop() }, Self.onSignal(SIGHUP) { reload.set() },
    ]
    daemon.run()
    for source in sources { source.cancel() }
  }

  private static func onSignal(_ number: Int32, _ body: @escaping @Sendable () -> Void) -> any DispatchSourceSignal {
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler(handler: body)
    source.resume()
    return source
  }

  private static func words(_ error: any Error) -> String {
    guard let failure = error as? RequestFailure else { return "\(error)" }
    return failure.message + (failure.hint.map { "\n  hint: \($0)" } ?? "")
  }

  private static func code(_ error: any Error) -> Int32 {
    if error is YAMLError { return 78 }
    if let failure = error as? RequestFailure, failure.code.hasPrefix("rule.") || failure.code.hasPrefix("journal.") {
      return 78
    }
    return Daemon.isPermission(error) ? 77 : Daemon.isTaken(error) ? 69 : 1
  }
}

Dpud.main()
