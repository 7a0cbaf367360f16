public import Memory

/// The driver's side of vhost-user: attaches to a device of another process (a switch, another dpud, DPDK's net_vhost).
///
/// One control thread calls ``service(now:)``, some times a second and when ``waitList`` is ready. Workers use ``pairs``.
public final class VhostFrontend: @unchecked Sendable {
  /// What is said.
  public let machine: FrontendMachine
  private let path: String
  private let role: SocketRole
  private var listening: ListeningSocket?
  private var stream: MessageStream?
  private var deadline: UInt64 = 0

  /// A front end at the socket `path`.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)`` when a server cannot listen there. A client tries to connect in
  ///   each ``service(now:)``.
  public init(_ options: FrontendOptions, path: String, role: SocketRole) throws(SharedMemoryError) {
    machine = FrontendMachine(options)
    self.path = path
    self.role = role
    if role == .server { listening = try ListeningSocket(path: path) }
  }

  /// The queues.
  public var pairs: [FrontendPair] { machine.pairs }
  /// Whether a device is there and its rings run.
  public var isReady: Bool { machine.isReady }

  /// What the control thread waits for.
  public var waitList: [OwnedDescriptor] {
    [listening?.descriptor, stream?.socket.descriptor].compactMap { $0 }
  }

  /// What a worker that sleeps waits for, after ``FrontendPair/requestCalls()``.
  public var calls: [OwnedDescriptor] { machine.calls.map(\.descriptor) }

  /// Says what is to be said, takes what came, cuts off a device that lied.
  ///
  /// - Parameter now: nanoseconds of the caller's clock, for devices that do not answer.
  /// - Returns: what happened, in order.
  public func service(now: UInt64) -> [SessionEvent] {
    var events: [SessionEvent] = []
    if stream == nil, let socket = role == .server ? listening?.accept() : try? MessageSocket(connectingTo: path) {
      stream = MessageStream(socket)
      machine.connect()
      deadline = now &+ machine.options.patience
      events.append(.connected)
    }
    do throws(SessionFault) {
      for _ in 0..<256 {
        while let message = machine.next() {
          try stream?.send(message)
          deadline = now &+ machine.options.patience
        }
        guard let reply = try receive() else { break }
        try machine.take(reply)
      }
      if let request = machine.isAwaiting, stream != nil, now > deadline {
        throw .noAnswer(request: request.rawValue)
      }
      if stream != nil, let fault = machine.ringFault() { throw fault }
    } catch {
      if case .ring = error { machine.discard() }
      end()
      events.append(.ended(error))
    }
    return events
  }

  private func receive() throws(SessionFault) -> Message? {
    guard var reading = stream else { return nil }
    let message = try reading.next()
    stream = reading
    return message
  }

  /// Ends the session with the present device, which may come back.
  public func end() {
    machine.disconnect()
    stream = nil
  }
}
