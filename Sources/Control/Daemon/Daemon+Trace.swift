import Datapath
import Device
import Offload
import Ports
import Rules
import Runtime

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
    lookAtDevices()
    let split = foretold(steps)
    trace.add(Array(steps[..<split]), from: start, place: { _ in .hardware })
    let middle = steps[..<split].last { $0.frame != nil }?.frame ?? start
    trace.add(Array(steps[split...]), from: middle, place: { _ in .software })
    let place = split > 0 && split == steps.count ? "hardware" : "software"
    for leave in leaves { trace.leave(leave, .predicted, place: place) }
    return .object([.init(name: "schema_version", value: 1)] + trace.members)
  }

  /// How many of the steps the devices would do, as their rules stand now.
  private func foretold(_ steps: [Predictor.Step]) -> Int {
    guard let devices, devices.states.allSatisfy(\.isAlive) else { return 0 }
    var index = 0
    while index < steps.count {
      guard case .match = steps[index].kind, let state = devices.state(of: steps[index].rule),
        state.place != .software, !state.isWideGuard
      else { break }
      let done = state.place == .hardware ? Int.max : state.place == .guarded ? 0 : state.actionsOnDevice
      index += 1
      while index < steps.count, case .action(let number) = steps[index].kind, number < done { index += 1 }
      guard done == .max else { break }
    }
    // Behind a jump a device that cannot say where it stopped hands the frame up as it came.
    let hasJumped = steps.prefix(index + 1).dropFirst().contains { step in
      switch step.kind {
      case .match, .miss: true
      default: false
      }
    }
    let isUp = index < steps.count
    return isUp && hasJumped && !devices.profile.abilities.frame.contains(.resumePoint) ? 0 : index
  }

  /// The frame's way by the rules in force.
  func predict(_ frame: FrameCopy) throws(RequestFailure) -> (steps: [Predictor.Step], leaves: [Predictor.Leave]) {
    do {
      // One is kept: a queue's place in the tables, once taken, costs memory for as long as they live.
      let predictor =
        if let predictor, predictor.book === book { predictor } else {
          try Predictor(book) { [unowned self] id in
            store.rule(id) ?? configuration.ownRules.first { $0.id == id }?.rule
          }
        }
      self.predictor = predictor
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
