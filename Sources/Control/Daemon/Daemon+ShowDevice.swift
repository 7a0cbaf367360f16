import Device
import Offload
import Runtime

// What devices do, and where rules are carried out.
extension Daemon {
  /// One line of `status`.
  var deviceSummary: JSON {
    guard let devices else { return ["kind": "none"] }
    return [
      "kind": .string(devices.settings.kind.rawValue), "profile": .string(devices.title),
      "alive": .integer(devices.states.count(where: \.isAlive)), "of": .integer(devices.states.count),
      "rules_used": .integer(devices.states.map { devices.used($0) }.max() ?? 0),
      "rules_limit": .integer(Int(devices.profile.abilities.rules)),
    ]
  }

  /// Devices, one a queue.
  func showDevices() -> JSON {
    lookAtDevices()
    guard let devices else { return ["schema_version": 1, "kind": "none", "devices": []] }
    let places = Place.allCases.map { place in
      JSON.Member(
        name: place.rawValue,
        value: .integer(
          devices.plan.rules.count { (devices.state(of: $0.id)?.place ?? .software) == place }
            + (place == .software ? devices.beyond : 0)))
    }
    return [
      "schema_version": 1, "kind": .string(devices.settings.kind.rawValue), "profile": .string(devices.profile.name),
      "model": .string(devices.profile.model), "access": .string(devices.profile.access.rawValue),
      "mode": .string(devices.settings.mode.rawValue), "rules": .object(places),
      "rules_limit": .integer(Int(devices.profile.abilities.rules)), "rules_not_planned": .integer(devices.beyond),
      "devices": .array(devices.states.enumerated().map { Self.document($0, $1, used: devices.used($1)) }),
    ]
  }

  private static func document(_ queue: Int, _ state: LaneState, used: Int) -> JSON {
    let last: JSON =
      state.losses.last.map {
        [
          "reason": .string($0.reason), "sentence": .string($0.sentence), "lost_in_device": .integer($0.frames),
          "takeover": $0.takeover.map(Self.document) ?? .null,
        ]
      } ?? .null
    return [
      "queue": .integer(queue), "state": .string(!state.isAlive ? "lost" : state.isBusy ? "filling" : "alive"),
      "process": state.process.map { .integer(Int($0)) } ?? .null, "rules_used": .integer(used),
      "resets": .integer(state.resets), "starts": .count(state.starts),
      "submitted_packets": .count(state.statistics.submitted), "finished_packets": .count(state.statistics.finished),
      "resumed_packets": .count(state.statistics.resumed), "missed_packets": .count(state.statistics.missed),
      "passed_by_packets": .count(state.statistics.passedBy), "unanswered_packets": .integer(state.unanswered),
      "lost_in_device": .count(state.lostInDevice), "stale_answers": .count(state.stale),
      "rule_moves": .count(state.statistics.moves), "last_loss": last,
    ]
  }

  /// The parts of a takeover behind detection.
  private static func document(_ takeover: Takeover) -> JSON {
    [
      "fence_ns": .count(takeover.fenced &- takeover.known), "rules_ns": .count(takeover.switched &- takeover.fenced),
      "first_packet_ns": takeover.firstFrame.map { .count($0 &- takeover.switched) } ?? .null,
    ]
  }

  /// Where a rule is carried out, by one word.
  func place(of id: UInt32) -> Place { devices?.state(of: id)?.place ?? .software }

  /// What stands in `rule explain` beside the rule: its steps, and why they are where they are.
  func placement(of id: UInt32, actions: [String]) -> [JSON.Member] {
    guard let devices else {
      return [
        .init(
          name: "steps",
          value: .array(actions.map { ["action": .string($0), "place": "software", "reason": "no_device"] })),
        .init(name: "why", value: "this dpud has no device (device.kind is none): software carries every step out"),
      ]
    }
    let state = devices.state(of: id)
    let planned = devices.plan[id]
    let refusal = state.map(\.refusal) ?? Refusal(.tableFull, limit: devices.settings.rules)
    let done = state.map { $0.isWideGuard ? 0 : $0.actionsOnDevice } ?? 0
    let steps: [JSON] = actions.enumerated().map { index, text in
      index < done
        ? ["action": .string(text), "place": "hardware", "reason": .null]
        : ["action": .string(text), "place": "software", "reason": refusal.map { .string($0.reason.name) } ?? .null]
    }
    var members: [JSON.Member] = [
      .init(name: "steps", value: .array(steps)), .init(name: "why", value: .string(why(planned, state, refusal))),
    ]
    if let planned, let verdict = devices.plan.verdict(of: planned) {
      members.append(
        .init(
          name: "verdict",
          value: [
            "reason": .string(verdict.refusal.reason.name), "subject": .string(verdict.subject),
            "limit": verdict.limit.map { .string($0) } ?? .null, "source": verdict.source.map { .string($0) } ?? .null,
            "nearest": verdict.nearest.map { .string($0) } ?? .null,
          ]))
    }
    return members
  }

  private func why(_ planned: RulePlan?, _ state: RuleState?, _ refusal: Refusal?) -> String {
    guard let devices, let planned, let state else {
      return
        "the device is given \(devices?.settings.rules ?? 0) rules (device.rules), and others are looked at before it"
    }
    if state.place == .hardware { return "the device finds the rule and carries every step out" }
    guard let refusal else { return "the rule waits to be given to the device" }
    if let verdict = devices.plan.verdict(of: planned), verdict.refusal.reason == refusal.reason {
      let limit = verdict.limit.map { " (\($0))" } ?? ""
      return "\(refusal.reason.name)\(limit): \(verdict.subject)" + (verdict.nearest.map { "; \($0)" } ?? "")
    }
    return "\(refusal.reason.name): the device's own word now; the plan has it in \(planned.place.rawValue)"
  }
}

extension DeviceBook {
  /// Places of the device's table that are taken.
  func used(_ state: LaneState) -> Int {
    plan.rules.reduce(0) { sum, rule in
      guard let known = state.rules[rule.id], known.place != .software || known.isWideGuard else { return sum }
      return sum + max(1, rule.deviceEntries)
    }
  }
}
