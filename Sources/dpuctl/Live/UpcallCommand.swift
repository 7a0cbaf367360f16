import ArgumentParser
import Control

/// `dpuctl upcall`.
struct UpcallCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upcall", abstract: "Flows that no rule takes, and answers about them.",
    subcommands: [Show.self, Answer.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Flows that wait, and what was asked.",
      discussion: """
        'monitor --misses' shows each flow. Asked: flows that a controller was told; repeated: packets of flows that it had been \
        told already, of which four wait.
        """, aliases: ["list", "ls"])
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("upcall.show", watch: watch.seconds) {
        $0.table(
          "queues",
          [
            "QUEUE": "queue", "WAITING": "waiting", "ASKED": "asked", "ANSWERED": "answered", "EXPIRED": "expired",
            "REPEATED": "repeated_packets",
          ])
      }
    }
  }

  struct Answer: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "answer", abstract: "Let the packets of a flow go on.",
      discussion: "again: with the rules that there are now; drop; host: to the host port.")
    @Argument(help: "The upcall's number.") var id: Int
    @Option(help: "again, drop or host.") var fate = "again"
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("upcall.answer", ["id": .integer(id), "fate": .string(fate)]) { _ in "Upcall \(id) answered" }
    }
  }
}
