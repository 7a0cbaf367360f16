/// The virtio-net header in front of each frame (virtio 1.2, 5.1.6): what of the frame's checksum and segmentation is owed.
///
/// A plain value, in host byte order. What a peer writes into it is checked against the frame by ``fault(length:)``.
@frozen
public struct NetHeader: Equatable, Sendable, BitwiseCopyable {
  /// Bits of ``flags``.
  public enum Flag {
    /// The checksum at ``checksumStart`` + ``checksumOffset`` is to be completed.
    @inlinable public static var needsChecksum: UInt8 { 1 }
    /// The checksums were found right.
    @inlinable public static var dataValid: UInt8 { 2 }
    /// The outer UDP checksum is to be completed too.
    @inlinable public static var tunnelChecksum: UInt8 { 8 }
  }

  /// Kinds of segmentation in ``segmentation``, without its flags.
  public enum Segmentation {
    /// None.
    @inlinable public static var none: UInt8 { 0 }
    /// TCP over IPv4.
    @inlinable public static var tcp4: UInt8 { 1 }
    /// Fragmentation of UDP.
    @inlinable public static var udpFragments: UInt8 { 3 }
    /// TCP over IPv6.
    @inlinable public static var tcp6: UInt8 { 4 }
    /// UDP datagrams (USO).
    @inlinable public static var udp: UInt8 { 5 }
    /// Flag: what is inside a UDP tunnel over IPv4.
    @inlinable public static var tunnel4: UInt8 { 0x20 }
    /// Flag: what is inside a UDP tunnel over IPv6.
    @inlinable public static var tunnel6: UInt8 { 0x40 }
    /// Flag: TCP with ECN.
    @inlinable public static var ecn: UInt8 { 0x80 }
  }

  /// See ``Flag``.
  public var flags: UInt8 = 0
  /// See ``Segmentation``.
  public var segmentation: UInt8 = 0
  /// Bytes of headers in front of what is cut; a hint unless GUEST_HDRLEN was negotiated.
  public var headerLength: UInt16 = 0
  /// Payload bytes of each segment.
  public var segmentSize: UInt16 = 0
  /// Where the sum begins, from the frame's first byte.
  public var checksumStart: UInt16 = 0
  /// Where its result goes, from ``checksumStart``.
  public var checksumOffset: UInt16 = 0
  /// Buffers that a received frame lies in; 0 in frames that are sent.
  public var bufferCount: UInt16 = 0
  /// Offset of the outer UDP header; only in headers of 24 bytes.
  public var outerTransport: UInt16 = 0
  /// Offset of the inner IP header; only in headers of 24 bytes.
  public var innerNetwork: UInt16 = 0

  /// Nothing owed.
  @inlinable public init() {}

  /// From the first 8 bytes and the 4 behind them, as little-endian words.
  @inlinable
  public init(first: UInt64, second: UInt32) {
    flags = UInt8(truncatingIfNeeded: first)
    segmentation = UInt8(truncatingIfNeeded: first >> 8)
    headerLength = UInt16(truncatingIfNeeded: first >> 16)
    segmentSize = UInt16(truncatingIfNeeded: first >> 32)
    checksumStart = UInt16(truncatingIfNeeded: first >> 48)
    checksumOffset = UInt16(truncatingIfNeeded: second)
    bufferCount = UInt16(truncatingIfNeeded: second >> 16)
  }

  /// The first 8 bytes as a little-endian word.
  @inlinable
  public var first: UInt64 {
    UInt64(flags) | UInt64(segmentation) << 8 | UInt64(headerLength) << 16 | UInt64(segmentSize) << 32
      | UInt64(checksumStart) << 48
  }

  /// The 4 bytes behind them.
  @inlinable
  public var second: UInt32 { UInt32(checksumOffset) | UInt32(bufferCount) << 16 }

  // Header bytes in private memory, or in memory that is only written.
  @inline(__always)
  init(at place: UnsafeRawPointer, length: Int) {
    let first = unsafe place.loadUnaligned(as: UInt64.self).littleEndian
    if length == 10 {
      let second = unsafe place.loadUnaligned(fromByteOffset: 8, as: UInt16.self).littleEndian
      self.init(first: first, second: UInt32(second))
      return
    }
    self.init(first: first, second: unsafe place.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian)
    guard length == 24 else { return }
    outerTransport = unsafe place.loadUnaligned(fromByteOffset: 20, as: UInt16.self).littleEndian
    innerNetwork = unsafe place.loadUnaligned(fromByteOffset: 22, as: UInt16.self).littleEndian
  }

  @inline(__always)
  func write(to place: UnsafeMutableRawPointer, length: Int) {
    unsafe place.storeBytes(of: first.littleEndian, as: UInt64.self)
    if length == 10 {
      unsafe place.storeBytes(of: checksumOffset.littleEndian, toByteOffset: 8, as: UInt16.self)
      return
    }
    unsafe place.storeBytes(of: second.littleEndian, toByteOffset: 8, as: UInt32.self)
    guard length == 24 else { return }
    unsafe place.storeBytes(of: 0, toByteOffset: 12, as: UInt64.self)
    let tunnel = UInt32(outerTransport) | UInt32(innerNetwork) << 16
    unsafe place.storeBytes(of: tunnel.littleEndian, toByteOffset: 20, as: UInt32.self)
  }

  /// The kind of segmentation without its flags.
  @inlinable
  public var kind: UInt8 { segmentation & 0x1f }

  /// What is wrong with it for a frame of `length` bytes; nil when it can be carried out.
  @inlinable
  public func fault(length: Int) -> NetHeaderFault? {
    if flags & Flag.needsChecksum != 0, Int(checksumStart) + Int(checksumOffset) + 2 > length {
      return .checksumOutsideFrame
    }
    guard segmentation != 0 else { return nil }
    switch kind {
    case Segmentation.tcp4, Segmentation.tcp6, Segmentation.udp, Segmentation.udpFragments: break
    default: return .unknownSegmentation
    }
    if segmentSize == 0 { return .noSegmentSize }
    if flags & Flag.needsChecksum == 0 && kind != Segmentation.udpFragments { return .segmentationWithoutChecksum }
    if Int(headerLength) > length { return .headersOutsideFrame }
    return nil
  }
}

/// What is wrong with a virtio-net header. The frame is dropped under this name; the peer keeps its ring.
@frozen
public enum NetHeaderFault: UInt8, Error, CaseIterable, Sendable {
  /// The checksum's place is behind the frame's end.
  case checksumOutsideFrame = 1
  /// A kind of segmentation that virtio does not have.
  case unknownSegmentation
  /// Segments of no bytes.
  case noSegmentSize
  /// Segmentation without a checksum to complete.
  case segmentationWithoutChecksum
  /// Headers longer than the frame.
  case headersOutsideFrame
}
