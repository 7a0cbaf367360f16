public import Device
import DeviceBus
import Memory
import Rules
import Virtqueue

/// A device behind rings, driven as its datasheet says: rules over the administration queue, frames over queue pairs.
///
/// It stands where any ``Device/OffloadDevice`` stands. ``receive(_:port:now:emit:)`` and the rule calls wait for their
/// answer; ``submit(_:kind:port:now:)``, ``flush()`` and ``poll(now:most:emit:)`` do not, and are what a poll thread uses.
///
/// The device is not trusted. When it is gone, silent or lies it is *fenced*: its generation is revoked, nothing that it
/// does changes anything any more, what it had not answered is ``lostInDevice``, and its memory rests until it has
/// acknowledged the reset or is gone. From then on frames come up as they came, until ``recover(now:)`` has it back.
/// One thread owns it.
public struct DrivenDevice<Host: DeviceHost>: ~Copyable, OffloadDevice {
  /// How the driver goes about it.
  public struct Options: Sendable {
    /// Waits of up to a millisecond without progress, in a row, after which a call takes the device for lost: 5.
    public var waits = 5
    /// Nanoseconds without progress after which ``DrivenDevice/poll(now:most:emit:)`` does: 5 ms.
    public var silence: UInt64 = 5_000_000
    /// Nanoseconds that one poll adds to a silence at most, so that a thread that did not run does not blame the device.
    public var grain: UInt64 = 100_000
    /// ``DrivenDevice/recover(now:)`` waits until the device is back, or is given up; else it goes one step a call.
    public var recoversAtOnce = true
    /// Milliseconds that a start, and a reset, may take before the device is ended and started again.
    public var recoveryMilliseconds = 10_000
    /// Looks without waiting before a call waits.
    public var spins = 2000
    /// Queue pairs at most; ports beyond share them.
    public var pairs = 16
    /// Descriptors of an input queue.
    public var inputSize = 256
    /// Descriptors of an output queue: as many segments as one frame may fall into.
    public var outputSize = 1024
    /// Packed rings.
    public var isPacked = true
    /// Buffers for frames that ``DrivenDevice/poll(now:most:emit:)`` hands over.
    public var buffers = 1024
    /// The top byte of those buffers' tokens.
    public var owner: UInt8 = 0xd0
    /// The clock that a fence is timed by, nanoseconds; nothing else is. Without one ``DrivenDevice/fenceTime`` is 0.
    public var clock: @Sendable () -> UInt64 = { 0 }
    /// The defaults.
    public init() {}
  }

  /// What came of one loss.
  public struct LossRecord: Equatable, Sendable {
    /// Why.
    public var reason: DeviceLoss
    /// When it was known, and fenced: nanoseconds of the caller's clock.
    public var at: UInt64
    /// Frames that the device had and had not answered.
    public var frames: Int
  }

  enum Phase: Equatable {
    case running
    /// Fenced; the memory rests until the device acknowledges or is gone.
    case fenced
    /// It acknowledged or was started, and is told what it is.
    case configuring
  }

  /// What the device allows.
  public let abilities: Abilities
  /// How the driver goes about it.
  public let options: Options
  /// Where the device runs.
  public let host: Host
  /// Frames that the device had and never answered, exactly.
  public var lostInDevice: UInt64 { lostByFence &+ lostBefore &+ swallowedNow }
  /// Losses, oldest first; the newest 64.
  public private(set) var losses: [LossRecord] = []
  /// When the last fence began and when it stood, by ``Options/clock``.
  public private(set) var fenceTime: (began: UInt64, stood: UInt64) = (0, 0)
  /// Answers of a revoked generation that were thrown away.
  public internal(set) var stale: UInt64 = 0
  /// Times that the device was started or reset.
  public private(set) var starts: UInt64 = 0

  /// Names the frame that was submitted last; ``pollNamed(now:most:emit:)`` tells it with what came of the frame.
  public internal(set) var submittedName: UInt64 = 0

  var phase = Phase.configuring
  var rings: DrivenRings
  let layout: BusLayout
  let commands: [[UInt8]]
  var nextCommand = 0
  var generation: UInt64 = 1
  var lostByFence: UInt64 = 0
  private var lostBefore: UInt64 = 0
  var waitedForRecovery = 0
  var shapes = ClassifierBook()
  let scratch: Region
  var buffers: NetBuffers
  var pairOf: [UInt16: Int] = [:]
  // Silence, as poll sees it.
  var silentFor: UInt64 = 0
  var lastPoll: UInt64 = 0
  var lastLook: UInt64 = 0

