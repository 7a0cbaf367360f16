import DPDKDevice
import Device
import Foundation
import Ports
import Runtime
import VhostUser

// Ports: what there is to see of them, and what happens to them.
extension Daemon {
  func showPorts(_ name: String?) -> JSON {
    let threads = gather()
    let sums = summary(threads).ports
    var list: [JSON] = []
    for named in configuration.ports where name == nil || named.name == name {
      let states = threads.compactMap { $0.counts.ports.first { $0.id == named.port.id } }
      let words = sums[named.port.id] ?? [UInt64](repeating: 0, count: 6)
      var drops: [DropReason: UInt64] = [:]
      for state in states { drops.merge(state.counts.drops, uniquingKeysWith: +) }
      list.append([
        "name": .string(named.name), "id": .integer(Int(named.port.id)), "kind": .string("\(named.port.kind)"),
        "attached_to": .string(named.attachedTo), "interface": states.first.map { .string($0.facts.name) } ?? .null,
        "link": .string(states.first.map { "\($0.link)" } ?? "absent"),
        "mac": .string(Self.mac(states.first?.facts.mac ?? named.port.mac)), "mtu": .integer(Int(named.port.mtu)),
        "queues": .integer(states.count), "rx_packets": .count(words[0]), "rx_bytes": .count(words[1]),
        "tx_packets": .count(words[2]), "tx_bytes": .count(words[3]), "rx_missed_packets": .count(words[4]),
        "waiting_packets": .integer(states.reduce(0) { $0 + $1.waiting }), "rx_starved": .count(words[5]),
        "drops": Self.drops(drops),
        "peer": states.first?.peer.map(Self.document) ?? .null,
        "dpdk": states.first?.dpdk.map(Self.document) ?? .null,
      ])
    }
    return ["schema_version": 1, "ports": .array(list)]
  }

  private static func document(_ sight: DPDKSight) -> JSON {
    [
      "driver": .string(sight.driver), "copied_packets": .count(sight.copies), "resets": .count(sight.resets),
      "last_fault": sight.lastFault.map { .string($0) } ?? .null,
    ]
  }

  private static func document(_ peer: RingPeer) -> JSON {
    var keeping: [JSON.Member] = []
    switch peer.keeping {
    case .file(let path):
      keeping = [.init(name: "rings_kept", value: true), .init(name: "rings_kept_in", value: .string(path))]
    case .nowhere(let why):
      keeping = [.init(name: "rings_kept", value: false), .init(name: "rings_not_kept", value: .string(why))]
    case .byOther: break
    }
    let plain: JSON = [
      "connected": .bool(peer.isConnected), "sessions": .count(peer.sessions), "cut_off": .count(peer.cutOff),
      "last_end": peer.lastEnd.map(Self.document) ?? .null,
      "last_cut_off": peer.lastCut.map(Self.document) ?? .null,
      "ends": .object(
        peer.ends.sorted { $0.key < $1.key }.map { JSON.Member(name: $0.key, value: .count($0.value)) }),
    ]
    return .object((plain.members ?? []) + keeping)
  }

  private static func document(_ fault: SessionFault) -> JSON {
    ["reason": .string(fault.name), "message": .string(fault.description)]
  }

  /// What is seen of a port from one round to the next.
  struct PortSight: Sendable {
    var link: LinkState
    var peer: RingPeer?
  }

  /// Tells of links that changed, of peers that came and went, and of those that were cut off.
  func watchPorts() {
    var seen: [UInt16: PortSight] = [:]
    for thread in threads where !stalled.contains(thread.index) {
      let sights = thread.ask(seconds: 0.5) { (loop: inout PollLoop) -> [(UInt16, PortSight)] in
        (0..<loop.ports.count).map {
          (loop.ports.id($0), PortSight(link: loop.ports.link($0), peer: loop.ports.peer($0)))
        }
      }
      // A port's queues are up and down together.
      for (id, sight) in sights ?? [] { seen[id] = sight }
    }
    for named in configuration.attachedPorts {
      guard let sight = seen[named.port.id] else { continue }
      let before = sights[named.port.id]
      tellLink(named.name, sight.link, before?.link ?? .down)
      if let peer = sight.peer { tellPeer(named.name, peer, before?.peer) }
      sights[named.port.id] = sight
    }
    for id in sights.keys where !configuration.attachedPorts.contains(where: { $0.port.id == id }) { sights[id] = nil }
  }

  private func tellLink(_ port: String, _ link: LinkState, _ before: LinkState) {
    guard link != before else { return }
    tell(log.note(link == .gone ? .error : .notice, "port.link", ["port": .string(port), "state": .string("\(link)")]))
  }

  private func tellPeer(_ port: String, _ peer: RingPeer, _ known: RingPeer?) {
    // A port that was made anew counts from zero.
    let isNew = known.map { $0.sessions > peer.sessions || $0.keeping != peer.keeping } ?? true
    let before = isNew ? RingPeer(peer.keeping) : known ?? RingPeer(peer.keeping)
    if isNew, case .nowhere(let why) = peer.keeping {
      tell(log.note(.warning, "port.rings_not_kept", ["port": .string(port), "message": .string(why)]))
    }
    if peer.sessions > before.sessions {
      tell(
        log.note(
          .info, "peer.connected", ["port": .string(port), "times": .count(peer.sessions - before.sessions)]))
    }
    if peer.cutOff > before.cutOff, let fault = peer.lastCut {
      tell(
        log.note(
          .warning, "peer.cut_off",
          [
            "port": .string(port), "reason": .string(fault.name), "message": .string(fault.description),
            "times": .count(peer.cutOff - before.cutOff),
          ]))
    }
    let left = peer.left - before.left
    if left > 0 { tell(log.note(.notice, "peer.left", ["port": .string(port), "times": .count(left)])) }
  }
}
