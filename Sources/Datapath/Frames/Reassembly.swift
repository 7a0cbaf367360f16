public import Device
public import Memory

/// Puts outer fragments together, IPv4 and IPv6, in bounded memory and time (SPECIFICATION.md, M7).
///
/// Overlaps are never resolved: the whole packet goes, and what still comes of it (RFC 5722, for IPv4 too). An exact
/// repetition of a fragment (same place, same bytes) is dropped alone, as RFC 8200 section 4.5 allows. Fragments are
/// copied in; all memory is taken at the start. It reads no clock. One thread owns it.
public struct Reassembler: ~Copyable {
  /// Fragments of one packet at most: enough for 65,535 bytes in packets of 576.
  public static let mostFragments = 128

  /// What became of a fragment.
  public enum Answer: Sendable, BitwiseCopyable {
    /// Not a fragment: nothing was done with it.
    case notFragment
    /// Copied in; the frame's own buffer is free.
    case absorbed
    /// The last one: here is the packet, in a buffer of the arena, to be parsed from its beginning. The frame's own
    /// buffer is free.
    case whole(Frame)
    /// Dropped. Fragments taken in before that went with it are in ``Reassembler/takeLosses()``.
    case dropped(DropReason)
  }

  /// How many fragments that had been taken in were dropped since last asked, by reason.
  public struct Losses: Equatable, Sendable, BitwiseCopyable {
    /// ``DropReason/fragmentOverlap``.
    public var overlap = 0
    /// ``DropReason/fragmentTimeout``.
    public var timeout = 0
    /// ``DropReason/fragmentMemory``.
    public var memory = 0
    /// ``DropReason/fragmentMalformed``.
    public var malformed = 0
    /// ``DropReason/ecnNotCapable``.
    public var ecn = 0
    /// ``DropReason/noBuffer``.
    public var buffer = 0
    /// None.
    public init() {}

    /// Calls `body` with each reason that was met and its count.
    public func forEach(_ body: (DropReason, Int) -> Void) {
      if overlap > 0 { body(.fragmentOverlap, overlap) }
      if timeout > 0 { body(.fragmentTimeout, timeout) }
      if memory > 0 { body(.fragmentMemory, memory) }
      if malformed > 0 { body(.fragmentMalformed, malformed) }
      if ecn > 0 { body(.ecnNotCapable, ecn) }
      if buffer > 0 { body(.noBuffer, buffer) }
    }

    mutating func add(_ reason: DropReason, _ count: Int) {
      switch reason {
      case .fragmentOverlap: overlap &+= count
      case .fragmentTimeout: timeout &+= count
      case .fragmentMemory: memory &+= count
      case .ecnNotCapable: ecn &+= count
      case .noBuffer: buffer &+= count
      default: malformed &+= count
      }
    }
  }

  private var store: ReassemblyStore
  private let timeout: UInt64
  private var losses = Losses()

  /// A reassembler within `bounds`.
  ///
  /// - Parameter seed: of the hash, so that nobody outside can choose packets that collide.
  /// - Throws: ``ArenaError`` when there is no memory.
  public init(_ bounds: EndpointPolicy.Reassembly, seed: UInt64) throws(ArenaError) {
    store = try ReassemblyStore(bytes: bounds.bytes, seed: seed)
    timeout = bounds.timeout
  }

  /// Packets that are not whole, and those whose later fragments are still dropped.
  public var held: Int { store.used }
  /// Bytes that are free for data.
  public var room: Int { store.room &* ReassemblyStore.blockSize }

  /// Takes a fragment in.
  ///
  /// - Parameters:
  ///   - now: nanoseconds of the caller's clock.
  ///   - arena: where the whole packet is made.
  public mutating func take(
    _ frame: Frame, now: UInt64, arena: inout FrameArena, owner: UInt8
  ) -> Answer {
    expire(now: now)
    let fragment: FragmentView
    do throws(DropReason) {
      guard let view = try FragmentView(frame) else { return .notFragment }
      fragment = view
    } catch {
      return .dropped(error)
    }
    let id = packet(of: fragment, now: now)
    do throws(DropReason) {
      try admit(fragment, frame.bytes, to: id)
      guard try keep(fragment, frame.bytes, in: id) else { return .absorbed }
      return .whole(try finish(id, frame, &arena, owner))
    } catch {
      return .dropped(error)
    }
  }

