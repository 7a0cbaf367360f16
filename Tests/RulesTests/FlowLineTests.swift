import Rules
import Testing

/// Rules that have a line in Open vSwitch's words, as a line is read.
private struct RandomFlows {
  var random: RandomRules
  static let templates: [UInt16: Encapsulation] = {
    let script = """
      set raw_encap 3 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv4 src is 198.51.100.1 dst is 198.51.100.2 ttl is 64 / udp / geneve vni is 100 / geneve-opt class is 0x0102 type is 0x80 length is 1 data is 00020001 / end_set
      set raw_encap 4 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv6 src is 2001:db8::1 dst is 2001:db8::2 tc is 4 hop is 9 / udp src is 7 / geneve vni is 5 / end_set
      set raw_encap 5 eth / ipv4 src is 198.51.100.1 dst is 198.51.100.2 tos is 0x20 / udp / vxlan vni is 9 / end_set
      """
    return ((try? FlowScript.load(script)) ?? ScriptState()).encapsulations
  }()
  static let headers = RuleCheck(encapsulations: templates, decapsulations: [7: .tunnel(.geneve)])

  init(_ seed: UInt64) { random = RandomRules(seed: seed) }

  mutating func rule() -> Rule {
    var rule = Rule(pattern: [], actions: [.count(id: 0)])
    rule.attributes.transfer = true
    rule.attributes.group = random.chance(70) ? 0 : UInt32(random.number(1...65535))
    if random.chance(80) {
      rule.attributes.port = random.u()
      rule.pattern.append(.representedPort(Field(rule.attributes.port)))
    }
    if random.chance(40) { tunnel(&rule) }
    let (l3, l4) = layers(&rule.pattern)
    for _ in 0..<random.number(0...3) { if let action = rewrite(l3, l4) { rule.actions += action } }
    switch random.number(0...4) {
    case 0: rule.actions.append(.drop)
    case 1: rule.actions.append(.jump(group: UInt32(random.number(1...65535))))
    default:
      if random.chance(40), let index = Self.templates.keys.sorted().randomElement(using: &random.random) {
        rule.actions.append(.rawEncap(index: index))
      }
      rule.actions.append(.representedPort(random.u()))
    }
    return rule
  }

  private mutating func tunnel(_ rule: inout Rule) {
    switch random.number(0...2) {
    case 0:
      var ip = IPv4Item()
      (ip.src, ip.dst, ip.tos, ip.ttl) = (random.field(), random.field(), random.field(), random.field())
      rule.pattern.append(.ipv4(ip))
    case 1:
      var ip = IPv6Item()
      (ip.src, ip.dst, ip.tc, ip.hop) = (random.field(), random.field(), random.field(), random.field())
      rule.pattern.append(.ipv6(ip))
    default: break
    }
    if random.chance(30) { rule.pattern.append(.udp(used { L4Item(src: $0.field(), dst: .any) })) }
    if random.chance(60) {
      var item = GeneveItem()
      item.vni = random.field(24)
      rule.pattern.append(.geneve(item))
      for _ in 0..<random.number(0...3) { rule.pattern.append(.geneveOption(option())) }
      rule.actions.append(.rawDecap(index: 7))
    } else {
      var item = VXLANItem()
      item.vni = random.field(24)
      rule.pattern.append(.vxlan(item))
      rule.actions.append(.vxlanDecap)
    }
  }

  private mutating func used(_ make: (inout RandomRules) -> L4Item) -> L4Item {
    while true {
      let item = make(&random)
      if item != L4Item() { return item }
    }
  }

  /// The words that are looked at, and no more.
  private mutating func option() -> GeneveOptionItem {
    let option = random.option()
    let looked = option.mask.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
    return GeneveOptionItem(
      optionClass: option.optionClass, type: option.type, length: option.length, data: Array(option.data[..<looked]),
      mask: Array(option.mask[..<looked]))
  }

