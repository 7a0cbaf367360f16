import Device
import Memory
import Ports
import Rules
import Runtime
import Wire

// Flows that no rule takes: from the queues to whoever listens, and answers back.
extension Daemon {
  /// Tells listeners what queues ask; called every round.
  func tellUpcalls() {
    let listens = server?.hasListener(.misses) ?? false
    for (queue, box) in boxes.enumerated() {
      if box.hasController != listens { box.hasController = listens }
      for upcall in box.take() { server?.publish(document(upcall, queue), to: .misses) }
    }
  }

  /// Adds rules, and lets the frames of the flows go on that they are for.
  func addRules(_ lines: [String], for upcalls: [Int]) throws(RequestFailure) -> JSON {
    let answer = try changingRules { () throws(RequestFailure) in try addRules(lines) }
    guard !upcalls.isEmpty else { return answer }
    var released = 0
    for id in upcalls where release(id, .again) == true { released += 1 }
    return .object((answer.members ?? []) + [.init(name: "released", value: .integer(released))])
  }

  /// Carries an answer out.
  func answerUpcall(_ id: Int, _ answer: UpcallAnswer) throws(RequestFailure) -> JSON {
    guard let isThere = release(id, answer) else { throw RequestFailure("thread.stuck", "the queue does not answer") }
    guard isThere else {
      throw RequestFailure("upcall.missing", "nothing waits for an answer to \(id): it came too late, or twice")
    }
    return ["id": .integer(id)]
  }

  private func release(_ id: Int, _ answer: UpcallAnswer) -> Bool? {
    let queue = id >> 48
    guard threads.indices.contains(queue) else { return false }
    return threads[queue].ask(seconds: 1) { (loop: inout PollLoop) -> Bool in
      loop.answerUpcall(UInt64(id), answer, now: MonotonicClock.now)
    }
  }

  func showUpcalls() -> JSON {
    var queues: [JSON] = []
    for thread in threads where !stalled.contains(thread.index) {
      let found = thread.ask(seconds: 0.5) { (loop: inout PollLoop) -> (waiting: Int, statistics: UpcallStatistics)? in
        loop.upcalls
      }
      guard let found, let found else { continue }
      queues.append([
        "queue": .integer(thread.index), "waiting": .integer(found.waiting), "asked": .count(found.statistics.asked),
        "answered": .count(found.statistics.answered), "expired": .count(found.statistics.expired),
        "repeated_packets": .count(found.statistics.repeated),
      ])
    }
    return [
      "schema_version": 1, "listening": .bool(server?.hasListener(.misses) ?? false), "queues": .array(queues),
    ]
  }

  private func document(_ upcall: Upcall, _ queue: Int) -> JSON {
    let named = configuration.ports.first { $0.port.id == upcall.port }
    let now = MonotonicClock.now
    let left = upcall.deadline > now ? (upcall.deadline - now) / 1_000_000 : 0
    var options = ParseOptions(
      lookIntoTunnels: named?.port.kind == .uplink && upcall.group == 0,
      genevePort: configuration.overlay.endpoint.genevePort, vxlanPort: configuration.overlay.endpoint.vxlanPort,
      acceptsVXLANInnerVLAN: configuration.overlay.endpoint.acceptsVXLANInnerVLAN)
    for option in configuration.overlay.endpoint.knownCriticalOptions { _ = options.addCriticalOption(option) }
    let stack = try? HeaderStack.parse(upcall.bytes.span.octets, options: options, startsAtIP: upcall.startsAtIP)
    var keys: [JSON.Member] = []
    if let stack {
      keys = UpcallKeys.members(stack.outer, upcall.bytes)
      if stack.hasSoundTunnel {
        keys.append(.init(name: "inner", value: .object(UpcallKeys.members(stack.inner, upcall.bytes))))
      }
    }
    return [
      "event": "miss", "upcall": .integer(Int(upcall.id)), "queue": .integer(queue),
      "port": .string(named?.name ?? "\(upcall.port)"), "port_id": .integer(Int(upcall.port)),
      "tenant": .integer(Int(named?.port.tenant ?? 0)), "tunnel_key": .integer(Int(upcall.tunnelKey)),
      "resume": [
        "group": .integer(Int(upcall.group)), "last_rule": .integer(Int(upcall.lastRule)),
        "starts_at_ip": .bool(upcall.startsAtIP),
      ],
      "length": .integer(upcall.length), "keys": .object(keys), "deadline_ms": .integer(Int(left)),
      "headers": .string(upcall.bytes.map { UpcallKeys.hex($0) }.joined()),
    ]
  }
}

/// A frame's keys, in words.
enum UpcallKeys {
  static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

  static func members(_ layers: LayerStack, _ bytes: [UInt8]) -> [JSON.Member] {
    var members: [JSON.Member] = []
    func add(_ name: String, _ value: JSON) { members.append(.init(name: name, value: value)) }
    func word(_ at: Int, _ count: Int) -> UInt128 {
      (at..<at + count).reduce(0) { $0 << 8 | ($1 < bytes.count ? UInt128(bytes[$1]) : 0) }
    }
    if layers.hasEthernet {
      let start = Int(layers.l2)
      add("eth_dst", .string(Daemon.mac(UInt64(word(start, 6)))))
      add("eth_src", .string(Daemon.mac(UInt64(word(start + 6, 6)))))
      add("eth_type", .integer(Int(layers.etherType)))
    }
    let l3 = Int(layers.l3)
    switch layers.l3Kind {
    case .ipv4:
      add("src", .string(Address.text(ipv4: UInt32(word(l3 + 12, 4)))))
      add("dst", .string(Address.text(ipv4: UInt32(word(l3 + 16, 4)))))
    case .ipv6:
      add("src", .string(Address.text(ipv6: word(l3 + 8, 16))))
      add("dst", .string(Address.text(ipv6: word(l3 + 24, 16))))
    default: return members
    }
    add("proto", .integer(Int(layers.ipProto)))
    if layers.l4Kind == .tcp || layers.l4Kind == .udp {
      add("src_port", .integer(Int(word(Int(layers.l4), 2))))
      add("dst_port", .integer(Int(word(Int(layers.l4) + 2, 2))))
    }
    return members
  }
}