  /// Drops what did not become whole in time.
  public mutating func expire(now: UInt64) {
    while store.oldest != 0, store.packets[Int(store.oldest) &- 1].deadline <= now {
      lose(store.oldest, .fragmentTimeout)
    }
  }

  /// The fragments that were taken in and dropped since the last call.
  public mutating func takeLosses() -> Losses {
    let result = losses
    losses = Losses()
    return result
  }

  /// The packet that the fragment belongs to; a new one takes the oldest one's place when there is no other.
  private mutating func packet(of fragment: FragmentView, now: UInt64) -> UInt32 {
    let known = store.find(fragment.key)
    if known != 0 { return known }
    let (sum, overflow) = now.addingReportingOverflow(timeout)
    let deadline = overflow ? UInt64.max : sum
    while true {
      if let id = store.add(fragment.key, deadline: deadline) { return id }
      lose(store.oldest, .fragmentMemory)
    }
  }

  /// Forgets `id`; the fragments that it had are lost.
  private mutating func lose(_ id: UInt32, _ reason: DropReason) {
    losses.add(reason, Int(store.packets[Int(id) &- 1].count))
    store.remove(id)
  }

  /// Drops what `id` has, and what will come of it until its time is over.
  private mutating func poison(_ id: UInt32, _ reason: DropReason) {
    let index = Int(id) &- 1
    losses.add(reason, Int(store.packets[index].count))
    store.empty(id)
    store.packets[index].poison = reason.rawValue
  }

  /// Whether the fragment can be one of the packet `id`.
  private mutating func admit(_ fragment: FragmentView, _ bytes: Bytes, to id: UInt32) throws(DropReason) {
    let index = Int(id) &- 1
    if let reason = DropReason(rawValue: store.packets[index].poison) { throw reason }
    let end = fragment.offset &+ fragment.length
    let known = Int(store.packets[index].end)
    let last = store.packets[index].last
    let reach = last == 0 ? 0 : reach(last)
    if known >= 0 && end > known || !fragment.more && end < reach {
      throw .fragmentMalformed
    }
    let ecn = store.packets[index].ecn | 1 << fragment.ecn
    // CE (3) on one and Not-ECT (0) on another: RFC 3168 section 5.3.
    if ecn & 0b1001 == 0b1001 {
      poison(id, .ecnNotCapable)
      throw .ecnNotCapable
    }
    if Int(store.packets[index].count) >= Self.mostFragments {
      poison(id, .fragmentMemory)
      throw .fragmentMemory
    }
  }

  private func reach(_ piece: UInt32) -> Int {
    let piece = store.pieces[Int(piece) &- 1]
    return Int(piece.offset) &+ Int(piece.length)
  }

  /// The piece that the fragment comes behind (0 for none); an overlap is thrown.
  private mutating func place(_ fragment: FragmentView, _ bytes: Bytes, in id: UInt32) throws(DropReason) -> UInt32 {
    let index = Int(id) &- 1
    let last = store.packets[index].last
    if last != 0, reach(last) <= fragment.offset { return last }
    var before: UInt32 = 0
    var next = store.packets[index].first
    while next != 0, reach(next) <= fragment.offset {
      before = next
      next = store.pieces[Int(next) &- 1].next
    }
    guard next != 0, Int(store.pieces[Int(next) &- 1].offset) < fragment.offset &+ fragment.length else {
      return before
    }
    let piece = store.pieces[Int(next) &- 1]
    let isRepetition =
      Int(piece.offset) == fragment.offset && Int(piece.length) == fragment.length
      && piece.more == fragment.more
      && store.holds(piece.block, bytes.slice(fragment.dataStart, count: fragment.length))
    if !isRepetition { poison(id, .fragmentOverlap) }
    throw .fragmentOverlap
  }

