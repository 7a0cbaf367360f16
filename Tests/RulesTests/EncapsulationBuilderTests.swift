import Rules
import Testing

@Suite("Header templates")
struct EncapsulationBuilderTests {
  static let eth = "eth dst is 02:00:00:00:00:02 src is 02:00:00:00:00:01"

  /// Items and the bytes that dpdk-testpmd 22.11 shows for them (`show raw_encap`).
  static let ofTestpmd: [(items: String, header: String)] = [
    (
      "ipv4 tos is 0x12 ttl is 64 src is 192.0.2.1 dst is 192.0.2.2 / udp src is 0 dst is 6081 / geneve vni is 0x123456 protocol is 0x6558 optlen is 2 / geneve-opt class is 0x0102 type is 0x80 length is 1 data is 00010002",
      "0800451200000000000040110000c0000201c0000202000017c10000000002006558123456000102800100010002"
    ),
    (
      "vlan vid is 5 pcp is 3 inner_type is 0x86dd / ipv6 tc is 0x12 flow is 0x12345 hop is 63 src is 2001:db8::1 dst is 2001:db8::2 / udp src is 49152 dst is 4789 / vxlan vni is 0x123456",
      "8100600586dd612123450000113f20010db800000000000000000000000120010db8000000000000000000000002c00012b5000000000800000012345600"
    ),
    (
      "ipv4 src is 192.0.2.1 dst is 192.0.2.2 / nvgre tni is 0x123456",
      "08004500000000000000002f0000c0000201c00002022000655812345600"
    ),
    (
      "ipv4 src is 192.0.2.1 dst is 192.0.2.2 / gre k_bit is 1 protocol is 0x6558 / gre_key value is 0xdeadbeef",
      "08004500000000000000002f0000c0000201c000020220006558deadbeef"
    ),
  ]

  static func encapsulation(_ items: String) throws -> Encapsulation {
    try #require(FlowScript.load("set raw_encap 0 \(items) / end_set").encapsulations[0])
  }

  static func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test("Fields that are all given make the bytes that testpmd makes", arguments: ofTestpmd)
  func testpmd(items: String, header: String) throws {
    #expect(Self.hex(try Self.encapsulation(Self.eth + " / " + items).header) == "020000000002020000000001" + header)
  }

  @Test("What comes next is filled in, tags and tunnels included")
  func defaults() throws {
    let stacked = try Self.encapsulation(
      "\(Self.eth) type is 0x88a8 / vlan vid is 5 / vlan vid is 6 / ipv6 / udp / vxlan")
    #expect(Self.hex(stacked.header[12..<22]) == "88a8000581000006" + "86dd")
    #expect(stacked.kind == .vxlan && stacked.isIPv6 && stacked.l3 == 22 && stacked.l4 == 62)
    #expect(Self.hex(stacked.header[62...]) == "000012b500000000" + "0800000000000000")
    let geneve = try Self.encapsulation("eth / ipv4 / udp / geneve vni is 1")
    #expect(Self.hex(geneve.header[34...]) == "000017c100000000" + "0000655800000100")
    let gre = try Self.encapsulation("eth / ipv4 / gre c_bit is 1 protocol is 0x0800 / gre_key value is 7")
    #expect(Self.hex(gre.header[34...]) == "a000080000000000" + "00000007")
    let alone = try Self.encapsulation("eth")
    #expect(alone.header.count == 14 && alone.kind == .none && alone.l3 == 0 && alone.l4 == 0)
  }

  @Test(
    "Headers that cannot be a template are refused by item",
    arguments: [
      ("ipv4 / udp / vxlan", "item 1: a header template begins with `eth`"),
      ("eth / ipv4", "item 2: the headers end with `ipv4`"), ("eth / ipv4 / udp", "item 3: the headers end with `udp`"),
      ("eth / udp / vxlan", "item 2: `udp` cannot stand behind `eth`"),
      ("eth / ipv4 / vxlan", "item 3: `vxlan` cannot stand behind `ipv4`"),
      ("eth / ipv4 / udp / vxlan / eth", "item 5: `eth` behind the tunnel header"),
      ("eth / vlan / vlan / vlan", "item 4: more than two VLAN tags"),
      ("eth type is 0x86dd / ipv4 / nvgre", "item 1: type 0x86dd does not announce `ipv4`"),
      ("eth / ipv4 proto is 6 / nvgre", "item 2: protocol 6 does not announce `nvgre`"),
      ("eth / ipv4 fragment_offset is 0x2000 / nvgre", "item 2: an outer header is no fragment"),
      ("eth / ipv4 / gre s_bit is 1", "item 3: only the C and K bits"),
      ("eth / ipv4 / gre k_bit is 1", "item 3: the K bit is set and no `gre_key` follows"),
      ("eth / ipv4 / tcp", "item 3: `tcp` cannot stand in a header template"),
      (
        "eth / ipv4 / udp / geneve / geneve-opt class is 1 type is 1 length is 3 / eth",
        "item 6: `eth` behind the tunnel"
      ),
    ])
  func refused(items: String, reason: String) {
    let error = #expect(throws: GrammarError.self) { try FlowScript.load("set raw_encap 0 \(items) / end_set") }
    #expect(error?.message.hasPrefix(reason) == true, "\(error?.message ?? "")")
  }

  @Test("More options than Geneve's length field can say are refused")
  func options() {
    let option = "geneve-opt class is 1 type is 1 length is 31 / "
    #expect(throws: GrammarError.self) {
      try FlowScript.load("set raw_encap 0 eth / ipv4 / udp / geneve / \(option)\(option)end_set")
    }
  }

  @Test("raw_decap names a tunnel, or the Ethernet header alone")
  func decapsulations() throws {
    let state = try FlowScript.load(
      """
      set raw_decap 0 eth / end_set
      set raw_decap 1 eth / vlan / ipv6 / udp / vxlan / end_set
      set raw_decap 2 eth / ipv4 / gre / end_set
      set raw_decap 3 eth / ipv4 / nvgre / end_set
      set raw_decap 4 eth / ipv4 / udp / geneve / geneve-opt class is 1 type is 2 length is 0 / end_set
      """)
    #expect(
      state.decapsulations == [
        0: .ethernet, 1: .tunnel(.vxlan), 2: .tunnel(.gre), 3: .tunnel(.nvgre), 4: .tunnel(.geneve),
      ])
  }
}
