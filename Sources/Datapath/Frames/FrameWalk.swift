import Device
import Memory

/// UDP ports by which tunnels are told apart.
@frozen
public struct TunnelPorts: Equatable, Sendable, BitwiseCopyable {
  /// Geneve's.
  public var geneve: UInt16
  /// VXLAN's.
  public var vxlan: UInt16
  /// IANA's, unless told otherwise.
  @inlinable
  public init(geneve: UInt16 = 6081, vxlan: UInt16 = 4789) {
    self.geneve = geneve
    self.vxlan = vxlan
  }
}

/// One IP packet's headers in a frame (SPECIFICATION.md, P3–P6). Offsets count from the frame's first byte.
struct NetworkLayer: BitwiseCopyable {
  /// The IP header.
  var l3 = 0
  /// Behind the IP packet's last byte; what follows is padding.
  var end = 0
  /// The transport header; 0 when there is none to be found (a fragment, a chain that does not fit).
  var l4 = 0
  /// IPv4's protocol, or the type behind IPv6's extension headers.
  var proto: UInt8 = 0
  var isIPv6 = false
  /// First fragments included.
  var isFragment = false
  /// A fragment other than the first: no transport header is in it.
  var isLaterFragment = false
  /// Offset of IPv6's fragment header, the last one when all are atomic; 0 without.
  var fragmentHeader = 0
  /// Offset of the byte that holds the type of the header at `l4` (for IPv6 fragments: of the fragment header).
  var typeField = 0
  /// An authentication header covers what follows.
  var isAuthenticated = false
  /// Where the destination of the pseudo-header is (RFC 8200 section 8.1).
  var finalDestination = 0

  /// The IP packet that begins at `at`, which must end at `limit` or before; nil when there is none.
  init?(_ bytes: Bytes, at: Int, limit: Int) {
    guard at >= 0, limit &- at >= 20 else { return nil }
    l3 = at
    switch bytes[at] >> 4 {
    case 4:
      let header = Int(bytes[at] & 15) &* 4
      let total = Int(bytes.u16(at &+ 2))
      guard header >= 20, header <= total, total <= limit &- at else { return nil }
      end = at &+ total
      proto = bytes[at &+ 9]
      typeField = at &+ 9
      let fragment = bytes.u16(at &+ 6)
      isFragment = fragment & 0x3fff != 0
      isLaterFragment = fragment & 0x1fff != 0
      finalDestination = at &+ 16
      if !isLaterFragment { l4 = at &+ header }
    case 6:
      let payload = limit &- at >= 40 ? Int(bytes.u16(at &+ 4)) : Int.max
      guard payload <= limit &- at &- 40 else { return nil }
      isIPv6 = true
      end = at &+ 40 &+ payload
      proto = bytes[at &+ 6]
      typeField = at &+ 6
      finalDestination = at &+ 24
      walkExtensions(bytes)
    default: return nil
    }
  }

  /// At most eight extension headers (P4). Sets `l4` when it comes to one that is none of them.
  private mutating func walkExtensions(_ bytes: Bytes) {
    var at = l3 &+ 40
    for _ in 0...8 {
      guard proto == 0 || proto == 43 || proto == 44 || proto == 51 || proto == 60 else {
        l4 = at
        return
      }
      guard end &- at >= 8 else { return }
      let units = Int(bytes[at &+ 1])
      let length = proto == 44 ? 8 : proto == 51 ? (units &+ 2) &* 4 : (units &+ 1) &* 8
      guard length <= end &- at else { return }
      switch proto {
      case 43: routing(bytes, at, length)
      case 51: isAuthenticated = true
      case 44:
        if !isFragment { fragmentHeader = at }
        let field = bytes.u16(at &+ 2)
        if field & 0xfff9 != 0 { isFragment = true }
        if field & 0xfff8 != 0 {
          isLaterFragment = true
          proto = bytes[at]
          return
        }
      default: break
      }
      proto = bytes[at]
      if !isFragment { typeField = at }
      at &+= length
    }
  }

  /// The final destination of a routing header with segments left: a segment list's first entry (RFC 8754), else the
  /// last address.
  private mutating func routing(_ bytes: Bytes, _ at: Int, _ length: Int) {
    guard bytes[at &+ 3] != 0, length >= 24 else { return }
    finalDestination = bytes[at &+ 2] == 4 ? at &+ 8 : at &+ length &- 16
  }

  /// Bytes from the IP header's start to the packet's end.
  var length: Int { end &- l3 }
}

