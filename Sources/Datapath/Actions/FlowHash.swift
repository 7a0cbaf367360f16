import Memory
import Wire

/// The hash of a frame's own flow: source of entropy for the outer UDP port and of the choice of a queue.
///
/// Addresses and protocol; ports of TCP and UDP only where every packet of the flow has them, so never of fragments. A
/// frame without IP: its Ethernet addresses and type.
enum FlowHash {
  @inline(__always)
  static func hash(_ bytes: Bytes, _ layers: LayerStack) -> UInt32 {
    var ports: UInt64 = UInt64(layers.ipProto) << 32
    if layers.l4Kind == .udp || layers.l4Kind == .tcp {
      ports |= UInt64(bytes.u32(Int(layers.l4)))
    }
    let l3 = Int(layers.l3)
    if layers.l3Kind == .ipv4 {
      return mix(bytes.load(l3 &+ 12, as: UInt64.self), ports)
    }
    return wide(bytes, layers, ports)
  }

  @inline(never)
  private static func wide(_ bytes: Bytes, _ layers: LayerStack, _ ports: UInt64) -> UInt32 {
    let l3 = Int(layers.l3)
    if layers.l3Kind == .ipv6 {
      let source = mix(bytes.load(l3 &+ 8, as: UInt64.self), bytes.load(l3 &+ 16, as: UInt64.self))
      let destination = mix(bytes.load(l3 &+ 24, as: UInt64.self), bytes.load(l3 &+ 32, as: UInt64.self))
      return mix(UInt64(source) << 32 | UInt64(destination), ports)
    }
    guard layers.hasEthernet, bytes.count >= 14 else { return mix(0, ports) }
    return mix(bytes.load(0, as: UInt64.self), UInt64(bytes.u32(8)) << 16 | UInt64(layers.etherType))
  }

  /// One wide multiplication, both halves folded.
  @inline(__always)
  static func mix(_ left: UInt64, _ right: UInt64) -> UInt32 {
    let product = (left ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: right ^ 0xc2b2_ae3d_27d4_eb4f)
    let folded = product.high ^ product.low
    return UInt32(truncatingIfNeeded: folded ^ folded >> 32)
  }
}
