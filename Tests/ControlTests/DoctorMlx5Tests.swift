import Control
import Testing

/// BlueField hosts, made from documents and not recorded: sysfs' ABI, and the manual pages of devlink and mstconfig.
@Suite("The doctor, of a BlueField host")
struct DoctorMlx5Tests {
  static let address = "0000:03:00.0"
  static let handle = "pci/0000:03:00.0"

  static func host() -> MadeHost {
    let host = MadeHost()
    let folder = "/sys/bus/pci/devices/\(address)"
    for (name, text) in [
      ("vendor", "0x15b3\n"), ("device", "0xa2dc\n"), ("sriov_numvfs", "4\n"), ("sriov_totalvfs", "16\n"),
      ("infiniband/mlx5_0/x", ""),
    ] { host.files["\(folder)/\(name)"] = text }
    // A function of it, and somebody else's card: neither is looked at.
    for (place, vendor, device) in [("0000:03:00.2", "0x15b3", "0x101e"), ("0000:04:00.0", "0x8086", "0x1592")] {
      host.files["/sys/bus/pci/devices/\(place)/vendor"] = vendor + "\n"
      host.files["/sys/bus/pci/devices/\(place)/device"] = device + "\n"
    }
    host.files["/sys/bus/pci/devices/0000:03:00.2/physfn/x"] = ""
    host.files["/sys/bus/pci/drivers/mlx5_core/\(address)"] = ""
    host.files["/sys/bus/pci/drivers/ice/0000:04:00.0"] = ""
    host.files["/sys/class/infiniband/mlx5_0/fw_ver"] = "32.38.1002\n"
    host.files["/dev/infiniband/uverbs0"] = ""
    host.said["mstconfig -d \(address) query FLEX_PARSER_PROFILE_ENABLE"] = """
      Device #1:
      ----------
      Device type:    BlueField3
      Configurations:                                      Next Boot
              FLEX_PARSER_PROFILE_ENABLE                  0
      """
    host.said["devlink -j dev eswitch show \(handle)"] =
      #"{"dev":{"\#(handle)":{"mode":"switchdev","inline-mode":"none","encap-mode":"basic"}}}"#
    host.said["devlink -j dev param show \(handle) name flow_steering_mode"] =
      #"{"param":{"\#(handle)":[{"name":"flow_steering_mode","type":"driver-specific","values":[{"cmode":"runtime","value":"smfs"}]}]}}"#
    return host
  }

  static func configuration(
    profile: String = "bluefield3", uplink: String = "03:00.0", dpdk: String = "{hugepages: false}"
  ) throws -> Configuration {
    try Configuration.read(
      """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, mtu: 1600, attach: {dpdk: "\(uplink)"}}
        - {name: vm, id: 1, kind: tenant, mtu: 1500, attach: {dpdk: "\(address),representor=[0-3],dv_flow_en=1"}}
      device: {kind: emulated, profile: \(profile)}
      runtime: {threads: 1, cores: [3]}
      dpdk: \(dpdk)
      """, file: "t"
    ) { _ in "" }
  }

  private func wrong(_ host: MadeHost, _ configuration: Configuration) -> [Finding] {
    Doctor.examine(host, for: configuration).filter { $0.state != .ok }
  }

