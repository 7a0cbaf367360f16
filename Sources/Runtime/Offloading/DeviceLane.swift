public import Datapath
import Device
public import DeviceDriver
import EmulatedDevice
import Memory
public import Offload
import Ports
import Rules

/// A device below the data path of one poll loop, its manager, and where software goes on with what comes up. One thread
/// uses it at a time: whoever makes it hands it to the loop's thread.
public final class DeviceLane {
  /// How a lane is made.
  public struct Options: Sendable {
    /// Where the device runs.
    public var place = LiveHost.Place.model
    /// Rules at most.
    public var rules = 4096
    /// Nanoseconds without progress after which a device with work is taken for lost.
    public var silence: UInt64 = 5_000_000
    /// Seed of what the device draws.
    public var seed: UInt64 = 1
    /// The defaults.
    public init() {}
  }

  /// The top byte of the tokens of frames that came from the device.
  public static let owner: UInt8 = 0xd2
  /// Rules inserted, and counters read, between two passes.
  private static let step = 32
  private static let pause: UInt64 = 1_000_000

  var manager: OffloadManager<SplittingDevice<DrivenDevice<LiveHost>>>
  private let rules: RuleBook
  /// No frame is given to the device: its rules are being changed.
  var isAside = false
  /// What was done.
  public internal(set) var statistics = LaneStatistics()
  private var uses: [UInt32: [(action: Int, encapsulations: Set<UInt16>)]] = [:]
  private var pathGeneration: UInt64 = 0
  private var pathsUntil: UInt64 = .max
  private var nextStep: UInt64 = 0
  private var cursor = 0
  /// The names of the frames that ``poll(_:most:into:)`` gave last came of, in order.
  private(set) var names = FlatTable<UInt64>(repeating: 0, count: FrameBurst.capacity)
  /// The time of the burst at hand: a pass may be much longer.
  var clock: UInt64 = 0
  // When the frame in each place of the device's rings was given to it.
  private var givenAt = FlatTable<UInt64>(repeating: 0, count: 1 << 16)
  /// How long frames were in the device, from submission to answer.
  private var latency = LatencyHistogram()
  /// What was measured of takeovers, with the time of the loss; the newest 64.
  private var takeovers: [(at: UInt64, parts: Takeover)] = []
  private var wasAlive = true
  /// Frames that had gone past the device when it was lost; software's first frame is the next.
  private var passedAtLoss: UInt64?

  /// Starts a device for `plan`, of the overlay of `rules`, and begins to give it rules. Waits until the device is there.
  ///
  /// - Throws: why it cannot be started.
  public init(_ plan: Plan, rules: RuleBook, options: Options, now: UInt64) throws(HostError) {
    self.rules = rules
    var driving = DrivenDevice<LiveHost>.Options()
    driving.recoversAtOnce = false
    driving.silence = options.silence
    driving.waits = max(1, Int(options.silence / 1_000_000))
    driving.owner = Self.owner
    driving.clock = { MonotonicClock.now }
    let settings = StartSettings(seed: options.seed, maximumRules: UInt32(clamping: options.rules))
    let device = try DrivenDevice.start(
      LiveHost(options.place), abilities: plan.profile.abilities, overlay: plan.deviceOverlay,
      settings: settings.bytes, options: driving, now: now)
    manager = OffloadManager(device: SplittingDevice(device, plan: plan))
    apply(plan, now: now)
  }

  // MARK: Rules

  /// Takes a plan in place of the one before. No frame may be under way in the device.
  ///
  /// - Returns: what was counted at rules that are in no plan any more.
  @discardableResult
  public func apply(_ plan: Plan, now: UInt64) -> [UInt32: RuleCounter] {
    uses = [:]
    for rule in plan.rules {
      let found = plan.deviceOverlay.encapsulations(in: rule.actions)
      if !found.isEmpty { uses[rule.id] = found }
    }
    manager.apply(plan, now: now, limit: Self.step)
    pathsUntil = 0
    tellSoftware()
    return manager.takeRetired()
  }

  /// Whether ``followPaths(_:)`` has something to do.
  @inline(__always)
  func hasNewPaths(_ now: UInt64) -> Bool {
    !isAside && (rules.paths.generation != pathGeneration || now >= pathsUntil)
  }

