public import Memory
import Virtqueue

/// Which side of a socket waits for the other. Either can be either: a front end that dies comes back to a back end that
/// listens, and the other way round.
public enum SocketRole: Sendable, Equatable {
  /// Listens at the path.
  case server
  /// Connects to it.
  case client
}

/// What happened to a session.
public enum SessionEvent: Sendable, Equatable {
  /// A peer is there.
  case connected
  /// Its session ended, and why.
  case ended(SessionFault)
}

/// A port that a driver of another process attaches to: the device's side of vhost-user.
///
/// One control thread calls ``service()``, at once when ``waitList`` is ready and otherwise some times a second. Worker
/// threads use ``queues``, which are the same objects over all reconnects; the control thread may be a worker too.
public final class VhostBackend: @unchecked Sendable {
  /// What the front end sees.
  public let machine: BackendMachine
  private let path: String
  private let role: SocketRole
  private var listening: ListeningSocket?
  private var stream: MessageStream?

  /// A back end at the socket `path`.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)`` when a server cannot listen there. A client tries to connect in
  ///   each ``service()``.
  public init(_ options: BackendOptions, path: String, role: SocketRole) throws(SharedMemoryError) {
    machine = BackendMachine(options)
    self.path = path
    self.role = role
    if role == .server { listening = try ListeningSocket(path: path) }
  }

  /// The rings.
  public var queues: [BackendQueue] { machine.queues }
  /// Whether a front end is there.
  public var isConnected: Bool { stream != nil }

  /// What the control thread waits for.
  public var waitList: [OwnedDescriptor] {
    [listening?.descriptor, stream?.socket.descriptor].compactMap { $0 }
  }

  /// What a worker that sleeps waits for, after ``BackendQueue/requestKicks()``.
  public var kicks: [OwnedDescriptor] { machine.kicks }

  /// Carries out everything that came, cuts off a peer that lied, and takes the next one.
  ///
  /// - Returns: what happened, in order.
  public func service() -> [SessionEvent] {
    var events: [SessionEvent] = []
    if stream == nil, let socket = role == .server ? listening?.accept() : try? MessageSocket(connectingTo: path) {
      stream = MessageStream(socket)
      events.append(.connected)
    }
    do throws(SessionFault) {
      // A peer that floods the socket has its turn and no more.
      for _ in 0..<256 {
        guard let message = try receive() else { break }
        try answer(message)
      }
      if stream != nil, let fault = machine.ringFault() { throw fault }
    } catch {
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

  private func answer(_ message: Message) throws(SessionFault) {
    let reply: Message?
    do { reply = try machine.handle(message) } catch {
      if let no = machine.negative(message) { try? stream?.send(no) }
      throw error
    }
    if let reply { try stream?.send(reply) }
  }

  /// Ends the session with the present front end, which may come back.
  public func end() {
    machine.disconnect()
    stream = nil
  }
}
