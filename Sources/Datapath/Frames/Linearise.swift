public import Device
public import Memory

extension FrameArena {
  /// Copies a frame of several segments, chained by ``Device/Frame/next``, into one buffer of this arena; what is owed
  /// stays owed. The steps of this folder work on frames of one segment.
  ///
  /// - Parameter burst: the burst whose segments ``Device/Frame/next`` counts in. Segments may be empty.
  /// - Throws: ``DropReason/malformedDebt`` when the chain leaves the table, goes in a circle, or is over 65,535 bytes;
  ///   ``DropReason/noBuffer``.
  public mutating func linearise(
    _ frame: Frame, burst: borrowing FrameBurst, owner: UInt8
  ) throws(DropReason) -> Frame {
    var total = frame.length
    var next = Int(frame.next)
    var links = 0
    while next != 0 {
      guard next <= burst.segmentCount, links < burst.segmentCount else { throw .malformedDebt }
      total &+= burst.segment(next &- 1).length
      guard total <= 0xffff else { throw .malformedDebt }
      next = Int(burst.segment(next &- 1).next)
      links &+= 1
    }
    var whole = try takeFrame(length: total, owner: owner)
    whole.inherit(from: frame)
    whole.segmentSize = frame.segmentSize
    whole.owed = frame.owed
    whole.checksums = frame.checksums
    whole.checksumStart = frame.checksumStart
    whole.checksumOffset = frame.checksumOffset
    whole.segmentHeaderLength = frame.segmentHeaderLength
    let out = whole.bytes
    out.copy(frame.bytes, at: 0)
    var at = frame.length
    next = Int(frame.next)
    while next != 0 {
      let piece = burst.segment(next &- 1)
      if piece.length > 0 { out.copy(piece.bytes, at: at) }
      at &+= piece.length
      next = Int(piece.next)
    }
    return whole
  }
}
