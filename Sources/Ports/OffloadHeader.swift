/// What a virtio-net header says about its frame's debts (virtio 1.2 section 5.1.6): the first ten bytes of it, which
/// TAP devices, packet sockets and virtqueues have in common. Every number in it is the other side's word.
@frozen
public struct OffloadHeader: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// ``needsChecksum``, ``dataValid``.
  public var flags: UInt8 = 0
  /// ``none``, ``tcp4``, ``tcp6``, ``udp``, with ``ecn`` beside.
  public var type: UInt8 = 0
  /// Bytes of headers in front of the payload that is cut; a hint.
  public var headerLength: UInt16 = 0
  /// Payload bytes of each segment.
  public var segmentSize: UInt16 = 0
  /// Where the owed checksum's sum begins, from the frame's first byte.
  public var checksumStart: UInt16 = 0
  /// Where the owed checksum goes, from ``checksumStart``.
  public var checksumOffset: UInt16 = 0

  /// A header of a frame that owes nothing.
  @inlinable public init() {}

  /// VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum is owed.
  public static let needsChecksum: UInt8 = 1
  /// VIRTIO_NET_HDR_F_DATA_VALID: the outermost transport checksum was found right.
  public static let dataValid: UInt8 = 2
  /// VIRTIO_NET_HDR_GSO_NONE.
  public static let none: UInt8 = 0
  /// VIRTIO_NET_HDR_GSO_TCPV4.
  public static let tcp4: UInt8 = 1
  /// VIRTIO_NET_HDR_GSO_UDP: IP fragments of one datagram; nobody here agrees to it.
  public static let fragments: UInt8 = 3
  /// VIRTIO_NET_HDR_GSO_TCPV6.
  public static let tcp6: UInt8 = 4
  /// VIRTIO_NET_HDR_GSO_UDP_L4: UDP datagrams.
  public static let udp: UInt8 = 5
  /// VIRTIO_NET_HDR_GSO_ECN: the first segment alone has CWR.
  public static let ecn: UInt8 = 0x80
}

/// What is wrong with an ``OffloadHeader``.
public enum OffloadHeaderFault: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// The checksum's start or place is outside of the frame.
  case checksumOutside
  /// Segmentation without an owed checksum, or with one that is not the transport's.
  case segmentationWithoutChecksum
  /// Segments of 0 bytes.
  case segmentSizeZero
  /// The transport header that is to be repeated does not fit in the frame, or lies past what a record holds.
  case headersOutside
  /// A kind of segmentation that is not known, or that was not agreed on.
  case notAgreed
  /// The frame owes what the header has no words for.
  case cannotSay

  /// The name, in snake case.
  public var name: String {
    switch self {
    case .checksumOutside: "checksum_outside"
    case .segmentationWithoutChecksum: "segmentation_without_checksum"
    case .segmentSizeZero: "segment_size_zero"
    case .headersOutside: "headers_outside"
    case .notAgreed: "not_agreed"
    case .cannotSay: "cannot_say"
    }
  }

  /// One sentence for a user.
  public var sentence: String {
    switch self {
    case .checksumOutside: "The owed checksum lies outside of the frame."
    case .segmentationWithoutChecksum: "Segmentation is owed without the transport checksum that belongs to it."
    case .segmentSizeZero: "Segments of 0 bytes are asked for."
    case .headersOutside: "The headers that each segment repeats do not fit in the frame."
    case .notAgreed: "A kind of segmentation that was not agreed on is asked for."
    case .cannotSay: "The frame owes what a virtio-net header cannot say."
    }
  }
}