  /// I4: keeps the device from putting headers in front that lead to a path which has become narrow; others it may again.
  /// No frame may be under way in the device.
  func followPaths(_ now: UInt64) {
    pathGeneration = rules.paths.generation
    let narrow = rules.narrowPaths(now: now)
    pathsUntil = narrow.until
    let encapsulations = Set(narrow.paths.map(\.encapsulation))
    var held: [UInt32: Int] = [:]
    for (rule, actions) in uses where !encapsulations.isEmpty {
      held[rule] = actions.first { !encapsulations.isDisjoint(with: $0.encapsulations) }?.action
    }
    manager.hold(held, now: now)
    tellSoftware()
  }

  /// Where frames go on that come up with a rule, before any can.
  private func tellSoftware() {
    for move in manager.takeMoves() {
      let form = manager.installed(move.id)
      rules.setResume(rule: move.id, actionsDone: form.map { $0.isWideGuard ? 0 : $0.actionsOnDevice } ?? 0)
      statistics.moves &+= 1
    }
  }

  /// Does what is due: rules that wait, a device that has to come back, counters.
  func tend(_ now: UInt64) {
    guard !isAside else { return }
    defer { noticeLoss() }
    let isAlive = manager.device.isAlive
    if isAlive, manager.isBusy {
      manager.poll(now: now, limit: Self.step)
      return tellSoftware()
    }
    guard now >= nextStep else { return }
    nextStep = now &+ Self.pause
    if isAlive {
      cursor = manager.readCounters(from: cursor, limit: 4, now: now)
    } else {
      manager.poll(now: now, limit: Self.step)
      tellSoftware()
    }
  }

  // MARK: Frames

  /// Whether frames are given to the device.
  @inline(__always)
  var takesFrames: Bool { !isAside && manager.device.isAlive }

  /// Whether the device answers.
  @inline(__always)
  var isAlive: Bool { manager.device.isAlive }

  /// Frames that the device had and never answered.
  public var lostInDevice: UInt64 { manager.device.base.lostInDevice }

  /// Frames that the device has and has not answered.
  var unanswered: Int { manager.device.base.unanswered }

  /// Whether the loop has to go on asking.
  var isUrgent: Bool { manager.device.base.unanswered > 0 }

  /// Whether something is due soon that nobody wakes the loop for.
  var isDue: Bool { !isAside && (!manager.device.isAlive || manager.isBusy) }

  /// Frames that a port may give to the device now.
  @inline(__always)
  func room(port: UInt16) -> Int { manager.device.base.room(port: port) }

  /// Copies a frame to the device; false when it was not taken.
  @inline(__always)
  func submit(_ frame: Frame, port: UInt16, now: UInt64) -> Bool {
    guard manager.device.base.submit(frame, kind: .received, port: port, now: now) else { return false }
    givenAt[Self.place(submittedName)] = clock
    return true
  }

  /// Names the frame that was submitted last.
  @inline(__always)
  var submittedName: UInt64 { manager.device.base.submittedName }

  // At most 64 pairs of 4096 places; the usual ones have 256.
  @inline(__always)
  private static func place(_ name: UInt64) -> Int { Int((name >> 32 & 0x3f) << 10 ^ (name & 0xffff)) & 0xffff }

  /// Takes a buffer back.
  @inline(__always)
  func recycle(_ token: UInt32) { manager.device.base.recycle(token) }

  /// Gives what came of frames to `out`, which is empty and has room for `most`.
  func poll(_ now: UInt64, most: Int, into out: inout EmissionBurst) {
    manager.device.base.flush()
    manager.device.base.host.serve()
    if unanswered > 0 { clock = MonotonicClock.now }
    var counted = 0
    let shift = manager.device.shift
    let given = manager.device.base.pollNamed(now: now, most: most) { device, name in
      var emission = device
      if out.count < FrameBurst.capacity { names[out.count] = name }
      latency.add(clock &- min(clock, givenAt[Self.place(name)]), frames: 1)
      emission.frame.rule >>= shift
      if emission.frame.outcome != .up || emission.frame.steps.contains(.match) { counted += 1 }
      _ = out.append(emission)
    }
    if given > 0, counted > 0 { manager.noteBypassed(frames: UInt64(counted), now: now) }
    noticeLoss()
  }

  // MARK: Takeover

  /// A device that was just lost: its rules are software's before another frame comes. Its recovery waits for ``tend(_:)``.
  @inline(__always)
  private func noticeLoss() {
    if manager.device.isAlive != wasAlive { noteChange() }
  }

