public import Datapath
public import DPDKDevice
public import Device
public import Memory
public import Ports

/// One thread's work: bursts from its ports through its queue of the data path to its ports, and sleep when there is
/// none. Nothing in it waits for another thread.
public struct PollLoop: ~Copyable {
  /// The ports.
  public var ports = PortSet()
  /// The queue of the data path.
  public internal(set) var datapath: Datapath
  /// What was done.
  public internal(set) var statistics = PollStatistics()
  /// How long frames that the data path carried out were here, from their pass's beginning to its end.
  public internal(set) var latency = LatencyHistogram()
  /// Frames dropped here, between data path and ports, by reason.
  public internal(set) var drops = DropCounters()

  /// Frames that the data path carried out in the pass at hand.
  var carriedOut = 0
  var received = FrameBurst()
  /// A part of what was received: frames that may become many go on in small groups.
  var part = FrameBurst()
  var out: EmissionBurst
  /// What goes to each port, by index.
  var outgoing = OwnedTable<FrameBurst>(capacity: PortSet.most)
  var free = TokenList(capacity: 4096)
  /// Index of the port that frames for the host's queues go to; -1 for none.
  var hostPort = -1
  /// What tenants get of the thread.
  var share = FairShare()
  /// What ports may send, by index.
  var admissions = FlatTable(repeating: Admission(), count: PortSet.most)
  var toHost = TokenBucket(rate: 20_000, burst: 2_000)
  var fromHost = TokenBucket(rate: 20_000, burst: 2_000)
  /// Next hops by index of the uplink, and whether a port has some.
  var underlays: [(port: Int, underlay: Underlay)] = []
  var isResolved = FlatTable<Bool>(repeating: false, count: PortSet.most)
  var held = HeldFrames()
  /// The device below the data path, and what came from it last.
  public internal(set) var device: DeviceLane?
  var fromDevice = EmissionBurst(capacity: FrameBurst.capacity)
  /// Those who look on.
  var taps: [FrameTap] = []
  var isTapped = false
  /// Flows that a controller is asked about.
  var desk: UpcallDesk?
  /// Buffers for frames of our own: questions and answers about neighbours.
  var own: FramePool

  /// The top byte of the tokens of frames of the loop's own; ports have others.
  public static let ownOwner: UInt8 = 0xd1

  /// A loop for this queue. Ports are added with ``add(_:id:)-(TapPort,_)`` and its kin.
  ///
  /// - Throws: ``Memory/ArenaError``.
  public init(_ datapath: consuming Datapath) throws(ArenaError) {
    self.init(datapath, try FramePool(small: 256, large: 1, owner: Self.ownOwner))
  }

  private init(_ datapath: consuming Datapath, _ own: consuming FramePool) {
    out = EmissionBurst(capacity: FrameBurst.capacity + datapath.buffersAvailable)
    self.datapath = datapath
    self.own = own
  }

  /// Adds a port under its number in rules, and tells the data path which debts it takes. False when there is no room, or
  /// the number or owner is another's.
  public mutating func add(_ port: consuming TapPort, id: UInt16) -> Bool {
    guard port.owner != datapath.owner, port.owner != Self.ownOwner, port.owner != DeviceLane.owner else {
      return false
    }
    return attach(ports.add(port, id: id))
  }

