import Device
import DeviceDriver
import EmulatedDevice
import Offload
import Rules

/// The device of an engine under its manager, whatever kind of device it is.
protocol HardwareSide: AnyObject {
  /// Debts that the device pays on the way out.
  var carries: Owed { get }
  /// What was taken from the device because it was wrong.
  var distrusts: [Distrust] { get }
  /// Something waits to be inserted or removed.
  var isBusy: Bool { get }
  /// Resets that were met.
  var resets: Int { get }
  /// Where a rule is carried out now.
  func place(of rule: UInt32) -> Place
  /// Why a rule is not all the device's now.
  func refusal(of rule: UInt32) -> Refusal?
  /// Does what is due: resets, retries.
  func poll(now: UInt64)
  /// A frame from outside; how far the device came with it.
  func receive(_ frame: Frame, now: UInt64, emit: (Emission) -> Void) -> Handover
  /// A frame from software whose debts the device pays.
  func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void)
  /// Takes a step of a rule from the device.
  func distrust(_ rule: UInt32, step: RuleStep, isOwnStep: Bool, framesExposed: UInt64, now: UInt64)
  /// Rules that came to the device, or left it, since the last call.
  func takeMoved() -> Set<UInt32>
  /// Keeps the device from putting these encapsulations in front; those of earlier calls it may again.
  func hold(_ encapsulations: Set<UInt16>, now: UInt64)
  /// What both sides counted at a rule.
  func totals(of rule: UInt32, softwareFrames: UInt64, softwareBytes: UInt64, now: UInt64) -> RuleTotals?
  /// What both sides counted at an indirect counter.
  func sharedTotals(of id: UInt32, softwareFrames: UInt64, softwareBytes: UInt64, now: UInt64) -> RuleTotals
  /// The device's counters of itself; nil when it does not answer.
  func statistics(now: UInt64) -> DeviceStatistics?
  /// The drop that the device found in the last frame, for software to name.
  var foundDrop: DropReason? { get }
  /// Frames that the device dropped for `reason`.
  func drops(_ reason: DropReason) -> UInt64
}

/// A device that tells its own counters.
protocol TellingDevice: OffloadDevice, ~Copyable {
  /// The counters; nil when it does not answer.
  mutating func tellStatistics(now: UInt64) -> DeviceStatistics?
  /// The drop that it found in the last frame, for software to name.
  var foundDrop: DropReason? { get }
}

extension EmulatedDevice: TellingDevice {
  mutating func tellStatistics(now: UInt64) -> DeviceStatistics? { statistics }
}

extension DrivenDevice: TellingDevice {
  mutating func tellStatistics(now: UInt64) -> DeviceStatistics? {
    statistics(now: now).flatMap(DeviceStatistics.init(words:))
  }
}

/// The device of an engine under its manager. A class, so that an engine may have none.
final class ManagedSide<D: TellingDevice & ~Copyable>: HardwareSide {
  private var manager: OffloadManager<SplittingDevice<D>>
  /// Frames that came up half done, by the rule they carry, the rules that count, and those of indirect counters.
  private var carried: [UInt32: Carried] = [:]
  private let counts: Set<UInt32>
  private var moved: Set<UInt32> = []
  private let sharers: [UInt32: [UInt32]]
  /// Rules that every frame meets as it came: its length there is known.
  private let entryRules: Set<UInt32>

  /// What came up half done with a rule: the device counted at least that.
  private struct Carried {
    var frames: UInt64 = 0
    var bytes: UInt64 = 0
  }

  /// The actions of each rule that put headers in front, of the frame or of a copy, and which headers.
  private let uses: [UInt32: [(action: Int, encapsulations: Set<UInt16>)]]

  /// Told which rule's frames come up with how many actions done, whenever that changes.
  private let tellSoftware: (_ rule: UInt32, _ actionsDone: Int) -> Void

  init(
    _ plan: Plan, device: consuming D, options: Engine.Options,
    tellSoftware: @escaping (_ rule: UInt32, _ actionsDone: Int) -> Void
  ) {
    manager = OffloadManager(device: SplittingDevice(device, plan: plan))
    self.tellSoftware = tellSoftware
    counts = Set(plan.rules.filter { $0.actions.contains { if case .count = $0 { true } else { false } } }.map(\.id))
    sharers = plan.rules.reduce(into: [:]) { sharers, rule in
      for id in rule.sharedCounters { sharers[id, default: []].append(rule.id) }
    }
    let targets = plan.rules.flatMap(\.actions).compactMap { if case .jump(let group) = $0 { group } else { nil } }
    entryRules = Set(plan.rules.filter { $0.rule.attributes.group == 0 && !targets.contains(0) }.map(\.id))
    uses = Dictionary(plan.rules.map { ($0.id, plan.deviceOverlay.encapsulations(of: $0.actions)) }) { a, _ in a }
    manager.apply(plan, now: options.start)
    manager.poll(now: options.start)
    _ = manager.takeMoves()
    for rule in plan.rules { tell(rule.id) }
  }

  /// Debts that the device pays on the way out.
  var carries: Owed { manager.device.abilities.frame.carries }
  /// What was taken from the device because it was wrong.
  var distrusts: [Distrust] { manager.distrusts }
  /// The drop that the device found in the last frame, for software to name.
  var foundDrop: DropReason? { manager.device.base.foundDrop }
  /// Frames that the device dropped for `reason`.
  func drops(_ reason: DropReason) -> UInt64 {
    guard reason == .rule || reason == .malformedDebt, let statistics = statistics(now: 0) else { return 0 }
    return reason == .rule ? statistics.dropped : statistics.refusedDebts
  }
  /// Something waits to be inserted or removed.
  var isBusy: Bool { manager.isBusy }
  /// Resets that were met.
  var resets: Int { manager.resets }
  /// Where a rule is carried out now.
  func place(of rule: UInt32) -> Place { manager.place(of: rule) ?? .software }
  /// Why a rule is not all the device's now.
  func refusal(of rule: UInt32) -> Refusal? { manager.refusal(of: rule) }

