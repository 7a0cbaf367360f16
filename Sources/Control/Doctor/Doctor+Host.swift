import Device

// The host itself: memory, limits, rights, processors, programs.
extension Doctor {
  mutating func lookAtHost() {
    processors()
    memory()
    limits()
    rights()
    passthrough()
    programs()
  }

  private mutating func processors() {
    let online = Self.numbers(line("/sys/devices/system/cpu/online") ?? "")
    let live = configuration?.live ?? LiveSettings()
    let isBusy = live.spin == nil
    note(
      "processors", live.threads <= online.count ? .ok : isBusy ? .missing : .warning,
      found: "\(online.count) online, \(live.threads) poll threads", wanted: "a core for each poll thread",
      why: "poll threads that share a core wait for each other; busy ones take it from everybody",
      mend: "set runtime.threads to \(max(1, online.count)) in the configuration")
    let absent = live.cores.filter { !online.contains($0) }
    if !absent.isEmpty {
      note(
        "processors.cores", .missing, found: "cores \(absent) are not online",
        wanted: "the cores of runtime.cores", why: "a thread cannot be bound to a core that is not there",
        mend: "set runtime.cores to some of \(online.sorted()) in the configuration")
    }
    let isolated = Self.numbers(line("/sys/devices/system/cpu/isolated") ?? "")
    let wanted = live.cores.isEmpty ? Array(online.sorted().suffix(live.threads)) : live.cores
    let list = wanted.map(String.init).joined(separator: ",")
    note(
      "processors.isolated", wanted.allSatisfy(isolated.contains) && !wanted.isEmpty ? .ok : .warning,
      found: isolated.isEmpty ? "none" : "\(isolated.sorted())", wanted: "cores \(list)",
      why: "other work on a poll thread's core shows as latency",
      mend:
        "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT isolcpus=\(list) nohz_full=\(list) rcu_nocbs=\(list)\"' | sudo tee /etc/default/grub.d/dpu.cfg && sudo update-grub && sudo reboot"
    )
    if let governor = line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") {
      note(
        "processors.governor", governor == "performance" ? .ok : .warning, found: governor, wanted: "performance",
        why: "a core that sleeps between bursts runs slowly in them", mend: "sudo cpupower frequency-set -g performance"
      )
    }
    let flags = Set(
      (host.text("/proc/cpuinfo") ?? "").split(separator: "\n").first { $0.hasPrefix("flags") }?
        .split(separator: " ").map(String.init) ?? [])
    if !flags.isEmpty {
      let isSteady = flags.contains("constant_tsc") && flags.contains("nonstop_tsc")
      note(
        "processors.tsc", isSteady ? .ok : .warning, found: isSteady ? "steady" : "not steady",
        wanted: "constant_tsc and nonstop_tsc", why: "clocks in dpuctl runtime are ticks of the time-stamp counter",
        mend: "switch C-states off in the firmware, or read ns instead of clocks")
    }
  }

  private mutating func memory() {
    let pages = value("HugePages_Total", in: "/proc/meminfo").flatMap { Int($0) } ?? 0
    let free = value("HugePages_Free", in: "/proc/meminfo").flatMap { Int($0) } ?? 0
    note(
      "hugepages", pages > 0 ? .ok : .warning, found: "\(pages) pages, \(free) free", wanted: "512 pages of 2 MiB",
      why: "DPDK ports and guests with vhost-user want them; dpud itself does without",
      mend: "echo 512 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    let mount = (host.text("/proc/mounts") ?? "").split(separator: "\n").contains {
      $0.split(separator: " ").dropFirst(2).first == "hugetlbfs"
    }
    note(
      "hugepages.mount", mount ? .ok : .warning, found: mount ? "mounted" : "not mounted", wanted: "hugetlbfs mounted",
      why: "DPDK and QEMU take huge pages from there",
      mend: "sudo mkdir -p /dev/hugepages && sudo mount -t hugetlbfs nodev /dev/hugepages")
  }

  private mutating func limits() {
    let locked = limit("Max locked memory")
    note(
      "limits.memlock", locked.isKnown && (locked.soft ?? .max) >= 64 << 20 ? .ok : .warning,
      found: locked.isKnown ? locked.soft.map { "\($0) bytes" } ?? "unlimited" : "unknown", wanted: "64 MiB or more",
      why: "memory that a device reads has to stay where it is",
      mend: "sudo prlimit --pid $$ --memlock=unlimited (systemd: LimitMEMLOCK=infinity)")
    let files = limit("Max open files")
    note(
      "limits.files", files.isKnown && (files.soft ?? .max) >= 1024 ? .ok : .warning,
      found: files.isKnown ? files.soft.map { "\($0)" } ?? "unlimited" : "unknown", wanted: "1024 or more",
      why: "each client, ring and port takes some",
      mend: "sudo prlimit --pid $$ --nofile=65536 (systemd: LimitNOFILE=65536)")
    let core = limit("Max core file size")
    note(
      "limits.core", core.isKnown && core.soft == 0 ? .warning : .ok,
      found: core.soft.map { "\($0) bytes" } ?? "unlimited", wanted: "more than 0",
      why: "a dump says where a program ended", mend: "ulimit -c unlimited (systemd: LimitCORE=infinity)")
  }

  /// Capabilities by number, with what of the configuration wants them.
  private mutating func rights() {
    let mask = value("CapEff", in: "/proc/self/status").flatMap { UInt64($0, radix: 16) } ?? 0
    let attachments = (configuration?.ports ?? []).compactMap(\.attachment)
    var taps = configuration == nil, packets = configuration == nil
    for attachment in attachments {
      switch attachment.kind {
      case .tap: taps = true
      case .packet: packets = true
      default: continue
      }
    }
    let spaces = attachments.contains { $0.namespace != nil }
    let wanted: [(name: String, bit: UInt64, isWanted: Bool, why: String)] = [
      ("net_admin", 12, taps || packets, "makes TAP devices and changes interfaces"),
      ("net_raw", 13, packets, "opens packet sockets"), ("sys_admin", 21, spaces, "enters network namespaces"),
      ("sys_nice", 23, configuration?.live.cores.isEmpty == false, "binds threads to cores"),
    ]
    for right in wanted where right.isWanted {
      let has = mask >> right.bit & 1 == 1
      // A doctor that runs as somebody else does not know what dpud may.
      note(
        "rights.\(right.name)", has ? .ok : configuration == nil ? .warning : .missing,
        found: has ? "held" : "not held",
        wanted: "CAP_\(right.name.uppercased())", why: right.why,
        mend:
          "sudo setcap cap_net_admin,cap_net_raw,cap_sys_admin,cap_sys_nice+ep $(command -v dpud) (or run it as root)")
    }
    let hasTun = host.isThere("/dev/net/tun")
    note(
      "tap", hasTun ? .ok : taps ? .missing : .warning, found: hasTun ? "/dev/net/tun" : "no /dev/net/tun",
      wanted: "the tun module", why: "TAP ports and the host port are its devices", mend: "sudo modprobe tun")
    let socket = configuration?.live.socket ?? LiveSettings.defaultSocket
    if let slash = socket.lastIndex(of: "/"), slash != socket.startIndex {
      let folder = String(socket[..<slash])
      note(
        "control.folder", host.isThere(folder) ? .ok : configuration == nil ? .warning : .missing,
        found: host.isThere(folder) ? "there" : "not there", wanted: folder, why: "the control socket is made in it",
        mend: "sudo install -d -m 0755 \(folder)")
    }
  }

  private mutating func passthrough() {
    let groups = host.names("/sys/class/iommu")?.count ?? 0
    note(
      "iommu", groups > 0 ? .ok : .warning, found: "\(groups) units", wanted: "an IOMMU in use",
      why: "vfio gives devices to programs safely only behind one",
      mend:
        "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT intel_iommu=on iommu=pt\"' | sudo tee /etc/default/grub.d/iommu.cfg && sudo update-grub && sudo reboot"
    )
    let hasVfio = host.isThere("/sys/module/vfio_pci") || host.isThere("/dev/vfio/vfio")
    note(
      "vfio", hasVfio ? .ok : .warning, found: hasVfio ? "loaded" : "not loaded", wanted: "vfio-pci",
      why: "DPDK drives devices through it (mlx5 does not need it)", mend: "sudo modprobe vfio-pci")
  }

  private mutating func programs() {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib"]
    func has(_ library: String) -> Bool { folders.contains { host.isThere("\($0)/\(library)") } }
    let dpdk = (20...40).reversed().first { has("librte_eal.so.\($0)") }
    // The number of DPDK's interface: 23 is 22.11, 24 is 23.11, 25 is 24.11.
    note(
      "dpdk", (dpdk ?? 0) >= 23 ? .ok : .warning,
      found: dpdk.map { "ABI \($0) (DPDK \($0 - 1).11)" } ?? "not installed", wanted: "DPDK 22.11 or later",
      why: "test programs and DPDK ports; dpud runs without", mend: "sudo apt-get install dpdk")
    let hasPcap = has("libpcap.so.0.8") || has("libpcap.so.1")
    note(
      "libpcap", hasPcap ? .ok : .missing, found: hasPcap ? "installed" : "not installed", wanted: "libpcap",
      why: "captures and their filters", mend: "sudo apt-get install libpcap0.8")
    for (program, package, why) in [
      ("ip", "iproute2", "interfaces and namespaces"), ("ethtool", "ethtool", "offloads of interfaces"),
      ("tshark", "tshark", "reads captures with their comments"),
    ] {
      let has = ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"].contains { host.isThere($0 + program) }
      note(
        "program.\(program)", has ? .ok : .warning, found: has ? "installed" : "not installed", wanted: program,
        why: why, mend: "sudo apt-get install \(package)")
    }
  }
}
