import CShim
import Datapath
import DPDKDevice
import Device
import Foundation
import Offload
import Ports
import Rules
import Runtime

// Answers that only look.
extension Daemon {
  func status() -> JSON {
    let now = MonotonicClock.now
    return [
      "schema_version": 1, "version": .string(Self.version),
      "process": .integer(Int(ProcessInfo.processInfo.processIdentifier)),
      "uptime_seconds": .integer(Int((now - began) / 1_000_000_000)), "config": .string(file),
      "state": .string(stalled.isEmpty ? "running" : "stalled"), "change": .count(change),
      "rules": .integer(store.count), "rules_configured": .integer(configuration.rules.count),
      "ports": .integer(configuration.attachedPorts.count), "device": deviceSummary,
      "clients": .integer(server?.clientCount ?? 0),
      "threads": .array(
        threads.map { thread in
          [
            "index": .integer(thread.index), "core": thread.core.map { .integer($0) } ?? .null,
            "alive": .bool(thread.isAlive(now: now)),
          ]
        }),
      "journal": journal.map { ["bytes": .integer($0.size), "change": .count($0.lastNumber)] } ?? .null,
    ]
  }

  static func mac(_ value: UInt64) -> String {
    (0..<6).map { index in
      let byte = String(value >> UInt64(40 - 8 * index) & 0xff, radix: 16)
      return byte.count == 1 ? "0" + byte : byte
    }.joined(separator: ":")
  }

  static func drops(_ counts: [DropReason: UInt64]) -> JSON {
    .object(counts.map { JSON.Member(name: $0.key.name, value: .count($0.value)) }.sorted { $0.name < $1.name })
  }

  func showQueues() -> JSON {
    let list: [JSON] = gather().map { thread, counts in
      let work = counts.queue.statistics
      return [
        "queue": .integer(thread.index), "core": thread.core.map { .integer($0) } ?? .null,
        "packets": .count(counts.statistics.frames), "cache_hits": .count(work.recognised),
        "cache_inserts": .count(work.learned), "segmented_packets": .count(work.segmented),
        "fragmented_packets": .count(work.fragmented), "resumed_packets": .count(work.resumed),
        "answers": .count(work.answers), "answers_suppressed": .count(work.answersSuppressed),
        "samples": .count(work.samples), "headroom_copies": .count(work.headroomCopies),
        "held_packets": .integer(counts.held), "drops": Self.drops(counts.queue.drops),
      ]
    }
    return ["schema_version": 1, "queues": .array(list)]
  }

  /// VPP's columns. A call is a pass that found frames, a vector is a frame, a suspend a sleep; clocks are ticks of the
  /// time-stamp counter a frame, of the time that was neither asleep nor asking in vain.
  func showRuntime() -> JSON {
    let list: [JSON] = gather().map { thread, counts in
      let work = counts.statistics
      let elapsed = counts.at &- thread.started
      let busy = elapsed &- min(elapsed, work.spun &+ work.slept)
      let ticks = Double(busy) * ticksPerNanosecond
      return [
        "name": .string("dpud-poll-\(thread.index)"),
        "state": .string(configuration.live.spin == nil ? "polling" : "adaptive"),
        "calls": .count(work.busyPasses), "vectors": .count(work.frames), "suspends": .count(work.sleeps),
        "clocks": .number(work.frames == 0 ? 0 : (ticks / Double(work.frames) * 10).rounded() / 10),
        "vectors_per_call": .number(
          work.busyPasses == 0 ? 0 : (Double(work.frames) / Double(work.busyPasses) * 100).rounded() / 100),
        "empty_passes": .count(work.passes &- work.busyPasses), "busy_ns": .count(busy), "spun_ns": .count(work.spun),
        "slept_ns": .count(work.slept), "longest_spin_ns": .count(work.longestSpin),
        "latency": .array(
          [Self.document(counts.latency, place: "software")]
            + (devices.map { [Self.document($0.states[thread.index].latency, place: "hardware")] } ?? [])),
      ]
    }
    return ["schema_version": 1, "threads": .array(list)]
  }

  /// How long frames were in one place: shares, and classes by the ends of their spans.
  static func document(_ latency: LatencyHistogram, place: String) -> JSON {
    let classes: [JSON] = (0..<LatencyHistogram.classes).filter { latency[$0] > 0 }.map {
      ["up_to_ns": .integer(2 << $0 - 1), "packets": .count(latency[$0])]
    }
    return [
      "place": .string(place), "packets": .count(latency.total), "p50_ns": .count(latency.quantile(0.5)),
      "p99_ns": .count(latency.quantile(0.99)), "p9999_ns": .count(latency.quantile(0.9999)),
      "classes": .array(classes),
    ]
  }

  /// Ticks of the counter that `clocks` are in, a nanosecond.
  private var ticksPerNanosecond: Double {
    let elapsed = MonotonicClock.now &- began
    return elapsed == 0 ? 1 : Double(dpu_ticks() &- beganTicks) / Double(elapsed)
  }

  func showStatistics() -> JSON {
    let (ports, drops) = summary(gather())
    let sums = ports.values.reduce([UInt64](repeating: 0, count: 6)) { zip($0, $1).map { $0 + $1 } }
    let named: [JSON] = DropReason.allCases.filter { drops[Int($0.rawValue)] > 0 }.map {
      ["reason": .string($0.name), "packets": .count(drops[Int($0.rawValue)]), "sentence": .string($0.sentence)]
    }
    return [
      "schema_version": 1, "rx_packets": .count(sums[0]), "rx_bytes": .count(sums[1]), "tx_packets": .count(sums[2]),
      "tx_bytes": .count(sums[3]), "rx_missed_packets": .count(sums[4]), "drops": .array(named),
    ]
  }