  /// A driver of a device that `host` starts, with these abilities, for `overlay`.
  ///
  /// - Parameter settings: what the device is told beside; nothing that the driver understands.
  /// - Throws: ``HostError`` when the device cannot be started, or `overlay` cannot be told.
  public static func start(
    _ host: Host, abilities: Abilities, overlay: Overlay, settings: [UInt8] = [], options: Options = Options(),
    now: UInt64 = 0
  ) throws(HostError) -> DrivenDevice<Host> {
    guard let told = OverlayFormat.commands(overlay) else {
      throw HostError("a part of the overlay is longer than an administration command")
    }
    let profile = AdminCommand(
      .create, .profile, id: 0, now: now, body: ProfileFormat.encode(abilities) + settings)
    let pairs = max(1, min(overlay.ports.count, options.pairs, BusLayout.mostPairs))
    let layout = try rings(pairs, options)
    let scratch = try makeScratch()
    let buffers = try makeBuffers(options)
    let rings = try start(host, layout, generation: 1)
    var device = DrivenDevice(
      host, abilities, options, layout, told.map(\.bytes) + [profile.bytes], overlay.ports.map(\.id), scratch, buffers,
      rings)
    device.recover(now: now, waits: true)
    guard device.phase == .running else {
      host.kill()
      throw HostError("the device does not start: \(device.losses.last?.reason.description ?? "it does not answer")")
    }
    return device
  }

  private init(
    _ host: Host, _ abilities: Abilities, _ options: Options, _ layout: BusLayout, _ commands: [[UInt8]],
    _ ports: [UInt16], _ scratch: consuming Region, _ buffers: consuming NetBuffers, _ rings: consuming DrivenRings
  ) {
    self.host = host
    self.abilities = abilities
    self.options = options
    self.layout = layout
    self.commands = commands
    self.scratch = scratch
    self.buffers = buffers
    self.rings = rings
    starts = 1
    for (index, port) in ports.enumerated() { pairOf[port] = index % layout.pairs }
  }

  private static func rings(_ pairs: Int, _ options: Options) throws(HostError) -> BusLayout {
    do throws(RingFault) {
      return try BusLayout(
        pairs: pairs, inputSize: options.inputSize, outputSize: options.outputSize, isPacked: options.isPacked)
    } catch { throw HostError("the rings cannot be: \(error.sentence)") }
  }

  private static func makeScratch() throws(HostError) -> Region {
    do throws(ArenaError) { return try Region(bytes: FrameHeader.size + 1024 + 65_536) } catch {
      throw HostError("\(error)")
    }
  }

  private static func makeBuffers(_ options: Options) throws(HostError) -> NetBuffers {
    do throws(ArenaError) { return try NetBuffers(frames: max(1, options.buffers)) } catch {
      throw HostError("\(error)")
    }
  }

  /// Starts the device on new memory, with the rings of `generation` laid out.
  static func start(_ host: Host, _ layout: BusLayout, generation: UInt64) throws(HostError) -> DrivenRings {
    var shared: SharedRegion?
    try host.start(layout) { (region) throws(HostError) in
      Registers(region.shared).create(layout)
      shared = region
    }
    guard let shared else { throw HostError("the device was started without memory") }
    do throws(RingFault) {
      let rings = try DrivenRings(layout, shared, generation: generation)
      rings.registers.want(generation)
      rings.registers.layOut(generation)
      host.kick()
      return rings
    } catch { throw HostError("the rings cannot be laid out: \(error.sentence)") }
  }

  /// Whether the device answers.
  public var isAlive: Bool { phase == .running }

  /// Why the device was lost the last time.
  public var lastLoss: LossRecord? { losses.last }

  /// Frames that the device has and has not answered.
  public var unanswered: Int { phase == .running ? rings.unanswered : 0 }

  private var swallowedNow: UInt64 {
    var sum: UInt64 = 0
    for pair in 0..<rings.pairs.count { sum &+= rings.pairs[pair].swallowed }
    return sum
  }

  var head: Bytes { scratch.bytes.slice(0, count: FrameHeader.size) }
  var body: Bytes { scratch.bytes.from(FrameHeader.size) }

  /// The queue pair of a port.
  func pair(_ port: UInt16) -> Int { pairOf[port] ?? 0 }

  // MARK: Fence

