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

/// Where the headers of a frame with debts are: found in the bytes themselves, so that a record that lies does no harm.
struct FrameWalk: BitwiseCopyable {
  /// Which tunnel's header stands between the two IP packets.
  enum Tunnel: UInt8, BitwiseCopyable {
    case none = 0, geneve, vxlan, otherUDP, gre
    var isUDP: Bool { self != .none && self != .gre }
  }

  /// The outer (or only) IP packet.
  var outer: NetworkLayer
  /// What is inside the tunnel; not there without a tunnel, or without IP in it.
  var inner = NetworkLayer()
  /// Which tunnel was found.
  var tunnel = Tunnel.none
  /// Offset of what is inside the tunnel; 0 without a tunnel.
  var innerStart = 0

  /// The innermost IP packet.
  var innermost: NetworkLayer { inner.isThere ? inner : outer }

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

  /// Of no frame.
  init() { outer = NetworkLayer() }

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
      inner = NetworkLayer(bytes, at: l3, limit: outer.end) ?? NetworkLayer()
    case 0, 0x0800, 0x86dd:
      guard let layer = NetworkLayer(bytes, at: at, limit: outer.end) else { return }
      guard type == 0 || (type == 0x86dd) == layer.isIPv6 else { return }
      inner = layer
    default: return
    }
  }
}
