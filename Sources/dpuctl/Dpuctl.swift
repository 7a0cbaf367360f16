import ArgumentParser

/// The command line: one object and verb a file.
@main
struct Dpuctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dpuctl",
    abstract: "Run, plan, check and explain an overlay on a SmartNIC and in software.",
    discussion: """
      replay, plan, verify, generate, profile, explain, mtu and config check work on files and need no daemon, no NIC \
      and no root; the others ask a running dpud (-t SOCKET, --timeout SECONDS). -j prints one JSON document (-p indents \
      it); exit codes: 0 done, 1 refused or failed, 64 usage, 69 no daemon, 75 busy or timed out, 77 permission, \
      78 bad configuration.
      """,
    version: "0.1.0",
    subcommands: [
      ReplayCommand.self, PlanCommand.self, VerifyCommand.self, GenerateCommand.self, ProfileCommand.self,
      ConfigCommand.self, ExplainCommand.self, TraceCommand.self, CaptureCommand.self, MTUCommand.self,
      StatusCommand.self, PortCommand.self, QueueCommand.self, DeviceCommand.self, UpcallCommand.self,
      RuleCommand.self, StatsCommand.self, RuntimeCommand.self, MetricsCommand.self, MonitorCommand.self,
      LogCommand.self, TunnelCommand.self, DoctorCommand.self, ReportCommand.self,
    ])

  /// Output flags may stand before the object, as iproute2's do.
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    var moved: [String] = []
    while let word = arguments.first, arguments.count > 1 {
      switch word {
      case "-j", "-p", "--json", "--pretty": moved.append(word)
      case "-jp", "-pj": moved += ["-j", "-p"]
      case "-t", "--socket", "--timeout":
        moved += [word, arguments[1]]
        arguments.removeFirst()
      default:
        arguments += moved
        moved = []
        return Dpuctl.main(arguments)
      }
      arguments.removeFirst()
    }
    arguments += moved
    Dpuctl.main(arguments)
  }
}
