public import Device
public import Memory

extension FrameArena {
  /// Takes a buffer for a frame of `length` bytes. It has the arena's headroom in front, or less where the frame would
  /// not fit otherwise.
  ///
  /// - Parameter owner: the top byte of the token, by which the buffer finds its way back to this arena.
  /// - Throws: ``DropReason/noBuffer`` when no buffer is free or the frame does not fit in one.
  @inlinable
  public mutating func takeFrame(length: Int, owner: UInt8) throws(DropReason) -> Frame {
    guard length <= bufferSize, length <= 0xffff, let index = take() else { throw .noBuffer }
    let room = min(headroom, bufferSize &- length)
    return Frame(buffer: buffer(index), headroom: room, length: length, token: UInt32(owner) << 24 | index)
  }

  /// Gives the buffer of a frame of this arena back.
  @inlinable
  public mutating func giveBack(_ frame: Frame) { give(frame.token & 0xff_ffff) }
}

extension Frame {
  /// Takes over what `other` knows of the frame (port, tenant, rule, steps, offsets …), but not its memory and debts.
  @inlinable
  mutating func inherit(from other: Frame) {
    rule = other.rule
    tunnelKey = other.tunnelKey
    association = other.association
    sequence = other.sequence
    flowHash = other.flowHash
    inPort = other.inPort
    tenant = other.tenant
    group = other.group
    steps = other.steps
    queue = other.queue
    outcome = other.outcome
    outerL3 = other.outerL3
    outerL4 = other.outerL4
    innerL2 = other.innerL2
    innerL3 = other.innerL3
    innerL4 = other.innerL4
  }
}
