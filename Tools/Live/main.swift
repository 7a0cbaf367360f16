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
              --attach NAME=device:SOCKET[,client][,plain] --attach NAME=driver:SOCKET[,client][,packed]
              --attach NAME=capture:FILE …
              [--underlay UPLINK=INTERFACE[@NAMESPACE]] [--underlay UPLINK=on-link] [--host-rate N] [--spin]

  Runs the overlay of FILE on live ports until it is ended (SIGTERM, SIGINT), then prints what passed each of them.
  `plain`: frames never owe anything there. `--spin`: never sleep.
  `--underlay`: encapsulations whose Ethernet destination is 00:00:00:00:00:00 get it from the routes and neighbours of an
  interface; `on-link`: every tunnel end is a neighbour, and questions for our own addresses are answered here.
  `device`, `driver`: that side of vhost-user, listening at SOCKET or, as `client`, connecting to it.
  A port of kind host and the first uplink are bound to each other, N frames a second each way.
  """

func complain(_ text: String, code: Int32 = 64) -> Never {
  FileHandle.standardError.write(Data((text + "\n").utf8))
  exit(code)
}

var config: String?
var attachments: [Attachment] = []
var underlays: [UnderlayChoice] = []
var hostRate: UInt32 = 20_000
var policy = PollPolicy()
var rest = CommandLine.arguments.dropFirst()
while let word = rest.popFirst() {
  switch word {
  case "--config": config = rest.popFirst()
  case "--attach":
    guard let text = rest.popFirst(), let attachment = Attachment(text) else { complain(usage) }
    attachments.append(attachment)
  case "--underlay":
    guard let text = rest.popFirst(), let underlay = UnderlayChoice(text) else { complain(usage) }
    underlays.append(underlay)
  case "--host-rate":
    guard let text = rest.popFirst(), let rate = UInt32(text), rate > 0 else { complain(usage) }
    hostRate = rate
  case "--spin": policy.spin = nil
  default: complain(usage)
  }
}
guard let config, !attachments.isEmpty else { complain(usage) }

struct Wishes {
  var config: String
  var attachments: [Attachment]
  var underlays: [UnderlayChoice]
  var hostRate: UInt32
  var policy: PollPolicy
}

func run(_ wishes: Wishes, _ control: PollControl) throws {
  let config = wishes.config
  let text = try String(contentsOfFile: config, encoding: .utf8)
  let configuration = try Configuration.read(text, file: config) { try String(contentsOfFile: $0, encoding: .utf8) }
  let ids = configuration.rules.map(\.id).max() ?? 1
  let rules = try RuleBook(configuration.overlay, limit: Int(ids) + 16)
  try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: MonotonicClock.now)
  let host = configuration.ports.first { $0.port.kind == .host }
  let uplink = configuration.ports.first { $0.port.kind == .uplink }
  if let host, let uplink {
    try rules.add(ids + 1, PassRule.from(host.port.id, to: uplink.port.id), now: MonotonicClock.now)
  }
  var loop = try PollLoop(try Datapath(rules, buffers: 4096))
  for attachment in wishes.attachments {
    guard let named = configuration.port(named: attachment.port) else {
      complain("the configuration has no port '\(attachment.port)'")
    }
    let port = named.port
    guard
      try attachment.attach(
        to: &loop, id: port.id, mac: port.mac, mtu: Int(port.mtu), isUplink: port.kind == .uplink)
    else { complain("there is no room for port '\(attachment.port)'") }
  }
  if let host { loop.setHostPort(id: host.port.id) }
  loop.setHostRate(wishes.hostRate, burst: max(1, wishes.hostRate / 10))
  for choice in wishes.underlays {
    guard let uplink = configuration.port(named: choice.uplink),
      loop.setUnderlay(try choice.make(rules, mac: uplink.port.mac), uplink: uplink.port.id)
    else { complain("there is no uplink '\(choice.uplink)'") }
  }
  FileHandle.standardOutput.write(Data("ready\n".utf8))
  loop.run(control, policy: wishes.policy)
  report(loop, wishes.attachments.map(\.port), configuration)
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
  try run(
    Wishes(config: config, attachments: attachments, underlays: underlays, hostRate: hostRate, policy: policy), control)
  sources.forEach { $0.cancel() }
} catch {
  complain("\(error)", code: 1)
}
