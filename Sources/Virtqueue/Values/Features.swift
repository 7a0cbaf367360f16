/// Feature bits of a virtio device, 0…127. Bits from 64 up do not exist for peers that no one here wrote: they are only
/// offered between our own sides, and only when that is asked for (``negotiated(with:ownSides:)``).
@frozen
public struct Features: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// Bits 0…127.
  public var rawValue: UInt128
  /// From bits.
  @inlinable public init(rawValue: UInt128) { self.rawValue = rawValue }
  /// From bits 0…63, as vhost-user carries them.
  @inlinable public init(low: UInt64) { rawValue = UInt128(low) }
  /// The feature of one bit number, 0…127.
  @inlinable public static func bit(_ number: Int) -> Features { Features(rawValue: 1 << UInt128(number & 127)) }
  /// Bits 0…63.
  @inlinable public var low: UInt64 { UInt64(truncatingIfNeeded: rawValue) }

  // virtio-net (virtio 1.2, 5.1.3)
  /// The device completes partial checksums of frames that the driver sends.
  @inlinable public static var csum: Features { bit(0) }
  /// The driver takes frames with partial checksums.
  @inlinable public static var guestCsum: Features { bit(1) }
  /// The device's maximum MTU is in its configuration.
  @inlinable public static var mtu: Features { bit(3) }
  /// The device's MAC address is in its configuration.
  @inlinable public static var mac: Features { bit(5) }
  /// The driver takes TCP over IPv4 that is to be segmented.
  @inlinable public static var guestTso4: Features { bit(7) }
  /// The driver takes TCP over IPv6 that is to be segmented.
  @inlinable public static var guestTso6: Features { bit(8) }
  /// The driver takes such frames with ECN.
  @inlinable public static var guestEcn: Features { bit(9) }
  /// The driver takes UDP that is to be fragmented.
  @inlinable public static var guestUfo: Features { bit(10) }
  /// The device segments TCP over IPv4.
  @inlinable public static var hostTso4: Features { bit(11) }
  /// The device segments TCP over IPv6.
  @inlinable public static var hostTso6: Features { bit(12) }
  /// The device segments TCP with ECN.
  @inlinable public static var hostEcn: Features { bit(13) }
  /// The device fragments UDP.
  @inlinable public static var hostUfo: Features { bit(14) }
  /// A received frame may lie in several buffers.
  @inlinable public static var mrgRxbuf: Features { bit(15) }
  /// The link's state is in the configuration.
  @inlinable public static var status: Features { bit(16) }
  /// There are several pairs of queues.
  @inlinable public static var mq: Features { bit(22) }
  /// The driver takes UDP that is to be segmented (USO), over IPv4 and IPv6.
  @inlinable public static var guestUso4: Features { bit(54) }
  /// See ``guestUso4``.
  @inlinable public static var guestUso6: Features { bit(55) }
  /// The device segments UDP (USO).
  @inlinable public static var hostUso: Features { bit(56) }

  // vhost
  /// Every write to the driver's memory is logged (vhost).
  @inlinable public static var logAll: Features { bit(26) }
  /// Protocol features are understood (vhost-user).
  @inlinable public static var protocolFeatures: Features { bit(30) }

  // Rings (virtio 1.2, 6)
  /// A descriptor may refer to a table of descriptors.
  @inlinable public static var indirectDescriptors: Features { bit(28) }
  /// Events are suppressed up to an index.
  @inlinable public static var eventIndex: Features { bit(29) }
  /// virtio 1.0 and later: little-endian, a header of 12 bytes.
  @inlinable public static var version1: Features { bit(32) }
  /// Packed rings.
  @inlinable public static var ringPacked: Features { bit(34) }

  // Only between our own sides.
  /// The driver takes segmentation of what is inside a UDP tunnel.
  @inlinable public static var guestUdpTunnelGso: Features { bit(65) }
  /// The device segments what is inside a UDP tunnel.
  @inlinable public static var hostUdpTunnelGso: Features { bit(67) }

  /// What of these features holds when the other side wants `wanted`. Bits from 64 up hold only between `ownSides`.
  @inlinable
  public func negotiated(with wanted: Features, ownSides: Bool = false) -> Features {
    let both = intersection(wanted)
    return ownSides ? both : Features(low: both.low)
  }

  /// Bytes of the virtio-net header that these features ask for: 24 with tunnel segmentation, 12 from virtio 1.0 or
  /// with mergeable buffers, else 10.
  @inlinable
  public var netHeaderLength: Int {
    if !isDisjoint(with: [.guestUdpTunnelGso, .hostUdpTunnelGso]) { return 24 }
    return isDisjoint(with: [.version1, .mrgRxbuf]) ? 10 : 12
  }
}