  private func tellMoves() {
    for move in manager.takeMoves() {
      tell(move.id)
      moved.insert(move.id)
    }
  }

  /// Rules that came to the device, or left it, since the last call.
  func takeMoved() -> Set<UInt32> {
    defer { moved = [] }
    return moved
  }
  func statistics(now: UInt64) -> DeviceStatistics? { manager.device.base.tellStatistics(now: now) }

  private func tell(_ rule: UInt32) {
    let form = manager.installed(rule)
    tellSoftware(rule, form.map { $0.isWideGuard ? 0 : $0.actionsOnDevice } ?? 0)
  }

  /// Does what is due: resets, retries.
  func poll(now: UInt64) {
    guard manager.isBusy || !manager.device.isAlive else { return }
    manager.poll(now: now)
    tellMoves()
  }

  /// A frame from outside. `emit` sees what comes of it, and bytes that are valid during the call alone.
  ///
  /// - Returns: how far the device came with it.
  func receive(_ frame: Frame, now: UInt64, emit: (Emission) -> Void) -> Handover {
    // A frame that the device counted and software did not: bypassed, or handed up half done.
    var isCounted = false
    var halfDone: UInt32 = 0
    var isUp = false
    manager.device.receive(frame, port: frame.inPort, now: now) { emission in
      if emission.frame.outcome != .up || emission.frame.steps.contains(.match) { isCounted = true }
      if emission.frame.outcome == .up {
        isUp = true
        if emission.frame.steps.contains(.match) { halfDone = emission.frame.rule }
      }
      emit(emission)
    }
    // A guard's frames are counted by software; these the device has counted, and they say so themselves.
    let actionsDone = manager.installed(halfDone)?.actionsOnDevice ?? 0
    if halfDone != 0, actionsDone > 0 {
      carried[halfDone, default: Carried()].frames += 1
      carried[halfDone, default: Carried()].bytes += UInt64(frame.length)
    }
    if isCounted { manager.noteBypassed(frames: 1, now: now) }
    guard isUp else { return .finished }
    return halfDone == 0 ? .untouched : .begun(rule: halfDone, actionsDone: actionsDone)
  }

  /// Keeps the device from putting these encapsulations in front; those of earlier calls it may again.
  func hold(_ encapsulations: Set<UInt16>, now: UInt64) {
    var held: [UInt32: Int] = [:]
    if !encapsulations.isEmpty {
      for (rule, actions) in uses {
        held[rule] = actions.first { !encapsulations.isDisjoint(with: $0.encapsulations) }?.action
      }
    }
    manager.hold(held, now: now)
    tellMoves()
  }

  /// A frame from software whose debts the device pays.
  func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    manager.device.transmit(frame, port: port, now: now, emit: emit)
  }

  /// Takes a step of a rule from the device; of every rule when it was done by one before `rule` on the frame's way.
  func distrust(_ rule: UInt32, step: RuleStep, isOwnStep: Bool, framesExposed: UInt64, now: UInt64) {
    manager.distrust(rule, step: step, framesExposed: framesExposed, now: now)
    if !isOwnStep { manager.distrustEverywhere(step, now: now) }
    tellMoves()
    tell(rule)
  }

  /// What both sides counted at a rule.
  func totals(of rule: UInt32, softwareFrames: UInt64, softwareBytes: UInt64, now: UInt64) -> RuleTotals? {
    manager.readCounters(now: now)
    let view = manager.counter(of: rule, softwareFrames: softwareFrames, softwareBytes: softwareBytes)
    return view.map { totals($0, late: late(rule), softwareFrames: softwareFrames) }
  }

  /// What both sides counted at an indirect counter.
  func sharedTotals(of id: UInt32, softwareFrames: UInt64, softwareBytes: UInt64, now: UInt64) -> RuleTotals {
    manager.readCounters(now: now)
    let view = manager.sharedCounter(of: id, softwareFrames: softwareFrames, softwareBytes: softwareBytes)
    var sum = (frames: UInt64(0), bytes: UInt64(0), isExact: true)
    for rule in sharers[id] ?? [] {
      let part = late(rule)
      sum = (sum.frames + part.frames, sum.bytes + part.bytes, sum.isExact && part.isExact)
    }
    return totals(view, late: sum, softwareFrames: softwareFrames)
  }

  /// What the device counted at a rule for certain, and has not told yet: the frames that came up with it, however late
  /// its counter is read. Not exact when the length at which they were counted is not known.
  private func late(_ rule: UInt32) -> (frames: UInt64, bytes: UInt64, isExact: Bool) {
    guard counts.contains(rule), let carried = carried[rule], let told = manager.deviceCount(of: rule),
      carried.frames > told.frames
    else { return (0, 0, true) }
    let isExact = entryRules.contains(rule) && carried.bytes >= told.bytes
    return (carried.frames - told.frames, isExact ? carried.bytes - told.bytes : 0, isExact)
  }

  private func totals(
    _ view: CounterView, late: (frames: UInt64, bytes: UInt64, isExact: Bool), softwareFrames: UInt64
  ) -> RuleTotals {
    let missing = view.missingFrames - min(view.missingFrames, late.frames)
    return RuleTotals(
      frames: view.frames + late.frames, bytes: view.bytes + late.bytes, softwareFrames: softwareFrames,
      missingFrames: missing, bytesAreExact: late.isExact && missing == 0)
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