  private mutating func layers(_ pattern: inout [Item]) -> (isIPv6: Bool?, isTCP: Bool?) {
    var ethernet = EthItem()
    (ethernet.src, ethernet.dst) = (random.field(48), random.field(48))
    let isTagged = random.chance(30)
    if isTagged, random.chance(30) { ethernet.type = Field(0x88a8) }
    let kind = random.number(0...3)
    if kind == 0, !isTagged { ethernet.type = Field(0x88b5) }
    pattern.append(.eth(ethernet))
    if isTagged {
      var tag = VLANItem()
      let (id, priority): (Field<UInt16>, Field<UInt16>) = (random.field(12), random.field(3))
      tag.tci = Field(id.spec | priority.spec << 13, mask: id.mask | priority.mask << 13)
      if kind == 0 { tag.innerType = Field(0x88b5) }
      pattern.append(.vlan(tag))
    }
    guard kind > 0 else { return (nil, nil) }
    let isIPv6 = kind == 1, l4 = random.number(0...3)
    if isIPv6 {
      var ip = IPv6Item()
      (ip.src, ip.dst, ip.tc, ip.hop) = (random.field(), random.field(), random.field(), random.field())
      ip.flow = random.field(20)
      if random.chance(30) { ip.hasFragment = Field(0, mask: 1) }
      if l4 == 0 { ip.proto = random.field() }
      pattern.append(.ipv6(ip))
    } else {
      var ip = IPv4Item()
      (ip.src, ip.dst, ip.tos, ip.ttl) = (random.field(), random.field(), random.field(), random.field())
      if random.chance(40) { ip.fragmentOffset = Field(random.chance(50) ? 0 : 0x2000, mask: 0x3fff) }
      if l4 == 0 { ip.proto = random.field() }
      pattern.append(.ipv4(ip))
    }
    switch l4 {
    case 1:
      pattern.append(.udp(L4Item(src: random.field(), dst: random.field())))
      return (isIPv6, false)
    case 2:
      var item = TCPItem()
      (item.src, item.dst, item.flags) = (random.field(), random.field(), random.field())
      pattern.append(.tcp(item))
      return (isIPv6, true)
    case 3:
      var item = ICMPItem()
      (item.type, item.code) = (random.field(), random.field())
      pattern.append(isIPv6 ? .icmp6(item) : .icmp(item))
    default: break
    }
    return (isIPv6, nil)
  }

  private mutating func rewrite(_ isIPv6: Bool?, _ isTCP: Bool?) -> [Action]? {
    switch random.number(0...3) {
    case 0: return [.popVLAN]
    case 1: return [.mark(random.u())]
    case 2:
      return [
        .pushVLAN(etherType: random.chance(50) ? 0x8100 : 0x88a8), .set(.vlanID(UInt16(random.number(1...4095)))),
      ]
    default:
      switch random.setField() {
      case .vlanID, .vlanPriority: return nil
      case .l4Source,
        .l4Destination where isTCP == nil:
        return nil
      case .ttl where isIPv6 == nil: return nil
      case let field: return [.set(field)]
      }
    }
  }
}

extension L4Item {
  fileprivate init(src: Field<UInt16>, dst: Field<UInt16>) {
    self.init()
    (self.src, self.dst) = (src, dst)
  }
}

@Suite("A rule as Open vSwitch prints a flow")
struct FlowLineTests {
  @Test("What is printed parses to the same rule and counts: 4000 random ones", arguments: 0..<8)
  func roundTrip(seed: UInt64) throws {
    var flows = RandomFlows(seed)
    for _ in 0..<500 {
      let line = FlowLine(
        rule: flows.rule(), packets: flows.random.random.next(), bytes: flows.random.random.next(),
        usedMilliseconds: flows.random.chance(50) ? nil : UInt64(flows.random.number(0...100_000)),
        offloaded: flows.random.chance(50) ? nil : "partial")
      let text = try line.text(RandomFlows.headers)
      #expect(try FlowLine.parse(text, RandomFlows.headers) == line, "\(text)")
      #expect(FlowLine.looksLikeOne(text) && !FlowLine.looksLikeOne(line.rule.description))
    }
  }