  /// Copies the fragment in; true when the packet is whole.
  private mutating func keep(_ fragment: FragmentView, _ bytes: Bytes, in id: UInt32) throws(DropReason) -> Bool {
    let index = Int(id) &- 1
    let before = try place(fragment, bytes, in: id)
    let isFirst = fragment.offset == 0
    try makeRoom(ReassemblyStore.blocks(for: fragment.length) &+ (isFirst ? 1 : 0), for: id)
    if isFirst {
      guard let header = store.store(bytes.slice(0, count: fragment.headerEnd)) else { throw .fragmentMemory }
      store.packets[index].header = header
      store.packets[index].headerLength = UInt16(truncatingIfNeeded: fragment.headerEnd)
      store.packets[index].l3 = UInt16(truncatingIfNeeded: fragment.l3)
      store.packets[index].typeField = UInt16(truncatingIfNeeded: fragment.typeField)
      store.packets[index].nextHeader = fragment.nextHeader
    }
    guard let block = store.store(bytes.slice(fragment.dataStart, count: fragment.length)) else {
      throw .fragmentMemory
    }
    let piece = ReassemblyStore.Piece(
      offset: UInt16(truncatingIfNeeded: fragment.offset), length: UInt16(truncatingIfNeeded: fragment.length),
      more: fragment.more, block: block)
    guard store.insert(piece, into: id, behind: before) else { throw .fragmentMemory }
    store.packets[index].have &+= Int32(truncatingIfNeeded: fragment.length)
    store.packets[index].ecn |= 1 << fragment.ecn
    if !fragment.more { store.packets[index].end = Int32(truncatingIfNeeded: fragment.offset &+ fragment.length) }
    return store.packets[index].have == store.packets[index].end
  }

  /// Sees that so many blocks are free, at the cost of the oldest packets; of `id` itself when it is the only one.
  private mutating func makeRoom(_ blocks: Int, for id: UInt32) throws(DropReason) {
    while store.room < blocks {
      var victim = store.oldest
      if victim == id { victim = store.packets[Int(id) &- 1].newer }
      guard victim != 0 else {
        lose(id, .fragmentMemory)
        throw .fragmentMemory
      }
      lose(victim, .fragmentMemory)
    }
  }

  /// The whole packet as a frame. `last` is the fragment that came last, already counted among the packet's.
  private mutating func finish(
    _ id: UInt32, _ last: Frame, _ arena: inout FrameArena, _ owner: UInt8
  ) throws(DropReason) -> Frame {
    let packet = store.packets[Int(id) &- 1]
    let header = Int(packet.headerLength)
    let l3 = Int(packet.l3)
    let length = header &+ Int(packet.end)
    // What a record can say, and what an IP header can.
    guard length <= 0xffff, length &- l3 &- (packet.key.isIPv6 ? 40 : 0) <= 0xffff else {
      return try fail(id, .fragmentMalformed)
    }
    guard var whole = try? arena.takeFrame(length: length, owner: owner) else { return try fail(id, .noBuffer) }
    whole.inPort = last.inPort
    whole.tenant = last.tenant
    whole.queue = last.queue
    let out = whole.bytes
    store.load(packet.header, length: header, into: out, at: 0)
    var piece = packet.first
    while piece != 0 {
      let part = store.pieces[Int(piece) &- 1]
      store.load(part.block, length: Int(part.length), into: out, at: header &+ Int(part.offset))
      piece = part.next
    }
    setHeader(out, packet, l3)
    store.remove(id)
    return whole
  }

  /// Drops the packet `id`, whose last fragment is dropped by the caller under the same name.
  private mutating func fail(_ id: UInt32, _ reason: DropReason) throws(DropReason) -> Frame {
    store.packets[Int(id) &- 1].count &-= 1
    lose(id, reason)
    throw reason
  }

  private func setHeader(_ out: Bytes, _ packet: ReassemblyStore.Packet, _ l3: Int) {
    let isCongested = packet.ecn & 0b1000 != 0
    if packet.key.isIPv6 {
      out.store(UInt16(truncatingIfNeeded: out.count &- l3 &- 40), at: l3 &+ 4)
      out[Int(packet.typeField)] = packet.nextHeader
      if isCongested { out[l3 &+ 1] |= 0x30 }
    } else {
      out.store(UInt16(truncatingIfNeeded: out.count &- l3), at: l3 &+ 2)
      out.store(out.u16(l3 &+ 6) & 0xc000, at: l3 &+ 6)
      if isCongested { out[l3 &+ 1] |= 3 }
      FrameSum.setIPv4Checksum(out, l3)
    }
  }
}
