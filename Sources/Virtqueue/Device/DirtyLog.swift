public import Memory

/// The bitmap in which a device marks the pages of the driver's memory that it wrote (vhost-user's log): bit n of byte
/// m is the page of 4096 bytes at address 4096·(8m + n). Others set bits in it at the same time.
@frozen
public struct DirtyLog: BitwiseCopyable, Sendable {
  let bits: SharedBytes

  /// A log in `bits`, whose memory the caller keeps as long as queues use it.
  public init(_ bits: SharedBytes) { self.bits = bits }

  /// Marks the pages of `count` bytes at `address`, after they were written. Pages behind the bitmap's end have no bit:
  /// the peer that made it too short does not learn of them.
  public func mark(_ address: UInt64, _ count: Int) {
    guard count > 0 else { return }
    let last = min((address &+ UInt64(count &- 1)) >> 12, UInt64(bits.count) << 3 &- 1)
    var page = address >> 12
    while page <= last, bits.count > 0 {
      bits.setBits8(1 << UInt8(page & 7), at: Int(page >> 3))
      page &+= 1
    }
  }
}
