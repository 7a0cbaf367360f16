public import Device
import Memory
public import VhostUser
import Virtqueue

/// A port over virtio rings in shared memory: vhost-user, either side of it, with a virtual machine, a container, DPDK or
/// another of these at the other end. Each frame is copied once at the door.
public struct VirtqueuePort: ~Copyable, BurstPort {
  /// Which side of the rings stands here.
  public enum Side: Sendable, Equatable {
    /// The device's: a guest or virtio_user attaches.
    case device
    /// The driver's: this attaches to another's device; packed rings are asked for, or split ones.
    case driver(isPacked: Bool)
  }

  /// How a port is wanted.
  public struct Options: Sendable, Equatable {
    /// The socket's path.
    public var path: String
    /// Which side stands here.
    public var side = Side.device
    /// Whether this side listens at the path or connects to it.
    public var role = SocketRole.server
    /// Checksums and segmentation may be owed, both ways, when the other side agrees. Only the device's side offers it.
    public var offloads = true
    /// The address, 48 bits.
    public var mac: UInt64 = 0x0200_0000_0001
    /// The largest L3 packet, in bytes.
    public var mtu: UInt16 = 1500
    /// Memory.
    public var sizes = PortSizes()

    /// The usual, at this path.
    public init(path: String) { self.path = path }
  }

  /// The sessions of the two sides. A class, because it holds one or the other.
  private enum Session {
    case device(VhostBackend)
    case driver(VhostFrontend)
  }

  /// See ``BurstPort/facts``; what is carried and handed is what the other side agreed to.
  public private(set) var facts: PortFacts
  /// See ``BurstPort/link``.
  public private(set) var link = LinkState.down
  /// See ``BurstPort/owner``.
  public let owner: UInt8
  /// See ``BurstPort/counters``.
  public private(set) var counters = PortCounters()
  /// Who is at the other end, and what became of those before.
  public private(set) var peer: RingPeer
  private let session: Session
  // The session's own queues, the same over all reconnects: reached through it, each burst would count three references.
  private let fromDriver: BackendQueue?
  private let toDriver: BackendQueue?
  private let pair: FrontendPair?
  private let id: UInt16
  private var terms = OffloadTerms(agreed: [], trustsChecksums: false, looksIntoTunnels: false)
  private var buffers: NetBuffers
  private var burst = NetBurst(capacity: FrameBurst.capacity)
  private var served: UInt64 = 0

  /// Nanoseconds between looks at the socket while no rings run.
  private static let patience: UInt64 = 1_000_000

  /// A port at its socket; nobody need be at the other end yet.
  ///
  /// - Throws: ``PortError`` when a server cannot listen there, or there is no memory.
  public init(_ options: Options, id: UInt16, owner: UInt8) throws(PortError) {
    var keeping = RingPeer.Keeping.byOther
    let session = try Self.open(options, &keeping)
    self.init(session, try Self.buffers(options.sizes), options, RingPeer(keeping), id: id, owner: owner)
  }

  private init(
    _ session: Session, _ buffers: consuming NetBuffers, _ options: Options, _ peer: RingPeer, id: UInt16, owner: UInt8
  ) {
    self.session = session
    switch session {
    case .device(let port): (fromDriver, toDriver, pair) = (port.queues[1], port.queues[0], nil)
    case .driver(let port): (fromDriver, toDriver, pair) = (nil, nil, port.pairs[0])
    }
    self.peer = peer
    self.buffers = buffers
    facts = PortFacts(name: options.path, mac: options.mac, mtu: Int(options.mtu))
    self.id = id
    self.owner = owner
  }

