import Device
import EmulatedDevice
import Offload
import Rules

/// The device of an engine under its manager. A class, so that an engine may have none.
final class HardwareSide {
  private var manager: OffloadManager<EmulatedDevice>
  /// Frames that came up half done, by the rule they carry, and the rules that count.
  private var carried: [UInt32: UInt64] = [:]
  private let counts: Set<UInt32>
  /// Told which rule's frames come up with how many actions done, whenever that changes.
  private let tellSoftware: (_ rule: UInt32, _ actionsDone: Int) -> Void

  init(
    _ plan: Plan, options: Engine.Options, tellSoftware: @escaping (_ rule: UInt32, _ actionsDone: Int) -> Void
  ) throws {
    manager = OffloadManager(
      device: try EmulatedDevice(
        abilities: plan.profile.abilities, overlay: plan.deviceOverlay, seed: options.seed, faults: options.faults))
    self.tellSoftware = tellSoftware
    counts = Set(
      plan.rules.filter { $0.rule.actions.contains { if case .count = $0 { true } else { false } } }.map(\.id))
    manager.apply(plan, now: options.start)
    manager.poll(now: options.start)
    _ = manager.takeMoves()
    for rule in plan.rules { tell(rule.id) }
  }

  /// Debts that the device pays on the way out.
  var carries: Owed { manager.device.abilities.frame.carries }
  /// What was taken from the device because it was wrong.
  var distrusts: [Distrust] { manager.distrusts }
  /// Something waits to be inserted or removed.
  var isBusy: Bool { manager.isBusy }
  /// Resets that were met.
  var resets: Int { manager.resets }
  /// Where a rule is carried out now.
  func place(of rule: UInt32) -> Place { manager.place(of: rule) ?? .software }
  /// Why a rule is not all the device's now.
  func refusal(of rule: UInt32) -> Refusal? { manager.refusal(of: rule) }

  private func tell(_ rule: UInt32) {
    let form = manager.installed(rule)
    tellSoftware(rule, form.map { $0.isWideGuard ? 0 : $0.actionsOnDevice } ?? 0)
  }

  /// Does what is due: resets, retries.
  func poll(now: UInt64) {
    guard manager.isBusy || !manager.device.isAlive else { return }
    manager.poll(now: now)
    for move in manager.takeMoves() { tell(move.id) }
  }

  /// A frame from outside. `emit` sees what comes of it, and bytes that are valid during the call alone.
  func receive(_ frame: Frame, now: UInt64, emit: (Emission) -> Void) {
    // A frame that the device counted and software did not: bypassed, or handed up half done.
    var isCounted = false
    var halfDone: UInt32 = 0
    manager.device.receive(frame, port: frame.inPort, now: now) { emission in
      if emission.frame.outcome != .up || emission.frame.steps.contains(.match) { isCounted = true }
      if emission.frame.outcome == .up, emission.frame.steps.contains(.match) { halfDone = emission.frame.rule }
      emit(emission)
    }
    // A guard's frames are counted by software; these the device has counted, and they say so themselves.
    if halfDone != 0, let form = manager.installed(halfDone), form.actionsOnDevice > 0 {
      carried[halfDone, default: 0] += 1
    }
    if isCounted { manager.noteBypassed(frames: 1, now: now) }
  }

  /// A frame from software whose debts the device pays.
  func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    manager.device.transmit(frame, port: port, now: now, emit: emit)
  }

  /// Takes a step of a rule from the device; of every rule when it was done by one before `rule` on the frame's way.
  func distrust(_ rule: UInt32, step: RuleStep, isOwnStep: Bool, framesExposed: UInt64, now: UInt64) {
    manager.distrust(rule, step: step, framesExposed: framesExposed, now: now)
    if !isOwnStep { manager.distrustEverywhere(step, now: now) }
    for move in manager.takeMoves() { tell(move.id) }
    tell(rule)
  }

  /// What both sides counted at a rule.
  func counter(of rule: UInt32, softwareFrames: UInt64, softwareBytes: UInt64, now: UInt64) -> CounterView? {
    manager.readCounters(now: now)
    guard var view = manager.counter(of: rule, softwareFrames: softwareFrames, softwareBytes: softwareBytes) else {
      return nil
    }
    // The device counted at least the frames that came up with the rule, however late its counter is read.
    let known = softwareFrames + (carried[rule] ?? 0)
    if counts.contains(rule), known > view.frames {
      view.missingFrames -= min(view.missingFrames, known - view.frames)
      view.frames = known
    }
    return view
  }
}

extension FrameAbilities {
  /// The debts that a device of these abilities pays.
  var carries: Owed {
    var debts: Owed = []
    if contains(.txChecksum) { debts.insert(.checksum) }
    if contains(.txOuterIPv4Checksum) { debts.insert(.outerIPv4Checksum) }
    if contains(.txOuterUDPChecksum) { debts.insert(.outerUDPChecksum) }
    if contains(.tso) { debts.insert(.tcpSegmentation) }
    if contains(.uso) { debts.insert(.udpSegmentation) }
    if contains(.tunnelTSO) { debts.insert(.tunnelSegmentation) }
    return debts
  }
}
