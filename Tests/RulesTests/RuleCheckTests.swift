import Rules
import Testing

@Suite("Rules that are not well formed are refused, and it is said where")
struct RuleCheckTests {
  /// One letter an item, so that patterns are strings.
  static let letters: [(letter: Character, item: Item)] = [
    ("p", .representedPort(.any)), ("q", .portRepresentor(.any)), ("e", .eth(EthItem())), ("v", .vlan(VLANItem())),
    ("4", .ipv4(IPv4Item())), ("6", .ipv6(IPv6Item())), ("u", .udp(L4Item())), ("t", .tcp(TCPItem())),
    ("i", .icmp(ICMPItem())), ("j", .icmp6(ICMPItem())), ("s", .esp(.any)), ("g", .geneve(GeneveItem())),
    ("o", .geneveOption(GeneveOptionItem(optionClass: 0, type: 0, length: 0))), ("x", .vxlan(VXLANItem())),
    ("r", .gre(GREItem())), ("k", .greKey(.any)), ("n", .nvgre(NVGREItem())),
  ]

  /// Every well-formed pattern of at most `length` items, built up from M2 instead of checked against it.
  static func wellFormed(_ length: Int) -> Set<String> {
    func join(_ heads: Set<String>, _ tails: Set<String>) -> Set<String> {
      var result: Set<String> = []
      for head in heads { for tail in tails where head.count + tail.count <= length { result.insert(head + tail) } }
      return result
    }
    let ports = (1...length).reduce(into: (all: Set([""]), last: Set([""]))) { ports, _ in
      ports.last = join(ports.last, ["p", "q"])
      ports.all.formUnion(ports.last)
    }.all
    let link = join(["", "e"], ["", "v", "vv"])
    let packets = link.reduce(into: Set<String>()) { set, link in
      for packet in ["", "u", "t", "i", "j", "s"] { set.insert(link + packet) }
      for packet in ["", "u", "t", "i", "s"] { set.insert(link + "4" + packet) }
      for packet in ["", "u", "t", "j", "s"] { set.insert(link + "6" + packet) }
    }.filter { $0.count <= length }
    let carriers = join(link, ["", "4", "6"])
    let options = Set((0...length).map { String(repeating: "o", count: $0) })
    let tunnels = join(join(carriers, ["", "u"]), join(["g"], options).union(["x"])).union(
      join(carriers, ["r", "rk", "n"]))
    return join(ports, packets.union(join(tunnels, packets)))
  }

  @Test("Of all patterns of up to four items exactly those of M2 are taken")
  func everyPattern() {
    let good = Self.wellFormed(4)
    var patterns: [(text: String, items: [Item])] = [("", [])]
    var first = 0
    for _ in 0..<4 {
      let last = patterns.count
      for index in first..<last {
        for (letter, item) in Self.letters {
          patterns.append((patterns[index].text + String(letter), patterns[index].items + [item]))
        }
      }
      first = last
    }
    var wrong: [String] = []
    for (text, items) in patterns {
      let taken = (try? RuleCheck().check(Rule(pattern: items, actions: []))) != nil
      if taken != good.contains(text) { wrong.append(text) }
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(20))")
    #expect(patterns.count == 88_741)
  }

