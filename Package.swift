// swift-tools-version: 6.3
import PackageDescription

// One settings array for every Swift target: the house has one set of rules.
let house: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "dpu",
  products: [
    .executable(name: "dpuctl", targets: ["dpuctl"]),
    .executable(name: "dpud", targets: ["dpud"]),
    .executable(name: "dpu-device", targets: ["dpu-device"]),
    // The Swift half of librte_net_dpu.so: Tools/build-pmd links it with the C shim and DPDK.
    .library(name: "NetDPU", type: .static, targets: ["NetDPU"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(name: "CShim", exclude: ["README.md"]),
    .target(name: "CNet"),
    .target(name: "CSocket"),
    // The headers lie in folders that only Debian's own flags name; the links say where.
    .target(
      name: "CDPDK", exclude: ["headers"],
      cSettings: ["dpdk", "x86_64", "aarch64"].map { .headerSearchPath("headers/" + $0) },
      linkerSettings: ["rte_eal", "rte_ethdev", "rte_mbuf", "rte_mempool", "rte_net"].map { .linkedLibrary($0) }),
    .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
    .target(name: "Wire", dependencies: ["CShim"], exclude: ["README.md"], swiftSettings: house),
    .target(name: "Memory", dependencies: ["CShim"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Virtqueue", dependencies: ["Memory", "CShim"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "VhostUser", dependencies: ["Virtqueue", "Memory"], exclude: ["README.md"], swiftSettings: house),
    .target(name: "Rules", exclude: ["README.md"], swiftSettings: house),
    .target(name: "Device", dependencies: ["Rules", "Memory"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "DeviceBus", dependencies: ["Device", "Rules", "Virtqueue", "Memory"], exclude: ["README.md"],
      swiftSettings: house),
    .target(
      name: "DeviceDriver", dependencies: ["DeviceBus", "Device", "Rules", "Virtqueue", "Memory", "CShim"],
      exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Classifier", dependencies: ["Device", "Rules", "Memory", "Wire", "CShim"], exclude: ["README.md"],
      swiftSettings: house),
    .target(
      name: "EmulatedDevice", dependencies: ["DeviceBus", "Device", "Rules", "Virtqueue", "Memory"],
      exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Ports", dependencies: ["Device", "Memory", "Virtqueue", "VhostUser", "Wire", "CNet", "CPcap"],
      exclude: ["README.md"],
      swiftSettings: house),
    .target(
      name: "DPDKDevice", dependencies: ["CDPDK", "Device", "Memory"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Datapath", dependencies: ["Classifier", "Device", "Rules", "Memory", "Wire", "CShim"],
      exclude: ["README.md", "Frames/README.md"], swiftSettings: house),
    .target(
      name: "HostInventory", dependencies: ["Rules", "CNet"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Runtime",
      dependencies: [
        "HostInventory", "Datapath", "Offload", "DeviceDriver", "DeviceBus", "EmulatedDevice", "DPDKDevice", "Ports",
        "Device", "Rules", "Memory",
      ],
      exclude: ["README.md"], swiftSettings: house),
    .target(name: "Offload", dependencies: ["Device", "Rules"], exclude: ["README.md"], swiftSettings: house),
    .target(
      name: "Control",
      dependencies: [
        "CShim", "CSocket", "HostInventory", "Runtime", "Datapath", "Offload", "Classifier", "EmulatedDevice",
        "DeviceDriver", "DPDKDevice", "Ports", "VhostUser", "Device", "Rules", "Memory", "Wire",
        .product(name: "Yams", package: "Yams"),
      ],
      exclude: [
        "README.md", "Configuration/Configuration.md", "Socket/README.md", "Journal/README.md", "Daemon/README.md",
        "Doctor/README.md",
      ],
      swiftSettings: house),
    .executableTarget(
      name: "dpu-device", dependencies: ["EmulatedDevice", "DeviceBus", "Memory"], exclude: ["README.md"],
      swiftSettings: house),
    .target(name: "CNetDPU"),
    .target(
      name: "NetDPU",
      dependencies: ["CNetDPU", "Control", "Offload", "EmulatedDevice", "Device", "Rules", "Memory"],
      exclude: ["README.md"], swiftSettings: house),
    .executableTarget(
      name: "dpuctl",
      dependencies: [
        "Control", "Offload", "Datapath", "EmulatedDevice", "Ports", "Device", "Rules", "Memory", "Wire",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["README.md"], swiftSettings: house),
    .executableTarget(
      name: "dpud",
      dependencies: ["Control", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      exclude: ["README.md", "dpud.service"], swiftSettings: house),
    // Takes the place of malloc and of reference counting: only for programs that test.
    .target(name: "CCounting", path: "Tools/Counting"),
    .executableTarget(
      name: "properties",
      dependencies: [
        "CCounting", "Control", "Offload", "Datapath", "Classifier", "EmulatedDevice", "Ports", "Device", "Rules",
        "Memory", "Wire", "Virtqueue",
      ], path: "Tools/Properties", exclude: ["README.md"], swiftSettings: house),
    .executableTarget(
      name: "live",
      dependencies: ["Runtime", "HostInventory", "Control", "Datapath", "Ports", "VhostUser", "Device"],
      path: "Tools/Live", exclude: ["README.md", "live.py"], swiftSettings: house),
    // One end of a vhost-user link: the other is a program that no one here wrote (Tools/peers).
    .executableTarget(
      name: "ringpeer", dependencies: ["VhostUser", "Virtqueue", "Memory"], path: "Tools/RingPeer", swiftSettings: house
    ),
    .target(name: "CBench", path: "Tools/Benchmarks/CBench"),
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "CBench", "CShim", "Control", "Offload", "Datapath", "Classifier", "EmulatedDevice", "Ports", "Device", "Rules",
        "Memory", "Wire", "Virtqueue", "VhostUser", "Runtime",
      ], path: "Tools/Benchmarks/Runner", exclude: ["README.md"], swiftSettings: house),
    .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: house),
    .testTarget(name: "MemoryTests", dependencies: ["Memory"], swiftSettings: house),
    .testTarget(name: "VirtqueueTests", dependencies: ["Virtqueue", "Memory"], swiftSettings: house),
    .testTarget(
      name: "VhostUserTests", dependencies: ["VhostUser", "Virtqueue", "Memory"], swiftSettings: house),
    .testTarget(name: "RulesTests", dependencies: ["Rules"], swiftSettings: house),
    .testTarget(name: "DeviceTests", dependencies: ["Device", "Rules", "Memory"], swiftSettings: house),
    .testTarget(
      name: "ClassifierTests", dependencies: ["Classifier", "Device", "Rules", "Memory", "Wire"], swiftSettings: house),
    .testTarget(
      name: "EmulatedDeviceTests", dependencies: ["EmulatedDevice", "Device", "Rules", "Memory"], swiftSettings: house),
    .testTarget(
      name: "DeviceDriverTests",
      dependencies: ["DeviceDriver", "DeviceBus", "EmulatedDevice", "Device", "Rules", "Memory", "dpu-device"],
      swiftSettings: house),
    .testTarget(
      name: "PortsTests",
      dependencies: ["Ports", "Datapath", "Device", "Memory", "Virtqueue", "VhostUser", "Wire"], swiftSettings: house),
    .testTarget(
      name: "DatapathTests", dependencies: ["Datapath", "Classifier", "Device", "Rules", "Memory", "Wire"],
      swiftSettings: house),
    .testTarget(
      name: "DPDKDeviceTests", dependencies: ["DPDKDevice", "Device", "Memory"], swiftSettings: house),
    .testTarget(name: "HostInventoryTests", dependencies: ["HostInventory", "Ports"], swiftSettings: house),
    .testTarget(
      name: "RuntimeTests",
      dependencies: [
        "Runtime", "HostInventory", "Control", "Offload", "Classifier", "Rules", "Datapath", "Ports", "Device",
        "Memory",
      ],
      swiftSettings: house),
    .testTarget(
      name: "NetDPUTests",
      dependencies: ["NetDPU", "CNetDPU", "Control", "EmulatedDevice", "Device", "Rules", "Memory"],
      swiftSettings: house),
    .testTarget(name: "OffloadTests", dependencies: ["Offload", "Device", "Rules"], swiftSettings: house),
    .testTarget(
      name: "ControlTests",
      dependencies: [
        "Control", "Datapath", "Offload", "Classifier", "EmulatedDevice", "Ports", "Device", "Rules", "Memory", "Wire",
        "DeviceDriver", "DPDKDevice", "Runtime", "VhostUser", "Virtqueue", "dpu-device",
      ], swiftSettings: house),
  ]
)
