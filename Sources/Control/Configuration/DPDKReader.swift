import DPDKDevice
import Yams

// The section `dpdk`, and ports of DPDK drivers.
extension Configuration {
  /// Devargs alone, or with how the port is wanted.
  static func readDPDKPort(_ value: YAMLValue) throws(YAMLError) -> DPDKPort.Options {
    if case .scalar = value.node { return DPDKPort.Options(devargs: try devargs(value)) }
    var map = try value.map()
    var options = DPDKPort.Options(devargs: try devargs(try map.required("device")))
    if let port = map.optional("port") { options.port = try port.integer(0...63) }
    if let descriptors = map.optional("descriptors") {
      options.descriptors = UInt16(try descriptors.integer(32...32768))
    }
    if let buffers = map.optional("buffers") { options.buffers = try buffers.integer(1024...1 << 22) }
    if let checks = map.optional("checks") { options.checks = try checks.bool() }
    if let keep = map.optional("keep_mtu") { options.keepsMTU = try keep.bool() }
    if let promiscuous = map.optional("promiscuous") { options.promiscuous = try promiscuous.bool() }
    try map.finish()
    return options
  }

  private static func devargs(_ value: YAMLValue) throws(YAMLError) -> String {
    let text = try value.string()
    guard (1...1023).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
      throw value.error(
        "expected a DPDK device and its arguments without blanks, such as net_tap0,iface=t0 or 0000:03:00.0, found "
          + "'\(text.prefix(60))'")
    }
    return text
  }

  static func readDPDK(_ value: YAMLValue, _ live: inout LiveSettings) throws(YAMLError) {
    var map = try value.map()
    if let hugepages = map.optional("hugepages") { live.dpdk.hugepages = try hugepages.bool() }
    if let memory = map.optional("memory_mb") { live.dpdk.memory = try memory.integer(64...65536) }
    if let drivers = map.optional("drivers") {
      for driver in try drivers.list() { live.dpdk.drivers.append(try driver.string()) }
    }
    if let arguments = map.optional("eal") {
      for argument in try arguments.list() { live.dpdk.arguments.append(try argument.string()) }
    }
    try map.finish()
  }

  /// How EAL is started for the ports of this configuration: PCI is looked at when one of them is there.
  var ealOptions: EAL.Options {
    var options = live.dpdk
    for case .dpdk(let wanted)? in ports.map({ $0.attachment?.kind }) where EAL.isPCI(wanted.devargs) {
      options.pci.append(wanted.devargs)
    }
    return options
  }
}
