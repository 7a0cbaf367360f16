/// How much memory a live port has, and so how many frames may be out at once.
public struct PortSizes: Equatable, Sendable {
  /// Buffers of 2048 bytes of frame, 32…2^22.
  public var small: Int
  /// Buffers of 65,536 bytes of frame, 32…2^16; memory is paid for when it is touched first.
  public var large: Int

  /// Sizes; numbers out of range are moved into it.
  public init(small: Int = 2048, large: Int = 256) {
    self.small = min(max(small, 32), 1 << 22)
    self.large = min(max(large, 32), 1 << 16)
  }
}
