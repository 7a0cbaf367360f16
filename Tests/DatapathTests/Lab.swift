import Datapath
import Device
import Memory
import Rules

/// What came of one frame.
struct Result {
  var outcome: Outcome
  var port: UInt16
  var bytes: [UInt8]
  var mark: UInt32
  var frame: Frame

  var drop: DropReason? { outcome.dropReason }
}

/// A data path with ports 0 (uplink), 1 and 2 (tenants 1 and 2), 3 (host), and everything a test needs around it.
struct Lab: ~Copyable {
  static let uplink: UInt16 = 0
  static let tenant: UInt16 = 1
  static let other: UInt16 = 2
  static let host: UInt16 = 3

  let book: RuleBook
  var path: Datapath
  var arena: FrameArena
  var now: UInt64 = 1_000_000_000
  var released: [UInt32] = []

  static func overlay(mtu: UInt16 = 1500, uplinkMTU: UInt16 = 1500) -> Overlay {
    var overlay = Overlay()
    overlay.ports = [
      Port(id: uplink, kind: .uplink, mtu: uplinkMTU), Port(id: tenant, kind: .tenant, mtu: mtu, tenant: 1),
      Port(id: other, kind: .tenant, mtu: mtu, tenant: 2), Port(id: host, kind: .host, mtu: mtu),
    ]
    overlay.endpoint.ipv4 = [Craft.local4]
    overlay.endpoint.ipv6 = [Craft.local6]
    overlay.decapsulations = [
      1: .tunnel(.geneve), 2: .tunnel(.vxlan), 3: .tunnel(.gre), 4: .tunnel(.nvgre), 5: .ethernet,
    ]
    return overlay
  }

  init(
    _ overlay: Overlay = Lab.overlay(), buffers: Int = 256, bufferSize: Int = 4096, cachedFlows: Int = 8192
  ) throws {
    let book = try RuleBook(overlay, limit: 1024)
    self.init(
      book, try Datapath(book, buffers: buffers, bufferSize: bufferSize, cachedFlows: cachedFlows),
      try FrameArena(capacity: 64, bufferSize: 1 << 17, headroom: 512))
  }

  private init(_ book: RuleBook, _ path: consuming Datapath, _ arena: consuming FrameArena) {
    self.book = book
    self.path = path
    self.arena = arena
  }

  /// A rule of these actions for frames of `port`; ids count from 1.
  mutating func rule(
    _ id: UInt32, port: UInt16, _ actions: [Action], pattern: [Item] = [], group: UInt32 = 0, priority: UInt32 = 0
  ) throws {
    var attributes = Attributes()
    attributes.port = port
    attributes.group = group
    attributes.priority = priority
    try book.add(id, Rule(attributes: attributes, pattern: pattern, actions: actions), now: now)
  }

  /// Sends one frame in and says what came of it, in order.
  mutating func send(
    _ bytes: [UInt8], port: UInt16, headroom: Int = 512, _ change: (inout Frame) -> Void = { _ in }
  ) -> [Result] {
    guard let index = arena.take() else { return [] }
    defer { arena.give(index) }
    var frame = Frame(buffer: arena.buffer(index), headroom: headroom, length: bytes.count, token: index)
    frame.bytes.copy(bytes, at: 0)
    frame.inPort = port
    change(&frame)
    var burst = FrameBurst()
    _ = burst.append(frame)
    var out = EmissionBurst(capacity: 512)
    path.process(&burst, now: now, out: &out)
    var results: [Result] = []
    for at in 0..<out.count {
      let emission = out[at]
      results.append(
        Result(
          outcome: emission.frame.outcome, port: emission.port, bytes: emission.frame.bytes.array(),
          mark: emission.mark, frame: emission.frame))
      path.recycle(emission.frame.token)
    }
    for at in 0..<out.releaseCount { released.append(out.released(at)) }
    return results
  }

  /// Sends frames in as one burst: outcome, port and bytes of what came of them, in order.
  mutating func sendTogether(_ frames: [(bytes: [UInt8], port: UInt16)]) -> [Result] {
    var burst = FrameBurst()
    var taken: [UInt32] = []
    for (bytes, port) in frames {
      guard let index = arena.take() else { break }
      taken.append(index)
      var frame = Frame(buffer: arena.buffer(index), headroom: 512, length: bytes.count, token: index)
      frame.bytes.copy(bytes, at: 0)
      frame.inPort = port
      _ = burst.append(frame)
    }
    var out = EmissionBurst(capacity: 512)
    path.process(&burst, now: now, out: &out)
    var results: [Result] = []
    for at in 0..<out.count {
      let emission = out[at]
      results.append(
        Result(
          outcome: emission.frame.outcome, port: emission.port, bytes: emission.frame.bytes.array(),
          mark: emission.mark, frame: emission.frame))
      path.recycle(emission.frame.token)
    }
    for index in taken { arena.give(index) }
    return results
  }

  /// Sends one frame in; the one thing that came of it.
  mutating func one(
    _ bytes: [UInt8], port: UInt16, headroom: Int = 512, _ change: (inout Frame) -> Void = { _ in }
  ) throws -> Result {
    let results = send(bytes, port: port, headroom: headroom, change)
    guard results.count == 1, let first = results.first else { throw LabError.emissions(results.count) }
    return first
  }
}

enum LabError: Error { case emissions(Int) }
