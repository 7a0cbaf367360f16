public import Device
public import Memory

/// Merges consecutive segments of one flow into a frame that owes segmentation (GRO): the inverse of ``Segmenter``.
///
/// A merged frame cut again gives the segments it was made of, byte by byte, and cut segments merged again give the
/// frame; but for the identification of IPv4 packets with DF, which says nothing (RFC 6864) and may stand still between
/// segments. Merged are TCP segments with payload, and UDP datagrams of equal size, plain or inside a tunnel, whose
/// headers and all options are equal and whose checksums are right. A flow's held frame goes before anything else of the
/// flow does, so that order holds. One thread owns a coalescer.
public struct Coalescer: ~Copyable {
  /// Datagrams in one merged UDP frame at most: what Linux takes from a peer (UDP_MAX_SEGMENTS).
  public static let mostDatagrams = 64

  /// What became of an offered frame.
  @frozen
  public struct Answer: Sendable, BitwiseCopyable {
    /// A frame that is to go on its way now, before anything else, and the port it goes to.
    public let flushed: Emission?
    /// The offered frame was taken in, copied: its buffer is free. Otherwise it goes on its way as it is, after `flushed`.
    public let absorbed: Bool
    /// It was appended to another frame.
    public let merged: Bool
  }

  private var table: FlatTable<HeldFlow>
  private var used = 0
  private let ports: TunnelPorts
  private let intoTunnels: Bool

  /// A coalescer that holds `flows` flows at most.
  ///
  /// - Parameter intoTunnels: look into Geneve, VXLAN and GRE: for frames from an uplink.
  public init(flows: Int = 16, ports: TunnelPorts = TunnelPorts(), intoTunnels: Bool) {
    table = FlatTable(repeating: HeldFlow(), count: max(1, flows))
    self.ports = ports
    self.intoTunnels = intoTunnels
  }

  /// Flows held now.
  public var held: Int { used }

  /// Offers a frame, in order of arrival.
  ///
  /// - Parameters:
  ///   - port: the port that the frame goes to; only frames to one port are merged.
  ///   - udp: merge UDP datagrams too.
  ///   - arena: where merged frames are made; its buffers bound their size. With none free the frame passes.
  public mutating func offer(
    _ frame: Frame, port: UInt16 = 0, udp: Bool = true, arena: inout FrameArena, owner: UInt8
  ) -> Answer {
    guard let new = CoalescingCandidate(frame, ports: ports, intoTunnels: intoTunnels, udp: udp) else {
      return Answer(flushed: nil, absorbed: false, merged: false)
    }
    var index = 0
    while index < used, !table[index].isFlow(of: frame, new, port: port) { index &+= 1 }
    if index == used {
      let evicted = used == table.count && new.mayHold(frame) ? remove(0) : nil
      return Answer(flushed: evicted, absorbed: hold(frame, new, port, &arena, owner), merged: false)
    }
    if new.mayMerge, table[index].merge(frame, new) {
      return Answer(flushed: table[index].isClosed ? remove(index) : nil, absorbed: true, merged: true)
    }
    let flushed = remove(index)
    return Answer(flushed: flushed, absorbed: hold(frame, new, port, &arena, owner), merged: false)
  }

  /// The frame held longest, as merged as it is, and its port; nil when none is held. Called until then at the end of a
  /// burst.
  public mutating func flush() -> Emission? { used > 0 ? remove(0) : nil }

  /// Begins a flow with `frame`, when it may be the first of several.
  private mutating func hold(
    _ frame: Frame, _ new: CoalescingCandidate, _ port: UInt16, _ arena: inout FrameArena, _ owner: UInt8
  ) -> Bool {
    guard new.mayHold(frame), frame.length <= arena.bufferSize, let index = arena.take() else { return false }
    let buffer = arena.buffer(index)
    let room = min(arena.headroom, buffer.count &- frame.length)
    var copy = Frame(buffer: buffer, headroom: room, length: frame.length, token: UInt32(owner) << 24 | index)
    copy.inherit(from: frame)
    copy.checksums = frame.checksums
    copy.bytes.copy(frame.bytes, at: 0)
    table[used] = HeldFlow(copy, new, port: port)
    used &+= 1
    return true
  }

  private mutating func remove(_ index: Int) -> Emission {
    let emission = Emission(frame: table[index].finished(), port: table[index].port)
    used &-= 1
    var at = index
    while at < used {
      table[at] = table[at &+ 1]
      at &+= 1
    }
    return emission
  }
}

extension CoalescingCandidate {
  /// Whether a flow may begin with it: one that ends a flow at once is better sent on.
  func mayHold(_ frame: Frame) -> Bool {
    guard mayMerge else { return false }
    return !isTCP || frame.bytes[walk.innermost.l4 &+ 13] & (TransportHeader.fin | TransportHeader.psh) == 0
  }
}