  @Test("Two tags outside and two inside are well formed, three are not")
  func tags() throws {
    let state = try FlowScript.load(
      """
      flow create 0 pattern eth / vlan / vlan / ipv4 / udp / geneve / geneve-opt class is 1 type is 2 length is 0 / eth / vlan / vlan / ipv6 / tcp / end actions drop / end
      """)
    #expect(state.ruleCount == 1)
    #expect(throws: GrammarError.self) {
      try FlowScript.load("flow create 0 pattern eth / vxlan / vlan / vlan / vlan / end actions drop / end")
    }
  }

  static let settings = """
    set raw_encap 1 eth / ipv4 / udp / geneve / end_set
    set raw_decap 1 eth / end_set
    set raw_decap 2 eth / ipv4 / gre / end_set
    set sample_actions 1 queue index 1 / end
    flow indirect_action 0 create action_id 1 action drop / end
    flow indirect_action 0 create action_id 2 action jump group 2 / end
    flow indirect_action 0 create action_id 3 action count / end
    """

  @Test(
    "Actions that are fine",
    arguments: [
      "end", "count / end", "mark id 1 / queue index 1 / end", "indirect 1 / end", "mark id 1 / indirect 1 / end",
      "raw_decap index 1 / raw_encap index 1 / port_id id 1 / end", "raw_decap index 1 / drop / end",
      "raw_decap index 2 / end", "sample ratio 1 index 1 / drop / end", "age timeout 1 / age timeout 0xffffff / end",
      "of_push_vlan ethertype 0x88a8 / of_set_vlan_vid vlan_vid 4095 / end", "jump group 65535 / end",
      "indirect 3 / indirect 1 / end",
    ])
  func goodActions(actions: String) throws {
    _ = try FlowScript.load(Self.settings + "\nflow create 0 pattern eth / end actions " + actions)
  }

  @Test(
    "Actions that are not, with the action and the reason",
    arguments: [
      ("drop / count / end", "action 2: `drop` ends the rule: nothing may stand behind it"),
      ("queue index 1 / queue index 2 / end", "action 2: `queue` ends the rule"),
      ("indirect 1 / count / end", "action 2: `indirect` ends the rule"),
      ("mark id 1 / jump group 1 / end", "action 1: the mark would not survive the jump behind it"),
      ("mark id 1 / count / indirect 2 / end", "action 1: the mark would not survive"),
      ("age timeout 0 / end", "action 1: a timeout of 0 s is out of range (1…16777215)"),
      ("raw_encap index 9 / end", "action 1: there is no `set raw_encap 9`"),
      ("raw_decap index 9 / end", "action 1: there is no `set raw_decap 9`"),
      ("sample ratio 2 index 9 / end", "action 1: there is no `set sample_actions 9`"),
      ("sample ratio 0 index 1 / end", "action 1: a ratio of 0"),
      ("indirect 9 / end", "action 1: there is no indirect action #9"),
      ("jump group 65536 / end", "action 1: group 65536 is out of range"),
      ("of_push_vlan ethertype 0x800 / end", "action 1: ethertype 0x800 is no tag's"),
      ("count / raw_decap index 1 / port_id id 1 / end", "action 2: the Ethernet header is removed"),
      ("vxlan_encap / end", "no tunnel is set: `set vxlan …` comes before the rule"),
      ("vxlan_encap index 1 / end", "action 1: there is no `set vxlan` of index 1"),
    ])
  func badActions(actions: String, reason: String) {
    let error = #expect(throws: GrammarError.self) {
      try FlowScript.load(Self.settings + "\nflow create 0 pattern eth / end actions " + actions)
    }
    #expect(error?.message.hasPrefix(reason) == true, "\(error?.message ?? "")")
    #expect(error?.line == 8)
  }

  @Test(
    "Attributes and other parts that are refused",
    arguments: [
      ("flow create 0 egress pattern eth / end actions drop / end", "egress rules are not supported"),
      ("flow create 0 group 65536 pattern eth / end actions drop / end", "group 65536 is out of range"),
      ("flow create 0 pattern ipv4 / eth / end actions drop / end", "item 2: `eth` cannot stand here"),
      ("flow create 0 pattern tcp / geneve / end actions drop / end", "item 2: `geneve` is not carried by `tcp`"),
      ("flow create 0 tunnel_set 1 pattern eth / end actions drop / end", "there is no tunnel #1"),
      ("set sample_actions 1 jump group 1 / end", "action 1: a copy has no group to go on in"),
      ("set sample_actions 1 sample ratio 1 index 1 / end", "action 1: a copy cannot be copied again"),
      (
        "flow indirect_action 0 create action jump group 1 / end\nset sample_actions 1 indirect 0 / end",
        "action 1: a copy has no group to go on in"
      ),
      ("flow indirect_action 0 create action indirect 1 / end", "action 1: an indirect action cannot refer to another"),
    ])
  func refused(text: String, reason: String) {
    let error = #expect(throws: GrammarError.self) { try FlowScript.load(text) }
    #expect(error?.message.hasPrefix(reason) == true, "\(error?.message ?? "")")
  }

  @Test("A mask wider than its field is refused")
  func widths() {
    var geneve = GeneveItem()
    geneve.vni = Field(5)
    let error = #expect(throws: RuleError.self) { try RuleCheck().check(Rule(pattern: [.geneve(geneve)], actions: [])) }
    #expect(error?.part == .item(0))
    let set = #expect(throws: RuleError.self) {
      try RuleCheck().check(Rule(pattern: [], actions: [.decTTL, .set(.vlanID(4096))]))
    }
    #expect(set?.part == .action(1))
  }
}
