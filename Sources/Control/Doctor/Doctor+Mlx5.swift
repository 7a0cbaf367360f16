import Device
import DPDKDevice

// What ConnectX and BlueField want of their host: driver, verbs, firmware, eswitch, virtual functions. Read from sysfs,
// devlink and the firmware's own tool; each answer may be missing, and then the finding says so.
extension Doctor {
  mutating func lookAtMlx5() {
    let profile = configuration.flatMap { try? ProfileCatalog.choose($0.live.device.profile).profile }
    for function in functions(of: PCIFunction.mellanox) where !function.isVirtual {
      driver(function)
      firmware(function, profile)
      eswitch(function)
      virtualFunctions(function)
    }
  }

  private mutating func driver(_ function: PCIFunction) {
    let address = function.address
    let unbind = function.driver.map { "echo \(address) | sudo tee /sys/bus/pci/drivers/\($0)/unbind && " } ?? ""
    note(
      "mlx5.driver", address, function.driver == "mlx5_core" ? .ok : .missing,
      found: "\(function.model), \(function.driver ?? "no driver")", wanted: "mlx5_core",
      why: "DPDK drives this card beside the kernel's driver and not instead of it",
      mend: unbind + "sudo modprobe mlx5_core && echo \(address) | sudo tee /sys/bus/pci/drivers/mlx5_core/bind")
    guard function.driver == "mlx5_core" else { return }
    let nodes = (host.names("/dev/infiniband") ?? []).filter { $0.hasPrefix("uverbs") }
    note(
      "mlx5.verbs", address, !function.verbs.isEmpty && !nodes.isEmpty ? .ok : .missing,
      found: function.verbs.isEmpty
        ? "no RDMA device" : nodes.isEmpty ? "no /dev/infiniband/uverbs*" : function.verbs.joined(separator: ", "),
      wanted: "an RDMA device and its uverbs node", why: "DPDK's mlx5 driver opens the card through verbs",
      mend: "sudo modprobe mlx5_ib && sudo modprobe ib_uverbs (package rdma-core)")
  }

  private mutating func firmware(_ function: PCIFunction, _ profile: DeviceProfile?) {
    let address = function.address
    // Only templates match Geneve options by the firmware's parser (DPDK 24.03, mlx5 guide).
    let wantsParser = profile?.needs != nil
    if let name = function.verbs.first, let version = line("/sys/class/infiniband/\(name)/fw_ver") {
      let parts = version.split(separator: ".").map { Int($0) ?? 0 }
      let isNew = parts.count == 3 && (parts[1], parts[2]) >= (37, 142)
      note(
        "mlx5.firmware", address, isNew ? .ok : wantsParser ? .missing : .warning, found: version,
        wanted: "xx.37.0142 or later",
        why: "older firmware does not match Geneve options under hardware steering",
        mend: "sudo mlxfwmanager --online -u -d \(address) && sudo mlxfwreset -d \(address) reset -y")
    }
    guard let parser = setting("FLEX_PARSER_PROFILE_ENABLE", of: address) else {
      return note(
        "mlx5.flex_parser", address, .warning, found: "not known", wanted: wantsParser ? "8" : "0",
        why: "the firmware's parser profile decides which Geneve options the card sees",
        mend: "sudo apt-get install mstflint && sudo mstconfig -d \(address) query FLEX_PARSER_PROFILE_ENABLE")
    }
    let wanted = wantsParser ? "8" : "0"
    note(
      "mlx5.flex_parser", address, parser == wanted ? .ok : profile == nil ? .warning : .missing, found: parser,
      wanted: wanted,
      why: wantsParser
        ? "templates match up to seven words of Geneve options under profile 8, and one under 0; IPsec wants 3"
        : "rules that are made one by one match a Geneve option under profile 0 alone",
      mend:
        "sudo mstconfig -y -d \(address) set FLEX_PARSER_PROFILE_ENABLE=\(wanted) && sudo mlxfwreset -d \(address) reset -y"
    )
  }

  /// What the firmware's tool says of one of its settings.
  private func setting(_ name: String, of address: String) -> String? {
    for tool in ["mstconfig", "mlxconfig"] {
      guard let text = host.said(tool, ["-d", address, "query", name]) else { continue }
      for line in text.split(separator: "\n") {
        let words = line.split { $0 == " " || $0 == "\t" }
        if words.first.map(String.init) == name, words.count > 1, let last = words.last { return String(last) }
      }
    }
    return nil
  }

  private mutating func eswitch(_ function: PCIFunction) {
    let handle = "pci/\(function.address)"
    let mode = devlink(["dev", "eswitch", "show", handle], "dev", handle)?["mode"]?.text
    note(
      "mlx5.eswitch", function.address, mode == "switchdev" ? .ok : mode == nil ? .warning : .missing,
      found: mode ?? "not known",
      wanted: "switchdev", why: "representors and transfer rules are there in this mode alone",
      mend: "sudo devlink dev eswitch set \(handle) mode switchdev")
    let parameters = devlink(["dev", "param", "show", handle, "name", "flow_steering_mode"], "param", handle)?.list
    guard let steering = parameters?.first?["values"]?.list?.first?["value"]?.text else { return }
    note(
      "mlx5.steering", function.address, steering == "dmfs" ? .warning : .ok, found: steering, wanted: "smfs or hmfs",
      why: "rules that the firmware writes for the driver (dmfs) go in at a hundredth of the rate",
      mend: "sudo devlink dev param set \(handle) name flow_steering_mode value smfs cmode runtime")
  }

  /// What devlink says in JSON of one of its handles.
  private func devlink(_ words: [String], _ section: String, _ handle: String) -> JSON? {
    guard let text = host.said("devlink", ["-j"] + words), let answer = try? JSON(Array(text.utf8)) else { return nil }
    return answer[section]?[handle]
  }

  private mutating func virtualFunctions(_ function: PCIFunction) {
    let wanted = representors(of: function.address)
    guard wanted > 0 else { return }
    let address = function.address
    if function.mostVirtualFunctions < wanted {
      return note(
        "mlx5.vfs", address, .missing, found: "\(function.mostVirtualFunctions) allowed", wanted: "\(wanted)",
        why: "the configuration has representors of as many virtual functions",
        mend: "sudo mstconfig -y -d \(address) set SRIOV_EN=1 NUM_OF_VFS=\(wanted) && sudo reboot")
    }
    note(
      "mlx5.vfs", address, function.virtualFunctions >= wanted ? .ok : .missing, found: "\(function.virtualFunctions)",
      wanted: "\(wanted)", why: "the configuration has representors of as many virtual functions",
      mend: "echo \(wanted) | sudo tee /sys/bus/pci/devices/\(address)/sriov_numvfs")
  }

  /// How many virtual functions of a device the configuration's representors stand for: `representor=[0-3]`, `vf2`.
  private func representors(of address: String) -> Int {
    var most = 0
    for named in configuration?.ports ?? [] {
      guard case .dpdk(let wanted)? = named.attachment?.kind, EAL.isPCI(wanted.devargs),
        function(String(wanted.devargs.prefix { $0 != "," }))?.address == address,
        let at = wanted.devargs.firstRange(of: "representor=")
      else { continue }
      // Up to the next argument; commas within brackets are the list's.
      var depth = 0
      let list = wanted.devargs[at.upperBound...].prefix { character in
        depth += character == "[" ? 1 : character == "]" ? -1 : 0
        return character != "," || depth > 0
      }
      let numbers = list.split { !$0.isNumber }.compactMap { Int($0) }
      most = max(most, (numbers.max() ?? -1) + 1)
    }
    return most
  }
}