  @Test("finds nothing wrong with one that has everything")
  func healthy() throws {
    let findings = Doctor.examine(Self.host(), for: try Self.configuration())
    #expect(findings.filter { $0.state != .ok } == [])
    #expect(findings.filter { $0.name.hasPrefix("mlx5.") }.map(\.subject).allSatisfy { $0 == Self.address })
    #expect(
      findings.map(\.name).filter { $0.hasPrefix("mlx5.") } == [
        "mlx5.driver", "mlx5.verbs", "mlx5.firmware", "mlx5.flex_parser", "mlx5.eswitch", "mlx5.steering", "mlx5.vfs",
      ])
  }

  @Test("names each thing that is wrong, and it alone, with the command that mends it")
  func each() throws {
    let (address, handle) = (Self.address, Self.handle)
    let cases: [(name: String, state: Finding.State, found: String, mend: String, spoil: (MadeHost) -> Void)] = [
      (
        "mlx5.driver", .missing, "vfio-pci", "drivers/vfio-pci/unbind",
        {
          $0.files["/sys/bus/pci/drivers/mlx5_core/\(address)"] = nil
          $0.files["/sys/bus/pci/drivers/vfio-pci/\(address)"] = ""
        }
      ),
      ("mlx5.verbs", .missing, "uverbs", "ib_uverbs", { $0.files["/dev/infiniband/uverbs0"] = nil }),
      (
        "mlx5.firmware", .warning, "32.36.1010", "mlxfwmanager",
        { $0.files["/sys/class/infiniband/mlx5_0/fw_ver"] = "32.36.1010\n" }
      ),
      (
        "mlx5.firmware", .warning, "32.37.0141", "mlxfwmanager",
        { $0.files["/sys/class/infiniband/mlx5_0/fw_ver"] = "32.37.0141\n" }
      ),
      (
        "mlx5.flex_parser", .missing, "8", "FLEX_PARSER_PROFILE_ENABLE=0",
        {
          $0.said["mstconfig -d \(address) query FLEX_PARSER_PROFILE_ENABLE"] =
            "  FLEX_PARSER_PROFILE_ENABLE     8\n"
        }
      ),
      (
        "mlx5.flex_parser", .warning, "not known", "mstflint",
        { $0.said["mstconfig -d \(address) query FLEX_PARSER_PROFILE_ENABLE"] = nil }
      ),
      (
        "mlx5.eswitch", .missing, "legacy", "mode switchdev",
        { $0.said["devlink -j dev eswitch show \(handle)"] = #"{"dev":{"\#(handle)":{"mode":"legacy"}}}"# }
      ),
      (
        "mlx5.eswitch", .warning, "not known", "mode switchdev",
        { $0.said["devlink -j dev eswitch show \(handle)"] = "{{" }
      ),
      (
        "mlx5.steering", .warning, "dmfs", "flow_steering_mode value smfs",
        {
          $0.said["devlink -j dev param show \(handle) name flow_steering_mode"] =
            #"{"param":{"\#(handle)":[{"values":[{"value":"dmfs"}]}]}}"#
        }
      ),
      (
        "mlx5.vfs", .missing, "3", "echo 4 | sudo tee /sys/bus/pci/devices/\(address)/sriov_numvfs",
        { $0.files["/sys/bus/pci/devices/\(address)/sriov_numvfs"] = "3\n" }
      ),
      (
        "mlx5.vfs", .missing, "2 allowed", "NUM_OF_VFS=4",
        { $0.files["/sys/bus/pci/devices/\(address)/sriov_totalvfs"] = "2\n" }
      ),
    ]
    for (name, state, found, mend, spoil) in cases {
      let host = Self.host()
      spoil(host)
      let wrong = wrong(host, try Self.configuration())
      #expect(wrong.map(\.name) == [name], "\(name) \(found)")
      #expect(wrong.first?.state == state && wrong.first?.found.contains(found) == true, "\(wrong)")
      #expect(wrong.first?.mend?.contains(mend) == true, "\(name): \(wrong.first?.mend ?? "-")")
    }
  }

  @Test("asks for the parser and the firmware that templates want, when the profile wants templates")
  func templates() throws {
    let host = Self.host()
    #expect(wrong(host, try Self.configuration(profile: "bluefield3-hws")).map(\.name) == ["mlx5.flex_parser"])
    host.said["mstconfig -d \(Self.address) query FLEX_PARSER_PROFILE_ENABLE"] = "FLEX_PARSER_PROFILE_ENABLE 8"
    #expect(wrong(host, try Self.configuration(profile: "bluefield3-hws")) == [])
    host.files["/sys/class/infiniband/mlx5_0/fw_ver"] = "32.36.1\n"
    #expect(wrong(host, try Self.configuration(profile: "bluefield3-hws")).first?.state == .missing)
  }

  @Test(
    "tells of ports of DPDK drivers: functions that are not there or not given up, huge pages, interfaces that merge")
  func ports() throws {
    let host = Self.host()
    #expect(wrong(host, try Self.configuration(uplink: "0000:05:00.0")).map(\.name) == ["port.pci"])
    let ice = wrong(host, try Self.configuration(uplink: "0000:04:00.0"))
    #expect(ice.map(\.name) == ["port.pci"] && ice.first?.mend?.contains("-b vfio-pci 0000:04:00.0") == true)
    let pages = wrong(host, try Self.configuration(dpdk: "{hugepages: true, memory_mb: 2048}"))
    #expect(pages.map(\.name) == ["dpdk.hugepages"] && pages.first?.wanted == "1024")
    #expect(wrong(host, try Self.configuration(dpdk: "{hugepages: true, memory_mb: 512}")) == [])

    let packet = try Self.configuration(uplink: "net_af_packet0,iface=eth9")
    host.said["ethtool -k eth9"] = "tx-checksumming: off\ngeneric-receive-offload: off\n"
    host.said["ethtool -i eth9"] = "driver: veth\n"
    #expect(wrong(host, packet) == [])
    host.said["ethtool -k eth9"] = "tx-checksumming: on\ngeneric-receive-offload: off\n"
    #expect(wrong(host, packet).map(\.name) == ["port.partial_checksums"])
    #expect(wrong(host, packet).first?.mend?.contains("ethtool -K eth9 tx off") == true)
    host.said["ethtool -k eth9"] = "tx-checksumming: off\ngeneric-receive-offload: on\n"
    #expect(wrong(host, packet).map(\.name) == ["port.merging"])
    host.files["/sys/class/net/eth9/mtu"] = nil
    #expect(wrong(host, packet).map(\.name) == ["port.interface"])
  }

  @Test("judges a recorded one as it judged the host itself")
  func recorded() throws {
    let folder = try TestFolder()
    let recording = RecordingHost(Self.host(), folder: folder.file("copy"))
    let there = Doctor.examine(recording, for: try Self.configuration())
    #expect(recording.failure == nil)
    #expect(Doctor.examine(LiveHost(root: folder.file("copy")), for: try Self.configuration()) == there)
  }
}
