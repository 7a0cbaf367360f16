import CShim
public import DeviceBus
public import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A device in a process of its own: `dpu-device`, started with a socket as descriptor 3, over which it gets the memory and
/// two events (kick, call). The socket ends when either side does.
public final class ProcessHost: DeviceHost {
  /// The program.
  public let program: String
  /// Its process; 0 before it was started.
  public private(set) var processID: Int32 = 0
  /// Times it was started.
  public private(set) var starts = 0
  private var socket: MessageSocket?
  private var kickEvent: EventDescriptor?
  private var callEvent: EventDescriptor?
  private var hasEnded = true

  /// A device that runs `program`.
  public init(program: String) { self.program = program }

  deinit {
    guard !hasEnded else { return }
    _ = dpu_signal_program(processID, SIGKILL)
    // It ends at once; its burial waits for that.
    while dpu_program_ended(processID) == 0 { usleep(200) }
  }

  /// `dpu-device` beside the running program.
  public static func beside() -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return "dpu-device" }
    let path = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let folder = path.lastIndex(of: "/").map { path[..<$0] } ?? "."
    return folder + "/dpu-device"
  }

  /// Starts the program, and hands it memory that `prepare` has laid out.
  public func start(
    _ layout: BusLayout, prepare: (SharedRegion) throws(HostError) -> Void
  ) throws(HostError) {
    guard isGone else { throw HostError("\(program) still runs (process \(processID))") }
    let region: SharedRegion
    let ends: (MessageSocket, MessageSocket)
    let kick: EventDescriptor
    let call: EventDescriptor
    do throws(SharedMemoryError) {
      region = try SharedRegion(bytes: layout.bytes, name: "dpu-device")
      ends = try MessageSocket.pair()
      kick = try EventDescriptor()
      call = try EventDescriptor()
    } catch { throw HostError("\(program): \(error)") }
    try prepare(region)
    let number = unsafe dpu_start_program(program, nil, ends.1.descriptor.number)
    guard number > 0 else { throw HostError("\(program) cannot be started (errno \(-number))") }
    processID = number
    hasEnded = false
    starts += 1
    socket = ends.0
    kickEvent = kick
    callEvent = call
    let message = Attachment.message(bytes: region.count)
    let sent = ends.0.send(message, descriptors: [region.descriptor, kick.descriptor, call.descriptor])
    guard sent == .bytes(message.count) else {
      self.kill()
      throw HostError("\(program) does not take its memory")
    }
  }

  /// What the device said before it ended; nil when it said nothing.
  public var lastWords: String? {
    var bytes: [UInt8] = []
    var descriptors: [OwnedDescriptor] = []
    var cut = false
    guard let socket,
      case .bytes = socket.receive(room: 512, into: &bytes, descriptors: &descriptors, limit: 0, cut: &cut)
    else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Wakes the process.
  public func kick() { kickEvent?.signal() }

  /// Waits until the process calls, or its line is dead.
  public func wait(milliseconds: Int32) {
    guard let socket, let callEvent else { return }
    let ready = OwnedDescriptor.wait(for: [callEvent.descriptor, socket.descriptor], milliseconds: milliseconds)
    if ready & 1 != 0 { callEvent.clear() }
  }

  /// Whether the process is buried: a dead line is enough to bury it.
  public var isGone: Bool {
    if hasEnded { return true }
    guard let socket else { return true }
    // The line is dead as soon as the process is; the burial may come a moment later.
    guard OwnedDescriptor.wait(for: [socket.descriptor], milliseconds: 0) != 0 else { return false }
    kill()
    return hasEnded
  }

  /// Kills the process, and buries it when it goes at once.
  public func kill() {
    guard !hasEnded else { return }
    _ = dpu_signal_program(processID, SIGKILL)
    // A process that is told so leaves its memory within microseconds, unless the machine is short of time.
    for _ in 0..<200 {
      if dpu_program_ended(processID) != 0 {
        hasEnded = true
        return
      }
      usleep(50)
    }
  }

  /// Sends a signal to the process, for tests that stop and continue it.
  public func signal(_ number: Int32) { if !hasEnded { _ = dpu_signal_program(processID, number) } }
}
