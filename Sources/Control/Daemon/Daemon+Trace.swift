import Datapath
import Device
import Ports
import Rules

// One frame's way through this daemon: foretold for a frame that is given, seen for one that came in.
extension Daemon {
  /// What would be done to a frame that comes in now; nothing is sent or counted.
  func traceFrame(_ input: Parameters) throws(RequestFailure) -> JSON {
    let named = try port(named: try input.text("port"))
    let text = try input.text("frame_hex")
    guard text.utf8.count <= 131_070, let bytes = JSON.bytes(hex: text) else {
      throw RequestFailure("request.parameter", "'frame_hex' is a frame of at most 65,535 bytes in hexadecimal digits")
    }
    let start = FrameCopy(bytes: bytes, port: named.port.id)
    var trace = FrameTrace(configuration)
    trace.arrive(start, .predicted)
    let (steps, leaves) = try predict(start)
    trace.add(steps, from: start, place: { _ in .software })
    for leave in leaves { trace.leave(leave, .predicted, place: "software") }
    return .object([.init(name: "schema_version", value: 1)] + trace.members)
  }

  /// The frame's way by the rules in force.
  func predict(_ frame: FrameCopy) throws(RequestFailure) -> (steps: [Predictor.Step], leaves: [Predictor.Leave]) {
    let rules = store, own = configuration.ownRules
    do {
      let predictor = try Predictor(book) { id in rules.rule(id) ?? own.first { $0.id == id }?.rule }
      return try predictor.walk(frame, now: MonotonicClock.now)
    } catch { throw RequestFailure("trace.failed", "\(error)") }
  }

  /// The port of that name, or why there is none.
  func port(named name: String) throws(RequestFailure) -> Configuration.NamedPort {
    guard let named = configuration.port(named: name) else {
      throw RequestFailure(
        "port.missing", "no port is called '\(name.prefix(60))'",
        hint: "there are " + configuration.ports.map(\.name).joined(separator: ", "))
    }
    return named
  }
}