  /// Lines as Open vSwitch 3.1 dumped them, and the rule that each is.
  static let dumped: [(line: String, rule: String)] = [
    (
      "recirc_id(0),in_port(1),eth(src=00:00:00:00:00:01),eth_type(0x0800),ipv4(src=10.0.0.0/255.255.255.0,dst=10.0.0.1,proto=6,tos=0/0x3,frag=no),tcp(dst=80), packets:0, bytes:0, used:never, actions:set(ipv4(ttl=63)),2",
      "flow create 1 transfer pattern represented_port ethdev_port_id is 1 / eth src is 00:00:00:00:00:01 / ipv4 tos spec 0x00 tos mask 0x03 fragment_offset spec 0x0000 fragment_offset mask 0x3fff src spec 10.0.0.0 src prefix 24 dst is 10.0.0.1 / tcp dst is 80 / end actions count / set_ttl ttl_value 63 / represented_port ethdev_port_id 2 / end"
    ),
    (
      "ufid:ead95984-3f88-4c6a-bfb3-24bdfec403fe, skb_priority(0/0),tunnel(tun_id=0x64,src=198.51.100.1,dst=198.51.100.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0x20001/0x7fffffff}),flags(-df+csum+key)),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),ct_label(0/0),recirc_id(0),dp_hash(0/0),in_port(2),packet_type(ns=1/0,id=0x86dd/0),eth_type(0x86dd),ipv6(src=2001:db8::/ffff:ffff::,dst=::/::,label=0/0,proto=17,tclass=0/0,hlimit=0/0,frag=no),udp(src=0/0,dst=53), packets:3, bytes:300, used:1.25s, dp:ovs, actions:1, dp-extra-info:miniflow_bits(9,3)",
      "flow create 2 transfer pattern represented_port ethdev_port_id is 2 / ipv4 ttl is 64 src is 198.51.100.1 dst is 198.51.100.2 / geneve vni is 100 / geneve-opt class is 0x0102 type is 0x80 length is 1 data spec 00020001 data mask 7fffffff / ipv6 has_frag_ext is 0 src spec 2001:db8:: src prefix 32 / udp dst is 53 / end actions count / raw_decap index 7 / represented_port ethdev_port_id 1 / end"
    ),
    (
      "recirc_id(0),in_port(1),eth(dst=00:00:00:00:00:01/ff:ff:ff:00:00:00),eth_type(0x8100),vlan(vid=5/0xff,pcp=3),encap(eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,proto=17),udp(src=5/0xff,dst=9)), packets:0, bytes:0, used:never, actions:pop_vlan,push_vlan(tpid=0x88a8,vid=7,pcp=1),set(ipv4(src=1.2.3.4,tos=0x40/0xfc)),set(udp(src=5)),1",
      "flow create 1 transfer pattern represented_port ethdev_port_id is 1 / eth dst spec 00:00:00:00:00:00 dst prefix 24 / vlan tci spec 0x6005 tci mask 0xe0ff / ipv4 src spec 10.0.0.0 src prefix 8 / udp src spec 5 src mask 255 dst is 9 / end actions count / of_pop_vlan / of_push_vlan ethertype 0x88a8 / of_set_vlan_vid vlan_vid 7 / of_set_vlan_pcp vlan_pcp 1 / set_ipv4_src ipv4_addr 1.2.3.4 / set_ipv4_dscp dscp_value 16 / set_tp_src port 5 / represented_port ethdev_port_id 1 / end"
    ),
    (
      "recirc_id(0x5),in_port(1),eth(),eth_type(0x0800), packets:0, bytes:0, used:never, actions:clone(tnl_push(tnl_port(1),header(size=58,type=5,eth(dst=02:00:00:00:00:02,src=02:00:00:00:00:01,dl_type=0x0800),ipv4(src=198.51.100.1,dst=198.51.100.2,proto=17,tos=0,ttl=64,frag=0x0),udp(src=0,dst=6081,csum=0x0),geneve(vni=0x64,options({class=0x102,type=0x80,len=4,0x20001}))),out_port(1)),1)",
      "flow create 1 group 5 transfer pattern represented_port ethdev_port_id is 1 / eth type is 0x0800 / end actions count / raw_encap index 3 / represented_port ethdev_port_id 1 / end"
    ),
  ]

  @Test("What Open vSwitch dumped is read, wildcards and adornments left out", arguments: dumped)
  func dumps(line: String, rule: String) throws {
    let parsed = try FlowLine.parse(line, RandomFlows.headers).rule
    #expect(try FlowScript.command(rule) == .create(RuleRequest(rule: parsed)), "\(parsed)")
  }

  @Test("The counts of a dumped line are its own")
  func counts() throws {
    let line = try FlowLine.parse(Self.dumped[1].line, RandomFlows.headers)
    #expect(line.packets == 3 && line.bytes == 300 && line.usedMilliseconds == 1250 && line.offloaded == nil)
  }

