import ArgumentParser
import Control

/// `dpuctl device`.
struct DeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device", abstract: "The daemon's devices, one below each queue.", subcommands: [Show.self],
    defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Profile, state, rules by place, resets, and what passed.",
      discussion: """
        Packets are finished (the device needed no software), resumed (they came up half done), missed (they came up as they \
        came) or lost (the device had them and never answered).
        """, aliases: ["list", "ls"])
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("device.show", watch: watch.seconds) { document in
        let head = (document.members ?? []).filter { $0.name != "schema_version" && $0.name != "devices" }
        return head.map { "\($0.name): \($0.value.cell)" }.joined(separator: "\n") + "\n\n"
          + document.table(
            "devices",
            [
              "QUEUE": "queue", "STATE": "state", "PROCESS": "process", "RULES": "rules_used", "RESETS": "resets",
              "SUBMITTED": "submitted_packets", "FINISHED": "finished_packets", "RESUMED": "resumed_packets",
              "MISSED": "missed_packets", "PASSED BY": "passed_by_packets", "UNANSWERED": "unanswered_packets",
              "LOST": "lost_in_device", "LAST LOSS": "last_loss",
            ])
      }
    }
  }
}
