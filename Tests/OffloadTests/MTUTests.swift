import Offload
import Testing

@Suite("MTU of nested encapsulations")
struct MTUTests {
  private func inner(_ words: String, outer: Int = 1500) throws -> Int {
    try MTUSolver(words.split(separator: " ").map { word in try MTULayer(parsing: String(word)) }).solve(outer: outer)
      .inner
  }

  /// notes/protocol-behaviours.md, D7: inner L3 MTU for an outer 1500, over IPv4 and IPv6.
  @Test(
    "Every line of the table D7 comes out, over IPv4 and IPv6",
    arguments: [
      ("vxlan", 1450, 1430), ("geneve", 1450, 1430), ("geneve:ovn", 1442, 1422), ("geneve:8", 1442, 1422),
      ("geneve:gwlb", 1432, 1412), ("geneve:32:ip", 1432, 1412), ("geneve:max", 1198, 1178),
      ("gre", 1476, 1456), ("gre:key", 1472, 1452), ("nvgre", 1458, 1438), ("wireguard", 1440, 1420),
      ("esp-tunnel", 1446, 1426), ("nat-t esp-tunnel", 1438, 1418),
    ])
  func table(_ words: String, _ v4: Int, _ v6: Int) throws {
    #expect(try inner(words) == v4)
    #expect(try inner("ipv4 " + words) == v4)
    #expect(try inner("ipv6 " + words) == v6)
  }

  @Test("Geneve with OVN's option inside ESP leaves 1408 in transport mode and 1388 in tunnel mode")
  func insideESP() throws {
    #expect(try inner("esp-transport geneve:ovn") == 1408)
    #expect(try inner("ipv4 esp-transport geneve:ovn") == 1408)
    #expect(try inner("esp-tunnel geneve:ovn") == 1388)
    #expect(try inner("ipv4 esp-tunnel ipv4 geneve:ovn") == 1388)
    #expect(try inner("ipv6 esp-tunnel ipv4 geneve:ovn") == 1368)
  }

  @Test("Tags, IP in IP, transport mode alone and an empty nest")
  func others() throws {
    #expect(try inner("") == 1500)
    #expect(try inner("vlan vlan vxlan") == 1450)
    #expect(try inner("vxlan vlan") == 1446)
    #expect(try inner("ipv4") == 1480)
    #expect(try inner("ipv4 ipv6") == 1440)
    // 1480 − 32 = 1448, two of them trailer; the packet's own header is the one that is there.
    #expect(try inner("esp-transport") == 1466)
    #expect(try inner("ipv6 nat-t esp-transport") == 1458)
    #expect(try inner("vxlan geneve:4") == 1396)
    #expect(try inner("gre:key:csum:seq:eth") == 1500 - 20 - 16 - 14)
  }

  @Test("The derivation names every header, and its bytes add up")
  func derivation() throws {
    let nest = try MTUSolver([.ipv4, .espTransport, .geneve(options: 8, payload: .ethernet)]).solve(outer: 1500)
    #expect(
      nest.steps.map(\.name) == [
        "IPv4 header", "ESP header", "AES-GCM IV", "AES-GCM ICV", "ESP padding to 4, pad length, next header",
        "UDP header", "Geneve header", "Geneve options", "inner Ethernet header",
      ])
    #expect(nest.steps.map(\.bytes) == [20, 8, 8, 16, 2, 8, 8, 8, 14])
    #expect(nest.steps.map(\.layer) == [0, 1, 1, 1, 1, 2, 2, 2, 2])
    #expect(nest.steps.map(\.left) == [1480, 1472, 1464, 1448, 1446, 1438, 1430, 1422, 1408])
    let odd = try MTUSolver([.espTunnel]).solve(outer: 1499)
    #expect(odd.steps.map(\.bytes) == [20, 8, 8, 16, 5])
  }

  @Test("The inverse is the smallest link that does, for every nest and size")
  func inverse() throws {
    let nests = [
      "", "vxlan", "ipv6 geneve:max", "gre:key", "nvgre vlan", "wireguard", "esp-tunnel", "ipv6 nat-t esp-tunnel",
      "esp-transport geneve:ovn", "esp-tunnel geneve:ovn", "esp-transport", "esp-tunnel esp-tunnel",
      "wireguard vxlan esp-tunnel",
    ]
    for words in nests {
      let solver = MTUSolver(try words.split(separator: " ").map { word in try MTULayer(parsing: String(word)) })
      for size in 68...9000 where size % 7 == 0 || size < 200 {
        let outer = try solver.outer(inner: size)
        #expect(try solver.solve(outer: outer).inner >= size)
        if outer > 1, let below = try? solver.solve(outer: outer - 1).inner { #expect(below < size) }
      }
    }
  }

  @Test("A nest that cannot be says which layer, what was expected and what was found")
  func errors() throws {
    #expect(throws: MTUError.noRoom(index: 1, layer: "vxlan", room: 2)) { try inner("ipv4 vxlan", outer: 30) }
    #expect(throws: MTUError.tagWithoutEthernet(index: 1)) { try inner("gre vlan") }
    #expect(throws: MTUError.natTWithoutESP(index: 0)) { try inner("nat-t") }
    #expect(throws: MTUError.natTWithoutESP(index: 0)) { try inner("nat-t vxlan") }
    #expect(throws: MTUError.notAPayload(index: 1, layer: "esp-transport")) { try inner("esp-transport esp-transport") }
    #expect(throws: MTUError.optionLength(253)) { try inner("geneve:253") }
    #expect(throws: MTUError.optionLength(256)) {
      try MTUSolver([.geneve(options: 256, payload: .ip)]).solve(outer: 1500)
    }
    #expect(throws: MTUError.unknownWord("vxlan2", in: "vxlan2")) { try inner("vxlan2") }
    #expect(throws: MTUError.unknownWord("x", in: "gre:x")) { try inner("gre:x") }
    #expect(throws: MTUError.unknownWord("", in: "geneve:")) { try inner("geneve:") }
    #expect(throws: MTUError.unknownWord("8", in: "vxlan:8")) { try inner("vxlan:8") }
    #expect(throws: MTUError.range(0)) { try inner("vxlan", outer: 0) }
    #expect(throws: MTUError.range(65536)) { try inner("vxlan", outer: 65536) }
    #expect(throws: MTUError.range(65585)) { try MTUSolver([.vxlan]).outer(inner: 65535) }
    #expect(MTUError.tagWithoutEthernet(index: 1).description.contains("layer 2"))
  }

  @Test("A layer's word is read back as the layer")
  func words() throws {
    let layers: [MTULayer] = [
      .ipv4, .ipv6, .vlan, .geneve(options: 0, payload: .ethernet), .geneve(options: 8, payload: .ip), .vxlan,
      .gre(key: true, checksum: true, sequence: true, payload: .ethernet),
      .gre(key: false, checksum: false, sequence: false, payload: .ip), .nvgre, .espTunnel, .espTransport, .natT,
      .wireguard,
    ]
    for layer in layers { #expect(try MTULayer(parsing: layer.name) == layer) }
  }
}
