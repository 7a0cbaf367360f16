import Device
import Foundation
import Runtime

// What DPDK's telemetry commands answer, with its names.
extension Daemon {
  private static let telemetryCommands: [(name: String, help: String)] = [
    ("/", "Returns list of telemetry commands available, Takes no parameters"),
    ("/eal/params", "Returns EAL commandline parameters. Takes no parameters"),
    ("/ethdev/info", "Returns the device info for a port. Parameters: port_id"),
    ("/ethdev/link_status", "Returns the link status for a port. Parameters: int port_id"),
    ("/ethdev/list", "Returns list of available ethdev ports. Takes no parameters"),
    ("/ethdev/stats", "Returns the common stats for a port. Parameters: int port_id"),
    ("/ethdev/xstats", "Returns the extended stats for a port. Parameters: int port_id"),
    ("/help", "Returns help text for a command. Parameters: string command"),
    ("/info", "Returns DPDK Telemetry information. Takes no parameters"),
  ]

  /// The value of a command; null for one that is not known, or a port that is not there.
  func telemetry(_ command: String, _ parameter: String?) -> JSON {
    switch command {
    case "/": .array(Self.telemetryCommands.map { .string($0.name) })
    case "/help": help(parameter)
    case "/info":
      [
        "pid": .integer(Int(ProcessInfo.processInfo.processIdentifier)), "version": .string("dpud " + Self.version),
        "max_output_len": .integer(Telemetry.longestAnswer),
      ]
    case "/eal/params": ["dpud", "--config", .string(file)]
    case "/ethdev/list": .array(configuration.attachedPorts.map { .integer(Int($0.port.id)) })
    case "/ethdev/stats", "/ethdev/xstats", "/ethdev/info", "/ethdev/link_status":
      (parameter.flatMap { UInt16($0) }).flatMap { id in
        configuration.attachedPorts.first { $0.port.id == id }
      }.map { ethdev(command, $0) } ?? .null
    default: .null
    }
  }

  private func help(_ parameter: String?) -> JSON {
    guard let parameter else {
      return ["/help": "Returns help text for a command. Parameters: string command"]
    }
    let name = parameter.split(separator: ",").first.map(String.init) ?? ""
    guard let command = Self.telemetryCommands.first(where: { $0.name == name }) else { return .null }
    return .object([.init(name: name, value: .string(command.help))])
  }

  private func ethdev(_ command: String, _ named: Configuration.NamedPort) -> JSON {
    let threads = gather()
    let words = summary(threads).ports[named.port.id] ?? [UInt64](repeating: 0, count: 6)
    let states = threads.compactMap { thread, counts in
      counts.ports.first { $0.id == named.port.id }.map { (queue: thread.index, state: $0) }
    }
    let drops = states.reduce(into: [DropReason: UInt64]()) { $0.merge($1.state.counts.drops, uniquingKeysWith: +) }
    let errors = drops.values.reduce(0, +)
    let isUp = states.contains { $0.state.link == .up }
    switch command {
    case "/ethdev/link_status":
      // 4294967295 is DPDK's word for a speed that nobody knows.
      return isUp ? ["status": "UP", "speed": 4_294_967_295, "duplex": "full-duplex"] : ["status": "DOWN"]
    case "/ethdev/info":
      return [
        "name": .string(named.name), "state": .integer(1), "nb_rx_queues": .integer(states.count),
        "nb_tx_queues": .integer(states.count), "port_id": .integer(Int(named.port.id)),
        "mtu": .integer(Int(named.port.mtu)),
        "mac_addr": .string(Self.mac(states.first?.state.facts.mac ?? named.port.mac)),
        "promiscuous": 1, "numa_node": -1, "dev_started": .integer(isUp ? 1 : 0),
      ]
    case "/ethdev/stats":
      func queues(_ value: (PortState) -> UInt64) -> JSON {
        // DPDK has sixteen of them.
        .array((0..<16).map { queue in .count(states.first { $0.queue == queue }.map { value($0.state) } ?? 0) })
      }
      return [
        "ipackets": .count(words[0]), "opackets": .count(words[2]), "ibytes": .count(words[1]),
        "obytes": .count(words[3]), "imissed": .count(words[4]), "ierrors": 0, "oerrors": .count(errors),
        "rx_nombuf": .count(words[5]), "q_ipackets": queues { $0.counts.framesReceived },
        "q_opackets": queues { $0.counts.framesSent }, "q_ibytes": queues { $0.counts.bytesReceived },
        "q_obytes": queues { $0.counts.bytesSent },
        "q_errors": queues { $0.counts.drops.values.reduce(0, +) },
      ]
    default:
      var members: [JSON.Member] = [
        .init(name: "rx_good_packets", value: .count(words[0])),
        .init(name: "tx_good_packets", value: .count(words[2])), .init(name: "rx_good_bytes", value: .count(words[1])),
        .init(name: "tx_good_bytes", value: .count(words[3])),
        .init(name: "rx_missed_errors", value: .count(words[4])), .init(name: "rx_errors", value: 0),
        .init(name: "tx_errors", value: .count(errors)),
        .init(name: "rx_mbuf_allocation_errors", value: .count(words[5])),
      ]
      for (queue, state) in states {
        members += [
          .init(name: "rx_q\(queue)_packets", value: .count(state.counts.framesReceived)),
          .init(name: "rx_q\(queue)_bytes", value: .count(state.counts.bytesReceived)),
          .init(name: "tx_q\(queue)_packets", value: .count(state.counts.framesSent)),
          .init(name: "tx_q\(queue)_bytes", value: .count(state.counts.bytesSent)),
        ]
      }
      for (reason, count) in drops.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        members.append(.init(name: "tx_drop_\(reason.name)_errors", value: .count(count)))
      }
      return .object(members)
    }
  }

  private typealias PortState = ThreadCounts.PortState
}