  @Test(
    "What has no words says so",
    arguments: [
      ("pattern eth / end actions queue index 1 / end", "action 1: `queue` has no word"),
      ("pattern eth has_vlan is 1 / end actions drop / end", "item 1: `has_vlan` has no word"),
      ("pattern ipv4 / udp / geneve / end actions drop / end", "item 3: a flow is about the packet inside"),
      ("pattern ipv4 / gre / end actions drop / end", "item 2: a flow does not say that a tunnel is GRE"),
      ("pattern udp / end actions drop / end", "item 1: no IP item stands before it"),
      ("pattern eth / end actions set_ttl ttl_value 3 / drop / end", "action 1: a flow sets a TTL only where"),
      ("pattern eth / end actions of_set_vlan_vid vlan_vid 3 / drop / end", "action 1: a flow changes a tag by"),
    ])
  func wordless(rule: String, says: String) throws {
    guard case .create(let request) = try FlowScript.command("flow create 0 \(rule)") else { return }
    do throws(RuleError) {
      Issue.record("\(try FlowLine(rule: request.rule).text(RandomFlows.headers))")
    } catch { #expect(error.description.hasPrefix(says), "\(error)") }
  }

  @Test(
    "What cannot be read says what is wrong and where",
    arguments: [
      ("in_port(1),eth()", 17, "expected `actions:`"), ("in_port(p1),eth(), actions:1", 9, "expected a port's number"),
      ("in_port(1),ct_state(+trk), actions:1", 12, "`ct_state` cannot be matched here"),
      ("in_port(1),ipv4(scr=1.2.3.4), actions:1", 17, "`ipv4` has no field of this name"),
      ("in_port(1),ipv4(src=1.2.3.4/8), actions:1", 17, "expected a mask that looks as the value"),
      ("tunnel(tun_id=1), actions:1", 1, "whether the tunnel is Geneve's or VXLAN's is not said"),
      ("in_port(1), actions:1,2", 23, "a frame goes to one place here"),
      ("in_port(1), actions:ct(commit),2", 13, "`ct` is no action of a flow that can be done here"),
      ("in_port(1), actions:set(eth(type=1)),2", 29, "`eth` has no field of this name that can be set"),
      ("in_port(1), actions:tnl_push(tnl_port(1),header(size=5),out_port(1)),1", 42, "no `set raw_encap`"),
      ("in_port(1),eth(,eth_type(1), actions:1", 39, "`)` is missing"),
      ("in_port(1)),actions:1", 11, "a bracket closes"),
      ("eth(),eth(), actions:1", 7, "`eth` stands twice"),
      (String(repeating: "encap(", count: 40), 43, "brackets are more than 6 deep"),
    ])
  func errors(line: String, column: Int, says: String) {
    do throws(GrammarError) {
      Issue.record("\(try FlowLine.parse(line, RandomFlows.headers))")
    } catch {
      #expect(error.message.hasPrefix(says), "\(error)")
      #expect(error.column == column, "\(error)")
    }
  }

  @Test("Text from anywhere gives a line or an error, never a trap", arguments: 0..<8)
  func hostile(seed: UInt64) throws {
    var flows = RandomFlows(seed &+ 77)
    for _ in 0..<300 {
      var bytes = Array(try FlowLine(rule: flows.rule()).text(RandomFlows.headers).utf8)
      for _ in 0..<flows.random.number(1...4) {
        let place = flows.random.number(0...bytes.count - 1)
        switch flows.random.number(0...3) {
        case 0: bytes[place] = UInt8(flows.random.number(0...255))
        case 1: bytes.insert(Array("(){},=/:0x".utf8)[flows.random.number(0...9)], at: place)
        case 2 where bytes.count > 1: bytes.remove(at: place)
        default: bytes.removeSubrange(place..<min(bytes.count - 1, place + 9) + (place < bytes.count - 1 ? 0 : 1))
        }
        if bytes.isEmpty { bytes = [0x28] }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      do throws(GrammarError) { _ = try FlowLine.parse(text, RandomFlows.headers) } catch {
        #expect(error.column >= 1 && !error.message.isEmpty)
      }
    }
  }
}