  private static func open(_ options: Options, _ keeping: inout RingPeer.Keeping) throws(PortError) -> Session {
    do throws(SharedMemoryError) {
      guard case .driver(let isPacked) = options.side else {
        let mac = (0..<6).map { UInt8(truncatingIfNeeded: options.mac >> (40 - 8 * UInt64($0))) }
        let features = BackendOptions.plainFeatures.union(options.offloads ? Self.offloads : [])
        var offers = BackendOptions(features: features, mac: mac, mtu: options.mtu)
        (offers.kept, keeping) = Self.keep(options.path + ".rings")
        return .device(try VhostBackend(offers, path: options.path, role: options.role))
      }
      return .driver(
        // Deep enough for the segments of some large frames at once.
        try VhostFrontend(
          FrontendOptions(isPacked: isPacked, ringSize: 1024), path: options.path, role: options.role))
    } catch {
      throw PortError(.system, "the socket '\(options.path)'", "\(error)")
    }
  }

  /// Without the file a packed ring of a front end that does not know its place begins anew; all else goes on.
  private static func keep(_ path: String) -> (KeptRings?, RingPeer.Keeping) {
    do throws(SharedMemoryError) { return (try KeptRings(path: path, rings: 2), .file(path)) } catch {
      return (nil, .nowhere("\(path): \(error)"))
    }
  }

  private static func buffers(_ sizes: PortSizes) throws(PortError) -> NetBuffers {
    do throws(ArenaError) {
      let room = FrameArena.defaultHeadroom
      return NetBuffers(
        small: try FrameArena(capacity: sizes.small, bufferSize: FramePool.smallLength + room),
        large: try FrameArena(capacity: sizes.large, bufferSize: FramePool.largeLength + room))
    } catch {
      throw PortError(.noMemory, "a port's buffers", error.description)
    }
  }

  /// What a device's side offers to leave owed, and to take owed.
  private static let offloads: Features = [
    .csum, .hostTso4, .hostTso6, .hostEcn, .hostUso, .guestCsum, .guestTso4, .guestTso6, .guestEcn, .guestUso4,
    .guestUso6,
  ]

  /// See ``BurstPort/receive(_:now:)``.
  public mutating func receive(_ out: inout FrameBurst, now: UInt64) {
    if link != .up {
      guard now >= served &+ Self.patience || now < served else { return }
      look(now: now)
      if link != .up { return }
    }
    let room = FrameBurst.capacity &- out.count
    guard room > 0 else { return }
    burst.removeAll()
    let got =
      if let fromDriver {
        fromDriver.receive(into: &burst, from: &buffers)
      } else {
        pair?.receive(into: &burst, from: &buffers) ?? 0
      }
    if got == 0, buffers.small.available == 0 { counters.starved &+= 1 }
    for index in 0..<got { take(index, &out) }
  }

  private mutating func take(_ index: Int, _ out: inout FrameBurst) {
    let piece = burst[index]
    let start = Int(piece.start)
    let length = Int(piece.length)
    guard length <= 0xffff else { return refuse(piece.token, .receiveTruncated) }
    var frame = Frame(
      buffer: piece.buffer, headroom: start, length: length, token: UInt32(owner) << 24 | piece.token)
    frame.inPort = id
    do throws(DebtFault) {
      try piece.header.apply(to: &frame, terms)
    } catch {
      return refuse(piece.token, .virtioHeader)
    }
    // What came before fits: the burst that was asked for has no more records.
    guard out.append(frame) else { return refuse(piece.token, .noBuffer) }
    counters.framesReceived &+= 1
    counters.bytesReceived &+= UInt64(truncatingIfNeeded: length)
  }

  private mutating func refuse(_ token: UInt32, _ reason: DropReason) {
    counters.drops.count(reason)
    buffers.give(token)
  }

