import CDPDK
public import Device

/// A port of any DPDK driver: a physical function, a virtual one, a representor, or a virtual device.
///
/// Frames are mbufs of the port's own pool. One that leaves by this or another DPDK port goes as the mbuf that it is, if
/// what was put in front of it fits in DPDK's 128 bytes of headroom; every other is copied into an mbuf once
/// (``copies``). One thread polls; nothing tells it that frames wait.
public struct DPDKPort: ~Copyable, BurstPort {
  /// How a port is wanted.
  public struct Options: Equatable, Sendable {
    /// The device and its arguments, as `-a` and `--vdev` take them: `0000:03:00.0,dv_flow_en=2`, `net_tap0,iface=t0`;
    /// or the name of a port that came with the device of a port that was opened before.
    public var devargs: String
    /// Leave the MTU alone; for who opens the port.
    public var keepsMTU = false
    /// Which of the device's ports: a number below how many it has.
    public var port = 0
    /// The largest L3 packet in bytes; 0: as the device has it, set by other means. `net_af_packet` allows 1500 by DPDK's
    /// means and carries 1600 where the interface does.
    public var mtu: UInt16 = 0
    /// Receive frames to other addresses too.
    public var promiscuous = true
    /// Believe the device about checksums of what it received, where it offers to check them.
    public var checks = false
    /// Descriptors of each direction, 32…32,768; moved into what the device takes.
    public var descriptors: UInt16 = 1024
    /// Mbufs, 1024…4,194,304.
    public var buffers = 8192

    /// The usual, of this device.
    public init(devargs: String) { self.devargs = devargs }
  }

  /// See ``BurstPort/facts``.
  public private(set) var facts: PortFacts
  /// See ``BurstPort/link``.
  public private(set) var link = LinkState.down
  /// See ``BurstPort/owner``.
  public let owner: UInt8
  /// See ``BurstPort/counters``.
  public private(set) var counters = PortCounters()
  /// What there is to see beside the counters.
  public private(set) var sight: DPDKSight
  private let port: UInt16
  private let id: UInt16
  private var frames = DPDKFrames()
  private var tooLong: UInt64 = 0

  /// Probes the device and starts its port. EAL has to run: ``EAL/start(_:)``.
  ///
  /// - Parameters:
  ///   - id: the port's number in rules.
  ///   - owner: the top byte of its tokens.
  /// - Throws: ``DPDKError``.
  public init(_ options: Options, id: UInt16, owner: UInt8) throws(DPDKError) {
    let place = "DPDK device '\(options.devargs.prefix(200))'"
    guard EAL.isStarted else { throw DPDKError(place, "EAL does not run") }
    guard options.devargs.utf8.count < 1024, !options.devargs.isEmpty else {
      throw DPDKError(place, "expected a device's name or address and its arguments, at most 1023 bytes")
    }
    let (answer, ports) = DPDKCalls.probe(options.devargs)
    guard answer >= 0 else { throw DPDKCalls.failure(place, answer) }
    guard options.port >= 0, options.port < ports.count else {
      throw DPDKError(place, "it has \(ports.count) ports, and number \(options.port) is wanted (they count from 0)")
    }
    let port = ports[options.port]
    guard let known = DPDKCalls.facts(port) else { throw DPDKError(place, "the port has gone") }
    if options.mtu != 0, known.largest_mtu != 0, options.mtu > known.largest_mtu {
      throw DPDKError(place, "its largest MTU is \(known.largest_mtu), and \(options.mtu) is wanted")
    }
    var wanted = dpu_dpdk_wanted()
    wanted.owner = owner
    wanted.promiscuous = options.promiscuous ? 1 : 0
    wanted.checks = options.checks ? 1 : 0
    wanted.mtu = options.mtu
    wanted.queues = 1
    wanted.receive_descriptors = min(max(options.descriptors, 32), 32768)
    wanted.transmit_descriptors = wanted.receive_descriptors
    wanted.buffers = UInt32(min(max(options.buffers, 1024), 1 << 22))
    let opened = DPDKCalls.open(port, wanted)
    guard opened >= 0 else { throw DPDKCalls.failure(place, opened) }
    let (a, b, c, d, e, f) = known.mac
    let mac = [a, b, c, d, e, f].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    facts = PortFacts(
      name: DPDKCalls.text(known.device), mac: mac, mtu: max(68, Int(dpu_dpdk_mtu(port))), carries: [], hands: [])
    sight = DPDKSight(driver: DPDKCalls.text(known.driver))
    link = dpu_dpdk_link(port) > 0 ? .up : .down
    self.port = port
    self.id = id
    self.owner = owner
  }

  deinit { dpu_dpdk_close(port) }

