import Rules
import Testing

@Suite("What is printed parses to the same value, and printing that gives the same text")
struct RoundTripTests {
  @Test("Commands: 4000 random ones", arguments: 0..<8)
  func commands(seed: UInt64) throws {
    var random = RandomRules(seed: seed)
    for _ in 0..<500 {
      let command = random.command()
      let text = command.description
      let parsed = try FlowScript.command(text)
      #expect(parsed == command, "\(text)")
      #expect(parsed.description == text)
    }
  }

  @Test("Rules: 2000 random ones", arguments: 0..<4)
  func rules(seed: UInt64) throws {
    var random = RandomRules(seed: seed &+ 100)
    for _ in 0..<500 {
      let rule = random.rule()
      #expect(try FlowScript.command(rule.description) == .create(RuleRequest(rule: rule)), "\(rule)")
    }
  }

  /// What people write, and its one canonical form.
  static let canonical: [(written: String, printed: String)] = [
    (
      "flow create 0 ingress pattern eth / ipv4 src is 0x0a000001 / void / end actions void / of_dec_nw_ttl / end",
      "flow create 0 ingress pattern eth / ipv4 src is 10.0.0.1 / end actions dec_ttl / end"
    ),
    (
      "flow create 0x1 group 4 group 0 pattern vlan vid is 5 pcp mask 7 / end actions count identifier 0 / end",
      "flow create 1 pattern vlan pcp is 0 vid is 5 / end actions count / end"
    ),
    (
      "flow create 0 pattern ipv4 dst spec 1.2.3.4 dst mask 255.255.0.0 / end actions raw_decap / raw_encap / end",
      "flow create 0 pattern ipv4 dst spec 1.2.0.0 dst prefix 16 / end actions raw_decap index 0 / raw_encap index 0 / end"
    ),
    (
      "flow create 0 pattern ipv4 src is 10.1.1.1 src prefix 24 src prefix 16 / end actions drop / end",
      "flow create 0 pattern ipv4 src spec 10.1.0.0 src prefix 16 / end actions drop / end"
    ),
    (
      "flow create 0 pattern ipv4 src is 10.1.1.1 src last 0 / eth dst prefix 8 / end actions drop / end",
      "flow create 0 pattern ipv4 src is 10.1.1.1 / eth dst spec 00:00:00:00:00:00 dst mask ff:00:00:00:00:00 / end actions drop / end"
    ),
    (
      "flow create 0 pattern gre c_rsvd0_ver is 0x2000 / gre k_bit is 1 / end actions port_id original 0 id 3 / end",
      "flow create 0 pattern gre c_rsvd0_ver is 0x2000 / gre k_bit is 1 / end actions port_id id 3 / end"
    ),
    (
      "flow create 0 pattern geneve-opt type is 0x80 length is 2 class is 258 data is 0x0001 / end actions end",
      "flow create 0 pattern geneve-opt class is 0x0102 type is 0x80 length is 2 data spec 00010000 data mask ffff0000 / end actions end"
    ),
    (
      "flow create 0 pattern ipv4 src spec 10.1.1.1 src last 10.1.9.9 src prefix 16 / end actions rss queues 1 2 end types esp ip esp end / end",
      "flow create 0 pattern ipv4 src spec 10.1.0.0 src prefix 16 / end actions rss queues 1 2 end types ip esp end / end"
    ),
    ("testpmd> flow flush 0", "flow flush 0"), ("flow isolate 3 off", "flow isolate 3 0"),
    ("set raw_encap eth / end_set", "set raw_encap 0 eth / end_set"),
    ("set sample_actions 1 mark id 1 / end_set", "set sample_actions 1 mark id 1 / end"),
    (
      "set nvgre tni 4 ip-version ipv6 ip-src ::1 ip-dst ::2222 eth-src 1:1:1:1:1:1 eth-dst 2222:2222:2222",
      "set nvgre ip-version ipv6 tni 4 ip-src ::1 ip-dst ::2222 eth-src 01:01:01:01:01:01 eth-dst 22:22:22:22:22:22"
    ),
  ]

  @Test("Every way to write a command has one printed form", arguments: canonical)
  func canonicalForm(written: String, printed: String) throws {
    let command = try FlowScript.command(written)
    #expect(command.description == printed)
    #expect(try FlowScript.command(printed) == command)
  }
}
