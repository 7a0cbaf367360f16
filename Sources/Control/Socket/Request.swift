/// What a client asks.
public struct Request: Equatable, Sendable {
  /// The client's own number of it; answers carry it.
  public var id: Int
  /// What is to be done: `rule.add`.
  public var method: String
  /// With what.
  public var parameters: JSON
  /// Packed rows behind a `rule.rows` message; empty for others.
  public var rows: [UInt8] = []

  /// A request.
  public init(id: Int, method: String, parameters: JSON = [:], rows: [UInt8] = []) {
    self.id = id
    self.method = method
    self.parameters = parameters
    self.rows = rows
  }

  /// The first byte of a message of packed rows; JSON cannot begin with it.
  public static let rowsMark: UInt8 = 1

  /// Reads a message: a JSON object, or ``rowsMark``, three zero bytes, the request's id and the template's id, 32 bits
  /// each, big-endian, and rows.
  ///
  /// - Throws: ``RequestFailure``.
  public init(message: [UInt8]) throws(RequestFailure) {
    if message.first == Self.rowsMark {
      guard message.count >= 12 else { throw RequestFailure("protocol.rows", "a rows message has at least 12 bytes") }
      func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 << 8 | Int(message[at + $1]) } }
      self.init(
        id: word(4), method: "rule.rows", parameters: ["template": .integer(word(8))], rows: Array(message[12...]))
      return
    }
    let document: JSON
    do throws(JSONError) { document = try JSON(message) } catch {
      throw RequestFailure("protocol.json", error.description)
    }
    guard let members = document.members else { throw RequestFailure("protocol.request", "a request is an object") }
    for member in members where !["id", "method", "params"].contains(member.name) {
      throw RequestFailure(
        "protocol.request", "'\(member.name.prefix(60))' is no part of a request: id, method, params")
    }
    guard let id = document["id"]?.whole else { throw RequestFailure("protocol.request", "a request's id is a number") }
    guard let method = document["method"]?.text else {
      throw RequestFailure("protocol.request", "a request's method is a text", hint: "the method 'list' names them all")
    }
    let parameters = document["params"] ?? [:]
    guard parameters.members != nil else { throw RequestFailure("protocol.request", "params is an object") }
    self.init(id: id, method: method, parameters: parameters)
  }

  /// The message.
  public var message: [UInt8] {
    if method == "rule.rows" {
      let head = [id, parameters["template"]?.whole ?? 0].flatMap { word in
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
      }
      return [Self.rowsMark, 0, 0, 0] + head + rows
    }
    return (["id": .integer(id), "method": .string(method), "params": parameters] as JSON).bytes()
  }
}

/// Why a request was not carried out.
public struct RequestFailure: Error, Equatable, Sendable {
  /// For programs: `rule.invalid`.
  public var code: String
  /// For people.
  public var message: String
  /// What would help.
  public var hint: String?

  /// A failure.
  public init(_ code: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// As it is sent.
  public var document: JSON {
    var members: [JSON.Member] = [
      .init(name: "code", value: .string(code)), .init(name: "message", value: .string(message)),
    ]
    if let hint { members.append(.init(name: "hint", value: .string(hint))) }
    return .object(members)
  }
}

/// Who asks, as the kernel says.
public struct Peer: Equatable, Sendable {
  /// The process.
  public var process: Int32
  /// The user.
  public var user: UInt32
  /// The group.
  public var group: UInt32
}

/// What comes of a request.
public enum Answer {
  /// Done.
  case result(JSON)
  /// Not done.
  case failure(RequestFailure)
  /// Many results: the server asks for the next whenever the client has room, until nil.
  case stream(() -> JSON?)
  /// An answer later: asked at every round; nil is "not yet". Behind `deadline` (nanoseconds) it is a time-out.
  case later(deadline: UInt64, () -> Answer?)
  /// Events from now on, until the client goes.
  case events(EventTopic)
}

/// What can be listened to.
public enum EventTopic: Sendable {
  /// What changes: rules, ports, devices.
  case changes
  /// Flows that no rule takes.
  case misses
}

/// Whoever carries requests out. Called on the server's thread alone.
public protocol RequestHandler: AnyObject {
  /// Carries one request out.
  func answer(_ request: Request, from peer: Peer) -> Answer
  /// The text of `GET /metrics`.
  func metricsText() -> String
  /// Called at every round, at least ten times a second.
  func tick(now: UInt64)
}
