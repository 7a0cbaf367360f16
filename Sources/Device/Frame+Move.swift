public import Memory

extension Frame {
  /// The same frame in another buffer, whose bytes from `headroom` on are already a copy of ``bytes``. Everything known
  /// and owed comes along; the token is the new buffer's.
  ///
  /// Traps when the frame does not fit, as ``init(buffer:headroom:length:token:)`` does.
  public func moved(to buffer: Bytes, headroom: Int, token: UInt32) -> Frame {
    var copy = Frame(buffer: buffer, headroom: headroom, length: length, token: token)
    copy.rule = rule
    copy.tunnelKey = tunnelKey
    copy.association = association
    copy.sequence = sequence
    copy.flowHash = flowHash
    copy.inPort = inPort
    copy.tenant = tenant
    copy.group = group
    copy.segmentSize = segmentSize
    copy.steps = steps
    copy.queue = queue
    copy.outerL3 = outerL3
    copy.outerL4 = outerL4
    copy.innerL2 = innerL2
    copy.innerL3 = innerL3
    copy.innerL4 = innerL4
    copy.checksumStart = checksumStart
    copy.checksumOffset = checksumOffset
    copy.owed = owed
    copy.segmentHeaderLength = segmentHeaderLength
    copy.checksums = checksums
    copy.outcome = outcome
    return copy
  }
}
