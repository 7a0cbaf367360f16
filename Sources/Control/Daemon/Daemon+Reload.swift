import Classifier
import Datapath
import Device
import HostInventory
import Offload
import Ports
import Rules
import Runtime

// A configuration in the place of another, while frames pass.
extension Daemon {
  /// Reads the configuration's file again and puts it in force: rules as one transaction, ports added and removed, and new
  /// tables when ports, encapsulations or endpoint are others. Nothing changes when anything of it is refused.
  func reload() throws(RequestFailure) -> JSON {
    let next: Configuration
    do { next = try Self.read(file) } catch { throw RequestFailure("config.invalid", "\(error)") }
    let restart = configuration.needingRestart(next)
    guard restart.isEmpty else {
      throw RequestFailure(
        "config.restart", "\(restart.joined(separator: ", ")) cannot change while dpud runs", hint: "restart dpud")
    }
    var after = store
    after.setConfigured(next.rules)
    let isSameOverlay = configuration.overlay == next.overlay && configuration.ports == next.ports
    let report: JSON
    if isSameOverlay {
      report = try changingRules { () throws(RequestFailure) in
        let report = try changeRules(next)
        (store, configuration) = (after, next)
        return report
      }
    } else {
      report = try changeTables(next, &after)
      (store, configuration) = (after, next)
    }
    change += 1
    tell(log.note(.notice, "config.reloaded", ["change": .count(change)]))
    systemd.tell("STATUS=\(statusLine)")
    return .object([.init(name: "change", value: .count(change))] + (report.members ?? []))
  }

  /// The rules that differ, as one transaction.
  private func changeRules(_ next: Configuration) throws(RequestFailure) -> JSON {
    let old = Dictionary(uniqueKeysWithValues: configuration.rules.map { ($0.id, $0.rule) })
    let new = Dictionary(uniqueKeysWithValues: next.rules.map { ($0.id, $0.rule) })
    var changes: [RuleChange] = []
    for (id, _) in old.sorted(by: { $0.key < $1.key }) where new[id] == nil { changes.append(.delete(id)) }
    for (id, rule) in new.sorted(by: { $0.key < $1.key }) {
      if let before = old[id] {
        if before != rule { changes.append(.replace(id, rule)) }
      } else {
        changes.append(.add(id, rule))
      }
    }
    if !changes.isEmpty {
      do throws(DatapathError) { try book.apply(changes, now: MonotonicClock.now) } catch {
        throw RequestFailure("rule.refused", error.description)
      }
    }
    return ["rules_changed": .integer(changes.count), "ports_added": [], "ports_removed": [], "tables": "kept"]
  }

  /// New tables beside the old ones; then each thread goes over between two passes.
  private func changeTables(_ next: Configuration, _ after: inout RuleStore) throws(RequestFailure) -> JSON {
    for id in after.ids(after: RuleStore.firstID - 1, limit: .max) {
      guard let rule = after.rule(id) else { continue }
      do throws(RuleError) { try next.ruleCheck.check(rule) } catch {
        throw RequestFailure(
          "config.rule", "rule \(id), which came over the socket, does not fit: \(error.description)",
          hint: "delete it first")
      }
      do throws(RequestFailure) { try next.checkPorts(rule, actions: [rule.actions]) } catch {
        throw RequestFailure(
          "config.rule", "rule \(id), which came over the socket: \(error.message)", hint: "delete it first")
      }
    }
    let book: RuleBook
    do { book = try Self.book(next, &after) } catch { throw RequestFailure("rule.refused", "\(error)") }
    var devices = devices
    do { try devices?.replan(next, after) } catch { throw RequestFailure("config.invalid", "\(error)") }
    let old = configuration.attachedPorts, new = next.attachedPorts
    let removed = old.filter { !new.contains($0) }, added = new.filter { !old.contains($0) }
    var failures: [String] = []
    for thread in threads { failures += try move(thread, to: book, devices, next, removed, added) }
    if let devices {
      self.devices?.plan = devices.plan
      self.devices?.beyond = devices.beyond
    }
    // No queue looks at the old tables any more: their counts are final.
    for id in store.ids(after: 0, limit: .max) {
      if let count = self.book.counts(of: id), count.frames > 0, after.contains(id) {
        let base = totals.rules[id] ?? (0, 0)
        totals.rules[id] = (base.frames + count.frames, base.bytes + count.bytes)
      }
    }
    self.book = book
    for failure in failures { tell(log.note(.error, "port.failed", ["message": .string(failure)])) }
    return [
      "rules_changed": .null, "ports_added": .array(added.map { .string($0.name) }),
      "ports_removed": .array(removed.map { .string($0.name) }), "tables": "new",
      "failed": .array(failures.map { .string($0) }),
    ]
  }

  private struct Moved: Sendable {
    var queue: QueueCounts?
    var device: LaneState?
    var ports: [(id: UInt16, counts: PortCounts)] = []
    var failures: [String] = []
  }

