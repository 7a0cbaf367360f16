import Testing
import Wire

@Suite("Errors say where, what was needed and what was there")
struct WireErrorTests {
  private func failure<V: WireValue>(_ type: V.Type, _ text: String, offset: Int = 100) -> WireError? {
    do {
      _ = try V(parsing: hex(text).span.octets, offset: offset)
      return nil
    } catch {
      return error
    }
  }
  private func refusal<V: WireValue>(_ value: V) -> WireError? {
    do {
      _ = try value.wireBytes()
      return nil
    } catch {
      return error
    }
  }

  @Test("IPv4: version, IHL, total length and room are told apart")
  func ipv4() {
    let rest = "00000000 40110000 0a000001 0a000002"
    #expect(failure(IPv4Header.self, "4500") == WireError(.ipv4, .header, .truncated, offset: 100, needed: 20, got: 2))
    #expect(
      failure(IPv4Header.self, "55000014" + rest)
        == WireError(.ipv4, .version, .invalid, offset: 100, needed: 4, got: 5))
    #expect(
      failure(IPv4Header.self, "44000014" + rest)
        == WireError(.ipv4, .headerLength, .invalid, offset: 100, needed: 20, got: 16))
    #expect(
      failure(IPv4Header.self, "46000018" + rest)
        == WireError(.ipv4, .headerLength, .truncated, offset: 100, needed: 24, got: 20))
    #expect(
      failure(IPv4Header.self, "45000013" + rest)
        == WireError(.ipv4, .totalLength, .invalid, offset: 102, needed: 20, got: 19))
    #expect(
      failure(IPv4Header.self, "45000015" + rest)
        == WireError(.ipv4, .totalLength, .truncated, offset: 100, needed: 21, got: 20))
    #expect(failure(IPv4Header.self, "45000014" + rest) == nil)
  }

  @Test("Transport: UDP's length, TCP's data offset")
  func transport() {
    #expect(
      failure(UDPHeader.self, "0001000200070000") == WireError(.udp, .length, .invalid, offset: 104, needed: 8, got: 7))
    #expect(
      failure(UDPHeader.self, "0001000200090000")
        == WireError(.udp, .length, .truncated, offset: 100, needed: 9, got: 8))
    let ports = "00010002 00000000 00000000"
    #expect(
      failure(TCPHeader.self, ports + "4000000000000000")
        == WireError(.tcp, .dataOffset, .invalid, offset: 112, needed: 20, got: 16))
    #expect(
      failure(TCPHeader.self, ports + "6000000000000000")
        == WireError(.tcp, .dataOffset, .truncated, offset: 100, needed: 24, got: 20))
  }

  @Test("Tunnels: versions, flags, options that do not add up")
  func tunnels() {
    #expect(
      failure(GeneveHeader.self, "4000655800000000")
        == WireError(.geneve, .version, .invalid, offset: 100, needed: 0, got: 1))
    #expect(
      failure(GeneveHeader.self, "0100655800000000")
        == WireError(.geneve, .options, .truncated, offset: 100, needed: 12, got: 8))
    #expect(
      failure(GeneveHeader.self, "0200655800000000 01020001 00000000") == nil)
    #expect(
      failure(GeneveHeader.self, "0200655800000000 01020002 00000000")
        == WireError(.geneveOption, .length, .truncated, offset: 108, needed: 12, got: 8))
    #expect(
      failure(VXLANHeader.self, "f700000000000000")
        == WireError(.vxlan, .flags, .invalid, offset: 100, needed: 8, got: 0xf7))
    #expect(
      failure(GREHeader.self, "40000800") == WireError(.gre, .reserved, .invalid, offset: 100, needed: 0, got: 0x4000))
    #expect(failure(GREHeader.self, "00010800") == WireError(.gre, .version, .invalid, offset: 100, needed: 0, got: 1))
    #expect(
      failure(GREHeader.self, "b0000800") == WireError(.gre, .flags, .truncated, offset: 100, needed: 16, got: 4))
    #expect(
      failure(NVGREHeader.self, "3000655812345678")
        == WireError(.nvgre, .flags, .invalid, offset: 100, needed: 0x2000, got: 0x3000))
  }

  @Test("ARP of another hardware, protocol or address length is no Ethernet and IPv4 value")
  func arp() {
    let addresses = String(repeating: "00", count: 20)
    #expect(failure(ARPPacket.self, "0001080006040001" + addresses) == nil)
    #expect(
      failure(ARPPacket.self, "0006080006040001" + addresses)
        == WireError(.arp, .hardwareType, .invalid, offset: 100, needed: 1, got: 6))
    #expect(
      failure(ARPPacket.self, "00010800ff040001" + addresses)
        == WireError(.arp, .addressLength, .truncated, offset: 100, needed: 526, got: 28))
  }

  @Test("Values that do not fit their field are refused, not cut")
  func bounds() {
    #expect(refusal(VXLANHeader(vni: 1 << 24))?.problem == .tooLarge)
    #expect(refusal(NVGREHeader(vsid: 1 << 24))?.problem == .tooLarge)
    #expect(refusal(GeneveHeader(vni: 1 << 24))?.problem == .tooLarge)
    #expect(
      refusal(VLANTag(identifier: 4096, etherType: 0))
        == WireError(.vlan, .identifier, .tooLarge, offset: 0, needed: 4095, got: 4096))
    #expect(refusal(EthernetHeader(destination: 1 << 48, source: 0, etherType: 0))?.field == .address)
    #expect(refusal(GeneveOption.ovnPorts(ingress: 0x8000, egress: 0))?.problem == .tooLarge)
    #expect(refusal(ESPHeader(spi: 0, sequence: 1))?.field == .identifier)
    #expect(refusal(UDPHeader(source: 1, destination: 2, length: 7))?.field == .length)
    var tcp = TCPHeader(source: 1, destination: 2)
    _ = tcp.options.append(1)
    #expect(refusal(tcp)?.field == .options)
    var critical = GeneveHeader(vni: 1)
    _ = critical.options.append(hex("01028000").span.octets)
    #expect(refusal(critical)?.field == .flags)
  }

  @Test("IPv4 and TCP options are walked; a bad length says where")
  func options() throws {
    #expect(try kinds("0101020405b400ff") == [1, 1, 2, 0])
    #expect(throws: WireError(.tcp, .option, .invalid, offset: 22, needed: 2, got: 1)) { try kinds("01020100") }
    #expect(throws: WireError(.tcp, .option, .truncated, offset: 22, needed: 5, got: 2)) { try kinds("01010305") }
    #expect(throws: WireError(.tcp, .option, .truncated, offset: 23, needed: 2, got: 1)) { try kinds("01010102") }
  }

  private func kinds(_ text: String) throws -> [UInt8] {
    let options = hex(text)
    let header = hex("00010002 00000000 00000000") + [UInt8(5 + options.count / 4) << 4] + hex("00 0000 0000 0000")
    var list = try TCPView((header + options).span.octets).optionList
    var kinds: [UInt8] = []
    while let option = try list.next() { kinds.append(option.kind) }
    return kinds
  }

  @Test("The sentence names the layer, the field, the place and both values")
  func sentence() {
    let error = WireError(.udp, .length, .invalid, offset: 38, needed: 8, got: 3)
    #expect(error.description == "udp length at byte 38: 8 expected, 3 found")
  }
}
