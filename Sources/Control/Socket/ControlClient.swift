/// The other end of the control socket: asks and waits, on one thread.
public final class ControlClient {
  /// Why there is no answer.
  public enum Problem: Error, Equatable, Sendable {
    /// Nobody answers at the path.
    case unreachable(String)
    /// The caller may not.
    case permission(String)
    /// No answer in time.
    case timeout
    /// The other side speaks otherwise.
    case protocolError(String)
    /// The daemon said no.
    case refused(RequestFailure)
  }

  /// What the server said first.
  public let greeting: JSON
  private let socket: FileDescriptor
  private var reader = MessageReader(limit: 1 << 26)
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)
  private var nextID = 0

  /// Connects; each wait is at most `timeout` seconds, 0 for ever.
  ///
  /// - Throws: ``Problem``.
  public init(path: String, timeout: Double = 10) throws(Problem) {
    do throws(SystemError) {
      socket = try SystemCalls.connect(path: path, timeout: timeout)
    } catch {
      throw error.isPermission ? .permission(error.description) : .unreachable(error.description)
    }
    let greeting = try Self.receive(socket, &reader, &buffer)
    guard greeting["protocol"]?.whole == ControlServer.version else {
      throw .protocolError(
        "it speaks protocol \(greeting["protocol"]?.whole ?? 0), this program \(ControlServer.version)")
    }
    self.greeting = greeting
  }

  /// Waits at most this many seconds for each message from now on; 0 for ever.
  public func setTimeout(_ seconds: Double) { SystemCalls.setTimeout(socket.number, seconds) }

  /// Asks, and gives the result; `more` sees each of a stream's results before.
  ///
  /// - Throws: ``Problem``, and what `more` throws.
  @discardableResult
  public func ask(_ method: String, _ parameters: JSON = [:], more: (JSON) throws -> Void = { _ in }) throws -> JSON {
    let id = try send(Request(id: 0, method: method, parameters: parameters))
    return try answer(id, more: more)
  }

  /// Sends a request without waiting; its id, for ``answer(_:more:)``.
  public func send(_ request: Request) throws(Problem) -> Int {
    nextID += 1
    var request = request
    request.id = nextID
    try send(bytes: MessageReader.frame(request.message))
    return nextID
  }

  /// Sends bytes as they are.
  public func send(bytes: [UInt8]) throws(Problem) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count: Int
      do throws(SystemError) { count = try SystemCalls.send(socket.number, rest) } catch {
        // What it said before it hung up says why.
        if let said = try? Self.receive(socket, &reader, &buffer), let failure = Self.failure(said) {
          throw .refused(failure)
        }
        throw .unreachable(error.description)
      }
      guard count > 0 else { throw .timeout }
      rest = rest.dropFirst(count)
    }
  }

  /// Waits for the answer of that request; answers of others are passed over.
  public func answer(_ id: Int, more: (JSON) throws -> Void = { _ in }) throws -> JSON {
    while true {
      let message = try Self.receive(socket, &reader, &buffer)
      if let failure = Self.failure(message), message["id"]?.whole == id || message["id"]?.whole == 0 {
        throw failure.code == "permission.denied" ? Problem.permission(failure.message) : Problem.refused(failure)
      }
      guard message["id"]?.whole == id else { continue }
      let result = message["result"] ?? .null
      guard message["more"]?.truth == true else { return result }
      try more(result)
    }
  }

  private static func failure(_ message: JSON) -> RequestFailure? {
    guard let error = message["error"] else { return nil }
    return RequestFailure(
      error["code"]?.text ?? "failed", error["message"]?.text ?? "", hint: error["hint"]?.text)
  }

  private static func receive(
    _ socket: FileDescriptor, _ reader: inout MessageReader, _ buffer: inout [UInt8]
  ) throws(Problem) -> JSON {
    while true {
      do {
        if let message = try reader.next() { return try JSON(message) }
      } catch { throw .protocolError("\(error)") }
      let count: Int?
      do throws(SystemError) { count = try SystemCalls.read(socket.number, into: &buffer) } catch {
        throw .unreachable(error.description)
      }
      guard let count else { throw .unreachable("the daemon hung up") }
      guard count > 0 else { throw .timeout }
      reader.append(buffer[..<count])
    }
  }
}
