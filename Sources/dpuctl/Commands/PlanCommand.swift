import ArgumentParser
import Control
import Device
import Offload
import Rules

/// `dpuctl plan`.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Say where each rule would run on a device, and why not in hardware.",
    discussion: "Nothing is run. With --mode require-hw the exit code is 1 when a rule is not all the device's.")
  @OptionGroup var input: ConfigurationOptions
  @OptionGroup var device: ProfileOptions
  @OptionGroup var mode: ModeOptions
  @Option(
    name: .customLong("diff"), parsing: .upToNextOption, help: "Two profiles: show only what differs between them.")
  var difference: [String] = []
  @Option(help: "Rows of the table at most.") var limit = 1000
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      let configuration = try input.load()
      if !difference.isEmpty {
        guard difference.count == 2 else {
          throw Failure(code: "usage", message: "--diff takes two profiles, found \(difference.count)", exitCode: 64)
        }
        let plans = try difference.map {
          try mode.plan(configuration, ProfileCatalog.choose($0, folder: device.profiles).profile)
        }
        let document = PlanDiff(plans[0], plans[1])
        return try output.emit(document) { document.table }
      }
      let choice = try device.load()
      let plan = try mode.plan(configuration, choice.profile)
      try output.emit(plan.document) { "profile \(choice.title)\n" + plan.table(limit: limit) }
      if !plan.violations.isEmpty { throw ExitCode(1) }
    }
  }
}

/// `--mode`.
struct ModeOptions: ParsableArguments {
  @Option(
    help: "auto, require-hw (a rule that is not all the device's is an error) or forbid-hw.",
    transform: { word in
      guard let mode = OffloadMode(rawValue: word) else {
        throw ValidationError("--mode is auto, require-hw or forbid-hw, found '\(word)'")
      }
      return mode
    })
  var mode = OffloadMode.auto

  func plan(_ configuration: Configuration, _ profile: DeviceProfile) throws -> Plan {
    Planner.plan(
      rules: configuration.rules.map { ($0.id, $0.rule) }, overlay: configuration.overlay, profile: profile,
      mode: mode, wants: try configuration.wantedFeatures())
  }
}
