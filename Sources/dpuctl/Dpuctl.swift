import ArgumentParser

/// The command line: one object and verb a file.
@main
struct Dpuctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dpuctl",
    abstract: "Run, plan, check and explain an overlay on a SmartNIC and in software.",
    discussion: """
      Every command works on files and needs no daemon, no NIC and no root. -j prints one JSON document (-p indents \
      it); exit codes: 0 done, 1 refused or failed, 64 usage, 77 permission, 78 bad configuration.
      """,
    version: "0.1.0",
    subcommands: [
      ReplayCommand.self, PlanCommand.self, VerifyCommand.self, GenerateCommand.self, ProfileCommand.self,
      ConfigCommand.self, ExplainCommand.self, MTUCommand.self,
    ])

  /// Output flags may stand before the object, as iproute2's do.
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let leading = arguments.prefix { ["-j", "-p", "--json", "--pretty", "-jp", "-pj"].contains($0) }
    if !leading.isEmpty, leading.count < arguments.count {
      let flags = leading.flatMap { $0 == "-jp" || $0 == "-pj" ? ["-j", "-p"] : [$0] }
      arguments = Array(arguments.dropFirst(leading.count)) + flags
    }
    Dpuctl.main(arguments)
  }
}
