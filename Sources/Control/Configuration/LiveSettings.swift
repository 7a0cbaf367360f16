public import DPDKDevice
public import Runtime
import Yams

/// What a daemon needs beside the overlay: the sections `runtime`, `device`, `control`, `journal`, `metrics` of the document.
public struct LiveSettings: Equatable, Sendable {
  /// Poll threads, each with a queue of its own, 1…64.
  public var threads = 1
  /// The cores they are bound to, in order; empty: not bound.
  public var cores: [Int] = []
  /// Nanoseconds without a frame after which a thread sleeps; nil: never.
  public var spin: UInt64? = 50_000
  /// The most rules there can be.
  public var rules = 1 << 21
  /// Buffers of each queue for copies, segments and answers.
  public var buffers = 4096
  /// What carries rules out beside software.
  public var device = DeviceSettings()
  /// Where the control socket is.
  public var socket = LiveSettings.defaultSocket
  /// The group that may use it.
  public var group: String?
  /// Where acknowledged rules are kept; nil: they end with the process.
  public var journal: String?
  /// When the journal is told to be on disk.
  public var sync = Journal.Sync.always
  /// Where counters are kept; nil: they end with the process.
  public var counters: String?
  /// The loopback port of Prometheus text; nil: none.
  public var metricsPort: UInt16?

  /// How DPDK is started when a port wants it.
  public var dpdk = EAL.Options()
  /// The folder of DPDK's telemetry socket; nil: none.
  public var telemetry: String?
  /// How controllers are asked about flows that no rule takes.
  public var misses = UpcallPolicy()

  /// Where a daemon listens that was not told otherwise.
  public static let defaultSocket = "/run/dpu/dpud.sock"

  /// The defaults.
  public init() {}
}

/// What stands behind a port of a running daemon: the key `attach` of a port.
public struct PortAttachment: Equatable, Sendable {
  /// The kinds.
  public enum Kind: Equatable, Sendable {
    /// A TAP device of this name.
    case tap(String)
    /// A packet socket on the interface of this name.
    case packet(String)
    /// Capture files.
    case capture(input: String?, output: String?)
    /// A vhost-user socket: listening or connecting; the device's side, or the driver's with rings of this kind.
    case vhostUser(path: String, isClient: Bool, driver: DriverRings?)
    /// A port of a DPDK driver.
    case dpdk(DPDKPort.Options)
  }
  /// The rings that a driver's side asks for.
  public enum DriverRings: String, Equatable, Sendable, CaseIterable {
    /// Split ones.
    case split
    /// Packed ones.
    case packed
  }
  /// What it is.
  public var kind: Kind
  /// Frames may owe checksums and segmentation there.
  public var offloads = true
  /// A packet socket sends past the interface's queueing discipline.
  public var bypassesQueues = false
  /// The network namespace of the interface; nil: this one.
  public var namespace: String?
}

/// Where an uplink's next hops come from: the key `next_hops` of a port.
public enum NextHops: Equatable, Sendable {
  /// Every tunnel end is a neighbour, and questions for our addresses are answered here.
  case onLink
  /// The routes and neighbours of this interface, in this namespace (nil: this one).
  case interface(String, namespace: String?)
}

extension Configuration {
  static func readNextHops(_ value: YAMLValue) throws(YAMLError) -> NextHops {
    if case .scalar = value.node {
      _ = try value.choice([("on_link", true)])
      return .onLink
    }
    var map = try value.map()
    let interface = try map.required("interface").interfaceName()
    let namespace = try map.optional("namespace").map { (value) throws(YAMLError) in
      try value.interfaceName(longest: 255)
    }
    try map.finish()
    return .interface(interface, namespace: namespace)
  }

  static func readAttachment(_ value: YAMLValue) throws(YAMLError) -> PortAttachment {
    var map = try value.map()
    var kinds: [PortAttachment.Kind] = []
    let tap = map.optional("tap")
    let packet = map.optional("packet")
    let capture = map.optional("capture")
    if let tap { kinds.append(.tap(try tap.interfaceName())) }
    if let packet { kinds.append(.packet(try packet.interfaceName())) }
    if let capture {
      var files = try capture.map()
      let input = try files.optional("input").map { (value) throws(YAMLError) in try value.string() }
      let output = try files.optional("output").map { (value) throws(YAMLError) in try value.string() }
      try files.finish()
      kinds.append(.capture(input: input, output: output))
    }
    if let socket = map.optional("vhost_user") { kinds.append(try readVhostUser(socket)) }
    if let device = map.optional("dpdk") { kinds.append(.dpdk(try readDPDKPort(device))) }
    guard kinds.count == 1 else {
      throw value.error("expected one of tap, packet, capture, vhost_user, dpdk, found \(kinds.count)")
    }
    var attachment = PortAttachment(kind: kinds[0])
    if let offloads = map.optional("offloads") { attachment.offloads = try offloads.bool() }
    if let bypass = map.optional("bypass_queues") { attachment.bypassesQueues = try bypass.bool() }
    if let namespace = map.optional("namespace") { attachment.namespace = try namespace.interfaceName(longest: 255) }
    try map.finish()
    return attachment
  }

