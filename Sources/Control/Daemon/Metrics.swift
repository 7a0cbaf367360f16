import Datapath
import Device
import Ports
import Runtime

// Prometheus text, version 0.0.4: base units, no label a flow.
extension Daemon {
  /// See ``RequestHandler/metricsText()``.
  public func metricsText() -> String {
    let threads = gather()
    let (sums, drops) = summary(threads)
    var out = MetricsWriter()
    let families: [(String, String, Int)] = [
      ("dpu_rx_packets_total", "Packets received.", 0), ("dpu_rx_bytes_total", "Bytes received, L2 without FCS.", 1),
      ("dpu_tx_packets_total", "Packets sent.", 2), ("dpu_tx_bytes_total", "Bytes sent, L2 without FCS.", 3),
      ("dpu_rx_missed_packets_total", "Packets that what stands behind the port had to drop.", 4),
    ]
    for (name, help, word) in families {
      out.family(name, help, "counter")
      for named in configuration.ports {
        out.sample(
          name, [("device", devices?.profile.name ?? "none"), ("port", named.name)], sums[named.port.id]?[word] ?? 0)
      }
    }
    out.family("dpu_drops_total", "Packets dropped, by reason.", "counter")
    for reason in DropReason.allCases {
      out.sample("dpu_drops_total", [("reason", reason.name)], drops[Int(reason.rawValue)])
    }
    out.family("dpu_port_up", "Whether packets can pass the port.", "gauge")
    for named in configuration.attachedPorts {
      let isUp = threads.contains { $0.counts.ports.contains { $0.id == named.port.id && $0.link == .up } }
      out.sample("dpu_port_up", [("port", named.name)], isUp ? 1 : 0)
    }
    writePeers(threads, to: &out)
    out.family("dpu_queue_packets_total", "Packets that a queue carried out in software.", "counter")
    for (thread, counts) in threads {
      out.sample("dpu_queue_packets_total", [("queue", "\(thread.index)"), ("path", "sw")], counts.statistics.frames)
    }
    out.family("dpu_queue_cache_hits_total", "Packets whose flow the cache knew.", "counter")
    for (thread, counts) in threads {
      out.sample("dpu_queue_cache_hits_total", [("queue", "\(thread.index)")], counts.queue.statistics.recognised)
    }
    out.family("dpu_queue_alive", "Whether the queue's thread went around within a second.", "gauge")
    for thread in self.threads {
      out.sample("dpu_queue_alive", [("queue", "\(thread.index)")], thread.isAlive(now: MonotonicClock.now) ? 1 : 0)
    }
    if let devices {
      out.family("dpu_device_alive", "Whether the queue's device answers.", "gauge")
      for (queue, state) in devices.states.enumerated() {
        out.sample("dpu_device_alive", [("queue", "\(queue)")], state.isAlive ? 1 : 0)
      }
      let counts: [(String, String, KeyPath<LaneState, UInt64>)] = [
        ("dpu_device_packets_total", "Packets given to the device.", \.statistics.submitted),
        ("dpu_device_finished_packets_total", "Packets that needed no software.", \.statistics.finished),
        ("dpu_device_lost_packets_total", "Packets that the device had and never answered.", \.lostInDevice),
        ("dpu_device_starts_total", "Times that the device was started or reset.", \.starts),
      ]
      for (name, help, path) in counts {
        out.family(name, help, "counter")
        for (queue, state) in devices.states.enumerated() {
          out.sample(name, [("queue", "\(queue)")], state[keyPath: path])
        }
      }
      out.family("dpu_device_rules", "Rules that the device holds.", "gauge")
      for (queue, state) in devices.states.enumerated() {
        out.sample("dpu_device_rules", [("queue", "\(queue)")], UInt64(devices.used(state)))
      }
    }
    out.family("dpu_rules", "Rules in force.", "gauge")
    out.sample("dpu_rules", [], UInt64(store.count))
    out.family("dpu_change_number", "Number of the last change.", "gauge")
    out.sample("dpu_change_number", [], change)
    return out.text
  }

  /// The other ends of ports over virtio rings.
  private func writePeers(_ threads: [(thread: PollThread, counts: ThreadCounts)], to out: inout MetricsWriter) {
    let states = threads.flatMap { $0.counts.ports }
    let peers: [(port: String, peer: RingPeer)] = configuration.attachedPorts.compactMap { named in
      states.first { $0.id == named.port.id }?.peer.map { (named.name, $0) }
    }
    guard !peers.isEmpty else { return }
    out.family("dpu_port_peer_connected", "Whether somebody is at the other end of the port's rings.", "gauge")
    for (port, peer) in peers { out.sample("dpu_port_peer_connected", [("port", port)], peer.isConnected ? 1 : 0) }
    out.family("dpu_port_peer_ends_total", "Sessions that ended at the port's rings, by reason.", "counter")
    for (port, peer) in peers {
      for (reason, count) in peer.ends.sorted(by: { $0.key < $1.key }) {
        out.sample("dpu_port_peer_ends_total", [("port", port), ("reason", reason)], count)
      }
    }
    out.family("dpu_port_peer_cut_off_total", "Peers that were cut off, because they broke the rules.", "counter")
    for (port, peer) in peers { out.sample("dpu_port_peer_cut_off_total", [("port", port)], peer.cutOff) }
    out.family("dpu_port_rings_kept", "Whether packed rings' places outlive this process.", "gauge")
    for (port, peer) in peers where peer.keeping != .byOther {
      var isKept: UInt64 = 0
      if case .file = peer.keeping { isKept = 1 }
      out.sample("dpu_port_rings_kept", [("port", port)], isKept)
    }
  }
}

/// Lines of Prometheus text.
struct MetricsWriter {
  var text = ""

  mutating func family(_ name: String, _ help: String, _ type: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: UInt64) {
    let words = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    text += name + (words.isEmpty ? "" : "{\(words)}") + " \(value)\n"
  }

  static func escaped(_ text: String) -> String {
    text.map { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0) }.joined()
  }
}
