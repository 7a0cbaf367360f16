import Ports
import Rules
import Runtime

// What can be asked over the socket: one table of methods, from which `list` and `help` are made.
extension Daemon {
  struct Method: Sendable {
    var name: String
    var parameters: String
    var help: String
    var answer: @Sendable (Daemon, Parameters) throws(RequestFailure) -> Answer
  }

  static let methods: [Method] = [
    Method(name: "list", parameters: "", help: "The names of all methods.") { _, _ in
      .result(["methods": .array(Daemon.names.map { .string($0) })])
    },
    Method(name: "help", parameters: "method", help: "What a method does and takes.") {
      (_, input) throws(RequestFailure) in
      let name = try input.text("method")
      guard let method = Daemon.methods.first(where: { $0.name == name }) else {
        throw RequestFailure("request.method", "no method is called '\(name.prefix(60))'")
      }
      return .result(["method": .string(name), "params": .string(method.parameters), "help": .string(method.help)])
    },
    Method(
      name: "status", parameters: "", help: "Version, queues, number of rules and ports, number of the last change."
    ) {
      daemon, _ in .result(daemon.status())
    },
    Method(name: "port.show", parameters: "[name]", help: "Ports with their link and counters.") { daemon, input in
      .result(daemon.showPorts(input.members["name"]?.text))
    },
    Method(name: "queue.show", parameters: "", help: "Queues: frames, cache, what else they did.") { daemon, _ in
      .result(daemon.showQueues())
    },
    Method(name: "runtime.show", parameters: "", help: "Poll threads: calls, vectors, suspends, clocks.") { daemon, _ in
      .result(daemon.showRuntime())
    },
    Method(name: "device.show", parameters: "", help: "Devices: profile, state, rules, resets, what passed.") {
      daemon, _ in .result(daemon.showDevices())
    },
    Method(
      name: "tunnel.show", parameters: "[index]",
      help: "Encapsulations: next hop, neighbour, path MTU, what went through their rules."
    ) { (daemon, input) throws(RequestFailure) in
      .result(daemon.showTunnels(input.members["index"] == nil ? nil : try input.whole("index", 0...65535)))
    },
    Method(
      name: "config.text", parameters: "", help: "The configuration's text and its rules' as they stand in their files."
    ) {
      (daemon, _) throws(RequestFailure) in .result(try daemon.configurationText())
    },
    Method(name: "stats.show", parameters: "", help: "Drops by reason, with their sentences, and sums.") { daemon, _ in
      .result(daemon.showStatistics())
    },
    Method(
      name: "rule.show", parameters: "[id] [from] [limit] [port] [group]",
      help: "Rules with their counts, in order of their ids, as a stream."
    ) { (daemon, input) throws(RequestFailure) in try daemon.showRules(input) },
    Method(name: "rule.explain", parameters: "id", help: "A rule, its counts, and where it is carried out and why.") {
      (daemon, input) throws(RequestFailure) in
      .result(try daemon.explain(UInt32(try input.whole("id", 1...0xff_ffff))))
    },
    Method(
      name: "rule.add", parameters: "rules: list of 'flow create' lines, [upcalls: list of ids]",
      help: "Adds rules, all of them or none; then the frames of these upcalls go on."
    ) {
      (daemon, input) throws(RequestFailure) in
      let rules = try input.texts("rules")
      return .result(
        try daemon.addRules(rules, for: input.members["upcalls"] == nil ? [] : try input.wholes("upcalls", 1...Int.max))
      )
    },
    Method(
      name: "rule.check", parameters: "rules: list of 'flow create' lines", help: "Says whether rules would be taken."
    ) {
      (daemon, input) throws(RequestFailure) in
      for (index, line) in try input.texts("rules").enumerated() {
        _ = try daemon.configuration.parse(line, number: index + 1)
      }
      return .result([:])
    },
    Method(name: "rule.delete", parameters: "ids: list", help: "Deletes rules, all of them or none.") {
      (daemon, input) throws(RequestFailure) in
      let ids = try input.wholes("ids", 1...0xff_ffff).map { UInt32($0) }
      return .result(try daemon.changingRules { () throws(RequestFailure) in try daemon.deleteRules(ids) })
    },
    Method(name: "rule.flush", parameters: "[port]", help: "Deletes all rules that came over the socket.") {
      (daemon, input) throws(RequestFailure) in
      let port = input.members["port"] == nil ? nil : UInt16(try input.whole("port", 0...65535))
      return .result(try daemon.changingRules { () throws(RequestFailure) in try daemon.flushRules(port: port) })
    },
    Method(
      name: "template.add", parameters: "rule: 'flow create' line, fields: list, [actions: list]",
      help: "Makes a shape for packed rows; the answer has its number and the size of a row."
    ) { (daemon, input) throws(RequestFailure) in
      .result(
        try daemon.makeTemplate(
          try input.text("rule"), fields: try input.texts("fields"),
          actions: input.members["actions"] == nil ? [] : try input.texts("actions")))
    },
    Method(
      name: "rule.rows", parameters: "template, and rows in a packed message",
      help: "Adds rules from packed rows of a template."
    ) {
      (daemon, input) throws(RequestFailure) in
      guard !input.rows.isEmpty else {
        throw RequestFailure("rows.packed", "rows come as a packed message, not as JSON")
      }
      let template = UInt32(try input.whole("template", 0...0xffff_ffff))
      return .result(
        try daemon.changingRules { () throws(RequestFailure) in try daemon.addRows(template, input.rows) })
    },
    Method(
      name: "trace.frame", parameters: "port, frame_hex",
      help: "What would be done to a frame, step by step; nothing is sent or counted."
    ) { (daemon, input) throws(RequestFailure) in .result(try daemon.traceFrame(input)) },
    Method(
      name: "trace.live", parameters: "[port] [filter] [timeout_ms]",
      help: "What is done to the next frame that comes in and is wanted, step by step."
    ) { (daemon, input) throws(RequestFailure) in try daemon.traceLive(input) },
    Method(
      name: "capture.start", parameters: "[port] [filter] [snap_length] [buffer_bytes]",
      help: "Begins to copy frames that pass, for capture.read."
    ) { (daemon, input) throws(RequestFailure) in .result(try daemon.startCapture(input)) },
    Method(
      name: "capture.read", parameters: "capture, [limit] [port] [wait_ms]",
      help: "Frames that passed since, each with its rule and path; a capture that nobody reads for 10 s is ended."
    ) { (daemon, input) throws(RequestFailure) in try daemon.readCapture(input) },
    Method(name: "capture.stop", parameters: "capture", help: "Ends a capture.") {
      (daemon, input) throws(RequestFailure) in .result(try daemon.stopCapture(input))
    },
    Method(name: "config.show", parameters: "", help: "The configuration in force, with defaults.") { daemon, _ in
      .result(daemon.effectiveConfiguration())
    },
    Method(
      name: "config.reload", parameters: "", help: "Reads the configuration again and puts it in force without loss."
    ) {
      (daemon, _) throws(RequestFailure) in .result(try daemon.reload())
    },
    Method(
      name: "change.wait", parameters: "number, [timeout_ms]",
      help: "Answers when the change of this number is in force."
    ) { (daemon, input) throws(RequestFailure) in
      let number = UInt64(try input.whole("number", 0...Int.max))
      let wait = input.members["timeout_ms"] == nil ? 10_000 : try input.whole("timeout_ms", 0...3_600_000)
      return .later(deadline: MonotonicClock.now + UInt64(wait) * 1_000_000) { [unowned daemon] in
        daemon.change >= number ? .result(["change": .count(daemon.change)]) : nil
      }
    },
    Method(name: "metrics.show", parameters: "", help: "Prometheus text.") { daemon, _ in
      .result(["text": .string(daemon.metricsText())])
    },
    Method(name: "log.show", parameters: "[after] [level]", help: "The last thousand events.") {
      (daemon, input) throws(RequestFailure) in
      let name = input.members["level"] == nil ? "info" : try input.text("level")
      guard let level = EventLog.Level.allCases.first(where: { $0.name == name }) else {
        throw RequestFailure("request.parameter", "'level' is error, warning, notice or info")
      }
      return .result([
        "events": .array(daemon.log.entries(after: input.members["after"]?.whole ?? 0, level: level))
      ])
    },
    Method(name: "monitor", parameters: "", help: "Events from now on, until the connection ends.") { _, _ in
      .events(.changes)
    },
    Method(
      name: "upcall.watch", parameters: "",
      help:
        "The first frame of each flow that no rule takes, at ports with miss: controller, until the connection ends."
    ) { _, _ in .events(.misses) },
    Method(
      name: "upcall.answer", parameters: "id, [fate]",
      help:
        "Lets the frames of a flow go on: fate is again (with the rules that there are now, the default), drop or host."
    ) { (daemon, input) throws(RequestFailure) in
      let fate = input.members["fate"] == nil ? "again" : try input.text("fate")
      guard let answer = UpcallAnswer(rawValue: fate) else {
        throw RequestFailure("request.parameter", "'fate' is again, drop or host")
      }
      return .result(try daemon.answerUpcall(try input.whole("id", 1...Int.max), answer))
    },
    Method(name: "upcall.show", parameters: "", help: "Flows that wait, and what was asked, by queue.") { daemon, _ in
      .result(daemon.showUpcalls())
    },
  ]