/// Where the headers of a frame with debts are: found in the bytes themselves, so that a record that lies does no harm.
struct FrameWalk: BitwiseCopyable {
  /// Which tunnel's header stands between the two IP packets.
  enum Tunnel: UInt8, BitwiseCopyable {
    case none = 0, geneve, vxlan, otherUDP, gre
    var isUDP: Bool { self != .none && self != .gre }
  }

  /// The outer (or only) IP packet.
  var outer: NetworkLayer
  /// What is inside the tunnel; nil without a tunnel, or without IP in it.
  var inner: NetworkLayer?
  /// Which tunnel was found.
  var tunnel = Tunnel.none
  /// Offset of what is inside the tunnel; 0 without a tunnel.
  var innerStart = 0

  /// The innermost IP packet.
  var innermost: NetworkLayer { inner ?? outer }

  /// Where IP begins behind Ethernet (at most two tags) at `start`, or nil when no IP type stands there.
  static func networkOffset(_ bytes: Bytes, start: Int = 0, limit: Int) -> Int? {
    guard limit &- start >= 14 else { return nil }
    var type = bytes.u16(start &+ 12)
    var at = start &+ 14
    var tags = 0
    while type == 0x8100 || type == 0x88a8 || type == 0x9100, tags < 2, at &+ 4 <= limit {
      type = bytes.u16(at &+ 2)
      at &+= 4
      tags &+= 1
    }
    guard
      type == 0x0800 && limit &- at > 0 && bytes[at] >> 4 == 4
        || type == 0x86dd && limit &- at > 0 && bytes[at] >> 4 == 6
    else { return nil }
    return at
  }

  /// Where `frame`'s own IP header is: at its start when it has no Ethernet.
  static func networkOffset(_ frame: Frame) -> Int? {
    if frame.steps.contains(.startsAtIP) { return 0 }
    return networkOffset(frame.bytes, limit: frame.length)
  }

  /// Walks `frame`. With `intoTunnel`, what is inside is looked for: by the ports for
  /// Geneve and VXLAN, in GRE, else where the record says.
  init?(_ frame: Frame, ports: TunnelPorts, intoTunnel: Bool) {
    let bytes = frame.bytes
    guard let l3 = Self.networkOffset(frame),
      let outer = NetworkLayer(bytes, at: l3, limit: bytes.count)
    else { return nil }
    self.outer = outer
    guard intoTunnel, outer.l4 > 0, !outer.isFragment else { return }
    if outer.proto == 17 {
      enterUDP(bytes, frame, ports)
    } else if outer.proto == 47 {
      enterGRE(bytes)
    }
  }

  private mutating func enterUDP(_ bytes: Bytes, _ frame: Frame, _ ports: TunnelPorts) {
    let payload = outer.l4 &+ 8
    guard payload &+ 8 <= outer.end else { return }
    let length = Int(bytes.u16(outer.l4 &+ 4))
    guard length >= 8, length <= outer.end &- outer.l4 else { return }
    let destination = bytes.u16(outer.l4 &+ 2)
    if destination == ports.geneve {
      enter(bytes, .geneve, payload &+ 8 &+ Int(bytes[payload] & 0x3f) &* 4, type: bytes.u16(payload &+ 2))
    } else if destination == ports.vxlan {
      enter(bytes, .vxlan, payload &+ 8, type: 0x6558)
    } else if frame.innerL2 >= payload {
      enter(bytes, .otherUDP, frame.innerL2, type: frame.innerL3 == frame.innerL2 ? 0 : 0x6558)
    }
  }

  private mutating func enterGRE(_ bytes: Bytes) {
    guard outer.l4 &+ 4 <= outer.end else { return }
    let flags = bytes.u16(outer.l4)
    var at = outer.l4 &+ 4
    if flags & 0x8000 != 0 { at &+= 4 }
    if flags & 0x2000 != 0 { at &+= 4 }
    if flags & 0x1000 != 0 { at &+= 4 }
    enter(bytes, .gre, at, type: bytes.u16(outer.l4 &+ 2))
  }

  /// What is inside, from `at`; `type` 0 for IP of either version.
  private mutating func enter(_ bytes: Bytes, _ kind: Tunnel, _ at: Int, type: UInt16) {
    guard at <= outer.end else { return }
    tunnel = kind
    innerStart = at
    switch type {
    case 0x6558:
      guard let l3 = Self.networkOffset(bytes, start: at, limit: outer.end) else { return }
      inner = NetworkLayer(bytes, at: l3, limit: outer.end)
    case 0, 0x0800, 0x86dd:
      guard let layer = NetworkLayer(bytes, at: at, limit: outer.end) else { return }
      guard type == 0 || (type == 0x86dd) == layer.isIPv6 else { return }
      inner = layer
    default: return
    }
  }
}
