import Datapath
import Device
import Ports
import Rules
import Runtime

// Encapsulations, with how their other ends are reached and what went through them.
extension Daemon {
  func showTunnels(_ index: Int?) -> JSON {
    let now = MonotonicClock.now
    let addresses = Dictionary(book.outerAddresses.map { ($0.index, $0) }) { first, _ in first }
    let narrow = Dictionary(
      book.narrowPaths(now: now).paths.map { ($0.encapsulation, $0.mtu) }
    ) { min($0, $1) }
    var hops: [UInt16: TunnelHop] = [:]
    for thread in threads where !stalled.contains(thread.index) {
      for hop in thread.ask(seconds: 0.5, { loop in loop.tunnelHops }) ?? [] { hops[hop.encapsulation] = hop }
    }
    let uses = tunnelUses()
    let list: [JSON] = configuration.overlay.encapsulations.sorted { $0.key < $1.key }.compactMap { key, value in
      guard index == nil || Int(key) == index, value.kind != .none else { return nil }
      let uplinks = configuration.ports.filter { $0.port.kind == .uplink }
      let uplink = hops[key].flatMap { hop in uplinks.first { $0.port.id == hop.uplink } } ?? uplinks.first
      let use = uses[key] ?? TunnelUse()
      let address = addresses[key]
      return [
        "index": .integer(Int(key)), "kind": .string("\(value.kind)"), "key": Self.key(value),
        "local": .string(Self.address(value, isSource: true)), "remote": .string(Self.address(value, isSource: false)),
        "uplink": uplink.map { .string($0.name) } ?? .null,
        "next_hop": hops[key]?.neighbour.map { .string("\($0)") } ?? .null,
        "next_hop_mac": .string(Self.mac(address?.destination ?? 0)),
        "neighbour_state": .string(
          hops[key].map { $0.state ?? "no_route" } ?? (address?.destination == 0 ? "unresolved" : "configured")),
        "header_bytes": .integer(value.header.count),
        "path_mtu": .integer(Int(narrow[key] ?? uplink?.port.mtu ?? 0)),
        "path_is_narrow": .bool(narrow[key] != nil), "rules": .integer(use.rules), "packets": .count(use.frames),
        "bytes": .count(use.bytes), "rules_without_count": .integer(use.uncounted),
      ]
    }
    return ["schema_version": 1, "tunnels": .array(list)]
  }

  private struct TunnelUse {
    var rules = 0
    var uncounted = 0
    var frames: UInt64 = 0
    var bytes: UInt64 = 0
  }

  /// What was counted at the rules that put each encapsulation in front; up to 65,536 rules are looked at.
  private func tunnelUses() -> [UInt16: TunnelUse] {
    var uses: [UInt16: TunnelUse] = [:]
    for id in store.ids(after: 0, limit: 65_536) {
      guard let rule = store.rule(id) else { continue }
      let indices = rule.actions.compactMap { action -> UInt16? in
        switch action {
        case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): index
        default: nil
        }
      }
      guard !indices.isEmpty else { continue }
      let counts = rule.actions.contains { if case .count = $0 { true } else { false } }
      let count = count(of: id)
      for index in Set(indices) {
        uses[index, default: TunnelUse()].rules += 1
        if !counts { uses[index, default: TunnelUse()].uncounted += 1 }
        uses[index, default: TunnelUse()].frames += count.frames
        uses[index, default: TunnelUse()].bytes += count.bytes
      }
    }
    return uses
  }

  private static func address(_ value: Encapsulation, isSource: Bool) -> String {
    let width = value.isIPv6 ? 16 : 4
    let at = value.l3 + (value.isIPv6 ? 8 : 12) + (isSource ? 0 : width)
    guard value.l3 > 0, at + width <= value.header.count else { return "-" }
    let number = value.header[at..<at + width].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
    return value.isIPv6 ? Address.text(ipv6: number) : Address.text(ipv4: UInt32(truncatingIfNeeded: number))
  }

  /// VNI, VSID or GRE key.
  private static func key(_ value: Encapsulation) -> JSON {
    let at: Int
    switch value.kind {
    case .geneve, .vxlan: at = value.l4 + 8 + 4
    default: at = value.l4 + 4
    }
    guard value.l4 > 0, at + 4 <= value.header.count else { return .null }
    let word = value.header[at..<at + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    switch value.kind {
    case .geneve, .vxlan, .nvgre: return .integer(Int(word >> 8))
    default: return .integer(Int(word))
    }
  }
}
