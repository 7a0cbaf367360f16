import Device
import Rules

// Frames that scapy 2.5 built (python3-scapy), each with the expression that made it; inner() is the first.
enum Vectors {
  /// Ether/IP(src 10.0.0.1, dst 10.0.0.2, ttl 63, id 7, tos 2)/TCP(1234, 80, seq 1, PA)/"hello, overlay"
  static let inner = hex(
    """
    020000000002020000000001080045020036000700003f0667b70a0000010a00000204d20050000000010000000050182000c7e00000
    68656c6c6f2c206f7665726c6179
    """)
  /// Ether/IP(192.0.2.1 > 192.0.2.2, DF, tos 2)/UDP(0xc001, 6081)/GENEVE(vni 0x123456, critical, option 0102:80
  /// of one word 00010002)/inner
  static let geneve =
    hex(
      """
      02aa0000000202aa00000001080045020070000040004011b677c0000201c0000202c00117c1005c5ac4024065581234560001028001
      00010002
      """) + inner
  /// Ether/IPv6(fd00::1 > fd00::2, tc 1, hlim 9)/UDP(5, 6)/"abc"
  static let inner6 = hex(
    """
    02000000000202000000000186dd60100000000b1109fd000000000000000000000000000001fd00000000000000000000000000000200
    050006000b4166616263
    """)
  /// Ether/IPv6(2001:db8::1 > 2001:db8::2, tc 1)/UDP(0xc002, 4789)/VXLAN(vni 0x77)/inner6
  static let vxlan6 =
    hex(
      """
      02aa0000000202aa0000000186dd601000000051114020010db800000000000000000000000120010db8000000000000000000000002c002
      12b5005156360800000000007700
      """) + inner6
  /// Ether/IP(DF, tos 2)/GRE(key 0x00500007, proto 0x6558)/inner
  static let nvgre =
    hex(
      "02aa0000000202aa0000000108004502006000004000402fb669c0000201c00002022000655800500007") + Array(inner)
  /// Ether/IP(DF)/GRE(checksum, proto 0x0800)/inner[IP]
  static let gre =
    hex("02aa0000000202aa0000000108004500005200004000402fb679c0000201c0000202800008008c2a0000")
    + Array(inner.dropFirst(14))

  /// Ethernet addresses of the outer headers above.
  static let outerEthernet = Array(geneve.prefix(12))

  /// A template of the first `count` bytes of a vector, with the fields that the device fills in wiped.
  static func template(
    _ vector: [UInt8], _ count: Int, _ kind: TunnelKind, isIPv6: Bool = false, port: UInt16? = nil,
    policy: EncapsulationPolicy = EncapsulationPolicy()
  ) -> Encapsulation {
    var header = Array(vector.prefix(count))
    let l4 = isIPv6 ? 54 : 34
    if isIPv6 {
      header.replaceSubrange(18..<20, with: [0, 0])
    } else {
      header.replaceSubrange(16..<18, with: [0, 0])
      header.replaceSubrange(24..<26, with: [0, 0])
    }
    if kind == .geneve || kind == .vxlan {
      if let port { header.replaceSubrange(l4..<l4 + 2, with: [UInt8(port >> 8), UInt8(port & 255)]) }
      header.replaceSubrange(l4 + 4..<l4 + 8, with: [0, 0, 0, 0])
    }
    return Encapsulation(header: header, kind: kind, l3: 14, l4: l4, isIPv6: isIPv6, policy: policy)
  }

  /// An overlay with the vectors' templates (1 geneve, 2 vxlan6, 3 nvgre, 4 gre) and their removals.
  static func overlay() -> Overlay {
    var overlay = Overlay.somePortsOnly
    var fixed = EncapsulationPolicy()
    fixed.ecn = .copy
    overlay.encapsulations = [
      1: template(geneve, 58, .geneve, policy: fixed), 2: template(vxlan6, 70, .vxlan, isIPv6: true),
      3: template(nvgre, 42, .nvgre), 4: template(gre, 42, .gre),
      5: Encapsulation(header: outerEthernet + [0, 0], kind: .none, l3: 0, l4: 0, isIPv6: false, policy: fixed),
    ]
    overlay.decapsulations = [
      1: .tunnel(.geneve), 2: .tunnel(.vxlan), 3: .tunnel(.nvgre), 4: .tunnel(.gre), 5: .ethernet,
    ]
    // The option of the Geneve vector is critical, and known here.
    overlay.endpoint.knownCriticalOptions = [0x010280]
    return overlay
  }
}
