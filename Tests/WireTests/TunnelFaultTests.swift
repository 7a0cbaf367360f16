import Testing
import Wire

@Suite("Tunnel faults")
struct TunnelFaultTests {
  private let ethernet = [UInt8](repeating: 2, count: 14)

  private func fault(proto: UInt8, _ payload: [UInt8]) -> TunnelFault? {
    let total = 20 + payload.count
    let frame =
      hex("020202020202 010101010101 0800 4500") + [UInt8(total >> 8), UInt8(total & 255)]
      + hex("00004000 40") + [proto] + hex("0000 0a000001 0a000002") + payload
    return try? HeaderStack.parse(frame.span.octets, options: ParseOptions()).fault
  }
  private func udp(_ port: String, _ text: String, _ inside: [UInt8]) -> TunnelFault? {
    let payload = hex(text) + inside
    return fault(proto: 17, hex("c000" + port) + [0, UInt8(payload.count + 8), 0, 0] + payload)
  }
  private func geneve(_ text: String, _ inside: [UInt8]) -> TunnelFault? { udp("17c1", text, inside) }
  private func vxlan(_ text: String, _ inside: [UInt8]) -> TunnelFault? { udp("12b5", text, inside) }
  private func gre(_ text: String, _ inside: [UInt8]) -> TunnelFault? { fault(proto: 47, hex(text) + inside) }

  @Test("What is inside must have its first header whole: one byte less is inner_truncated, in every tunnel")
  func innerTruncated() {
    for (type, least) in [("6558", 14), ("0800", 20), ("86dd", 40)] {
      for (room, expected) in [(least - 1, TunnelFault.innerTruncated), (least, .none)] {
        let inside = [UInt8](repeating: 2, count: room)
        #expect(geneve("0000" + type + "00000100", inside) == expected)
        #expect(geneve("0100" + type + "00000100 01020000", inside) == expected)
        #expect(gre("0000" + type, inside) == expected)
        #expect(gre("3000" + type + "00000001 00000002", inside) == expected)
        if least == 14 { #expect(vxlan("0800000000000100", inside) == expected) }
      }
    }
  }

  @Test("Geneve: each fault at its border, the earlier of two")
  func geneveFaults() {
    #expect(geneve("00006558000001", []) == .tunnelTruncated)
    #expect(geneve("4000655800000100", ethernet) == .geneveVersion)
    #expect(geneve("0400655800000100", [1, 2, 0, 0]) == .tunnelTruncated)
    #expect(geneve("4400655800000100", [1, 2, 0, 0]) == .geneveVersion)
    #expect(geneve("0100655800000100 01020001", ethernet) == .geneveOptions)
    #expect(geneve("0180655800000100 01020001", ethernet) == .geneveOptions)
    #expect(geneve("0080655800000100", ethernet) == .geneveControl)
    #expect(geneve("0180655800000100 01028000", ethernet) == .geneveControl)
    #expect(geneve("0100655800000100 01028000", ethernet) == .geneveCriticalBit)
    #expect(geneve("0140655800000100 01028000", ethernet) == .geneveCriticalOption)
    #expect(geneve("0240080600000100 01020000 01028000", []) == .geneveCriticalOption)
    #expect(geneve("0140655800000100 01020000", ethernet) == TunnelFault.none)
    #expect(geneve("0000080600000100", ethernet) == .tunnelProtocol)
    // Reserved bits are ignored.
    #expect(geneve("003f6558000001ff", ethernet) == TunnelFault.none)
    #expect(geneve("0100655800000100 010200e0", ethernet) == TunnelFault.none)
  }

  @Test("VXLAN and GRE: each fault at its border, the earlier of two")
  func vxlanAndGRE() {
    #expect(vxlan("08000000000001", []) == .tunnelTruncated)
    #expect(vxlan("f7000000000001ff", []) == .vxlanNoVNI)
    #expect(vxlan("ffffffff000001ff", ethernet) == TunnelFault.none)
    for tag in ["8100", "88a8", "9100"] {
      #expect(vxlan("0800000000000100", Array(ethernet.prefix(12)) + hex(tag)) == .vxlanInnerVLAN)
    }
    #expect(vxlan("0800000000000100", Array(ethernet.prefix(11)) + hex("8100")) == .innerTruncated)
    for bit in [0x4000, 0x0800, 0x0100, 0x0008, 0x0001, 0x0004] {
      #expect(fault(proto: 47, [UInt8(bit >> 8), UInt8(bit & 255), 8, 6]) == .greReserved)
    }
    #expect(gre("20006558000000", []) == .tunnelTruncated)
    #expect(gre("b0006558 00000000 00000000 000000", []) == .tunnelTruncated)
    #expect(gre("80000806 0000 0000", ethernet) == .greChecksum)
    #expect(gre("80000806 77f9 0000", []) == .tunnelProtocol)
    #expect(gre("00000806", ethernet) == .tunnelProtocol)
  }
}
