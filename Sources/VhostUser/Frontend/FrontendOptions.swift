public import Virtqueue

/// What a front end wants of a device.
public struct FrontendOptions: Sendable {
  /// Feature bits 0…63 that are taken where the device offers them.
  public var features: Features
  /// Feature bits without which it does not go on.
  public var required: Features
  /// Queue pairs; fewer where the device has fewer.
  public var queuePairs: Int
  /// Descriptors of each ring, 1…32768; a power of two.
  public var ringSize: Int
  /// Bytes of each shared buffer, a multiple of 64.
  public var bufferSize: Int
  /// How long an answer may take, in nanoseconds of the caller's clock.
  public var patience: UInt64

  /// A driver of plain frames.
  ///
  /// - Parameter isPacked: whether packed rings are required; else split ones are used.
  public init(isPacked: Bool = false, queuePairs: Int = 1, ringSize: Int = 256, bufferSize: Int = 2048) {
    features = [.version1, .mrgRxbuf, .indirectDescriptors, .eventIndex]
    required = [.version1]
    if isPacked {
      features.insert(.ringPacked)
      required.insert(.ringPacked)
    }
    self.queuePairs = max(1, min(128, queuePairs))
    self.ringSize = ringSize
    self.bufferSize = bufferSize
    patience = 5_000_000_000
  }
}
