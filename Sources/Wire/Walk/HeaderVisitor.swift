/// Where a header stands.
@frozen
public struct HeaderPlace: Equatable, Sendable {
  /// Bytes from the frame's start.
  public var offset: Int
  /// Inside of a tunnel.
  public var isInner: Bool

  /// A place.
  public init(offset: Int, isInner: Bool) {
    self.offset = offset
    self.isInner = isInner
  }
}

/// Takes the headers of a frame one by one from ``FrameWalk``. What it does not implement is passed over.
public protocol HeaderVisitor {
  /// Ethernet II.
  mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace)
  /// A VLAN tag, outermost first; the place is its TCI's.
  mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace)
  /// ARP.
  mutating func visit(_ view: borrowing ARPView, at place: HeaderPlace)
  /// IPv4.
  mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace)
  /// IPv6.
  mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace)
  /// An IPv6 extension header.
  mutating func visit(_ view: borrowing IPv6ExtensionView, at place: HeaderPlace)
  /// UDP.
  mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace)
  /// TCP.
  mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace)
  /// ICMP under IPv4.
  mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace)
  /// ICMPv6 under IPv6.
  mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace)
  /// ESP's readable part.
  mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace)
  /// Geneve.
  mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace)
  /// VXLAN.
  mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace)
  /// GRE, NVGRE included.
  mutating func visit(_ view: borrowing GREView, at place: HeaderPlace)
}

extension HeaderVisitor {
  /// Passed over.
  public mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing ARPView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing IPv6ExtensionView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace) {}
  /// Passed over.
  public mutating func visit(_ view: borrowing GREView, at place: HeaderPlace) {}
}
