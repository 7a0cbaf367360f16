import ArgumentParser
import Control
import Foundation

/// `dpuctl status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "How the daemon is.", discussion: "The exit code is 1 when a queue is stalled.")
  @OptionGroup var live: LiveOptions

  func run() throws {
    var state = ""
    try live.show("status") { document in
      state = document["state"]?.text ?? ""
      return document.lines
    }
    if state == "stalled" { throw ExitCode(1) }
  }
}

/// `dpuctl port`.
struct PortCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "port", abstract: "The daemon's ports.", subcommands: [Show.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Ports with link and counters.",
      discussion: """
        For a port over virtio rings also who is at the other end, why the last one went or was cut off, and whether the \
        rings' places outlive the daemon.
        """, aliases: ["list", "ls"])
    @Argument(help: "One port.") var name: String?
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("port.show", name.map { ["name": .string($0)] } ?? [:], watch: watch.seconds) { document in
        document.table(
          "ports",
          [
            "PORT": "name", "ID": "id", "KIND": "kind", "ATTACHED": "attached_to", "LINK": "link", "MTU": "mtu",
            "RX": "rx_packets", "RX BYTES": "rx_bytes", "TX": "tx_packets", "TX BYTES": "tx_bytes",
            "MISSED": "rx_missed_packets", "WAITING": "waiting_packets", "DROPS": "drops",
          ]) + peers(document)
      }
    }

    /// The other ends of rings: a table of their own, where there are some.
    private func peers(_ document: JSON) -> String {
      var table = Table(header: ["PORT", "PEER", "SESSIONS", "CUT OFF", "RINGS KEPT", "LAST END"])
      for port in document["ports"]?.list ?? [] {
        guard let peer = port["peer"], peer["sessions"] != nil else { continue }
        let why = peer["last_cut_off"]?["message"] != nil ? peer["last_cut_off"] : peer["last_end"]
        let end = why?["message"].map { [why?["reason"]?.cell ?? "", $0.cell].joined(separator: ": ") }
        let kept = peer["rings_not_kept"]?.cell ?? peer["rings_kept_in"]?.cell
        table.rows.append([
          port["name"]?.cell ?? "", peer["connected"]?.cell == "true" ? "connected" : "absent",
          peer["sessions"]?.cell ?? "", peer["cut_off"]?.cell ?? "",
          kept.map { (peer["rings_not_kept"] == nil ? "in " : "no: ") + $0 } ?? "by the other side", end ?? "",
        ])
      }
      return table.rows.isEmpty ? "" : "\n\n" + table.text()
    }
  }
}

/// `dpuctl queue`.
struct QueueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue", abstract: "The daemon's queues.", subcommands: [Show.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "What each queue did.", aliases: ["list", "ls"])
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("queue.show", watch: watch.seconds) {
        $0.table(
          "queues",
          [
            "QUEUE": "queue", "CORE": "core", "PACKETS": "packets", "CACHE HITS": "cache_hits",
            "SEGMENTED": "segmented_packets", "FRAGMENTED": "fragmented_packets", "HELD": "held_packets",
            "DROPS": "drops",
          ])
      }
    }
  }
}

/// `dpuctl stats`.
struct StatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Sums, and drops by reason.", subcommands: [Show.self], defaultSubcommand: Show.self
  )

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Sums, and drops by reason.", aliases: ["list", "ls"])
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("stats.show", watch: watch.seconds) { document in
        let sums = (document.members ?? []).filter { $0.value.whole != nil && $0.name != "schema_version" }
        return sums.map { "\($0.name): \($0.value.cell)" }.joined(separator: "\n") + "\n\n"
          + document.table("drops", ["DROPPED": "reason", "PACKETS": "packets", "WHY": "sentence"])
      }
    }
  }
}

