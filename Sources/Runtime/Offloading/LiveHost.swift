public import DeviceBus
public import DeviceDriver
import EmulatedDevice
public import Memory

/// Where the device of a poll thread runs: as a model that the thread itself serves, or in a process of its own.
public final class LiveHost: DeviceHost {
  /// The two.
  public enum Place: Equatable, Sendable {
    /// In the thread.
    case model
    /// In a process: the program.
    case process(program: String)
  }

  private let process: ProcessHost?
  private var server: DeviceServer?

  /// A host; nothing runs yet.
  public init(_ place: Place) {
    process = if case .process(let program) = place { ProcessHost(program: program) } else { nil }
  }

  /// See ``DeviceDriver/DeviceHost/start(_:prepare:)``.
  public func start(
    _ layout: BusLayout, prepare: (SharedRegion) throws(HostError) -> Void
  ) throws(HostError) {
    if let process { return try process.start(layout, prepare: prepare) }
    let region: SharedRegion
    do throws(SharedMemoryError) { region = try SharedRegion(bytes: layout.bytes, name: "dpu-device") } catch {
      throw HostError("the device's memory: \(error)")
    }
    try prepare(region)
    do throws(BusError) { server = try DeviceServer(region) } catch { throw HostError("\(error)") }
  }

  /// Wakes the process. A model does what waits.
  public func kick() {
    if let process { process.kick() } else { serve() }
  }

  /// Lets a model do what waits; a process needs no time of ours.
  @inline(__always)
  func serve() {
    guard let server else { return }
    while server.serve() > 0 {}
  }

  /// Waits for the process; a model does what waits.
  public func wait(milliseconds: Int32) {
    if let process { process.wait(milliseconds: milliseconds) } else { serve() }
  }

  /// Whether the process is buried; whether there is no model.
  public var isGone: Bool { process?.isGone ?? (server == nil) }

  /// Ends the device.
  public func kill() {
    process?.kill()
    server = nil
  }

  /// The process; nil when there is none.
  public var processID: Int32? { process.flatMap { $0.isGone || $0.processID == 0 ? nil : $0.processID } }

  /// What a process said before it ended.
  public var lastWords: String? { process?.lastWords }
}
