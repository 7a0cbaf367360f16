public import Virtqueue

/// What a back end offers.
public struct BackendOptions: Sendable {
  /// Feature bits 0…63 that the driver may take; ``Features/protocolFeatures`` is added.
  public var features: Features
  /// Protocol features that the front end may take.
  public var protocolFeatures: ProtocolFeatures
  /// Queue pairs, 1…128.
  public var queuePairs: Int
  /// The longest ring, 1…32768.
  public var longestRing: Int
  /// Memory regions at most, 1…64.
  public var memorySlots: Int
  /// The device's configuration (virtio 1.2, 5.1.4), at most 256 bytes.
  public var configuration: [UInt8]
  /// Where packed rings are, for a successor of this process; nil: it is not kept.
  public var kept: KeptRings?

  /// Everything that needs nothing behind the port: merged buffers, indirect descriptors, events, both kinds of ring.
  public static let plainFeatures: Features = [
    .version1, .mrgRxbuf, .indirectDescriptors, .eventIndex, .ringPacked, .mq, .status, .mac, .mtu, .logAll,
  ]

  /// Offers of a network port.
  ///
  /// - Parameters:
  ///   - mac: the port's address, 6 bytes.
  ///   - mtu: the largest L3 packet.
  public init(
    features: Features = BackendOptions.plainFeatures, queuePairs: Int = 1, longestRing: Int = 32768,
    mac: [UInt8] = [2, 0, 0, 0, 0, 1], mtu: UInt16 = 1500
  ) {
    self.features = features
    self.queuePairs = max(1, min(128, queuePairs))
    self.longestRing = max(1, min(32768, longestRing))
    memorySlots = 32
    protocolFeatures = [
      .mq, .logShmFd, .replyAck, .netMtu, .config, .inflightShmFd, .resetDevice, .configureMemSlots, .status,
    ]
    configuration =
      Array((mac + [UInt8](repeating: 0, count: 6)).prefix(6)) + [1, 0]
      + Word.u16(UInt16(self.queuePairs)).bytes + Word.u16(mtu).bytes
  }
}
