import Device
import Rules

@testable import Offload

/// A frame as a match sees it: no bytes, only what is there.
struct TinyFrame: Equatable {
  struct Headers: Equatable {
    var eth: (dst: UInt64, src: UInt64, type: UInt16)? = (1, 2, 0x0800)
    var tags: [UInt16] = []
    var l3 = 4
    var tos: UInt8 = 0
    var ttl: UInt8 = 64
    var src: UInt128 = 1
    var dst: UInt128 = 2
    var l4 = 17
    var ports: (UInt16, UInt16) = (1, 2)
    static func == (a: Headers, b: Headers) -> Bool {
      a.tags == b.tags && a.l3 == b.l3 && a.tos == b.tos && a.ttl == b.ttl && a.src == b.src && a.dst == b.dst
        && a.l4 == b.l4 && a.ports == b.ports && (a.eth == nil) == (b.eth == nil)
    }
  }
  var inPort: UInt16 = 0
  var outer = Headers()
  var tunnel = TunnelKind.none
  var vni: UInt32 = 0
  var options: [(key: OptionKey, data: [UInt32])] = []
  var inner = Headers()
  static func == (a: TinyFrame, b: TinyFrame) -> Bool {
    a.inPort == b.inPort && a.outer == b.outer && a.tunnel == b.tunnel && a.vni == b.vni && a.inner == b.inner
  }

  /// M1 to M5, as far as the tests' rules go.
  func matches(_ rule: Rule) -> Bool {
    guard rule.attributes.transfer || rule.attributes.port == inPort else { return false }
    var at = outer
    var tag = 0
    for item in rule.pattern {
      switch item {
      case .representedPort(let port): guard port.matches(inPort) else { return false }
      case .portRepresentor: return false
      case .eth(let eth):
        guard let own = at.eth, eth.dst.matches(own.dst), eth.src.matches(own.src) else { return false }
        guard eth.type.matches(at.tags.isEmpty ? own.type : 0x8100) else { return false }
        guard eth.hasVLAN.matches(at.tags.isEmpty ? 0 : 1) else { return false }
      case .vlan(let vlan):
        guard tag < at.tags.count, vlan.tci.matches(at.tags[tag]) else { return false }
        tag += 1
      case .ipv4(let ip):
        guard at.l3 == 4, ip.tos.matches(at.tos), ip.ttl.matches(at.ttl) else { return false }
        guard ip.proto.matches(UInt8(at.l4)) else { return false }
        guard ip.src.matches(UInt32(at.src)), ip.dst.matches(UInt32(at.dst)) else { return false }
      case .ipv6(let ip):
        guard at.l3 == 6, ip.tc.matches(at.tos), ip.hop.matches(at.ttl) else { return false }
        guard ip.src.matches(at.src), ip.dst.matches(at.dst) else { return false }
      case .udp(let udp):
        guard at.l4 == 17, udp.src.matches(at.ports.0), udp.dst.matches(at.ports.1) else { return false }
      case .icmp: guard at.l3 == 4, at.l4 == 1 else { return false }
      case .tcp(let tcp):
        guard at.l4 == 6, tcp.src.matches(at.ports.0), tcp.dst.matches(at.ports.1) else { return false }
      case .geneve(let geneve):
        guard tunnel == .geneve, geneve.vni.matches(vni) else { return false }
        at = inner
        tag = 0
      case .vxlan(let vxlan):
        guard tunnel == .vxlan, vxlan.vni.matches(vni) else { return false }
        at = inner
        tag = 0
      case .geneveOption(let wanted):
        let found = options.contains { option in
          option.key == wanted.key
            && zip(wanted.mask, wanted.data).enumerated().allSatisfy { option.data[$0] & $1.0 == $1.1 }
        }
        guard found else { return false }
      default: return false
      }
    }
    return true
  }

  /// A2: the actions that change what later rules see.
  mutating func apply(_ action: Action) {
    switch action {
    case .rawDecap where tunnel == .geneve:
      outer = inner
      tunnel = .none
      options = []
    case .set(.ipv4Destination(let value)) where outer.l3 == 4: outer.dst = UInt128(value)
    default: break
    }
  }
}

/// What becomes of a frame: the rules that counted it, in order, and what it looks like in the end.
struct TinyResult: Equatable {
  var hits: [UInt32] = []
  var frame: TinyFrame
}

/// Rules carried out on tiny frames by the plainest reading of the specification.
struct TinySoftware {
  let rules: [(id: UInt32, rule: Rule)]

  func first(_ frame: TinyFrame, group: UInt32) -> (id: UInt32, rule: Rule)? {
    rules.filter { $0.rule.attributes.group == group && frame.matches($0.rule) }
      .min { ($0.rule.attributes.priority, $0.id) < ($1.rule.attributes.priority, $1.id) }
  }

  /// Goes on in a group.
  func run(_ result: inout TinyResult, group: UInt32) {
    guard let (id, rule) = first(result.frame, group: group) else { return }
    result.hits.append(id)
    finish(&result, rule, from: 0)
  }

  /// Goes on with an action of a rule.
  func finish(_ result: inout TinyResult, _ rule: Rule, from: Int) {
    for action in rule.actions[from...] {
      result.frame.apply(action)
      if case .jump(let group) = action { return run(&result, group: group) }
    }
  }
}

/// A device that does what V1 to V7 say, with software behind it.
struct TinyDevice {
  let device: [DeviceRule]
  let abilities: Abilities
  let software: TinySoftware

  func run(_ frame: TinyFrame) -> TinyResult {
    let resumes = abilities.frame.contains(.resumePoint)
    var result = TinyResult(frame: frame)
    var group: UInt32 = 0
    while true {
      let now = result.frame
      let hit = device.filter { $0.rule.attributes.group == group && now.matches($0.rule) }
        .min { ($0.rule.attributes.priority, $0.id) < ($1.rule.attributes.priority, $1.id) }
      guard let hit, !hit.isWideGuard else {
        // A miss: as it is now with the group, or as it came and uncounted.
        if group == 0 || !resumes { result = TinyResult(frame: frame) }
        software.run(&result, group: group == 0 || !resumes ? 0 : group)
        return result
      }
      if hit.actionsOnDevice == 0 {
        // Without a resume point a guard in a later group has lost what the rules before it did.
        if group != 0, !resumes { result = TinyResult(frame: frame) }
        result.hits.append(hit.id)
        software.finish(&result, hit.rule, from: 0)
        return result
      }
      result.hits.append(hit.id)
      var next: UInt32?
      for action in hit.rule.actions.prefix(hit.actionsOnDevice) {
        result.frame.apply(action)
        if case .jump(let target) = action { next = target }
      }
      if hit.actionsOnDevice < hit.rule.actions.count {
        software.finish(&result, hit.rule, from: hit.actionsOnDevice)
        return result
      }
      guard let next else { return result }
      group = next
    }
  }
}
