import CNetDPU
import Device
import EmulatedDevice

extension NetDevice {
  /// What the shim says in dev_info.
  var facts: net_dpu_facts {
    let frame = profile.abilities.frame
    func flag(_ ability: FrameAbilities) -> UInt8 { frame.contains(ability) ? 1 : 0 }
    var facts = net_dpu_facts()
    facts.ports = UInt16(ports)
    facts.virtual_functions = UInt16(functions)
    facts.mtu = 1500
    facts.rx_checksum = flag([.rxOuterL3, .rxOuterL4])
    facts.rx_outer_checksum = flag([.rxOuterL3, .rxOuterL4, .rxInnerL3, .rxInnerL4])
    facts.tx_checksum = flag(.txChecksum)
    facts.tx_outer_ipv4 = flag(.txOuterIPv4Checksum)
    facts.tx_outer_udp = flag(.txOuterUDPChecksum)
    facts.tx_tso = flag(.tso)
    facts.tx_uso = flag(.uso)
    facts.tx_tunnel_tso = flag(.tunnelTSO)
    facts.resume_point = flag(.resumePoint)
    facts.polls_wire = wire == .loopback ? 0 : 1
    facts.link_up = 1
    return facts
  }

  /// Every counter of the device and of the driver, always the same ones in the same order.
  var statistics: [(name: String, count: UInt64)] {
    let now = model.statistics
    return [
      ("frames_in", now.framesIn), ("bytes_in", now.bytesIn), ("bypassed", now.bypassed), ("delivered", now.delivered),
      ("dropped_by_rule", now.dropped), ("copied_by_sample", now.copied), ("passed_up", now.passedUp),
      ("frames_sent", now.framesSent), ("segments", now.segments), ("refused_debts", now.refusedDebts),
      ("lost_in_device", now.lostInDevice), ("rules", UInt64(model.ruleCount)), ("rules_inserted", now.inserted),
      ("rules_removed", now.removed), ("rules_refused", now.refusals.reduce(0) { $0 + $1.count }),
      ("resets", now.resets),
    ] + counters.lines
  }
}
