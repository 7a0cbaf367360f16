import Foundation
public import Ports

/// The control socket: many clients, one thread, bounded memory for each. README.md in this folder is the protocol.
public final class ControlServer {
  /// The version of the protocol that the greeting says.
  public static let version = 1

  /// Bounds.
  public struct Limits: Sendable {
    /// Bytes of a request.
    public var request = 1 << 20
    /// Connections; behind that the one that was idle longest goes.
    public var clients = 4096
    /// Requests of one client that may wait for their answers.
    public var waiting = 64
    /// The defaults.
    public init() {}
  }

  private let path: String
  private let listener: FileDescriptor
  private let metrics: FileDescriptor?
  private let epoll: Epoll
  private let limits: Limits
  // The handler owns the server.
  private unowned let handler: any RequestHandler
  private var clients: [Int32: Client] = [:]
  /// Clients that may have more to do without new bytes.
  private var busy: Set<Int32> = []
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)
  private let stopping: FileDescriptor
  private let ending: FileDescriptor
  private var isStopping = false
  private let greeting: JSON
  private let waker: Waker?

  /// Listens.
  ///
  /// - Parameters:
  ///   - path: of the socket.
  ///   - group: who may connect beside this user and root; nil: the group of this process.
  ///   - waker: ends the server's sleep, so that it asks the handler.
  ///   - metricsPort: where `GET /metrics` is answered on the loopback address; nil for nowhere.
  /// - Throws: ``SystemError``.
  public init(
    path: String, group: String? = nil, metricsPort: UInt16? = nil, limits: Limits = Limits(), waker: Waker? = nil,
    program: String,
    handler: any RequestHandler
  ) throws(SystemError) {
    SystemCalls.raiseFileLimit()
    self.path = path
    self.limits = limits
    self.waker = waker
    self.handler = handler
    epoll = try Epoll()
    (stopping, ending) = try SystemCalls.pipe()
    listener = try SystemCalls.listen(path: path, group: group)
    metrics = if let metricsPort { try SystemCalls.listen(loopback: metricsPort) } else { nil }
    greeting = [
      "protocol": .integer(Self.version), "program": .string(program),
      "process": .integer(Int(ProcessInfo.processInfo.processIdentifier)),
      "max_request_bytes": .integer(limits.request),
    ]
    try epoll.set(listener.number, reads: true, writes: false, isNew: true)
    try epoll.set(stopping.number, reads: true, writes: false, isNew: true)
    if let waker { try epoll.set(waker.descriptor, reads: true, writes: false, isNew: true) }
    if let metrics { try epoll.set(metrics.number, reads: true, writes: false, isNew: true) }
  }

  /// Ends ``run()``, from any thread and from signal handlers' queues.
  public var stopper: @Sendable () -> Void {
    let ending = ending
    return { SystemCalls.poke(ending.number) }
  }

  /// How many clients are connected.
  public var clientCount: Int { clients.count }

  /// Serves until it is stopped; answers that were begun are sent.
  public func run() {
    while !isStopping { round(milliseconds: busy.isEmpty ? 50 : 0) }
    for client in clients.values { _ = client.flush() }
    clients = [:]
    SystemCalls.unlink(path)
  }

  /// One round: what came is read, and some of it is answered.
  func round(milliseconds: Int) {
    for event in epoll.wait(milliseconds: milliseconds) {
      if event.number == stopping.number {
        isStopping = true
      } else if event.number == waker?.descriptor {
        waker?.calm()
      } else if event.number == listener.number {
        acceptControl()
      } else if event.number == metrics?.number {
        acceptMetrics()
      } else if let client = clients[event.number] {
        if event.reads, !client.isFull { read(client) }
        if event.writes { busy.insert(event.number) }
      }
    }
    for number in busy {
      if let client = clients[number] { serve(client) }
    }
    handler.tick(now: MonotonicClock.now)
    askAgain()
  }

  /// Whether somebody listens to `topic`.
  public func hasListener(_ topic: EventTopic) -> Bool {
    clients.values.contains { client in client.subscriptions.contains { $0.topic == topic } }
  }

  /// Tells everybody who listens to `topic`; who is slow misses some, and is told how many.
  public func publish(_ event: JSON, to topic: EventTopic = .changes) {
    for client in clients.values where client.subscriptions.contains(where: { $0.topic == topic }) {
      guard !client.isFull else {
        client.missedEvents += 1
        continue
      }
      for (id, known) in client.subscriptions where known == topic {
        if client.missedEvents > 0 {
          client.send(["id": .integer(id), "more": true, "result": ["missed_events": .integer(client.missedEvents)]])
        }
        client.send(["id": .integer(id), "more": true, "result": event])
      }
      client.missedEvents = 0
      busy.insert(client.socket.number)
    }
  }

  // Coming and going.

  private func acceptControl() {
    for _ in 0..<64 {
      guard let socket = accept(listener.number) else { return }
      let peer = SystemCalls.peer(socket.number) ?? Peer(process: 0, user: .max, group: .max)
      let client = Client(.control, socket, peer, limit: limits.request, now: MonotonicClock.now)
      guard add(client) else { continue }
      client.send(greeting)
      if !mayUse(socket.number, peer) {
        let failure = RequestFailure(
          "permission.denied", "user \(peer.user) may not use \(path)",
          hint: "be root, the daemon's user, or in the socket's group")
        client.send(["id": 0, "error": failure.document])
        client.isEnding = true
      }
      busy.insert(socket.number)
    }
  }

  private func acceptMetrics() {
    guard let metrics, let socket = accept(metrics.number) else { return }
    let peer = Peer(process: 0, user: .max, group: .max)
    _ = add(Client(.metrics, socket, peer, limit: 4096, now: MonotonicClock.now))
  }

  private func accept(_ listener: Int32) -> FileDescriptor? {
    do throws(SystemError) { return try SystemCalls.accept(listener) } catch {
      // Out of descriptors: who was idle longest makes room, and the one that waits is taken next time.
      endIdlest()
      return nil
    }
  }

  private func add(_ client: Client) -> Bool {
    if clients.count >= limits.clients { endIdlest() }
    do throws(SystemError) {
      try epoll.set(client.socket.number, reads: true, writes: false, isNew: true)
    } catch { return false }
    clients[client.socket.number] = client
    return true
  }

  private func endIdlest() {
    let idle = clients.values.filter { $0.subscriptions.isEmpty && $0.waiting.isEmpty && $0.streams.isEmpty }
    if let oldest = idle.min(by: { $0.lastActive < $1.lastActive }) ?? clients.values.first { end(oldest) }
  }

  private func end(_ client: Client) {
    epoll.remove(client.socket.number)
    clients[client.socket.number] = nil
    busy.remove(client.socket.number)
  }

  /// Mode 0660 lets in who may come; this asks the kernel once more, for sockets that were handed on.
  private func mayUse(_ socket: Int32, _ peer: Peer) -> Bool {
    if peer.user == 0 || peer.user == SystemCalls.user { return true }
    guard let group = SystemCalls.group(of: path) else { return false }
    return peer.group == group || SystemCalls.peerGroups(socket).contains(group)
  }

  // Requests.

  private func read(_ client: Client) {
    client.lastActive = MonotonicClock.now
    do throws(SystemError) {
      guard let count = try SystemCalls.read(client.socket.number, into: &buffer) else { return end(client) }
      switch client.kind {
      case .control: client.reader.append(buffer[..<count])
      case .metrics: client.head += buffer[..<min(count, 4096)]
      }
      busy.insert(client.socket.number)
    } catch { end(client) }
  }

  /// At most this many requests of a client a round: others are waiting.
  private static let turn = 16

  private func serve(_ client: Client) {
    busy.remove(client.socket.number)
    if client.kind == .metrics { serveMetrics(client) } else { serveRequests(client) }
    guard client.flush() else { return end(client) }
    if client.isEnding, client.unsent == 0 { return end(client) }
    let wanted = (reads: !client.isEnding && !client.isFull, writes: client.unsent > 0)
    if wanted != client.watched {
      client.watched = wanted
      do throws(SystemError) {
        try epoll.set(client.socket.number, reads: wanted.reads, writes: wanted.writes, isNew: false)
      } catch { return end(client) }
    }
    if !client.streams.isEmpty, !client.isFull { busy.insert(client.socket.number) }
  }

  private func serveRequests(_ client: Client) {
    for _ in 0..<Self.turn {
      guard !client.isFull, !client.isEnding else { return }
      if !client.streams.isEmpty {
        advance(client)
        continue
      }
      do {
        guard let message = try client.reader.next() else { return }
        busy.insert(client.socket.number)
        do throws(RequestFailure) { carryOut(try Request(message: message), client) } catch {
          client.send(["id": 0, "error": error.document])
        }
      } catch {
        client.send(["id": 0, "error": RequestFailure("protocol.length", "\(error)").document])
        client.isEnding = true
        return
      }
    }
  }

  private func carryOut(_ request: Request, _ client: Client) {
    finish(request.id, handler.answer(request, from: client.peer), client)
  }

  private func finish(_ id: Int, _ answer: Answer, _ client: Client) {
    switch answer {
    case .result(let result): client.send(["id": .integer(id), "result": result])
    case .failure(let failure): client.send(["id": .integer(id), "error": failure.document])
    case .stream(let next): client.streams.append((id, next))
    case .later(let deadline, let ask):
      guard client.waiting.count < limits.waiting else {
        let failure = RequestFailure("busy.requests", "\(limits.waiting) requests of this client wait already")
        return client.send(["id": .integer(id), "error": failure.document])
      }
      client.waiting.append((id, deadline, ask))
    case .events(let topic):
      guard client.subscriptions.count < 8 else {
        let failure = RequestFailure("busy.subscriptions", "a client has at most 8 subscriptions")
        return client.send(["id": .integer(id), "error": failure.document])
      }
      client.subscriptions.append((id, topic))
      client.send(["id": .integer(id), "more": true, "result": ["event": "subscribed"]])
    }
  }

  private func advance(_ client: Client) {
    let (id, next) = client.streams[0]
    if let result = next() {
      client.send(["id": .integer(id), "more": true, "result": result])
    } else {
      client.streams.removeFirst()
      client.send(["id": .integer(id), "result": [:]])
    }
    busy.insert(client.socket.number)
  }

  /// Answers that were not there when they were asked for.
  private func askAgain() {
    let now = MonotonicClock.now
    for client in clients.values where !client.waiting.isEmpty {
      var still: [(id: Int, deadline: UInt64, ask: () -> Answer?)] = []
      for entry in client.waiting {
        if let answer = entry.ask() {
          finish(entry.id, answer, client)
        } else if now >= entry.deadline {
          client.send(["id": .integer(entry.id), "error": RequestFailure("timeout", "not in time").document])
        } else {
          still.append(entry)
          continue
        }
        busy.insert(client.socket.number)
      }
      client.waiting = still
    }
  }

  private func serveMetrics(_ client: Client) {
    guard client.head.count >= 4, !client.isEnding else {
      if client.head.count > 4096 { client.isEnding = true }
      return
    }
    let text = String(decoding: client.head, as: UTF8.self)
    guard text.contains("\r\n\r\n") || text.contains("\n\n") else {
      if client.head.count > 4096 { client.isEnding = true }
      return
    }
    let isKnown = text.hasPrefix("GET /metrics ") || text.hasPrefix("GET / ")
    let body = isKnown ? handler.metricsText() : "only GET /metrics is answered\n"
    client.send(
      raw: Array(
        ("HTTP/1.1 \(isKnown ? "200 OK" : "404 Not Found")\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
          + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n" + body).utf8))
    client.isEnding = true
  }
}