  /// See ``BurstPort/receive(_:now:)``.
  public mutating func receive(_ burst: inout FrameBurst, now: UInt64) {
    guard link != .gone else { return }
    let got = frames.receive(port, queue: 0, count: FrameBurst.capacity &- burst.count, tooLong: &tooLong)
    for index in 0..<got {
      guard var frame = frames.record(index) else { continue }
      frame.inPort = id
      frame.flowHash = frames[index].has_hash != 0 ? frames[index].hash : 0
      frame.checksums[.outerL3] = Self.state(frames[index].ip_checksum)
      frame.checksums[.outerL4] = Self.state(frames[index].l4_checksum)
      counters.framesReceived &+= 1
      counters.bytesReceived &+= UInt64(truncatingIfNeeded: frame.length)
      _ = burst.append(frame)
    }
    if tooLong != 0 {
      counters.drops.add(.receiveTruncated, Int(truncatingIfNeeded: tooLong))
      tooLong = 0
    }
  }

  @inline(__always)
  private static func state(_ word: UInt8) -> ChecksumKnowledge.State {
    word == 1 ? .good : word == 2 ? .bad : .unknown
  }

  /// See ``BurstPort/transmit(_:now:free:)``.
  public mutating func transmit(_ burst: inout FrameBurst, now: UInt64, free: inout TokenList) {
    var count = 0
    for index in 0..<burst.count {
      let frame = burst[index]
      // Debts are paid before a port that carries none, and chains are made one segment.
      if frame.owed.isEmpty, frame.next == 0 {
        frames.put(frame, at: count)
        count &+= 1
      } else {
        counters.drops.count(.malformedDebt)
        _ = free.append(frame.token)
      }
    }
    if link == .gone {
      counters.drops.add(.linkDown, count)
      for index in 0..<count { _ = free.append(UInt32(frames[index].owner) << 24 | frames[index].index) }
    } else if count > 0 {
      frames.send(port, queue: 0, count: count)
      for index in 0..<count { settle(index, &free) }
    }
    burst.removeAll()
  }

  /// Counts what became of the frame at `index`, and gives its buffer back if it is the sender's.
  @inline(__always)
  private mutating func settle(_ index: Int, _ free: inout TokenList) {
    let frame = frames[index]
    switch Int(frame.fate) {
    case DPU_DPDK_TAKEN, DPU_DPDK_SENT:
      counters.framesSent &+= 1
      counters.bytesSent &+= UInt64(frame.length)
      if Int(frame.fate) == DPU_DPDK_TAKEN { return }
      sight.copies &+= 1
    case DPU_DPDK_FULL: counters.drops.count(.transmitFull)
    case DPU_DPDK_FULL_TAKEN: return counters.drops.count(.transmitFull)
    case DPU_DPDK_NO_BUFFER: counters.drops.count(.noBuffer)
    default: counters.drops.count(.transmitRefused)
    }
    _ = free.append(UInt32(frame.owner) << 24 | frame.index)
  }

  /// See ``BurstPort/recycle(_:)``.
  public mutating func recycle(_ token: UInt32) {
    if UInt8(truncatingIfNeeded: token >> 24) == owner { dpu_dpdk_recycle(owner, token & 0xff_ffff) }
  }

  /// Mbufs that are free: neither with the device nor out.
  public var buffersAvailable: Int { Int(dpu_dpdk_available(owner)) }

  /// See ``BurstPort/arm(_:)``: a poll-mode driver tells nobody.
  public mutating func arm(_ descriptors: inout [Int32]) -> Waking { .asking }

  /// See ``BurstPort/awake(now:)``.
  public mutating func awake(now: UInt64) {}

  /// See ``BurstPort/look(now:)``. A device that asked to be reset is.
  public mutating func look(now: UInt64) {
    guard link != .gone else { return }
    let events = Int(dpu_dpdk_events(port))
    if events & DPU_DPDK_REMOVED != 0 {
      link = .gone
      sight.lastFault = "the device was removed"
      return
    }
    if events & DPU_DPDK_RESET != 0 {
      let answer = dpu_dpdk_reset(port)
      guard answer >= 0 else {
        link = .gone
        sight.lastFault = DPDKCalls.failure("reset", answer).description
        return
      }
      sight.resets &+= 1
    }
    let answer = dpu_dpdk_link(port)
    link = answer > 0 ? .up : .down
    let mtu = dpu_dpdk_mtu(port)
    if mtu > 0 { facts.mtu = Int(mtu) }
    if let stats = DPDKCalls.stats(port) { counters.missed = stats.missed &+ stats.no_mbuf }
  }

  /// The device's own counters, as its driver names them.
  public var statistics: [(name: String, value: UInt64)] { DPDKCalls.xstats(port) }
}

/// What there is to see of a DPDK port beside its counters.
public struct DPDKSight: Equatable, Sendable {
  /// What the driver calls itself.
  public let driver: String
  /// Frames that were copied to be sent: from ports of other kinds, or grown out of their mbuf.
  public internal(set) var copies: UInt64 = 0
  /// Times that the device asked to be reset and was.
  public internal(set) var resets: UInt64 = 0
  /// Why the port is gone; nil while it is not.
  public internal(set) var lastFault: String?

  init(driver: String) { self.driver = driver }
}