  private func noteChange() {
    wasAlive = manager.device.isAlive
    guard !wasAlive else { return }
    manager.takeOver()
    tellSoftware()
    let fence = manager.device.base.fenceTime
    if takeovers.count == 64 { takeovers.removeFirst() }
    let parts = Takeover(known: fence.began, fenced: fence.stood, switched: MonotonicClock.now, firstFrame: nil)
    takeovers.append((manager.device.base.lastLoss?.at ?? 0, parts))
    passedAtLoss = statistics.passedBy
  }

  /// Called when a pass has sent what it had: were there frames of software's alone among it, these were the first.
  @inline(__always)
  func noteSent() {
    if let passedAtLoss, passedAtLoss != statistics.passedBy { noteFirstFrame() }
  }

  private func noteFirstFrame() {
    passedAtLoss = nil
    guard !takeovers.isEmpty else { return }
    takeovers[takeovers.count - 1].parts.firstFrame = MonotonicClock.now
  }

  // MARK: What is asked

  /// What the lane is like; reads up to `counters` rule counters first.
  public func state(counters: Int, now: UInt64) -> LaneState {
    if manager.device.isAlive {
      cursor = counters < manager.count ? manager.readCounters(from: cursor, limit: counters, now: now) : 0
      if cursor == 0 { manager.readCounters(now: now) }
    }
    var state = brief()
    state.rules = manager.ruleStates()
    return state
  }

  /// What the lane is like, without its rules.
  public func brief() -> LaneState {
    var state = LaneState()
    state.statistics = statistics
    state.latency = latency
    state.isAlive = manager.device.isAlive
    state.isBusy = manager.isBusy
    state.resets = manager.resets
    state.starts = manager.device.base.starts
    state.lostInDevice = manager.device.base.lostInDevice
    state.stale = manager.device.base.stale
    state.unanswered = manager.device.base.unanswered
    state.losses = manager.device.base.losses.map { loss in
      LaneState.Loss(
        reason: loss.reason.name, sentence: loss.reason.description, at: loss.at, frames: loss.frames,
        takeover: takeovers.last { $0.at == loss.at }?.parts)
    }
    state.process = manager.device.base.host.processID
    return state
  }
}

/// What passed a lane.
public struct LaneStatistics: Equatable, Sendable {
  /// Frames given to the device.
  public var submitted: UInt64 = 0
  /// Frames that left, were delivered or dropped without software.
  public var finished: UInt64 = 0
  /// Frames that came up half done.
  public var resumed: UInt64 = 0
  /// Frames that came up as they came.
  public var missed: UInt64 = 0
  /// Frames that went past the device: it was lost, its rules were being changed, or the frame came in several segments.
  public var passedBy: UInt64 = 0
  /// Rules that changed their place.
  public var moves: UInt64 = 0

  /// Zeroes.
  public init() {}
}

/// A takeover's parts behind detection: nanoseconds of ``Ports/MonotonicClock`` at the end of each.
public struct Takeover: Equatable, Sendable {
  /// The loss was known: detection ended.
  public var known: UInt64
  /// The device's generation was revoked: nothing that it does changes anything any more.
  public var fenced: UInt64
  /// Its rules were software's.
  public var switched: UInt64
  /// The first frames that software took in the device's stead were sent; nil while none has come.
  public var firstFrame: UInt64?
}

/// What a lane is like: a copy that can be handed on.
public struct LaneState: Sendable {
  /// One loss of the device.
  public struct Loss: Equatable, Sendable {
    /// One word.
    public var reason: String
    /// The sentence.
    public var sentence: String
    /// When it was fenced, nanoseconds of ``Ports/MonotonicClock``.
    public var at: UInt64
    /// Frames that it had and had not answered.
    public var frames: Int
    /// How the takeover went; nil when it was not measured.
    public var takeover: Takeover?
  }

  /// What passed.
  public var statistics = LaneStatistics()
  /// How long frames were in the device.
  public var latency = LatencyHistogram()
  /// The device answers.
  public var isAlive = false
  /// Rules wait to be inserted.
  public var isBusy = false
  /// Losses that the manager met.
  public var resets = 0
  /// Times that the device was started or reset.
  public var starts: UInt64 = 0
  /// Frames that the device had and never answered.
  public var lostInDevice: UInt64 = 0
  /// Answers of a revoked generation.
  public var stale: UInt64 = 0
  /// Frames that the device has.
  public var unanswered = 0
  /// Losses, oldest first; the newest 64.
  public var losses: [Loss] = []
  /// The device's process; nil for none.
  public var process: Int32?
  /// Planned rules.
  public var rules: [UInt32: RuleState] = [:]

  /// Nothing.
  public init() {}
}