  private func document(_ id: UInt32, _ rule: Rule) -> JSON {
    let count = count(of: id)
    let plain: JSON = [
      "id": .integer(Int(id)), "source": .string(id < RuleStore.firstID ? "config" : "socket"),
      "group": .integer(Int(rule.attributes.group)), "priority": .integer(Int(rule.attributes.priority)),
      "port": .integer(Int(rule.attributes.port)), "packets": .count(count.frames), "bytes": .count(count.bytes),
      "place": .string(place(of: id).rawValue), "rule": .string(RuleStore.line(rule)),
    ]
    guard let missing = devices?.count(of: id).missing, missing > 0 else { return plain }
    return .object((plain.members ?? []) + [.init(name: "packets_missing_at_most", value: .count(missing))])
  }

  /// A stream of a few hundred rules at a time: what is held is a cursor.
  func showRules(_ input: Parameters) throws(RequestFailure) -> Answer {
    func optional(_ name: String, _ range: ClosedRange<Int>) throws(RequestFailure) -> Int? {
      input.members[name] == nil ? nil : try input.whole(name, range)
    }
    lookAtDevices()
    if let id = try optional("id", 1...0xff_ffff) {
      guard let rule = store.rule(UInt32(id)) else { throw RequestFailure("rule.missing", "there is no rule \(id)") }
      return .result(["rules": [document(UInt32(id), rule)]])
    }
    var cursor = UInt32(max(0, (try optional("from", 1...0xff_ffff) ?? 1) - 1))
    var left = try optional("limit", 0...0xff_ffff) ?? .max
    let port = try optional("port", 0...65535)
    let group = try optional("group", 0...65535)
    return .stream { [unowned self] in
      guard left > 0 else { return nil }
      let ids = store.ids(after: cursor, limit: min(256, left))
      guard let last = ids.last else { return nil }
      cursor = last
      var rules: [JSON] = []
      for id in ids {
        guard let rule = store.rule(id) else { continue }
        if let port, Int(rule.attributes.port) != port { continue }
        if let group, Int(rule.attributes.group) != group { continue }
        rules.append(document(id, rule))
      }
      left -= rules.count
      return ["rules": .array(rules)]
    }
  }

  func explain(_ id: UInt32) throws(RequestFailure) -> JSON {
    guard let rule = store.rule(id) else { throw RequestFailure("rule.missing", "there is no rule \(id)") }
    lookAtDevices()
    return .object((document(id, rule).members ?? []) + placement(of: id, actions: rule.actions.map(\.text)))
  }

  func effectiveConfiguration() -> JSON {
    let live = configuration.live
    return [
      "schema_version": 1, "file": .string(file), "version": 1,
      "ports": .array(
        configuration.ports.map { named in
          [
            "name": .string(named.name), "id": .integer(Int(named.port.id)), "kind": .string("\(named.port.kind)"),
            "mtu": .integer(Int(named.port.mtu)), "mac": .string(Self.mac(named.port.mac)),
            "tenant": .integer(Int(named.port.tenant)), "miss": .string("\(named.port.miss)"),
            "attach": .string(named.attachedTo),
          ]
        }),
      "runtime": [
        "threads": .integer(live.threads), "cores": .array(live.cores.map { .integer($0) }),
        "spin_us": live.spin.map { .integer(Int($0 / 1000)) } ?? .null, "busy": .bool(live.spin == nil),
        "rules": .integer(live.rules), "buffers": .integer(live.buffers),
      ],
      "device": [
        "kind": .string(live.device.kind.rawValue), "profile": .string(live.device.profile),
        "program": live.device.program.map { .string($0) } ?? .null, "rules": .integer(live.device.rules),
        "silence_ms": .integer(Int(live.device.silence / 1_000_000)), "mode": .string(live.device.mode.rawValue),
      ],
      "control": ["socket": .string(live.socket), "group": live.group.map { .string($0) } ?? .null],
      "journal": live.journal.map {
        [
          "rules": .string($0), "counters": live.counters.map { .string($0) } ?? .null,
          "sync": .string(live.sync.rawValue),
        ]
      } ?? .null,
      "metrics": live.metricsPort.map { ["port": .integer(Int($0))] } ?? .null,
      "answers": [
        "per_second": .integer(configuration.answers.perSecond), "burst": .integer(configuration.answers.burst),
      ],
      "rules": .integer(configuration.rules.count),
      "encapsulations": .array(configuration.overlay.encapsulations.keys.sorted().map { .integer(Int($0)) }),
    ]
  }
}

extension Configuration.NamedPort {
  /// What stands behind it, in words.
  var attachedTo: String {
    guard let attachment else { return "nothing" }
    let place = attachment.namespace.map { "@\($0)" } ?? ""
    switch attachment.kind {
    case .tap(let name): return "tap:\(name)\(place)"
    case .packet(let name): return "packet:\(name)\(place)"
    case .capture(let input, let output): return "capture:\(input ?? "-"),\(output ?? "-")"
    case .vhostUser(let path, let isClient, let driver):
      let side = driver.map { "driver,\($0.rawValue)" } ?? "device"
      return "vhost_user:\(path),\(isClient ? "client" : "server"),\(side)"
    case .dpdk(let wanted): return "dpdk:\(wanted.devargs)\(wanted.port == 0 ? "" : "#\(wanted.port)")"
    }
  }
}
