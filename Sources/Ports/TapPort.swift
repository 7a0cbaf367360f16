import CNet
public import Device
import Memory
import Virtqueue

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A Linux TAP device: what the kernel sends out of the interface comes in here.
///
/// With virtio-net headers (the usual way) the kernel leaves checksums and segmentation of TCP and UDP owed, and takes
/// frames that owe them. Without, it completes every frame, and verifies every one.
public struct TapPort: ~Copyable, BurstPort {
  /// How a device is wanted.
  public struct Options: Equatable, Sendable {
    /// The interface's name; empty or with `%d` the kernel chooses.
    public var name: String
    /// Frames may owe checksums and segmentation, both ways.
    public var offloads = true
    /// The device may have several queues; each opens it once more under its name.
    public var multiQueue = false
    /// The interface's address, 48 bits; nil leaves it.
    public var mac: UInt64?
    /// Its MTU in bytes; nil leaves it.
    public var mtu: Int?
    /// Switch it on.
    public var up = true
    /// Memory.
    public var sizes = PortSizes()

    /// The usual, under this name.
    public init(name: String) { self.name = name }
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
  private let device: Descriptor
  private let interface: KernelInterface
  private let withHeader: Bool
  private let terms: OffloadTerms
  private var receiving: ReceiveSlots
  private var sending = KernelSlots()

  /// Opens the device, or makes it, in the namespace of the calling thread; see ``NetworkNamespace``.
  ///
  /// - Parameters:
  ///   - id: the port's number in rules.
  ///   - owner: the top byte of its tokens.
  /// - Throws: ``PortError``.
  public init(_ options: Options, id: UInt16, owner: UInt8) throws(PortError) {
    let (number, name) = try Kernel.openTap(
      options.name, withHeader: options.offloads, multiQueue: options.multiQueue)
    let device = Descriptor(number)
    let interface = try KernelInterface(name)
    if let mac = options.mac { try interface.set(mac: mac) }
    if let mtu = options.mtu { try interface.set(mtu: mtu) }
    let debts = options.offloads ? try Self.agree(device.number, name) : []
    if options.up { try interface.set(up: true) }
    let state = try interface.state()
    receiving = ReceiveSlots(try FramePool.make(options.sizes, owner: owner), count: 1)
    facts = PortFacts(name: name, mac: state.mac, mtu: state.mtu, carries: debts, hands: debts)
    link = state.link
    terms = OffloadTerms(agreed: debts, trustsChecksums: true, looksIntoTunnels: false)
    withHeader = options.offloads
    self.id = id
    self.owner = owner
    self.device = device
    self.interface = interface
  }

  /// Asks for all that this kernel can leave owed.
  private static func agree(_ device: Int32, _ name: String) throws(PortError) -> Owed {
    let wanted: [(features: UInt32, debts: Owed)] = [
      (7, [.checksum, .tcpSegmentation, .udpSegmentation]), (3, [.checksum, .tcpSegmentation]), (1, .checksum),
    ]
    var answer: Int32 = 0
    for (features, debts) in wanted {
      answer = dpu_tap_offload(device, features)
      if answer >= 0 { return debts }
    }
    throw PortError("the offloads of TAP device '\(name)'", answer: answer)
  }

  /// See ``BurstPort/arm(_:)``.
  public mutating func arm(_ descriptors: inout [Int32]) -> Waking {
    if link != .gone { descriptors.append(device.number) }
    return .armed
  }

  /// See ``BurstPort/awake(now:)``.
  public mutating func awake(now: UInt64) {}

  /// See ``BurstPort/receive(_:now:)``.
  public mutating func receive(_ burst: inout FrameBurst, now: UInt64) {
    while !burst.isFull {
      guard receiving.pool.smallAvailable > 0 else {
        counters.starved &+= 1
        return
      }
      let got = receiving.slots.readTap(device, at: 0, withHeader: withHeader)
      guard got > 0 else {
        if got < 0 { fail(got) }
        return
      }
      if let frame = receiving.take(0, port: id, terms, &counters) { _ = burst.append(frame) }
    }
  }

  /// See ``BurstPort/transmit(_:now:free:)``.
  public mutating func transmit(_ burst: inout FrameBurst, now: UInt64, free: inout TokenList) {
    for index in 0..<burst.count {
      send(burst[index])
      _ = free.append(burst[index].token)
    }
    burst.removeAll()
  }

  private mutating func send(_ frame: Frame) {
    guard let header = try? NetHeader(debtsOf: frame), frame.next == 0, withHeader || frame.owed.isEmpty else {
      return counters.drops.count(.malformedDebt)
    }
    sending.put(frame.bytes, header, at: 0)
    let answer = sending.writeTap(device, at: 0, withHeader: withHeader)
    if answer > 0 {
      counters.framesSent &+= 1
      counters.bytesSent &+= UInt64(truncatingIfNeeded: frame.length)
    } else if answer == 0 || answer == -ENOBUFS || answer == -ENOMEM {
      counters.drops.count(.transmitFull)
    } else if answer == -EIO || answer == -EBADFD {
      counters.drops.count(.linkDown)
      fail(answer)
    } else {
      counters.drops.count(.transmitRefused)
    }
  }

  private mutating func fail(_ answer: Int32) {
    if answer == -EBADFD { link = .gone } else if link == .up { link = .down }
  }

  /// See ``BurstPort/recycle(_:)``.
  public mutating func recycle(_ token: UInt32) { receiving.pool.give(token) }

  /// Small buffers that are free.
  public var buffersAvailable: Int { receiving.pool.smallAvailable }

  /// See ``BurstPort/look(now:)``.
  public mutating func look(now: UInt64) {
    guard link != .gone else { return }
    guard let state = try? interface.state() else { return }
    link = state.link
    facts.mac = state.mac
    facts.mtu = state.mtu
  }
}

extension FramePool {
  /// A pool, or why there is none in a port's words.
  static func make(_ sizes: PortSizes, owner: UInt8) throws(PortError) -> FramePool {
    do throws(ArenaError) {
      return try FramePool(small: sizes.small, large: sizes.large, owner: owner)
    } catch {
      throw PortError(.noMemory, "a port's buffers", error.description)
    }
  }
}