/// `dpuctl runtime`.
struct RuntimeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runtime", abstract: "Poll threads, in the columns of VPP's show runtime.",
    discussion: """
      A call is a pass over the ports that found packets, a vector a packet, a suspend a sleep. Clocks are ticks of the \
      time-stamp counter a packet, of the time that was neither asleep nor asking in vain. Spun is the time of asking in \
      vain, and the longest spin the longest of them that ended in packets: runtime.spin_us beyond it saves no sleep.
      """,
    subcommands: [Show.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Calls, vectors, suspends, clocks, and how long packets took.",
      discussion: "With --histogram the packets of each class of times, which double.", aliases: ["list", "ls"])
    @Flag(help: "Show all classes of latency.") var histogram = false
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("runtime.show", watch: watch.seconds) { document in
        let threads = document.table(
          "threads",
          [
            "Name": "name", "State": "state", "Calls": "calls", "Vectors": "vectors", "Suspends": "suspends",
            "Clocks": "clocks", "Vectors/Call": "vectors_per_call", "Spun ns": "spun_ns", "Slept ns": "slept_ns",
            "Longest spin": "longest_spin_ns",
          ])
        return threads + "\n\n" + latency(document)
      }
    }

    private func latency(_ document: JSON) -> String {
      var shares = Table(header: ["Name", "Place", "Packets", "p50 ns", "p99 ns", "p99.99 ns"])
      var classes = Table(header: ["Name", "Place", "Up to ns", "Packets"])
      for thread in document["threads"]?.list ?? [] {
        let name = thread["name"]?.cell ?? ""
        for place in thread["latency"]?.list ?? [] {
          shares.rows.append(
            [name] + ["place", "packets", "p50_ns", "p99_ns", "p9999_ns"].map { place[$0]?.cell ?? "" })
          for span in place["classes"]?.list ?? [] {
            classes.rows.append(
              [name, place["place"]?.cell ?? "", span["up_to_ns"]?.cell ?? "", span["packets"]?.cell ?? ""])
          }
        }
      }
      return shares.text() + (histogram ? "\n\n" + classes.text() : "")
    }
  }
}

/// `dpuctl tunnel`.
struct TunnelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tunnel", abstract: "Encapsulations and how their other ends are reached.", subcommands: [Show.self],
    defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Ends, next hop, neighbour, path MTU, and what went through.",
      discussion: "Packets and bytes are those counted at rules with a count action that use the encapsulation.",
      aliases: ["list", "ls"])
    @Argument(help: "The index of one encapsulation.") var index: Int?
    @OptionGroup var watch: WatchOptions
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("tunnel.show", index.map { ["index": .integer($0)] } ?? [:], watch: watch.seconds) {
        $0.table(
          "tunnels",
          [
            "INDEX": "index", "KIND": "kind", "KEY": "key", "LOCAL": "local", "REMOTE": "remote", "UPLINK": "uplink",
            "NEXT HOP": "next_hop", "MAC": "next_hop_mac", "NEIGHBOUR": "neighbour_state", "PATH MTU": "path_mtu",
            "RULES": "rules", "PACKETS": "packets", "BYTES": "bytes",
          ])
      }
    }
  }
}

/// `dpuctl metrics`.
struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Prometheus text.", subcommands: [Show.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Prometheus text.")
    @OptionGroup var live: LiveOptions
    func run() throws {
      try live.show("metrics.show") { ($0["text"]?.text ?? "").trimmingCharacters(in: .newlines) }
    }
  }
}

/// `dpuctl log`.
struct LogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log", abstract: "What happened.", subcommands: [Show.self], defaultSubcommand: Show.self)

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "The last thousand events.", aliases: ["list", "ls"])
    @Option(help: "Only events behind this number.") var after = 0
    @Option(help: "Only what matters at least as much: error, warning, notice or info.") var level = "info"
    @OptionGroup var live: LiveOptions

    func run() throws {
      try live.show("log.show", ["after": .integer(after), "level": .string(level)]) { document in
        (document["events"]?.list ?? []).map(eventLine).joined(separator: "\n")
      }
    }
  }
}

/// `dpuctl monitor`.
struct MonitorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "monitor", abstract: "Events as they happen; one JSON document a line under -j.",
    discussion: """
      With --misses: the first packet of each flow that no rule takes, at ports with miss: controller, with its keys and \
      where it goes on. While it runs, such packets wait for an answer: rule add --upcall ID, or upcall answer ID.
      """)
  @Flag(help: "Flows that no rule takes, instead of changes.") var misses = false
  @OptionGroup var live: LiveOptions

  func run() throws {
    try live.output.run {
      let client = try live.daemon.connect()
      client.setTimeout(0)
      try client.ask(misses ? "upcall.watch" : "monitor") { event in live.output.show(event, text: eventLine) }
    }
  }
}

/// An event on a line.
func eventLine(_ event: JSON) -> String {
  let hidden: Set = ["number", "time", "level", "event"]
  let fields = (event.members ?? []).filter { !hidden.contains($0.name) }.map { "\($0.name)=\($0.value.cell)" }
  let time = event["time"].map { value -> String in
    guard case .number(let seconds) = value else { return "" }
    return Date(timeIntervalSince1970: seconds).formatted(.iso8601) + " "
  }
  return (time ?? "") + (event["level"]?.text.map { $0 + " " } ?? "") + (event["event"]?.text ?? "")
    + fields.map { " " + $0 }.joined()
}
