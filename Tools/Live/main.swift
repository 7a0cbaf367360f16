import Control
import Datapath
import Device
import Dispatch
import Foundation
import Ports
import Runtime

// One poll thread over live ports: what proves the ports, before the daemon. See Tools/live.

let usage = """
  usage: live --config FILE --attach NAME=tap:INTERFACE[,plain][@NAMESPACE]
              --attach NAME=packet:INTERFACE[,plain][,bypass][@NAMESPACE]
              --attach NAME=capture:FILE … [--spin]

  Runs the overlay of FILE on live ports until it is ended (SIGTERM, SIGINT), then prints what passed each of them.
  `plain`: frames never owe anything there. `--spin`: never sleep.
  """

func complain(_ text: String, code: Int32 = 64) -> Never {
  FileHandle.standardError.write(Data((text + "\n").utf8))
  exit(code)
}

var config: String?
var attachments: [Attachment] = []
var policy = PollPolicy()
var rest = CommandLine.arguments.dropFirst()
while let word = rest.popFirst() {
  switch word {
  case "--config": config = rest.popFirst()
  case "--attach":
    guard let text = rest.popFirst(), let attachment = Attachment(text) else { complain(usage) }
    attachments.append(attachment)
  case "--spin": policy.spin = nil
  default: complain(usage)
  }
}
guard let config, !attachments.isEmpty else { complain(usage) }

func run(_ config: String, _ attachments: [Attachment], _ policy: PollPolicy, _ control: PollControl) throws {
  let text = try String(contentsOfFile: config, encoding: .utf8)
  let configuration = try Configuration.read(text, file: config) { try String(contentsOfFile: $0, encoding: .utf8) }
  let ids = configuration.rules.map(\.id).max() ?? 1
  let rules = try RuleBook(configuration.overlay, limit: Int(ids) + 16)
  try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: MonotonicClock.now)
  var loop = PollLoop(try Datapath(rules, buffers: 4096))
  for attachment in attachments {
    guard let named = configuration.port(named: attachment.port) else {
      complain("the configuration has no port '\(attachment.port)'")
    }
    let port = named.port
    guard
      try attachment.attach(
        to: &loop, id: port.id, mac: port.mac, mtu: Int(port.mtu), isUplink: port.kind == .uplink)
    else { complain("there is no room for port '\(attachment.port)'") }
    if port.kind == .host { loop.setHostPort(id: port.id) }
  }
  FileHandle.standardOutput.write(Data("ready\n".utf8))
  loop.run(control, policy: policy)
  report(loop, attachments.map(\.port), configuration)
  try loop.ports.close()
}

func report(_ loop: borrowing PollLoop, _ names: [String], _ configuration: Configuration) {
  for (index, name) in names.enumerated() {
    let counts = loop.ports.counts(index)
    let drops = counts.drops.map { "\($0.key.name) \($0.value)" }.sorted().joined(separator: ", ")
    print(
      "port \(name): received \(counts.framesReceived) (\(counts.bytesReceived) B), sent \(counts.framesSent) "
        + "(\(counts.bytesSent) B), missed \(counts.missed), starved \(counts.starved)"
        + (drops.isEmpty ? "" : ", dropped: \(drops)"))
  }
  for reason in DropReason.allCases {
    let count = loop.datapath.drops[reason] + loop.drops[reason]
    if count > 0 { print("dropped: \(reason.name) \(count)") }
  }
  let statistics = loop.statistics
  print(
    "passes \(statistics.passes), with frames \(statistics.busyPasses), frames \(statistics.frames), "
      + "sleeps \(statistics.sleeps), asked in vain \(statistics.spun / 1_000_000) ms, "
      + "asleep \(statistics.slept / 1_000_000) ms, segmented \(loop.datapath.statistics.segmented)")
}

/// Ends the loop at SIGTERM and SIGINT.
func stopAtSignals(_ control: PollControl) -> [any DispatchSourceSignal] {
  [SIGTERM, SIGINT].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { @Sendable in control.stop() }
    source.resume()
    return source
  }
}

do {
  let control = try PollControl()
  let sources = stopAtSignals(control)
  try run(config, attachments, policy, control)
  sources.forEach { $0.cancel() }
} catch {
  complain("\(error)", code: 1)
}