  /// Takes the device out of service: fence first. Its rules are gone; frames come up as they came.
  public mutating func fence(_ reason: DeviceLoss = .asked, now: UInt64) {
    guard phase != .fenced else { return }
    fenceTime.began = options.clock()
    // From here on nothing the device does counts: nobody looks at this generation's rings again.
    generation &+= 1
    rings.registers.want(generation)
    host.kick()
    let lost = rings.unanswered
    lostByFence &+= UInt64(lost)
    phase = .fenced
    waitedForRecovery = 0
    if losses.count == 64 { losses.removeFirst() }
    losses.append(LossRecord(reason: reason, at: now, frames: lost))
    shapes = ClassifierBook()
    fenceTime.stood = options.clock()
  }

  /// What the registers and rings say against the device.
  func accusation() -> DeviceLoss? {
    if let loss = rings.loss { return loss }
    let status = rings.registers.status
    if status.contains(.failed) { return .complaint(rings.registers.reason) }
    return status.contains(.needsReset) ? .reset : nil
  }

  // MARK: Recovery

  /// Has the device back, empty: waits for it, or goes one step, as ``Options/recoversAtOnce`` says. ``isAlive`` tells.
  public mutating func recover(now: UInt64) { recover(now: now, waits: options.recoversAtOnce) }

  private mutating func recover(now: UInt64, waits: Bool) {
    var milliseconds = 0
    while phase != .running, milliseconds < 3 * options.recoveryMilliseconds {
      let isDone = stepRecovery(now: now)
      guard waits else { return }
      if isDone { continue }
      host.wait(milliseconds: 1)
      milliseconds += 1
    }
  }

  /// One step; whether anything was done.
  private mutating func stepRecovery(now: UInt64) -> Bool {
    switch phase {
    case .running: return false
    case .fenced:
      if host.isGone { return restart() }
      guard rings.registers.served == generation else {
        waitedForRecovery += 1
        if waitedForRecovery >= options.recoveryMilliseconds || isDistrusted { host.kill() }
        return false
      }
      // The quarantine is over: the device looks at none of the old rings any more.
      return layOutAgain()
    case .configuring: return configure(now: now)
    }
  }

  /// Whether a reset is no remedy: a device that lied or was silent is ended.
  private var isDistrusted: Bool {
    switch losses.last?.reason {
    case .ring, .answer: true
    case .silent: waitedForRecovery >= options.waits
    default: false
    }
  }

  private mutating func keepLosses() { lostBefore &+= swallowedNow }

  private mutating func restart() -> Bool {
    do throws(HostError) {
      let fresh = try Self.start(host, layout, generation: generation)
      keepLosses()
      rings = fresh
    } catch { return false }
    starts &+= 1
    nextCommand = 0
    waitedForRecovery = 0
    phase = .configuring
    return true
  }

  private mutating func layOutAgain() -> Bool {
    let region = rings.region
    do throws(RingFault) {
      let fresh = try DrivenRings(layout, region, generation: generation)
      keepLosses()
      rings = fresh
    } catch { return false }
    // A device that has started keeps what it was told; only its rules are gone.
    nextCommand = rings.registers.status.contains(.started) ? commands.count : 0
    rings.registers.layOut(generation)
    host.kick()
    starts &+= 1
    waitedForRecovery = 0
    phase = .configuring
    return true
  }

  /// Tells the device what it is, as far as there is room, and takes answers.
  private mutating func configure(now: UInt64) -> Bool {
    var isWorking = false
    while nextCommand < commands.count, rings.submit(commands[nextCommand]) != nil {
      nextCommand += 1
      isWorking = true
    }
    if rings.publish() { host.kick() }
    while let ended = rings.reap() {
      isWorking = true
      guard let result = try? AdminResult(ended.bytes), result.status == .ok else {
        fence(.answer(.adminResult), now: now)
        return true
      }
    }
    if nextCommand == commands.count, rings.commands == 0, rings.registers.status.contains(.started) {
      silentFor = 0
      lastPoll = 0
      phase = .running
      return true
    }
    if isWorking {
      waitedForRecovery = 0
      return true
    }
    if host.isGone {
      fence(.gone, now: now)
      return true
    }
    if let loss = accusation() {
      fence(loss, now: now)
      return true
    }
    _ = rings.requestCalls()
    waitedForRecovery += 1
    if waitedForRecovery >= options.recoveryMilliseconds { fence(.silent, now: now) }
    return false
  }
}
