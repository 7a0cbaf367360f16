import Control
import Foundation
import Testing

/// A host made of files.
final class MadeHost: HostReader {
  var files: [String: String] = [
    "/sys/devices/system/cpu/online": "0-3\n", "/sys/devices/system/cpu/isolated": "3\n",
    "/proc/cpuinfo": "flags\t\t: fpu constant_tsc nonstop_tsc\n",
    "/proc/meminfo": "MemTotal: 1 kB\nHugePages_Total:     512\nHugePages_Free:      500\n",
    "/proc/mounts": "nodev /dev/hugepages hugetlbfs rw 0 0\n",
    "/proc/self/limits":
      "Limit   Soft  Hard  Units\nMax core file size        unlimited            unlimited            bytes\nMax open files            1024                 524288               files\nMax locked memory         unlimited            unlimited            bytes\n",
    "/proc/self/status": "CapEff:\t000001ffffffffff\n", "/dev/net/tun": "", "/run/dpu/x": "",
    "/sys/class/iommu/dmar0": "",
    "/sys/module/vfio_pci/x": "", "/usr/lib/x86_64-linux-gnu/librte_eal.so.23": "",
    "/usr/lib/x86_64-linux-gnu/libpcap.so.0.8": "", "/usr/sbin/ip": "", "/usr/sbin/ethtool": "", "/usr/bin/tshark": "",
    "/sys/class/net/eth9/mtu": "1600\n", "/sys/class/net/eth9/flags": "0x1003\n", "/run/netns/blue": "",
  ]
  var said: [String: String] = [
    "ethtool -k eth9": "Features for eth9:\ntx-checksumming: off\nlarge-receive-offload: off [fixed]\n"
  ]
  func text(_ path: String) -> String? { files[path] }
  func names(_ path: String) -> [String]? {
    let names = files.keys.filter { $0.hasPrefix(path + "/") }.map {
      String($0.dropFirst(path.count + 1).prefix { $0 != "/" })
    }
    return names.isEmpty ? nil : Set(names).sorted()
  }
  func isThere(_ path: String) -> Bool { files[path] != nil || names(path) != nil }
  func said(_ program: String, _ arguments: [String]) -> String? {
    said[([program] + arguments).joined(separator: " ")]
  }
}

@Suite("The doctor")
struct DoctorTests {
  static func configuration(runtime: String = "{threads: 1, cores: [3]}", mtu: Int = 1600) throws -> Configuration {
    try Configuration.read(
      """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, mtu: \(mtu), attach: {packet: eth9, offloads: false}}
        - {name: vm, id: 1, kind: tenant, mtu: 1500, attach: {tap: vm0, namespace: blue}}
      runtime: \(runtime)
      rules: |
        set raw_encap 1 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:02 / ipv4 src is 198.51.100.1 dst is 198.51.100.2 / udp dst is 6081 / geneve vni is 7 / end_set
      """, file: "t"
    ) { _ in "" }
  }

  @Test("finds nothing wrong with a host that has everything")
  func healthy() throws {
    let findings = Doctor.examine(MadeHost(), for: try Self.configuration())
    #expect(findings.filter { $0.state != .ok }.map(\.name) == [])
    #expect(findings.count > 20)
  }

