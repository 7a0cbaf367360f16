import Rules
import Testing

@Suite("What a script makes")
struct ScriptStateTests {
  static let vxlan =
    "set vxlan ip-version ipv4 vni 4 udp-src 4 udp-dst 4 ip-src 127.0.0.1 ip-dst 128.0.0.1 eth-src 11:11:11:11:11:11 eth-dst 22:22:22:22:22:22"

  @Test("vxlan_encap means the tunnel that was set last when the rule was made")
  func tunnels() throws {
    let state = try FlowScript.load(
      """
      \(Self.vxlan)
      flow create 0 pattern eth / end actions vxlan_encap / port_id id 1 / end
      set vxlan-tos-ttl ip-version ipv6 vni 5 udp-src 0 udp-dst 4789 ip-tos 4 ip-ttl 255 ip-src ::1 ip-dst ::2 eth-src 11:11:11:11:11:11 eth-dst 22:22:22:22:22:22
      flow create 0 pattern eth / end actions vxlan_encap / port_id id 1 / end
      \(Self.vxlan)
      flow create 0 pattern eth / end actions vxlan_encap / port_id id 1 / end
      set nvgre-with-vlan ip-version ipv4 tni 4 ip-src 127.0.0.1 ip-dst 128.0.0.1 vlan-tci 34 eth-src 11:11:11:11:11:11 eth-dst 22:22:22:22:22:22
      set sample_actions 3 nvgre_encap / port_id id 0 / end
      """)
    #expect(state.rules.map(\.rule.actions[0]) == [0xff00, 0xff01, 0xff00].map { .vxlanEncap(index: $0) })
    #expect(state.sampleActions[3]?.first == .nvgreEncap(index: 0xff80))
    #expect(state.encapsulations[0xff01]?.isIPv6 == true && state.encapsulations[0xff01]?.header[21] == 255)
    #expect(state.encapsulations[0xff80]?.kind == .nvgre && state.encapsulations[0xff80]?.l3 == 18)
    #expect(state.encapsulations.count == 3)
  }

  @Test("Ids are never given twice, and a destroyed rule is gone")
  func ids() throws {
    var state = ScriptState()
    func run(_ text: String) throws -> ScriptState.Effect { try state.apply(FlowScript.command(text)) }
    let rule = "pattern eth / end actions drop / end"
    #expect(try run("flow create 0 " + rule) == .created(rule: 1))
    #expect(try run("flow create 1 user_id 77 " + rule) == .created(rule: 2))
    #expect(try run("flow create 0 " + rule) == .created(rule: 3))
    #expect(try run("flow validate 0 " + rule) == .validated)
    #expect(throws: ScriptError.self) { try run("flow create 1 user_id 77 " + rule) }
    #expect(throws: ScriptError.self) { try run("flow destroy 0 rule 0") }
    #expect(throws: ScriptError.self) { try run("flow destroy 0 rule 2") }
    #expect(throws: ScriptError.self) { try run("flow destroy 0 rule 1 rule 9") }
    #expect(state.rules.map(\.id) == [1, 2, 3])
    #expect(try run("flow destroy 1 rule 77 user_id") == .destroyed(rules: [2]))
    #expect(try run("flow create 1 user_id 77 " + rule) == .created(rule: 4))
    #expect(try run("flow flush 0") == .destroyed(rules: [1, 3]))
    #expect(try run("flow flush 0") == .destroyed(rules: []))
    #expect(state.rules.map(\.id) == [4] && state.ruleCount == 1)
    #expect(throws: ScriptError.self) { try run("flow query 0 1 count") }
    #expect(try run("flow query 1 4 count") == .asked)
  }

  @Test("What a rule refers to stays what it was, and may change when no rule does")
  func references() throws {
    var state = try FlowScript.load(RuleCheckTests.settings)
    func run(_ text: String) throws -> ScriptState.Effect { try state.apply(FlowScript.command(text)) }
    let other = "set raw_encap 1 eth / ipv4 / udp / geneve vni is 9 / end_set"
    _ = try run("flow create 0 pattern eth / end actions indirect 3 / raw_encap index 1 / port_id id 0 / end")
    #expect(throws: ScriptError.self) { try run(other) }
    #expect(throws: ScriptError.self) { try run("flow indirect_action 0 destroy action_id 3") }
    #expect(throws: ScriptError.self) { try run("flow indirect_action 0 update 3 action drop / end") }
    #expect(try run("flow indirect_action 0 update 3 action count identifier 8 / end") == .indirect(id: 3))
    #expect(try run("set raw_encap 1 eth / ipv4 / udp / geneve / end_set") == .set)
    _ = try run("flow flush 0")
    #expect(try run(other) == .set)
    #expect(try run("flow indirect_action 0 destroy action_id 3") == .indirect(id: 3))
  }

  @Test("tunnel_set removes the tunnel before the rule's own actions")
  func tunnelSet() throws {
    let state = try FlowScript.load(
      """
      flow tunnel create 0 type geneve
      flow create 0 tunnel_set 1 pattern eth / ipv4 / udp / geneve / end actions count / jump group 1 / end
      flow create 0 group 1 tunnel_match 1 pattern eth / end actions drop / end
      """)
    let index = ScriptState.tunnelDecapsulation(of: .geneve)
    #expect(state.rule(1)?.actions == [.rawDecap(index: index), .count(id: 0), .jump(group: 1)])
    #expect(state.decapsulations[index] == .tunnel(.geneve))
    #expect(state.rule(2)?.actions == [.drop])
  }

  @Test("An error of meaning has the line's number")
  func place() {
    let error = #expect(throws: GrammarError.self) {
      try FlowScript.load("\n\nflow flush 0 \\\n\n  flow flush 0\nflow destroy 3 rule 1", source: "x")
    }
    #expect(error?.description.hasPrefix("x:6:1: there is no rule #1") == true, "\(error?.description ?? "")")
  }

  @Test(
    "Random commands: what stands is well formed, ids only grow, and a refused command changed nothing",
    arguments: 0..<6)
  func randomCommands(seed: UInt64) throws {
    var random = RandomRules(seed: seed &+ 5000)
    random.isSmall = true
    var state = ScriptState()
    var newest: UInt32 = 0
    var (made, refused) = (0, 0)
    for _ in 0..<700 {
      let command = random.command()
      let before = (state.rules.map(\.rule), state.decapsulations, state.sampleActions, state.indirectActions)
      do throws(ScriptError) {
        if case .created(let id) = try state.apply(command) {
          #expect(id == newest + 1)
          newest = id
          made += 1
        }
      } catch {
        refused += 1
        let after = (state.rules.map(\.rule), state.decapsulations, state.sampleActions, state.indirectActions)
        // A decapsulation that tunnel_set would have needed may stay; nobody can name it.
        let same = before.0 == after.0 && before.2 == after.2 && before.3 == after.3
        #expect(same && before.1.filter { $0.key < 0xfe00 } == after.1.filter { $0.key < 0xfe00 }, "\(command)")
      }
      #expect(state.ruleCount == state.rules.count)
      for (id, rule) in state.rules {
        do throws(RuleError) { try state.check.check(rule) } catch { Issue.record("\(command) broke #\(id): \(error)") }
      }
    }
    // The test is of use only when both happen often.
    #expect(made > 10 && refused > 100, "\(made) \(refused)")
  }
}