  /// See ``BurstPort/transmit(_:now:free:)``.
  public mutating func transmit(_ out: inout FrameBurst, now: UInt64, free: inout TokenList) {
    burst.removeAll()
    var bytes: UInt64 = 0
    for index in 0..<out.count {
      let frame = out[index]
      _ = free.append(frame.token)
      guard link == .up else {
        counters.drops.count(.linkDown)
        continue
      }
      guard let header = try? NetHeader(debtsOf: frame), frame.next == 0, facts.carries.isSuperset(of: frame.owed)
      else {
        counters.drops.count(.malformedDebt)
        continue
      }
      burst.append(NetFrame(buffer: frame.bytes, start: 0, length: frame.length, token: 0, header: header))
    }
    out.removeAll()
    guard burst.count > 0 else { return }
    let before = queueCounters
    let done = if let toDriver { toDriver.deliver(burst) } else { pair?.send(burst) ?? 0 }
    let tooLong = min(done, Int(clamping: queueCounters.tooLong &- before.tooLong))
    for index in 0..<done { bytes &+= UInt64(burst[index].length) }
    counters.framesSent &+= UInt64(done - tooLong)
    counters.bytesSent &+= bytes
    counters.drops.add(.transmitRefused, tooLong)
    counters.drops.add(.transmitFull, burst.count - done)
  }

  // A driver's frame that is too long for the ring is counted by its sender alone.
  private var queueCounters: QueueCounters { toDriver?.counters() ?? QueueCounters() }

  /// See ``BurstPort/recycle(_:)``.
  public mutating func recycle(_ token: UInt32) { buffers.give(token & 0xff_ffff) }

  /// See ``BurstPort/arm(_:)``.
  public mutating func arm(_ descriptors: inout [Int32]) -> Waking {
    switch session {
    case .device(let port):
      descriptors += (port.waitList + port.kicks).map(\.number)
      guard port.queues[1].requestKicks() else { return .work }
    case .driver(let port):
      descriptors += (port.waitList + port.calls).map(\.number)
      guard port.pairs[0].requestCalls() else { return .work }
    }
    return link == .up || role == .server ? .armed : .asking
  }

  private var role: SocketRole {
    switch session {
    case .device(let port): port.waitList.isEmpty ? .client : .server
    case .driver(let port): port.waitList.isEmpty ? .client : .server
    }
  }

  /// See ``BurstPort/awake(now:)``.
  public mutating func awake(now: UInt64) {
    switch session {
    case .device(let port):
      for kick in port.kicks { EventDescriptor(kick).clear() }
      port.queues[1].suppressKicks()
    case .driver(let port):
      for call in port.calls { EventDescriptor(call).clear() }
      port.pairs[0].suppressCalls()
    }
    look(now: now)
  }

  /// See ``BurstPort/look(now:)``: carries on what is said over the socket.
  public mutating func look(now: UInt64) {
    served = now
    let events: [SessionEvent]
    let features: Features
    let isUp: Bool
    switch session {
    case .device(let port):
      events = port.service()
      features = port.machine.features
      isUp = port.queues[0].isRunning && port.queues[1].isRunning
    case .driver(let port):
      events = port.service(now: now)
      features = port.machine.features
      isUp = port.isReady
    }
    for event in events { peer.note(event) }
    link = isUp ? .up : .down
    agree(features)
  }

  /// What the two sides agreed to leave owed, seen from here.
  private mutating func agree(_ features: Features) {
    var hands: Owed = []
    var carries: Owed = []
    if case .device = session {
      if features.contains(.csum) { hands.insert(.checksum) }
      if features.isSuperset(of: [.hostTso4, .hostTso6]) { hands.insert(.tcpSegmentation) }
      if features.contains(.hostUso) { hands.insert(.udpSegmentation) }
      if features.contains(.guestCsum) { carries.insert(.checksum) }
      if features.isSuperset(of: [.guestTso4, .guestTso6]) { carries.insert(.tcpSegmentation) }
      if features.isSuperset(of: [.guestUso4, .guestUso6]) { carries.insert(.udpSegmentation) }
    }
    facts.hands = hands
    facts.carries = carries
    terms = OffloadTerms(agreed: hands, trustsChecksums: false, looksIntoTunnels: false)
  }
}
