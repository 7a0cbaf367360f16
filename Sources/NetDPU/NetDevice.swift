import Control
import Device
import EmulatedDevice
import Memory
import Rules

/// One emulated SmartNIC behind DPDK ports. One call at a time: the shim's gate sees to that.
///
/// Ethdevs are numbered from 0: the physical function, then a representor for each virtual function, then the virtual
/// functions themselves. The model's ports are the uplink (0) and the virtual functions (1…).
final class NetDevice {
  let profile: DeviceProfile
  /// The profile as a user asked for it.
  let title: String
  let functions: Int
  let wire: WireKind
  let host: Host
  var model: EmulatedDevice

  /// Buffers that the call at hand has to account for; a frame's token is the place in it.
  var slots: [Slot] = []
  /// Frames that left the model and are not with the host yet.
  var leaving: [Leaving] = []
  var counters = DriverCounters()
  /// Ethdevs whose misses are dropped (`flow isolate`).
  var isolated: [Bool]
  var rules = RuleRecords()
  var shapes: RuleShapes
  /// The device is gone for good when so many frames were sent; 0 for never.
  let removeAt: UInt64
  private(set) var sent: UInt64 = 0

  /// A buffer of the host's, or of its staging memory.
  struct Slot {
    var buffer: HostBuffer
    var isHeld: Bool
    var isStaged: Bool
  }

  /// A frame on its way out of the device.
  struct Leaving {
    var frame: Frame
    var port: UInt16
    var mark: UInt32
    /// How often it came back over the loopback.
    var rounds: Int
  }

  init(_ arguments: DeviceArguments, folder: String, host: Host) throws(AttachError) {
    let choice: ProfileCatalog.Choice
    do {
      let own = folder.isEmpty ? nil : folder + "/DeviceProfiles"
      choice = try ProfileCatalog.choose(arguments.profile, folder: arguments.profiles ?? own)
    } catch { throw AttachError("profile=\(arguments.profile): \(error)") }
    guard arguments.wire == .loopback else { throw AttachError("wire=: only loopback is there yet") }
    profile = choice.profile
    title = choice.title
    functions = arguments.virtualFunctions
    removeAt = arguments.removeAt
    wire = arguments.wire
    self.host = host
    isolated = [Bool](repeating: false, count: 1 + 2 * functions)
    var overlay = Overlay()
    // Places for options that rules will match: what an application matches, it knows.
    overlay.endpoint.knownCriticalOptions = [UInt32](repeating: 0, count: 64)
    overlay.ports.append(Port(id: 0, kind: .uplink, mtu: 1500, miss: .host))
    for function in 0..<functions { overlay.ports.append(Port(id: UInt16(1 + function), kind: .tenant, miss: .host)) }
    do {
      model = try EmulatedDevice(
        abilities: profile.abilities, overlay: overlay, seed: arguments.seed, faults: arguments.faults,
        maximumRules: arguments.rules, programBytes: 256)
      shapes = try RuleShapes()
    } catch { throw AttachError("no memory for the device's tables: \(error)") }
    leaving.reserveCapacity(64)
    slots.reserveCapacity(256)
  }

  /// Whether the device was pulled out: it swallows what it is given, and no reset brings it back.
  var isRemoved: Bool { removeAt > 0 && sent >= removeAt }

  /// Counts a frame; false when the device is gone.
  func takes() -> Bool {
    guard !isRemoved else {
      counters.removed += 1
      return false
    }
    sent += 1
    return true
  }

  /// Ethdevs.
  var ports: Int { 1 + 2 * functions }
  /// What an ethdev is to the model: software's side of a port, or the virtual function behind it.
  func side(_ ethdev: UInt16) -> (port: UInt16, isFunction: Bool)? {
    guard ethdev < ports else { return nil }
    return Int(ethdev) > functions ? (ethdev - UInt16(functions), true) : (ethdev, false)
  }
  /// The ethdev of the virtual function behind a port of the model.
  func function(of port: UInt16) -> UInt16 { port + UInt16(functions) }
}

/// What the driver counts beside the model.
struct DriverCounters {
  /// Frames copied into buffers of the host because they did not fit in their own.
  var copied: UInt64 = 0
  /// Frames dropped because the host gave no buffer.
  var noBuffer: UInt64 = 0
  /// Frames dropped because their debts could not be.
  var malformed: UInt64 = 0
  /// Frames dropped on their 17th way round the loopback.
  var loops: UInt64 = 0
  /// Frames given to a device that was pulled out.
  var removed: UInt64 = 0
  /// Misses dropped at an isolated port.
  var isolated: UInt64 = 0

  /// With their names.
  var lines: [(name: String, count: UInt64)] {
    [
      ("driver_copied", copied), ("driver_no_buffer", noBuffer), ("driver_malformed_debts", malformed),
      ("driver_loops", loops), ("driver_isolated", isolated), ("driver_lost_removed", removed),
    ]
  }
}
