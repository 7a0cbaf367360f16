import CShim
import Datapath
import Device
import Foundation
import Ports
import Runtime

/// The daemon: a configuration in force, poll threads, rules that come and go over the control socket, and the files that
/// outlive it. Everything but the poll threads is on one thread, which is the only one that changes rules.
public final class Daemon: RequestHandler {
  /// The program's version.
  public static let version = "0.1.0"

  let file: String
  let log: EventLog
  let began = MonotonicClock.now
  let beganTicks = dpu_ticks()
  var configuration: Configuration
  var book: RuleBook
  var store = RuleStore()
  var threads: [PollThread] = []
  let journal: Journal?
  let counters: CounterFile?
  var totals = Totals()
  /// Goes up with every change that was acknowledged.
  var change: UInt64
  var nextTemplate: UInt32 = 1
  var server: ControlServer?
  let systemd = SystemdNotify()
  var nextHousekeeping: UInt64 = 0
  var nextWatchdog: UInt64 = 0
  var stalled: Set<Int> = []
  var sights: [UInt16: PortSight] = [:]
  var lastCompaction = 0
  var devices: DeviceBook?
  var captures: [Int: CaptureSession] = [:]
  var nextCapture = 0
  var predictor: Predictor?
  var telemetry: Telemetry?
  /// The ways of upcalls, by queue.
  let boxes: [UpcallBox]
  private let waker: Waker

  /// Reads the configuration of a file, and what it includes.
  ///
  /// - Throws: ``YAMLError`` with the place.
  public static func read(_ file: String) throws -> Configuration {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
    let text: String
    do { text = try String(contentsOfFile: file, encoding: .utf8) } catch {
      throw YAMLError(file: file, line: 0, column: 0, message: "cannot be read as UTF-8 text")
    }
    let configuration = try Configuration.read(text, file: file) { name in
      let path = name.hasPrefix("/") ? name : folder.appendingPathComponent(name).path
      return try String(contentsOfFile: path, encoding: .utf8)
    }
    try configuration.checkLive()
    return configuration
  }

  /// Makes ports, threads and socket; when this returns, frames pass.
  ///
  /// - Throws: what of it cannot be had.
  public init(file: String, log: EventLog) throws {
    self.file = file
    self.log = log
    let configuration = try Self.read(file)
    self.configuration = configuration
    let live = configuration.live
    let waker = try Waker()
    self.waker = waker
    boxes = (0..<live.threads).map { _ in UpcallBox(waker: waker) }
    var store = RuleStore()
    store.setConfigured(configuration.rules)
    var templates: UInt32 = 1
    if let path = live.journal {
      journal = try Journal(path: path, sync: live.sync) { _, record in
        try Self.replay(record, into: &store, configuration, &templates)
      }
    } else {
      journal = nil
    }
    nextTemplate = templates
    counters = if let path = live.counters { try CounterFile(path: path) } else { nil }
    change = journal?.lastNumber ?? 0
    self.store = store
    book = try Self.book(configuration, &self.store)
    devices = try DeviceBook(configuration, &self.store)
    if let counters { totals = Totals(counters, configuration, &self.store) }
    try startThreads()
    server = try ControlServer(
      path: live.socket, group: live.group, metricsPort: live.metricsPort, waker: waker,
      program: "dpud " + Self.version,
      handler: self)
    if let folder = live.telemetry {
      do throws(SystemError) { telemetry = try Telemetry(folder: folder) } catch {
        log.note(.warning, "telemetry.failed", ["message": .string(error.description)])
      }
    }
    log.note(
      .notice, "daemon.ready",
      [
        "rules": .integer(store.count), "ports": .integer(configuration.attachedPorts.count),
        "socket": .string(live.socket), "journal_torn_bytes": .integer(journal?.tornBytes ?? 0),
      ])
  }

  /// The tables of a configuration with all rules in them.
  static func book(_ configuration: Configuration, _ store: inout RuleStore) throws -> RuleBook {
    let book = try RuleBook(
      configuration.overlay, limit: configuration.live.rules, queues: configuration.live.threads * 2 + 2)
    let now = MonotonicClock.now
    try book.apply(
      store.singles.sorted { $0.key < $1.key }.map { .add($0.key, $0.value) }
        + configuration.ownRules.map {
          .add($0.id, $0.rule)
        }, now: now)
    for batch in store.batches {
      guard let template = store.templates[batch.template] else { continue }
      let rows = (0..<batch.count).filter { !batch.isGone($0) }
      try template.apply(to: book, rows: batch.rows, alive: rows, first: batch.first, now: now)
    }
    return book
  }