  private func move(
    _ thread: PollThread, to book: RuleBook, _ devices: DeviceBook?, _ next: Configuration,
    _ removed: [Configuration.NamedPort],
    _ added: [Configuration.NamedPort]
  ) throws(RequestFailure) -> [String] {
    let lent = Lent(value: book)
    let lane: Lent<DeviceLane?>
    // A device is told its ports and headers when it starts: new tables have a new one.
    do { lane = Lent(value: try devices?.lane(book)) } catch { throw RequestFailure("device.start", "\(error)") }
    let live = next.live
    let eal = next.ealOptions
    let moved = thread.ask(seconds: 30) { (loop: inout PollLoop) -> Moved in
      var moved = Moved()
      let now = MonotonicClock.now
      do {
        let queue = try PollThread.queue(lent.value, buffers: live.buffers)
        if let before = loop.setDevice(nil, now: now) { moved.device = before.state(counters: .max, now: now) }
        for named in removed {
          let index = loop.ports.index(of: named.port.id)
          if index >= 0 { moved.ports.append((named.port.id, loop.ports.counts(index))) }
          _ = loop.remove(id: named.port.id, now: now)
        }
        for named in added {
          do { try PortOpener.open(named, threads: live.threads, eal: eal, in: &loop) } catch {
            moved.failures.append("port '\(named.name)': \(error)")
          }
        }
        moved.queue = loop.exchange(queue, now: now)
        do { try next.bind(&loop, lent.value) } catch {
          moved.failures.append((error as? RequestFailure)?.message ?? "\(error)")
        }
        _ = loop.setDevice(lane.value, now: now)
      } catch { moved.failures.append("\(error)") }
      return moved
    }
    guard let moved, let queue = moved.queue else {
      throw RequestFailure(
        "thread.stuck", "queue \(thread.index) does not go over to the new tables",
        hint: moved?.failures.first ?? "restart dpud")
    }
    totals.add(queue)
    if let device = moved.device {
      retire(device)
      totals.drops[Int(DropReason.lostInDevice.rawValue)] += device.lostInDevice
      self.devices?.states[thread.index] = LaneState()
    }
    for (id, counts) in moved.ports { totals.add(id, counts) }
    return moved.failures
  }
}

extension Configuration {
  /// The keys that differ and that a running daemon cannot change.
  func needingRestart(_ next: Configuration) -> [String] {
    let pairs: [(String, Bool)] = [
      (
        "runtime",
        live.threads == next.live.threads && live.cores == next.live.cores && live.spin == next.live.spin
          && live.rules == next.live.rules && live.buffers == next.live.buffers
      ),
      ("device", live.device == next.live.device),
      ("misses", live.misses == next.live.misses),
      ("control", live.socket == next.live.socket && live.group == next.live.group),
      (
        "journal",
        live.journal == next.live.journal && live.counters == next.live.counters && live.sync == next.live.sync
      ),
      ("telemetry", live.telemetry == next.live.telemetry),
      ("metrics", live.metricsPort == next.live.metricsPort),
    ]
    return pairs.filter { !$0.1 }.map(\.0)
  }

  /// Binds a loop's ports to each other and to the underlay. Called on the loop's thread.
  func bind(_ loop: inout PollLoop, _ book: RuleBook) throws {
    if let host = ports.first(where: { $0.port.kind == .host }) { loop.setHostPort(id: host.port.id) }
    loop.setShares(tenantPorts)
    for named in attachedPorts {
      let function = virtualFunction(named, queues: live.threads) ?? VirtualFunction(port: named.port.id)
      guard loop.setFunction(function) else {
        throw RequestFailure("port.function", "port '\(named.name)': its representor is not attached to anything")
      }
    }
    for named in ports {
      guard let nextHops = named.nextHops else { continue }
      var options = Underlay.Options()
      options.mac = named.port.mac
      switch nextHops {
      case .onLink:
        options.answers = true
        options.view.apply(.route(HostRoute(IPPrefix(.v4(0), length: 0), link: 0), replaces: false))
        options.view.apply(.route(HostRoute(IPPrefix(.v6(0), length: 0), link: 0), replaces: false))
        _ = loop.setUnderlay(Underlay(book, options: options), uplink: named.port.id)
      case .interface(let name, let namespace):
        options.interface = name
        let socket: NetlinkSocket
        if let namespace {
          socket = try NetworkNamespace(name: namespace).run { () throws(PortError) in
            do throws(NetlinkSocketError) { return try NetlinkSocket() } catch {
              throw PortError(.system, "netlink", error.description)
            }
          }
        } else {
          socket = try NetlinkSocket()
        }
        _ = loop.setUnderlay(Underlay(book, options: options, netlink: socket), uplink: named.port.id)
      }
    }
  }
}
