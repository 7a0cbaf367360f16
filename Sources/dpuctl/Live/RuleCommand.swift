import ArgumentParser
import Control
import Foundation

/// `dpuctl rule`.
struct RuleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rule", abstract: "The daemon's rules, in testpmd's grammar.",
    subcommands: [Show.self, Add.self, Delete.self, Explain.self, Flush.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Rules with what was counted at them.",
      discussion: "Under -j one document a line, a rule each: a million rules take no more memory than one.",
      aliases: ["list", "ls"])
    @Argument(help: "One rule.") var id: Int?
    @Option(help: "Rules from this id on.") var from: Int?
    @Option(help: "At most this many.") var limit: Int?
    @Option(help: "Rules made on this port.") var port: Int?
    @Option(help: "Rules of this group.") var group: Int?
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.output.run {
        var members: [JSON.Member] = []
        for (name, value) in [("id", id), ("from", from), ("limit", limit), ("port", port), ("group", group)] {
          if let value { members.append(.init(name: name, value: .integer(value))) }
        }
        let client = try live.daemon.connect()
        let last = try client.ask("rule.show", .object(members), more: show)
        show(last)
      }
    }

    private func show(_ part: JSON) {
      for rule in part["rules"]?.list ?? [] {
        live.output.show(rule) { rule in
          "#\(rule["id"]?.cell ?? "") \(rule["place"]?.cell ?? "") packets \(rule["packets"]?.cell ?? "") bytes "
            + "\(rule["bytes"]?.cell ?? "") \(rule["source"]?.cell ?? ""): \(rule["rule"]?.cell ?? "")"
        }
      }
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Add rules, all of them or none.",
      discussion: """
        Each argument is a 'flow create' line, or one as Open vSwitch dumps it; --file reads lines from a file, '-' from \
        standard input.
        """)
    @Argument(help: "Rules.") var rules: [String] = []
    @Option(name: .shortAndLong, help: "A file of rules.") var file: String?
    @Flag(help: "Only say whether they would be taken.") var check = false
    @Option(help: "The packets of this upcall go on once the rules are there.") var upcall: [Int] = []
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.output.run {
        var lines = rules
        if let file {
          let text =
            file == "-"
            ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : try readText(file)
          lines += text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        }
        guard !lines.isEmpty else { throw Failure(code: "usage", message: "no rule is given", exitCode: 64) }
        let answer = try live.daemon.connect().ask(
          check ? "rule.check" : "rule.add",
          .object(
            [.init(name: "rules", value: .array(lines.map { .string($0) }))]
              + (upcall.isEmpty ? [] : [.init(name: "upcalls", value: .array(upcall.map { .integer($0) }))])))
        live.output.show(answer) { answer in
          check
            ? "Flow rule validated"
            : (answer["ids"]?.list ?? []).map { "Flow rule #\($0.cell) created" }.joined(separator: "\n")
        }
      }
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "del", abstract: "Delete rules, all of them or none.", aliases: ["delete", "destroy"])
    @Argument(help: "Their ids.") var ids: [Int]
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.output.run {
        let answer = try live.daemon.connect().ask("rule.delete", ["ids": .array(ids.map { .integer($0) })])
        live.output.show(answer) { _ in ids.map { "Flow rule #\($0) destroyed" }.joined(separator: "\n") }
      }
    }
  }

  struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "explain", abstract: "Where a rule is carried out, step by step, and why.")
    @Argument(help: "Its id.") var id: Int
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("rule.explain", ["id": .integer(id)]) { document in
        "\(document["rule"]?.cell ?? "")\npackets \(document["packets"]?.cell ?? ""), bytes \(document["bytes"]?.cell ?? "")\n"
          + document.table("steps", ["ACTION": "action", "PLACE": "place", "REASON": "reason"])
          + "\n\(document["why"]?.cell ?? "")"
      }
    }
  }

  struct Flush: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "flush", abstract: "Delete all rules that came over the socket.")
    @Option(help: "Only rules made on this port.") var port: Int?
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("rule.flush", port.map { ["port": .integer($0)] } ?? [:]) {
        "\($0["count"]?.cell ?? "0") rules deleted"
      }
    }
  }
}