  @Test("names each thing that is wrong, and it alone, with the command that mends it")
  func each() throws {
    let cases: [(name: String, state: Finding.State, mend: String, spoil: (MadeHost) -> Void)] = [
      ("hugepages", .warning, "nr_hugepages", { $0.files["/proc/meminfo"] = "HugePages_Total: 0\n" }),
      ("hugepages.mount", .warning, "mount -t hugetlbfs", { $0.files["/proc/mounts"] = "" }),
      ("limits.memlock", .warning, "memlock", { $0.limit("Max locked memory         65536 ") }),
      ("limits.files", .warning, "nofile", { $0.limit("Max open files            256 ") }),
      ("limits.core", .warning, "ulimit -c", { $0.limit("Max core file size        0 ") }),
      ("rights.net_admin", .missing, "setcap", { $0.files["/proc/self/status"] = "CapEff:\t000001ffffffefff\n" }),
      ("rights.net_raw", .missing, "setcap", { $0.files["/proc/self/status"] = "CapEff:\t000001ffffffdfff\n" }),
      ("rights.sys_admin", .missing, "setcap", { $0.files["/proc/self/status"] = "CapEff:\t000001ffffdfffff\n" }),
      ("tap", .missing, "modprobe tun", { $0.files["/dev/net/tun"] = nil }),
      ("iommu", .warning, "iommu=pt", { $0.files["/sys/class/iommu/dmar0"] = nil }),
      ("vfio", .warning, "modprobe vfio-pci", { $0.files["/sys/module/vfio_pci/x"] = nil }),
      ("dpdk", .warning, "apt-get install dpdk", { $0.files["/usr/lib/x86_64-linux-gnu/librte_eal.so.23"] = nil }),
      ("libpcap", .missing, "libpcap0.8", { $0.files["/usr/lib/x86_64-linux-gnu/libpcap.so.0.8"] = nil }),
      ("program.tshark", .warning, "install tshark", { $0.files["/usr/bin/tshark"] = nil }),
      ("control.folder", .missing, "install -d", { $0.files["/run/dpu/x"] = nil }),
      ("processors.isolated", .warning, "isolcpus=3", { $0.files["/sys/devices/system/cpu/isolated"] = "\n" }),
      ("processors.cores", .missing, "runtime.cores", { $0.files["/sys/devices/system/cpu/online"] = "0-2\n" }),
      ("processors.tsc", .warning, "C-states", { $0.files["/proc/cpuinfo"] = "flags : fpu\n" }),
      ("port.interface", .missing, "eth9", { $0.files["/sys/class/net/eth9/mtu"] = nil }),
      ("port.link", .missing, "eth9 up", { $0.files["/sys/class/net/eth9/flags"] = "0x1002\n" }),
      ("port.mtu", .missing, "eth9 mtu 1600", { $0.files["/sys/class/net/eth9/mtu"] = "1500\n" }),
      ("port.tx_checksum", .missing, "-K eth9 tx off", { $0.said["ethtool -k eth9"] = "tx-checksumming: on\n" }),
      ("port.lro", .warning, "lro off", { $0.said["ethtool -k eth9"] = "\tlarge-receive-offload: on\n" }),
      ("port.namespace", .missing, "netns add blue", { $0.files["/run/netns/blue"] = nil }),
    ]
    for (name, state, mend, spoil) in cases {
      let host = MadeHost()
      spoil(host)
      let wrong = Doctor.examine(host, for: try Self.configuration()).filter { $0.state != .ok }
      #expect(wrong.map(\.name) == [name])
      #expect(wrong.first?.state == state, "\(name)")
      #expect(wrong.first?.mend?.contains(mend) == true, "\(name): \(wrong.first?.mend ?? "-")")
    }
  }

  @Test("says which MTU the overlay needs, and that busy threads outnumber the cores")
  func configured() throws {
    let narrow = Doctor.examine(MadeHost(), for: try Self.configuration(mtu: 1500)).filter { $0.state != .ok }
    #expect(narrow.map(\.name) == ["overlay.mtu"])
    // 20 of IPv4, 8 of UDP, 8 of Geneve, 14 of the tenant's Ethernet.
    #expect(narrow.first?.wanted == "1550")
    let crowded = Doctor.examine(MadeHost(), for: try Self.configuration(runtime: "{threads: 5, busy: true}"))
    #expect(crowded.first { $0.name == "processors" }?.state == .missing)
  }

  @Test("judges a recorded host as it judged the host itself")
  func recorded() throws {
    let folder = try TestFolder()
    let configuration = try Self.configuration()
    for spoiled in [false, true] {
      let host = MadeHost()
      if spoiled {
        host.files["/sys/class/net/eth9/mtu"] = "1400\n"
        host.files["/dev/net/tun"] = nil
      }
      let copy = folder.file("copy\(spoiled)")
      let recording = RecordingHost(host, folder: copy)
      let there = Doctor.examine(recording, for: configuration)
      #expect(recording.failure == nil)
      #expect(Doctor.examine(LiveHost(root: copy), for: configuration) == there)
      #expect(there.contains { $0.state == .missing } == spoiled)
    }
  }

  @Test("examines this host without a failure, root or not")
  func here() {
    let findings = Doctor.examine(LiveHost())
    #expect(findings.count > 12)
    #expect(findings.allSatisfy { $0.state == .ok || $0.mend?.isEmpty == false })
  }
}

extension MadeHost {
  fileprivate func limit(_ line: String) {
    let name = line.prefix { $0 != "0" && $0 != "6" && $0 != "2" }.reversed().drop { $0 == " " }.reversed()
    let lines = (files["/proc/self/limits"] ?? "").split(separator: "\n").map {
      $0.hasPrefix(String(name)) ? line : String($0)
    }
    files["/proc/self/limits"] = lines.joined(separator: "\n")
  }
}