  private func startThreads() throws {
    let live = configuration.live
    let configuration = configuration
    let eal = configuration.ealOptions
    var policy = PollPolicy(spin: live.spin)
    policy.lookInterval = 100_000_000
    for index in 0..<live.threads {
      let core = index < live.cores.count ? live.cores[index] : nil
      let lent = Lent(value: book)
      let box = boxes[index]
      let lane = Lent(value: try devices?.lane(book))
      threads.append(
        try PollThread(index: index, core: core, policy: policy, rules: book, buffers: live.buffers) { loop in
          for named in configuration.attachedPorts {
            try PortOpener.open(named, threads: live.threads, eal: eal, in: &loop)
          }
          try configuration.bind(&loop, lent.value)
          loop.setController(live.misses, box, queue: index)
          _ = loop.setDevice(lane.value, now: MonotonicClock.now)
        })
    }
    let cores = ProcessInfo.processInfo.activeProcessorCount
    if live.spin == nil, live.threads > cores {
      log.note(.warning, "runtime.busy", ["threads": .integer(live.threads), "cores": .integer(cores)])
    }
  }

  /// Serves until it is stopped; then drains: what waits at the ports is carried out, and counters are written.
  public func run() {
    systemd.tell("READY=1\nSTATUS=\(statusLine)")
    server?.run()
    systemd.tell("STOPPING=1")
    for thread in threads {
      if let counts = thread.stop() {
        totals.retire(counts)
        if let state = counts.device { devices?.states[thread.index] = state }
      } else {
        log.note(.error, "thread.stuck", ["thread": .integer(thread.index)])
      }
    }
    persist(all: true)
    journal?.close()
    log.note(.notice, "daemon.stopped", ["frames": .count(totals.frames)])
  }

  /// Ends ``run()``, from any thread.
  public var stopper: @Sendable () -> Void {
    guard let server else { return {} }
    return server.stopper
  }

  /// A request from a signal: carried out on the daemon's thread at its next round.
  public let reloading = RaisedSignal()

  var statusLine: String {
    let alive = threads.filter { $0.isAlive(now: MonotonicClock.now) }.count
    return "\(store.count) rules, \(configuration.attachedPorts.count) ports, \(alive) of \(threads.count) queues alive"
  }

  /// See ``RequestHandler/tick(now:)``.
  public func tick(now: UInt64) {
    if reloading.take() {
      do throws(RequestFailure) { _ = try reload() } catch {
        log.note(.error, "config.refused", ["message": .string(error.message)])
      }
    }
    telemetry?.serve { [unowned self] in telemetry($0, $1) }
    tellUpcalls()
    guard now >= nextHousekeeping else { return }
    nextHousekeeping = now &+ 100_000_000
    book.reclaim()
    tendCaptures(now: now)
    watch(now: now)
    watchPorts()
    tendDevices(now: now)
    persist(all: false)
    compactIfWorth()
  }

  /// Looks after the poll threads; feeds systemd's watchdog while all of them live.
  private func watch(now: UInt64) {
    var sick: Set<Int> = []
    for thread in threads where !thread.isAlive(now: now) { sick.insert(thread.index) }
    for index in sick.subtracting(stalled) { tell(log.note(.error, "thread.stalled", ["thread": .integer(index)])) }
    for index in stalled.subtracting(sick) { tell(log.note(.notice, "thread.alive", ["thread": .integer(index)])) }
    if sick != stalled { systemd.tell("STATUS=\(statusLine)") }
    stalled = sick
    if let watchdog = systemd.watchdog, sick.isEmpty, now >= nextWatchdog {
      systemd.tell("WATCHDOG=1")
      nextWatchdog = now &+ watchdog
    }
  }

  /// Tells those who monitor.
  func tell(_ event: JSON) { server?.publish(event) }

