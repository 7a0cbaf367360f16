/// A PCI function as sysfs shows it.
struct PCIFunction: Equatable {
  /// `0000:03:00.0`.
  var address: String
  var vendor: Int
  var device: Int
  /// The kernel driver that has it; nil for none.
  var driver: String?
  /// It is a virtual function of another.
  var isVirtual: Bool
  /// Virtual functions that there are, and that there may be; 0 when it has none.
  var virtualFunctions: Int
  var mostVirtualFunctions: Int
  /// Its RDMA devices: `mlx5_0`.
  var verbs: [String]

  static let mellanox = 0x15b3
  /// Devices that profiles are about, by PCI id (notes of pci.ids; VFs of all of them are 0x101e).
  static let models: [Int: String] = [
    0xa2d6: "BlueField-2", 0xa2dc: "BlueField-3", 0x101d: "ConnectX-6 Dx", 0x1021: "ConnectX-7",
    0x101e: "a virtual function",
  ]

  var model: String { Self.models[device] ?? "15b3:" + String(device, radix: 16) }
}

extension Doctor {
  private static let folder = "/sys/bus/pci/devices"

  /// The function at an address, with or without its domain; nil when there is none.
  func function(_ address: String) -> PCIFunction? {
    let whole = address.split(separator: ":").count == 2 ? "0000:" + address : address
    let place = "\(Self.folder)/\(whole)"
    func hex(_ name: String) -> Int? {
      line("\(place)/\(name)").flatMap { Int($0.drop { $0 == "0" || $0 == "x" }, radix: 16) }
    }
    guard let vendor = hex("vendor"), let device = hex("device") else { return nil }
    let drivers = host.names("/sys/bus/pci/drivers") ?? []
    return PCIFunction(
      address: whole, vendor: vendor, device: device,
      driver: drivers.first { host.names("/sys/bus/pci/drivers/\($0)")?.contains(whole) == true },
      isVirtual: host.isThere("\(place)/physfn"), virtualFunctions: number("\(place)/sriov_numvfs") ?? 0,
      mostVirtualFunctions: number("\(place)/sriov_totalvfs") ?? 0, verbs: host.names("\(place)/infiniband") ?? [])
  }

  /// All functions of a maker.
  func functions(of vendor: Int) -> [PCIFunction] {
    (host.names(Self.folder) ?? []).compactMap { function($0) }.filter { $0.vendor == vendor }
  }
}