  /// See ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming PacketPort, id: UInt16) -> Bool {
    guard port.owner != datapath.owner, port.owner != Self.ownOwner, port.owner != DeviceLane.owner else {
      return false
    }
    return attach(ports.add(port, id: id))
  }

  /// See ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming VirtqueuePort, id: UInt16) -> Bool {
    guard port.owner != datapath.owner, port.owner != Self.ownOwner, port.owner != DeviceLane.owner else {
      return false
    }
    return attach(ports.add(port, id: id))
  }

  /// See ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming DPDKPort, id: UInt16) -> Bool {
    guard port.owner != datapath.owner, port.owner != Self.ownOwner, port.owner != DeviceLane.owner else {
      return false
    }
    return attach(ports.add(port, id: id))
  }

  /// See ``add(_:id:)-(TapPort,_)``.
  public mutating func add(_ port: consuming CapturePort, id: UInt16) -> Bool {
    guard port.owner != datapath.owner, port.owner != Self.ownOwner, port.owner != DeviceLane.owner else {
      return false
    }
    return attach(ports.add(port, id: id))
  }

  private mutating func attach(_ index: Int?) -> Bool {
    guard let index else { return false }
    outgoing.append(FrameBurst())
    datapath.setCarried(ports.facts(index).carries, port: ports.id(index))
    return true
  }

  /// Says which port is the host's: frames go there that a rule sends to a queue of the host, and what an uplink's rules do
  /// not want; both ways within ``setHostRate(_:burst:)``. Without one such frames are dropped.
  public mutating func setHostPort(id: UInt16) { hostPort = ports.index(of: id) }

  /// Asks every port once and carries out what came. `now` is in nanoseconds. Returns how many frames came, those that
  /// a device gave back included.
  public mutating func pass(now: UInt64) -> Int {
    var frames = 0
    var answers = 0
    carriedOut = 0
    let count = ports.count
    let first = share.tenants > 0 ? share.first : 0
    for step in 0..<count {
      let index = first &+ step < count ? first &+ step : first &+ step &- count
      guard share.mayAsk(index), mayReceive(index) else { continue }
      received.removeAll()
      ports.receive(index, &received, now: now)
      guard received.count > 0 else { continue }
      frames &+= received.count
      share.charge(index, received)
      if isTapped { showReceived(index, now) }
      admit(index, now)
      if device != nil { offload(index, now) }
      if received.count > 0 { carryOut(now) }
    }
    share.endRound(ports: count, isIdle: frames == 0)
    if let device {
      // What software did in a lost device's stead leaves before the device is looked after: starting its process takes long.
      if !device.isAlive {
        flush(now)
        device.noteSent()
      }
      answers = turn(now)
    }
    if desk != nil { tendUpcalls(now) }
    flush(now)
    statistics.passes &+= 1
    if frames &+ answers > 0 {
      statistics.busyPasses &+= 1
      statistics.frames &+= UInt64(truncatingIfNeeded: frames)
    }
    return frames &+ answers
  }

  /// Drops what became too old, and looks after ports; called a few times a second.
  public mutating func look(now: UInt64) {
    ports.look(now: now)
    // What a port's other end agreed to may be something else after it came back.
    for index in 0..<ports.count { datapath.setCarried(ports.facts(index).carries, port: ports.id(index)) }
    datapath.expire(now: now)
    tendUnderlays(now: now)
    flush(now)
  }

  /// The burst that was received, as a whole or in parts.
  mutating func carryOut(_ now: UInt64) {
    carriedOut &+= received.count
    var owed: Owed = []
    for index in 0..<received.count { owed.formUnion(received[index].owed) }
    guard !owed.isDisjoint(with: [.tcpSegmentation, .udpSegmentation]) else {
      datapath.process(&received, now: now, out: &out)
      return distribute(now)
    }
    // Segments take buffers, which come back when they were sent.
    var segments = 0
    for index in 0..<received.count {
      let count = Self.segments(of: received[index])
      if segments &+ count > datapath.buffersAvailable, part.count > 0 {
        carryOutPart(now)
        segments = 0
      }
      _ = part.append(received[index])
      segments &+= count
    }
    if part.count > 0 { carryOutPart(now) }
  }

  private mutating func carryOutPart(_ now: UInt64) {
    datapath.process(&part, now: now, out: &out)
    part.removeAll()
    distribute(now)
    flush(now)
  }

  private static func segments(of frame: Frame) -> Int {
    guard frame.segmentSize > 0 else { return 1 }
    return frame.length / Int(frame.segmentSize) &+ 1
  }
}

/// What a poll thread did.
@frozen
public struct PollStatistics: Equatable, Sendable, BitwiseCopyable {
  /// Times that all ports were asked.
  public var passes: UInt64 = 0
  /// Times that some port had frames.
  public var busyPasses: UInt64 = 0
  /// Frames that came.
  public var frames: UInt64 = 0
  /// Times that the thread slept.
  public var sleeps: UInt64 = 0
  /// Nanoseconds spent asking in vain.
  public var spun: UInt64 = 0
  /// Nanoseconds asleep.
  public var slept: UInt64 = 0
  /// Nanoseconds of the longest spin that ended in frames.
  public var longestSpin: UInt64 = 0

  /// Zeroes.
  public init() {}
}
