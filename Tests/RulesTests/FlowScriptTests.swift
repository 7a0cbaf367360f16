import Rules
import Testing

@Suite("Scripts of commands")
struct FlowScriptTests {
  static let script = """
    # the underlay
    set raw_encap 1 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv4 src is 192.0.2.1 dst is 192.0.2.2 / \\
      udp / geneve vni is 5 optlen is 2 / geneve-opt class is 0x0102 type is 0x80 length is 1 data is 00010002 / end_set
    set raw_decap 1 eth / ipv4 / udp / geneve / end_set

    flow create 1 ingress transfer pattern eth / ipv4 src spec 10.0.0.0 src prefix 8 / end \\
      actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end
    flow create 0 group 1 priority 3 pattern eth / ipv4 / udp dst is 6081 / geneve vni is 5 / eth / end actions raw_decap index 1 / port_id id 1 / end
    """

  @Test("A script yields rules numbered from 1, and what they refer to")
  func load() throws {
    let state = try FlowScript.load(Self.script)
    #expect(state.rules.map(\.id) == [1, 2])
    #expect(state.line(1) == 6 && state.line(2) == 8 && state.line(3) == nil && state.line(0) == nil)
    #expect(state.rule(1)?.attributes.port == 1)
    #expect(state.rule(2)?.attributes.group == 1)
    #expect(state.decapsulations == [1: .tunnel(.geneve)])
    let header = try #require(state.encapsulations[1])
    #expect(header.kind == .geneve && header.l3 == 14 && header.l4 == 34 && !header.isIPv6)
    #expect(header.header.count == 58)
    #expect(
      Array(header.header[34...]) == [
        0, 0, 0x17, 0xc1, 0, 0, 0, 0, 2, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 0x80, 1, 0, 1, 0, 2,
      ])
  }

  @Test("An error names line and column, what was found, what was expected, and the nearest word")
  func error() throws {
    let text = "\n# comment\nflow create 0 ingress pattern eth / ipv5 / end actions drop / end"
    let error = #expect(throws: GrammarError.self) { try FlowScript.parse(text, source: "a.flow") }
    #expect(error?.line == 3 && error?.column == 37)
    #expect(error?.found == "ipv5" && error?.suggestion == "ipv4")
    #expect(
      error?.description.hasPrefix("a.flow:3:37: expected an item, found `ipv5`; did you mean `ipv4`?") == true)
    #expect(error?.excerpt.hasSuffix("\n" + String(repeating: " ", count: 38) + "^~~~") == true)
  }
}