  private static func readVhostUser(_ value: YAMLValue) throws(YAMLError) -> PortAttachment.Kind {
    var map = try value.map()
    let socket = try map.required("socket")
    let path = try socket.string()
    guard (1...107).contains(path.utf8.count) else { throw socket.error("a socket's path has 1 to 107 bytes") }
    var isClient = false
    if let role = map.optional("role") { isClient = try role.choice([("server", false), ("client", true)]) }
    var isDriver = false
    if let side = map.optional("side") { isDriver = try side.choice([("device", false), ("driver", true)]) }
    let rings = try map.optional("rings").map { (value) throws(YAMLError) in
      guard isDriver else { throw value.error("the driver's side chooses the rings; this is the device's") }
      return try value.choice(PortAttachment.DriverRings.allCases.map { ($0.rawValue, $0) })
    }
    try map.finish()
    return .vhostUser(path: path, isClient: isClient, driver: isDriver ? rings ?? .split : nil)
  }

  static func readRuntime(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    if let threads = map.optional("threads") { live.threads = try threads.integer(1...64) }
    if let cores = map.optional("cores") {
      for core in try cores.list() { live.cores.append(try core.integer(0...1023)) }
      guard live.cores.count == live.threads else {
        throw cores.error("expected a core for each of the \(live.threads) threads, found \(live.cores.count)")
      }
    }
    if let spin = map.optional("spin_us") { live.spin = UInt64(try spin.integer(0...1_000_000)) * 1000 }
    if let busy = map.optional("busy"), try busy.bool() { live.spin = nil }
    if let rules = map.optional("rules") { live.rules = try rules.integer(1...1 << 24) }
    if let buffers = map.optional("buffers") { live.buffers = try buffers.integer(64...1 << 20) }
    try map.finish()
  }

  static func readDevice(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    live.device = try DeviceSettings.read(value)
  }

  static func readMisses(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    if let rate = map.optional("per_second") { live.misses.perSecond = UInt32(try rate.integer(1...100_000)) }
    if let burst = map.optional("burst") { live.misses.burst = UInt32(try burst.integer(1...100_000)) }
    if let flows = map.optional("flows") { live.misses.flows = try flows.integer(1...UpcallPolicy.mostFlows) }
    if let deadline = map.optional("deadline_ms") {
      live.misses.deadline = UInt64(try deadline.integer(1...60_000)) * 1_000_000
    }
    if let fate = map.optional("unanswered") {
      live.misses.goesToHost = try fate.choice([("drop", false), ("host", true)])
    }
    try map.finish()
  }

  static func readControl(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    if let socket = map.optional("socket") {
      live.socket = try socket.string()
      guard (1...107).contains(live.socket.utf8.count) else { throw socket.error("a socket's path has 1 to 107 bytes") }
    }
    if let group = map.optional("group") { live.group = try group.string() }
    try map.finish()
  }

  static func readJournal(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    live.journal = try map.required("rules").string()
    if let counters = map.optional("counters") { live.counters = try counters.string() }
    if let sync = map.optional("sync") { live.sync = try sync.choice(Journal.Sync.allCases.map { ($0.rawValue, $0) }) }
    try map.finish()
  }

  static func readTelemetry(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    let prefix = try map.optional("prefix").map { (value) throws(YAMLError) in try value.interfaceName(longest: 40) }
    let folder = try map.optional("folder").map { (value) throws(YAMLError) in try value.string() }
    try map.finish()
    live.telemetry = folder ?? TelemetryFolder.path(prefix: prefix ?? "dpud")
  }

  static func readMetrics(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    live.metricsPort = UInt16(try map.required("port").integer(1...65535))
    try map.finish()
  }
}

extension YAMLValue {
  /// A name that the kernel takes for an interface or a namespace.
  fileprivate func interfaceName(longest: Int = 15) throws(YAMLError) -> String {
    let text = try string()
    guard (1...longest).contains(text.utf8.count), !text.contains(where: { $0 == "/" || $0.isWhitespace }),
      text != ".", text != ".."
    else { throw error("expected a name of 1 to \(longest) bytes without blanks and '/', found '\(text.prefix(60))'") }
    return text
  }
}