  /// What every thread counts now; a thread that does not answer in time is left out.
  func gather() -> [(thread: PollThread, counts: ThreadCounts)] {
    var gathered: [(thread: PollThread, counts: ThreadCounts)] = []
    for thread in threads where !stalled.contains(thread.index) {
      let counts = thread.ask(seconds: 0.5) { (loop: inout PollLoop) -> ThreadCounts in ThreadCounts(loop) }
      if let counts { gathered.append((thread, counts)) }
    }
    return gathered
  }
}

/// Set from any thread, taken by one.
public final class RaisedSignal: Sendable {
  private let descriptor = Reply<Bool>()
  /// Not set.
  public init() {}
  /// Sets it.
  public func set() { descriptor.set(true) }
  func take() -> Bool { descriptor.wait(seconds: 0) != nil }
}

extension Configuration {
  /// The ports that something stands behind.
  var attachedPorts: [NamedPort] { ports.filter { $0.attachment != nil } }

  /// Rules that the daemon adds by itself, with the ids they have: the host port and the first uplink are bound to each
  /// other.
  var ownRules: [NumberedRule] {
    var rules: [NumberedRule] = []
    if let host = ports.first(where: { $0.port.kind == .host }), host.attachment != nil,
      let uplink = ports.first(where: { $0.port.kind == .uplink })
    {
      rules.append(NumberedRule(id: RuleStore.lastID + 1, rule: PassRule.from(host.port.id, to: uplink.port.id)))
    }
    for function in ports.compactMap({ virtualFunction($0, queues: 1) }) {
      guard let rule = function.representorRule else { continue }
      rules.append(NumberedRule(id: RuleStore.lastID + 1 + UInt32(rules.count), rule: rule))
    }
    return rules
  }

  /// The tenants' ports; a tenant port without a tenant is one of its own.
  var tenantPorts: [[UInt16]] {
    let ports = attachedPorts.map(\.port).filter { $0.kind == .tenant }
    let owned = Dictionary(grouping: ports.filter { $0.tenant != 0 }, by: \.tenant)
    return owned.sorted { $0.key < $1.key }.map { $0.value.map(\.id) } + ports.filter { $0.tenant == 0 }.map { [$0.id] }
  }

  /// What the owner of a port may do through one of `queues`; nil when nothing is said about it.
  func virtualFunction(_ named: NamedPort, queues: Int) -> VirtualFunction? {
    guard let wanted = named.function else { return nil }
    var function = VirtualFunction(port: named.port.id, owner: named.port.tenant)
    function.mac = wanted.holdsAddress ? named.port.mac : 0
    function.rate = wanted.rate == 0 ? 0 : max(1, wanted.rate / UInt64(queues))
    function.burst = wanted.burst
    function.representor = wanted.representor.flatMap { name in ports.first { $0.name == name }?.port.id }
    return function
  }

  /// What a running daemon asks of a configuration beside what a capture run does.
  public func checkLive() throws(YAMLError) {
    func wrong(_ message: String) -> YAMLError { YAMLError(file: file, line: 0, column: 0, message: message) }
    for named in ports where live.threads > 1 {
      switch named.attachment?.kind {
      case .packet, .capture, .vhostUser, .dpdk:
        throw wrong(
          "ports: '\(named.name)' has one queue, runtime.threads is \(live.threads); only TAP devices have several")
      default: continue
      }
    }
    guard rules.allSatisfy({ $0.id < RuleStore.firstID }) else {
      throw wrong("rules: at most \(RuleStore.firstID - 1) rules in a configuration")
    }
    guard rules.count <= live.rules else {
      throw wrong("runtime.rules is \(live.rules), and there are \(rules.count) rules")
    }
    if live.device.kind != .none {
      _ = try ProfileCatalog.choose(live.device.profile)
      _ = try wantedFeatures()
    }
    if live.threads > 1, ports.contains(where: { $0.nextHops != nil }) {
      throw wrong("next_hops need runtime.threads of 1")
    }
  }
}

extension Daemon {
  /// The caller may not: another user, or a capability is missing.
  public static func isPermission(_ error: any Error) -> Bool {
    if let error = error as? PortError { return error.kind == .notPermitted }
    if case .system(let error)? = error as? Journal.Problem { return error.isPermission }
    return (error as? SystemError)?.isPermission ?? false
  }

  /// Another daemon has the socket or the journal.
  public static func isTaken(_ error: any Error) -> Bool {
    if case .locked? = error as? Journal.Problem { return true }
    return (error as? SystemError)?.isTaken ?? false
  }
}
