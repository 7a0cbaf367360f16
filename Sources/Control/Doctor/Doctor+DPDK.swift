import DPDKDevice
import Device

// What ports of DPDK drivers ask of the host.
extension Doctor {
  mutating func lookAtDPDK() {
    guard let configuration else { return }
    var wantsMemory = false
    for named in configuration.ports {
      guard case .dpdk(let wanted)? = named.attachment?.kind else { continue }
      wantsMemory = true
      if EAL.isPCI(wanted.devargs) {
        physical(wanted.devargs, named.name)
      } else {
        overInterface(wanted.devargs, named)
      }
    }
    if wantsMemory, configuration.live.dpdk.hugepages { hugepages(configuration.live.dpdk.memory) }
  }

  private mutating func physical(_ devargs: String, _ port: String) {
    let address = String(devargs.prefix { $0 != "," })
    guard let function = function(address) else {
      return note(
        "port.pci", port, .missing, found: "no PCI function \(address)", wanted: address,
        why: "the port is this function",
        mend: "lspci -D lists what there is (or name another in attach.dpdk)")
    }
    guard function.vendor != PCIFunction.mellanox else {
      // How mlx5 wants it is told of every such card.
      return note("port.pci", port, .ok, found: function.model, wanted: address, why: "the port is this function")
    }
    let isBound = ["vfio-pci", "uio_pci_generic", "igb_uio"].contains(function.driver ?? "")
    note(
      "port.pci", port, isBound ? .ok : .missing, found: function.driver ?? "no driver", wanted: "vfio-pci",
      why: "DPDK drives the function in the kernel driver's place",
      mend: "sudo modprobe vfio-pci && sudo dpdk-devbind.py -b vfio-pci \(function.address)")
  }

  /// Drivers over Linux interfaces: what the kernel leaves owed they cannot say.
  private mutating func overInterface(_ devargs: String, _ named: Configuration.NamedPort) {
    guard devargs.hasPrefix("net_af_packet") || devargs.hasPrefix("net_af_xdp"), named.attachment?.namespace == nil,
      let interface = devargs.split(separator: ",").first(where: { $0.hasPrefix("iface=") })?.dropFirst(6)
    else { return }
    guard host.isThere("/sys/class/net/\(interface)/mtu") else {
      return note(
        "port.interface", named.name, .missing, found: "no interface \(interface)", wanted: "\(interface)",
        why: "frames of the port pass it",
        mend: "sudo ip link add \(interface) type veth (or name another in attach.dpdk)")
    }
    guard let features = host.said("ethtool", ["-k", String(interface)]) else { return }
    let on = ["generic-receive-offload", "large-receive-offload", "tx-checksumming"].filter { name in
      features.split(separator: "\n").contains { $0.drop { $0 == " " || $0 == "\t" }.hasPrefix("\(name): on") }
    }
    note(
      "port.merging", named.name, on.contains { $0.hasSuffix("receive-offload") } ? .missing : .ok,
      found: on.isEmpty ? "off" : on.joined(separator: ", "), wanted: "off",
      why: "frames that the kernel merges do not fit in the driver's buffers, and are cut",
      mend: "sudo ethtool -K \(interface) gro off lro off")
    let isVeth = host.said("ethtool", ["-i", String(interface)])?.contains("driver: veth") == true
    note(
      "port.partial_checksums", named.name, isVeth && on.contains("tx-checksumming") ? .warning : .ok,
      found: isVeth ? "a veth, tx-checksumming \(on.contains("tx-checksumming") ? "on" : "off")" : "a device",
      wanted: "off at both ends",
      why:
        "what this host's own stack sends comes with checksums and segments owed, and the driver has no words for it",
      mend: "sudo ethtool -K \(interface) tx off (and the same at the veth's other end)")
  }

  private mutating func hugepages(_ megabytes: Int) {
    let free = value("HugePages_Free", in: "/proc/meminfo").flatMap { Int($0) } ?? 0
    let size = value("Hugepagesize", in: "/proc/meminfo").flatMap { Int($0) } ?? 2048
    let wanted = (megabytes * 1024 + size - 1) / max(1, size)
    note(
      "dpdk.hugepages", free >= wanted ? .ok : .missing, found: "\(free) free pages of \(size) kB", wanted: "\(wanted)",
      why: "dpdk.hugepages is on, and EAL takes dpdk.memory_mb of them when it starts",
      mend:
        "echo \(wanted) | sudo tee /sys/kernel/mm/hugepages/hugepages-\(size)kB/nr_hugepages (or dpdk: {hugepages: false})"
    )
  }
}