  static var names: [String] { methods.map(\.name) }

  /// See ``RequestHandler/answer(_:from:)``.
  public func answer(_ request: Request, from peer: Peer) -> Answer {
    do throws(RequestFailure) {
      guard let method = Self.methods.first(where: { $0.name == request.method }) else {
        let near = Self.names.min { editDistance($0, request.method) < editDistance($1, request.method) } ?? ""
        throw RequestFailure(
          "request.method", "no method is called '\(request.method.prefix(60))'", hint: "did you mean '\(near)'?")
      }
      let known = Set(method.parameters.split(whereSeparator: { !$0.isLetter && $0 != "_" }).map(String.init))
      for member in request.parameters.members ?? [] where !known.contains(member.name) {
        throw RequestFailure(
          "request.parameter", "\(method.name) has no parameter '\(member.name.prefix(60))'", hint: method.parameters)
      }
      return try method.answer(self, Parameters(members: request.parameters, rows: request.rows))
    } catch { return .failure(error) }
  }
}

/// The parameters of a request, asked for by name and type.
struct Parameters {
  let members: JSON
  let rows: [UInt8]

  func text(_ name: String) throws(RequestFailure) -> String {
    guard let text = members[name]?.text else { throw RequestFailure("request.parameter", "'\(name)' is a text") }
    return text
  }

  func whole(_ name: String, _ range: ClosedRange<Int>) throws(RequestFailure) -> Int {
    guard let number = members[name]?.whole, range.contains(number) else {
      throw RequestFailure(
        "request.parameter", "'\(name)' is a whole number of \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func texts(_ name: String) throws(RequestFailure) -> [String] {
    guard let list = members[name]?.list else {
      throw RequestFailure("request.parameter", "'\(name)' is a list of texts")
    }
    return try list.map { (value) throws(RequestFailure) in
      guard let text = value.text else { throw RequestFailure("request.parameter", "'\(name)' is a list of texts") }
      return text
    }
  }

  func wholes(_ name: String, _ range: ClosedRange<Int>) throws(RequestFailure) -> [Int] {
    guard let list = members[name]?.list else {
      throw RequestFailure("request.parameter", "'\(name)' is a list of numbers")
    }
    return try list.map { (value) throws(RequestFailure) in
      guard let number = value.whole, range.contains(number) else {
        throw RequestFailure(
          "request.parameter", "'\(name)' is a list of numbers of \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }
  }
}
