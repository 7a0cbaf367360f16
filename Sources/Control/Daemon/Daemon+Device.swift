import Datapath
import Device
import Offload
import Ports
import Runtime

// Devices below the queues, and what rule changes mean for them.
extension Daemon {
  /// Has rules changed by `body`. Meanwhile frames go past the devices, with none under way in them, so that each sees the
  /// old set or the new; then the devices get the new plan. Without devices it is `body` alone.
  func changingRules<Answer>(_ body: () throws(RequestFailure) -> Answer) throws(RequestFailure) -> Answer {
    guard devices != nil else { return try body() }
    for thread in threads {
      let isAside = thread.ask(seconds: 2) { (loop: inout PollLoop) -> Bool in
        loop.setDeviceAside()
        return true
      }
      guard isAside == true else {
        takeDevicesBack()
        throw RequestFailure(
          "thread.stuck", "queue \(thread.index) does not answer, and its device may still carry old rules out",
          hint: "nothing was changed")
      }
    }
    let answer: Answer
    do throws(RequestFailure) { answer = try body() } catch {
      takeDevicesBack()
      throw error
    }
    do { try devices?.replan(configuration, store) } catch {
      // The words of `wants` were read when the configuration was.
      tell(log.note(.error, "device.plan", ["message": .string("\(error)")]))
    }
    giveDevicesThePlan()
    return answer
  }

  private func takeDevicesBack() {
    for thread in threads { thread.control.post { loop in loop.takeDeviceBack() } }
  }

  private struct Planned: Sendable {
    var retired: [UInt32: RuleCounter] = [:]
    var state: LaneState?
  }

  private func giveDevicesThePlan() {
    guard let plan = devices?.plan else { return }
    for thread in threads {
      let planned = thread.ask(seconds: 10) { (loop: inout PollLoop) -> Planned in
        var planned = Planned()
        guard let lane = loop.device else { return planned }
        planned.retired = lane.apply(plan, now: MonotonicClock.now)
        planned.state = lane.state(counters: 0, now: MonotonicClock.now)
        loop.takeDeviceBack()
        return planned
      }
      guard let planned else { continue }
      retire(planned.retired)
      if let state = planned.state { devices?.states[thread.index] = state }
    }
  }

  /// What devices counted at rules that they will not have any more.
  private func retire(_ counters: [UInt32: RuleCounter]) {
    for (id, counter) in counters where counter.frames > 0 && store.contains(id) {
      let base = totals.rules[id] ?? (0, 0)
      totals.rules[id] = (base.frames + counter.frames, base.bytes + counter.bytes)
    }
  }

  /// A queue's device goes with its tables: what it counted stays.
  func retire(_ state: LaneState) {
    for (id, rule) in state.rules where rule.frames > 0 && store.contains(id) {
      let base = totals.rules[id] ?? (0, 0)
      totals.rules[id] = (base.frames + rule.frames, base.bytes + rule.bytes)
    }
  }

  /// Looks at all devices, rules and counters included.
  func lookAtDevices() {
    guard devices != nil else { return }
    for thread in threads where !stalled.contains(thread.index) {
      let state = thread.ask(seconds: 1) { (loop: inout PollLoop) -> LaneState? in
        loop.device?.state(counters: 256, now: MonotonicClock.now)
      }
      if let state, let state { devices?.states[thread.index] = state }
    }
  }

  /// What is due for the devices: events.
  func tendDevices(now: UInt64) {
    guard let known = devices else { return }
    if now >= known.nextLook {
      devices?.nextLook = now &+ 1_000_000_000
      lookAtDevices()
    }
    for thread in threads where !stalled.contains(thread.index) {
      let brief = thread.ask(seconds: 0.5) { (loop: inout PollLoop) -> LaneState? in loop.device?.brief() }
      guard let brief, var brief else { continue }
      brief.rules = known.states[thread.index].rules
      if now < known.nextLook { devices?.states[thread.index] = brief }
      tellLosses(brief, thread.index)
    }
  }

  private func tellLosses(_ state: LaneState, _ index: Int) {
    for loss in state.losses where loss.at > devices?.told[index] ?? .max {
      devices?.told[index] = loss.at
      tell(
        log.note(
          .error, "device.lost",
          ["queue": .integer(index), "reason": .string(loss.reason), "lost_in_device": .integer(loss.frames)]))
      devices?.wasAlive[index] = false
    }
    if state.isAlive, !state.isBusy, devices?.wasAlive[index] == false {
      devices?.wasAlive[index] = true
      tell(log.note(.notice, "device.back", ["queue": .integer(index), "starts": .count(state.starts)]))
    }
  }
}
