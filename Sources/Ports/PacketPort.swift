import CNet
public import Device
import Memory
import Virtqueue

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A packet socket (AF_PACKET) on any interface: it gets every frame that arrives there, and sends past the kernel's
/// stack. The kernel's own stack gets what arrives, too.
///
/// Frames come with virtio-net headers: what the kernel left owed (partial checksums of a veth's other end, segments
/// merged by its receive offload) comes as a debt. Tags that the kernel took out are put back. Frames sent here are not
/// received.
public struct PacketPort: ~Copyable, BurstPort {
  /// How a socket is wanted.
  public struct Options: Equatable, Sendable {
    /// The interface's name.
    public var interface: String
    /// Frames that owe checksums and segmentation may be sent: the interface or the kernel pays. Otherwise frames are
    /// complete when they get there.
    public var offloads = true
    /// Receive frames to other addresses too.
    public var promiscuous = true
    /// Send past the interface's queueing discipline.
    public var bypassesQueues = false
    /// Frames may be tunnels that end here: an uplink's.
    public var isUplink = true
    /// Memory.
    public var sizes = PortSizes()

    /// The usual, on this interface.
    public init(interface: String) { self.interface = interface }
  }

  /// See ``BurstPort/facts``.
  public private(set) var facts: PortFacts
  /// See ``BurstPort/link``.
  public private(set) var link = LinkState.down
  /// See ``BurstPort/owner``.
  public let owner: UInt8
  /// See ``BurstPort/counters``.
  public private(set) var counters = PortCounters()
  private let id: UInt16
  private let socket: Descriptor
  private let interface: KernelInterface
  private let terms: OffloadTerms
  private var receiving: ReceiveSlots
  private var sending = KernelSlots()

  /// Opens a socket in the namespace of the calling thread; see ``NetworkNamespace``.
  ///
  /// - Parameters:
  ///   - id: the port's number in rules.
  ///   - owner: the top byte of its tokens.
  /// - Throws: ``PortError``.
  public init(_ options: Options, id: UInt16, owner: UInt8) throws(PortError) {
    let interface = try KernelInterface(options.interface)
    let state = try interface.state()
    guard state.isEthernet else {
      throw PortError(.badValue, "interface '\(options.interface)'", "its frames have no Ethernet headers")
    }
    let answer = dpu_packet_open(state.index, options.promiscuous ? 1 : 0, options.bypassesQueues ? 1 : 0)
    guard answer >= 0 else { throw PortError("a packet socket on '\(options.interface)'", answer: answer) }
    let socket = Descriptor(answer)
    receiving = ReceiveSlots(try FramePool.make(options.sizes, owner: owner), count: KernelSlots.capacity)
    let debts: Owed = [.checksum, .tcpSegmentation, .udpSegmentation]
    // There is no agreement with the interface's other end: whatever it left owed comes.
    let hands = options.isUplink ? debts.union([.tunnelSegmentation, .outerUDPChecksum]) : debts
    facts = PortFacts(
      name: options.interface, mac: state.mac, mtu: state.mtu, carries: options.offloads ? debts : [], hands: hands)
    link = state.link
    terms = OffloadTerms(agreed: debts, trustsChecksums: true, looksIntoTunnels: options.isUplink)
    self.id = id
    self.owner = owner
    self.socket = socket
    self.interface = interface
  }

  /// See ``BurstPort/arm(_:)``.
  public mutating func arm(_ descriptors: inout [Int32]) -> Waking {
    if link != .gone { descriptors.append(socket.number) }
    return .armed
  }

  /// See ``BurstPort/awake(now:)``.
  public mutating func awake(now: UInt64) {}

  /// See ``BurstPort/receive(_:now:)``.
  public mutating func receive(_ burst: inout FrameBurst, now: UInt64) {
    let room = FrameBurst.capacity &- burst.count
    let count = min(room, receiving.count, receiving.pool.smallAvailable)
    guard count > 0 else {
      if room > 0 { counters.starved &+= 1 }
      return
    }
    let got = Int(receiving.slots.receivePackets(socket, count: count))
    guard got > 0 else {
      if got < 0 { fail(Int32(got)) }
      return
    }
    for index in 0..<got {
      if let frame = receiving.take(index, port: id, terms, &counters) { _ = burst.append(frame) }
    }
  }

  /// See ``BurstPort/transmit(_:now:free:)``.
  public mutating func transmit(_ burst: inout FrameBurst, now: UInt64, free: inout TokenList) {
    var count = 0
    for index in 0..<burst.count {
      let frame = burst[index]
      if let header = try? NetHeader(debtsOf: frame), frame.next == 0 {
        sending.put(frame.bytes, header, at: count)
        count &+= 1
      } else {
        counters.drops.count(.malformedDebt)
      }
    }
    send(count)
    for index in 0..<burst.count { _ = free.append(burst[index].token) }
    burst.removeAll()
  }

  private mutating func send(_ count: Int) {
    var done = 0
    while done < count {
      let answer = sending.sendPackets(socket, from: done, count: count &- done)
      if answer > 0 {
        let end = done &+ Int(answer)
        while done < end {
          counters.framesSent &+= 1
          counters.bytesSent &+= UInt64(sending[done].first_length)
          done &+= 1
        }
      } else if answer == 0 {
        return counters.drops.add(.transmitFull, count &- done)
      } else if answer == -ENETDOWN || answer == -ENXIO || answer == -ENODEV {
        counters.drops.add(.linkDown, count &- done)
        return fail(answer)
      } else {
        // The first one alone is not taken.
        counters.drops.count(answer == -ENOBUFS || answer == -ENOMEM ? .transmitFull : .transmitRefused)
        done &+= 1
      }
    }
  }

  private mutating func fail(_ answer: Int32) {
    if answer == -ENXIO || answer == -ENODEV { link = .gone } else if answer == -ENETDOWN { link = .down }
  }

  /// See ``BurstPort/recycle(_:)``.
  public mutating func recycle(_ token: UInt32) { receiving.pool.give(token) }

  /// Small buffers that are free.
  public var buffersAvailable: Int { receiving.pool.smallAvailable }

  /// See ``BurstPort/look(now:)``.
  public mutating func look(now: UInt64) {
    let missed = dpu_packet_missed(socket.number)
    if missed > 0 { counters.missed &+= UInt64(missed) }
    guard link != .gone else { return }
    guard let state = try? interface.state() else {
      link = .gone
      return
    }
    link = state.link
    facts.mac = state.mac
    facts.mtu = state.mtu
  }
}
