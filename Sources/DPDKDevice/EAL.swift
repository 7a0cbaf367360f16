/// DPDK's environment, started once a process.
public enum EAL {
  /// How it is wanted.
  public struct Options: Equatable, Hashable, Sendable {
    /// Take memory from hugepages; otherwise from usual pages, which needs neither root nor set-up and costs TLB misses.
    public var hugepages = false
    /// Memory in MB, of usual pages or of hugepages, 64…65,536.
    public var memory = 256
    /// PCI devices that will be probed, by address and arguments; without any, PCI is not looked at.
    public var pci: [String] = []
    /// Drivers beside those of DPDK's own folder: shared objects. EAL refuses what lies under a world-writable folder.
    public var drivers: [String] = []
    /// Further arguments, as any DPDK program takes them.
    public var arguments: [String] = []

    /// The defaults.
    public init() {}

    /// The arguments for EAL.
    var words: [String] {
      // One EAL thread that is bound to no core: the runtime has threads of its own.
      let cores = DPDKCalls.cores.map { "\($0)" }.joined(separator: ",")
      var words = ["dpu", "--no-telemetry", "--log-level=lib.eal:6", "--lcores=0@(\(cores))"]
      words += hugepages ? ["--in-memory"] : ["--no-huge", "--no-shconf"]
      words += ["-m", "\(memory)"]
      words += pci.isEmpty ? ["--no-pci"] : pci.flatMap { ["-a", $0] }
      words += drivers.flatMap { ["-d", $0] }
      return words + arguments
    }
  }

  /// DPDK's version, such as "DPDK 22.11.11".
  public static var version: String { DPDKCalls.version }

  /// Whether it runs.
  public static var isStarted: Bool { DPDKCalls.isStarted }

  /// Whether devargs name a PCI device: `[domain:]bus:device.function`, with anything behind a comma.
  public static func isPCI(_ devargs: String) -> Bool {
    let address = devargs.prefix { $0 != "," }
    let parts = address.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 || parts.count == 3, let last = parts.last else { return false }
    let function = last.split(separator: ".", omittingEmptySubsequences: false)
    guard function.count == 2, function[0].count == 2, function[1].count == 1 else { return false }
    let digits = parts.dropLast().map { $0 } + function
    return digits.allSatisfy { !$0.isEmpty && $0.count <= 8 && $0.allSatisfy(\.isHexDigit) }
  }

  /// Starts it; does nothing when it runs. What EAL takes from the calling thread (the cores it may run on) is given back.
  ///
  /// - Throws: ``DPDKError`` with what EAL said. After a failure a process cannot start it again, and every call says why it
  ///   failed.
  public static func start(_ options: Options) throws(DPDKError) {
    guard !isStarted else { return }
    let answer = DPDKCalls.start(options.words)
    guard answer >= 0 else {
      throw DPDKCalls.failure("DPDK's EAL (\(options.words.dropFirst().joined(separator: " ")))", answer)
    }
  }
}
