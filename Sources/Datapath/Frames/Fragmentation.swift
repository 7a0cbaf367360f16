public import Device
public import Memory

/// Cuts an IPv4 packet without DF into fragments, each a whole frame with the same L2 header (RFC 791 section 2.3, S1).
///
/// A fragment may be cut again: its offset and MF are kept. Options without the copied flag stay in the first piece
/// only. A header checksum that was wrong stays wrong (RFC 1624), so that cutting hides no error. Pieces are made one at
/// a time; the source frame must keep its buffer until the last one was made.
public struct Fragmenter: BitwiseCopyable, Sendable {
  private let source: Frame
  private let l3: Int
  private let header: Int
  private let laterHeader: Int
  private let end: Int
  private let size: Int
  /// In units of 8 bytes, of the source's first byte of data.
  private let origin: Int
  private let moreFollow: Bool
  /// Where the next piece's data begins.
  private var at: Int
  private var done = false

  /// Looks at `frame`, paying the checksum it owes, if any: a fragment carries no debts.
  ///
  /// - Parameter size: the L3 length that no piece may be over, in bytes.
  /// - Throws: ``DropReason/tooBig`` when the packet must not (DF, segmentation owed, not IPv4) or cannot be cut (not even 8 bytes of data
  ///   fit, an offset would pass 65,535); ``DropReason/malformedDebt``.
  public init(_ frame: Frame, size: Int) throws(DropReason) {
    let bytes = frame.bytes
    guard let at = FrameWalk.networkOffset(frame),
      let layer = NetworkLayer(bytes, at: at, limit: bytes.count), !layer.isIPv6,
      frame.owed.isDisjoint(with: [.tcpSegmentation, .udpSegmentation])
    else { throw .tooBig }
    let field = bytes.u16(at &+ 6)
    header = Int(bytes[at] & 15) &* 4
    guard field & 0x4000 == 0, layer.length <= size || size >= header &+ 8 else { throw .tooBig }
    origin = Int(field & 0x1fff)
    // Behind 65,535 there is no offset: such a packet cannot be cut.
    guard origin &* 8 &+ layer.length <= 0xffff else { throw .tooBig }
    var paid = frame
    try PayDebts.pay(&paid)
    source = paid
    self.l3 = at
    end = layer.end
    self.size = size
    moreFollow = field & 0x2000 != 0
    laterHeader = Self.copiedOptions(bytes, at, header, into: nil)
    self.at = at &+ header
  }

  /// The next piece in a buffer of `arena`, or nil when all were made.
  ///
  /// - Throws: ``DropReason/noBuffer``; the call may be repeated.
  public mutating func next(_ arena: inout FrameArena, owner: UInt8) throws(DropReason) -> Frame? {
    let bytes = source.bytes
    let isFirst = at == l3 &+ header
    guard !done else { return nil }
    let ownHeader = isFirst ? header : laterHeader
    let room = size &- ownHeader
    let isLast = end &- at <= room
    let data = isLast ? end &- at : room & ~7
    var frame = try arena.takeFrame(length: l3 &+ ownHeader &+ data, owner: owner)
    frame.inherit(from: source)
    frame.outerL4 = 0
    let out = frame.bytes
    out.copy(bytes.slice(0, count: l3 &+ (isFirst ? header : 20)), at: 0)
    if !isFirst { _ = Self.copiedOptions(bytes, l3, header, into: out) }
    finish(out, ownHeader, isLast: isLast)
    out.copy(bytes.slice(at, count: data), at: l3 &+ ownHeader)
    at &+= data
    if isLast { done = true }
    return frame
  }

  /// Sets length, flags and offset of the piece at `out`, and brings the checksum along.
  private func finish(_ out: Bytes, _ ownHeader: Int, isLast: Bool) {
    let source = source.bytes
    let old = FrameSum.ipv4Header(source, l3)
    out[l3] = 0x40 | UInt8(truncatingIfNeeded: ownHeader &>> 2)
    out.store(UInt16(truncatingIfNeeded: out.count &- l3), at: l3 &+ 2)
    let units = origin &+ (at &- l3 &- header) &>> 3
    let flags = source.u16(l3 &+ 6) & 0x8000 | (isLast && !moreFollow ? 0 : 0x2000)
    out.store(flags | UInt16(truncatingIfNeeded: units), at: l3 &+ 6)
    let new = FrameSum.ipv4Header(out, l3)
    out.store(FrameSum.updated(source.u16(l3 &+ 10), old: old, new: new), at: l3 &+ 10)
  }

  /// Writes the options that have the copied flag behind the header at `at` of `out`, padded with end-of-list, and
  /// gives the header's length with them. A list that cannot be walked ends there.
  private static func copiedOptions(_ bytes: Bytes, _ at: Int, _ header: Int, into out: Bytes?) -> Int {
    var read = at &+ 20
    var write = at &+ 20
    let stop = at &+ header
    while read < stop, bytes[read] != 0 {
      if bytes[read] == 1 {
        read &+= 1
        continue
      }
      guard read &+ 2 <= stop else { break }
      let length = Int(bytes[read &+ 1])
      guard length >= 2, read &+ length <= stop else { break }
      if bytes[read] & 0x80 != 0 {
        if let out { out.copy(bytes.slice(read, count: length), at: write) }
        write &+= length
      }
      read &+= length
    }
    let end = at &+ (write &- at &+ 3) & ~3
    while write < end {
      if let out { out[write] = 0 }
      write &+= 1
    }
    return end &- at
  }
}
